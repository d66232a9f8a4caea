"""The guide's package `event_processing`: patterns over events, in your own process.

    engine = CEPEngine()
    engine.register_pattern({...})
    engine.on("alert:generated", lambda alert: print(alert.title))
    await engine.process_event({"eventType": "auth.login.failed", "timestamp": 1})

`EventEnricher` (now: lookups in tables), `EventTransformer`, `EventFilter` and `EventRouter` add
to, change, choose and direct single events.

`AlertManager` sees alerts from firing to resolved: rules on metrics, silences, escalation, and the
channels by which people are told.
"""

from summit.alerts import Alert
from summit.alerts.desk_state import AlertState
from summit.documents.event_pattern import (
    AggregationConfig,
    EventAction,
    EventCondition,
    EventPattern,
    TemporalRelation,
    WindowConfig,
)
from summit.event_processing.alert_manager import AlertManager
from summit.event_processing.alert_rules import (
    AlertCondition,
    AlertRule,
    EscalationLevel,
    EscalationPolicy,
    NewAlert,
)
from summit.event_processing.cep_engine import CEPEngine
from summit.event_processing.event_enricher import EventEnricher
from summit.event_processing.event_filter import EventFilter
from summit.event_processing.event_router import EventRouter
from summit.event_processing.event_transformer import EventTransformer
from summit.event_processing.given import ResultEvent
from summit.event_processing.handlers import (
    MatchContext,
    calculate_percentile,
    calculate_risk_score,
    generate_alert,
)
from summit.event_processing.rules import (
    EnrichmentRule,
    FilterRule,
    RouteRule,
    TransformationRule,
)
from summit.event_processing.sequence import EventSequence
from summit.events.event import Event
from summit.flow.trying import RuleTestResult, Tried, run_document_tests
from summit.notify import NotificationChannel

__all__ = [
    "AggregationConfig",
    "Alert",
    "AlertCondition",
    "AlertManager",
    "AlertRule",
    "AlertState",
    "CEPEngine",
    "EnrichmentRule",
    "EscalationLevel",
    "EscalationPolicy",
    "Event",
    "EventAction",
    "EventCondition",
    "EventEnricher",
    "EventFilter",
    "EventPattern",
    "EventRouter",
    "EventSequence",
    "EventTransformer",
    "FilterRule",
    "NewAlert",
    "NotificationChannel",
    "MatchContext",
    "ResultEvent",
    "RouteRule",
    "RuleTestResult",
    "TransformationRule",
    "TemporalRelation",
    "Tried",
    "WindowConfig",
    "calculate_percentile",
    "calculate_risk_score",
    "generate_alert",
    "run_document_tests",
]
