"""The guide's package `cep_engine`: events that belong together, in your own process.

    correlator = EventCorrelator()
    correlator.register_correlation_rule({...})
    correlator.on("events:correlated", lambda found: print(found.rule.name, len(found.events)))
    await correlator.correlate_events([{"eventType": "user.login", "sessionId": "s-1"}])

`PatternMatcher` finds patterns in finished lists, `AnomalyDetector` events whose value of a field
is far from the others (extra `analytics`).
"""

from summit.cep_engine.anomaly_detector import AnomalousEvents, AnomalyDetector
from summit.cep_engine.event_correlator import EventCorrelator
from summit.cep_engine.pattern_matcher import PatternMatcher
from summit.documents.correlation_rule import CorrelationRule

__all__ = [
    "AnomalousEvents", "AnomalyDetector", "CorrelationRule", "EventCorrelator", "PatternMatcher",
]  # fmt: skip
