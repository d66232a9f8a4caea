"""What lanes find, as it leaves: what actions lead to, and records of other topics. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from summit.alerts import Alert, CapturedEvent, Found, found_id
from summit.analytics.rule import Told
from summit.cep.groups import Correlation
from summit.cep.match import Match
from summit.client.transactor import Outgoing
from summit.documents.correlation import CorrelationPlan
from summit.documents.plan import ActionPlan, PatternPlan
from summit.flow.anomalies import anomaly_alerts
from summit.flow.effects import Effects, effects_of
from summit.flow.kinds import Plan
from summit.flow.suppressing import Alike, Suppressed, Suppressor
from summit.journal.correlation_log import correlation_record
from summit.journal.results_log import Result, result_records
from summit.journal.topics import CORRELATIONS_TOPIC
from summit.keyed.captured import EventRef
from summit.keyed.outputs import Late

_decode = msgspec.json.Decoder().decode


class Made(NamedTuple):
    """A match, or an anomaly of a query (then `match` is None), and what its action leads to."""

    effects: Effects
    match: Match | None

    @property
    def id(self) -> str:
        """The id of the match, and of its alert."""
        return self.effects.id

    @property
    def alert(self) -> Alert | None:
        """Its alert; None where the pattern does something else."""
        return self.effects.alert


class Findings(NamedTuple):
    """What comes of some findings, each list in their order.

    Attributes:
        counts: How many matches, groups and results there are, by rule id; a match that is told
            again, or withdrawn, is no other one.
    """

    made: list[Made]
    records: list[Outgoing]
    suppressed: list[Suppressed]
    late: list[Late]
    counts: Counter[str]


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
    told: list[Told] = []
    late: list[Late] = []
    counts: Counter[str] = Counter()
    for each in found:
        if isinstance(each, Match):
            plan = plans[each.pattern_id]
            counts[each.pattern_id] += not each.timed_out and not each.revision
            assert isinstance(plan, PatternPlan)
            events = [_captured(step, event) for step, event in each.captures]
            item = _found(each, events)
            seen: Alike | Suppressed | None = None
            makes_alert = plan.action.type == "alert" and not each.timed_out
            if plan.suppress is None or not makes_alert:
                pass
            elif each.revision:
                if not suppressor.correct(plan, each, events, _first_id(plan, item, topic_id)):
                    continue
            else:
                seen = suppressor.look(plan, each, events)
                if isinstance(seen, Suppressed):  # so no alert needs to be made
                    suppressed.append(seen)
                    continue
            effects = effects_of(plan, item, topic_id)
            made.append(Made(effects, each))
            if isinstance(seen, Alike):
                suppressor.stand(seen, effects.id, each.end_ms)
            if makes_alert and not each.revision:
                suppressor.made(plan, each, effects.id)
        elif isinstance(each, Correlation):
            name = f"correlation:{each.rule_id}"
            rule = plans[name]
            counts[name] += not each.again
            assert isinstance(rule, CorrelationPlan)
            key, value = correlation_record(rule, each, topic_id)
            records.append(Outgoing(CORRELATIONS_TOPIC, key, value))
        elif isinstance(each, Told):
            told.append(each)
            counts[f"query:{each.plan.id}"] += 1
            for anomaly in anomaly_alerts(each.plan, each, suppressor):
                if isinstance(anomaly, Suppressed):
                    suppressed.append(anomaly)
                else:
                    made.append(Made(Effects(anomaly.id, ActionPlan(), anomaly), None))
        elif isinstance(each, Late):
            late.append(each)
        else:
            raise TypeError(f"nobody knows what becomes of {type(each).__name__}")
    records += told_records(told)
    return Findings(made, records, suppressed, late, counts)


def told_records(told: Iterable[Told]) -> list[Outgoing]:
    """The results of queries as records, final ones or as they stand."""
    return result_records(list(map(_result, told)))


def _result(told: Told) -> Result:
    """What a query told, as it is written."""
    plan = told.plan
    more: dict[str, Any] = {}
    if told.revision:
        more["revision"] = told.revision
    if told.replaces:
        more["replaces"] = [{"start": start, "end": end} for start, end in told.replaces]
    if told.approximate:
        more["approximate"] = told.approximate
    if told.watched:
        more["watched"] = told.watched
    return Result(
        query_id=plan.id, paths=[".".join(path) for path in plan.group_by], topic=plan.topic,
        key=told.key, start_ms=told.start_ms, end_ms=told.end_ms, count=told.count,
        metrics=told.metrics, more=more, late=told.revision > 0, partial=told.partial,
        final=told.final,
    )  # fmt: skip


def _first_id(plan: PatternPlan, found: Found, topic_id: Callable[[str], str]) -> str:
    """The id of a match when it was told first."""
    return found_id(plan, found._replace(revision=0), topic_id)


def _found(match: Match, events: list[CapturedEvent]) -> Found:
    """A match as actions and alerts are made of it."""
    found = Found(
        match.key, events, match.end_ms, match.timed, match.timed_out, late=match.late,
        revision=match.revision, withdrawn=match.withdrawn,
    )  # fmt: skip
    if match.window is None:
        return found
    return found._replace(
        window=match.window, first_ms=match.start_ms, events_seen=match.count, values=match.values
    )


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
        event.value,
    )
