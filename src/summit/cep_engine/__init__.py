"""The guide's package `cep_engine`: events that belong together, in your own process.

    correlator = EventCorrelator()
    correlator.register_correlation_rule({...})
    correlator.on("events:correlated", lambda found: print(found.rule.name, len(found.events)))
    await correlator.correlate_events([{"eventType": "user.login", "sessionId": "s-1"}])

`PatternMatcher` finds patterns in finished lists. What the guide's package has beyond that
(`AnomalyDetector`) comes with later versions and is not exported before it works.
"""

from summit.cep_engine.event_correlator import EventCorrelator
from summit.cep_engine.pattern_matcher import PatternMatcher
from summit.documents.correlation_rule import CorrelationRule

__all__ = ["CorrelationRule", "EventCorrelator", "PatternMatcher"]
