"""What lanes find, as it leaves: alerts, and records of other topics. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from summit.alerts import Alert, CapturedEvent, Found, make_alert
from summit.cep.groups import Correlation
from summit.cep.match import Match
from summit.client.transactor import Outgoing
from summit.documents.correlation import CorrelationPlan
from summit.documents.plan import PatternPlan
from summit.flow.kinds import Plan
from summit.flow.suppressing import Suppressed, Suppressor
from summit.journal.correlation_log import correlation_record
from summit.journal.topics import CORRELATIONS_TOPIC
from summit.keyed.captured import EventRef

_decode = msgspec.json.Decoder().decode


class Made(NamedTuple):
    """An alert and the match it was made of."""

    alert: Alert
    match: Match


class Findings(NamedTuple):
    """What comes of some findings, each list in their order."""

    made: list[Made]
    records: list[Outgoing]
    suppressed: list[Suppressed]


def findings_of(
    found: Iterable[Any],
    plans: Mapping[str, Plan],
    topic_id: Callable[[str], str],
    suppressor: Suppressor,
) -> Findings:
    """Turn what lanes found into what leaves.

    Args:
        plans: By rule id.
        topic_id: Gives a topic's id, for the ids of what is made.
        suppressor: Knows the alerts that stand for matches like them.
    """
    made: list[Made] = []
    records: list[Outgoing] = []
    suppressed: list[Suppressed] = []
    for each in found:
        if isinstance(each, Match):
            plan = plans[each.pattern_id]
            assert isinstance(plan, PatternPlan)
            events = [_captured(step, event) for step, event in each.captures]
            seen = None if plan.suppress is None else suppressor.look(plan, each, events)
            if isinstance(seen, Suppressed):
                suppressed.append(seen)
                continue
            alert = make_alert(plan, Found(each.key, events, each.end_ms, each.timed), topic_id)
            made.append(Made(alert, each))
            if seen is not None:
                suppressor.stand(seen, alert.id, each.end_ms)
        elif isinstance(each, Correlation):
            rule = plans[f"correlation:{each.rule_id}"]
            assert isinstance(rule, CorrelationPlan)
            key, value = correlation_record(rule, each, topic_id)
            records.append(Outgoing(CORRELATIONS_TOPIC, key, value))
        else:
            raise TypeError(f"nobody knows what becomes of {type(each).__name__}")
    return Findings(made, records, suppressed)


def _captured(step: str, event: EventRef) -> CapturedEvent:
    value = event.value if event.value is not None else event.projection
    return CapturedEvent(
        step,
        event.topic,
        event.partition,
        event.offset,
        event.src,
        event.timestamp_ms,
        {} if value is None else _decode(value),
        event.value is not None,
    )
