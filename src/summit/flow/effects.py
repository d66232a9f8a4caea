"""What the action of a match leads to, as plain data: an alert, records, a call. Pure.

    alert       an alert
    forward     the events of the match, as they were, to a topic
    aggregate   figures over them, as one record
    trigger     a webhook's call, or an event of type `pattern.matched` for another pattern
    custom      a function of Python, which only `CEPEngine` has

Everything carries the id of the match, which is that of its alert: made twice, it is one and the
same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from summit.alerts import (
    Alert,
    Found,
    MatchSource,
    action_of,
    correction_of,
    found_id,
    log_coordinate,
    make_alert,
    render_key,
)
from summit.base.limits import CHAINED_PATTERNS_MAX
from summit.documents.plan import ActionPlan, Aggregation, PatternPlan
from summit.events.aggregates import FOLDS, percentile
from summit.events.fields import compile_path

STARTED: Final = "pattern.matched"  # the event type of an event that starts another pattern
MATCH_HEADER: Final = "summit.match"
SOURCE_HEADER: Final = "summit.src"
CUT_HEADER: Final = "summit.cut"
_STARTS: Final = "starts."
_encode = msgspec.json.Encoder().encode


class Publish(NamedTuple):
    """A record for a topic."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes | None]]
    timestamp_ms: int


class Call(NamedTuple):
    """A webhook's call.

    Attributes:
        id: The idempotency key: the same for the same match.
        secret: Reference to what signs it, or None.
    """

    id: str
    url: str
    secret: str | None
    body: bytes


class Effects(NamedTuple):
    """What a match leads to.

    Attributes:
        figures: The aggregates, as they are published.
        cut: Whether nothing was started because too many patterns had started one another.
    """

    id: str
    action: ActionPlan
    alert: Alert | None = None
    publishes: tuple[Publish, ...] = ()
    figures: dict[str, Any] | None = None
    call: Call | None = None
    cut: bool = False


def effects_of(plan: PatternPlan, found: Found, topic_id: Callable[[str], str]) -> Effects:
    """What is to come of a match.

    Args:
        topic_id: Gives a topic's id; its name where the cluster knows no ids.
    """
    action = action_of(plan, found)
    if action.type == "alert":
        alert = make_alert(plan, found, topic_id)
        return Effects(alert.id, action, alert)
    match_id = found_id(plan, found, topic_id)
    # What was forwarded or started stays so: only what says that it corrects leaves again.
    is_again = found.revision > 0
    if action.type == "forward":
        publishes = () if is_again else _forwarded(plan, action, found, topic_id, match_id)
        return Effects(match_id, action, publishes=publishes)
    if action.type == "aggregate":
        figures = _figures(plan, action, found, match_id) | _correction(plan, found, topic_id)
        publish = _publish(action.topic or "", match_id, figures, found.end_ms)
        return Effects(match_id, action, publishes=(publish,), figures=figures)
    if action.url is not None:
        body = _encode(match_body(plan, found, match_id) | _correction(plan, found, topic_id))
        return Effects(match_id, action, call=Call(match_id, action.url, action.secret, body))
    if action.pattern is not None and not is_again:
        return _start(plan, action.pattern, action, found, match_id)
    return Effects(match_id, action)


def _correction(plan: PatternPlan, found: Found, topic_id: Callable[[str], str]) -> dict[str, Any]:
    return {"correction": correction_of(plan, found, topic_id)} if found.late else {}


def starts_topic(pattern_id: str) -> str:
    """The topic of the events that start a pattern."""
    return _STARTS + pattern_id.replace(":", "_")


def match_body(plan: PatternPlan, found: Found, match_id: str) -> dict[str, Any]:
    """A match as it is told to others."""
    start_ms, end_ms = _times(found)
    body = {
        "id": match_id,
        "pattern": plan.id,
        "name": plan.name,
        "ruleVersion": plan.semantic_hash if plan.version is None else str(plan.version),
        "matched": not found.timed_out,
        "key": _key(plan, found),
        "timestamp": found.end_ms,
        "startTime": start_ms,
        "endTime": end_ms,
        "count": len(found.events) if found.window is None else found.events_seen,
        "tags": list(plan.tags),
        "events": [
            {
                "step": event.step,
                "topic": event.topic,
                "partition": event.partition,
                "offset": event.offset,
                "event": event.body,
            }
            for event in found.events
        ],
    }
    if found.window is not None:
        body["window"] = {"start": found.window[0], "end": found.window[1]}
        body["values"] = dict(found.values)
    return body


def _times(found: Found) -> tuple[int, int]:
    """Times of the first and the last event; where there is none, when that was certain."""
    times = [event.timestamp_ms for event in found.events] or [found.end_ms]
    first_ms = min(times) if found.window is None or not found.events else found.first_ms
    return first_ms, max(times)


def _key(plan: PatternPlan, found: Found) -> dict[str, Any]:
    return {".".join(path): value for path, value in zip(plan.group_by, found.key, strict=True)}


def _publish(topic: str, match_id: str, value: dict[str, Any], time_ms: int) -> Publish:
    headers: list[tuple[str, bytes | None]] = [
        (MATCH_HEADER, match_id.encode()),
        (SOURCE_HEADER, f"match:{match_id}".encode()),
    ]
    return Publish(topic, match_id.encode(), _encode(value), headers, time_ms)


# ---- forward ----


def _forwarded(
    plan: PatternPlan,
    action: ActionPlan,
    found: Found,
    topic_id: Callable[[str], str],
    match_id: str,
) -> tuple[Publish, ...]:
    rendered: list[Publish] = []
    for event in found.events:
        one = MatchSource(plan, found._replace(events=[event]), whole=found)
        source = event.src or log_coordinate(topic_id(event.topic), event.partition, event.offset)
        headers: list[tuple[str, bytes | None]] = [
            (MATCH_HEADER, match_id.encode()),
            (SOURCE_HEADER, source.encode()),
        ]
        if not event.whole:
            headers.append((CUT_HEADER, b"only the fields that rules read"))
        value = _encode(event.body) if event.raw is None else event.raw
        key = None if action.record_key is None else render_key(action.record_key, one)
        rendered.append(Publish(action.topic or "", key, value, headers, event.timestamp_ms))
    return tuple(rendered)


# ---- aggregate ----


def _figures(plan: PatternPlan, action: ActionPlan, found: Found, match_id: str) -> dict[str, Any]:
    finders = [compile_path(path) for path in action.group_by]
    names = [".".join(path) for path in action.group_by]
    groups: dict[bytes, tuple[list[Any], list[dict[str, Any]]]] = {}
    for event in found.events:
        keys = [find(event.body) for find in finders]
        groups.setdefault(_encode(keys), (keys, []))[1].append(event.body)
    start_ms, end_ms = _times(found)
    return {
        "id": match_id,
        "pattern": plan.id,
        "key": _key(plan, found),
        "timestamp": found.end_ms,
        "window": {"start": start_ms, "end": end_ms},
        "groups": [
            {
                "keys": dict(zip(names, keys, strict=True)),
                "metrics": {each.name: _figure(each, bodies) for each in action.aggregations},
                "count": len(bodies),
            }
            for keys, bodies in groups.values()
        ],
    }


def _figure(aggregation: Aggregation, bodies: list[dict[str, Any]]) -> Any:
    if aggregation.field is None:
        return len(bodies)
    find = compile_path(aggregation.field)
    values = [value for body in bodies if (value := find(body)) is not None]
    if aggregation.percent is not None:
        return percentile(values, aggregation.percent)
    return FOLDS[aggregation.function](values)


# ---- trigger ----


def _start(
    plan: PatternPlan, target: str, action: ActionPlan, found: Found, match_id: str
) -> Effects:
    """The event that the other pattern sees: fields of the last event are found in `data`."""
    chained = [_hops(event.body) for event in found.events]
    hops = 1 + max(chained, default=0)
    if hops > CHAINED_PATTERNS_MAX:
        return Effects(match_id, action, cut=True)
    body = match_body(plan, found, match_id)
    event = {
        "eventId": match_id,
        "eventType": STARTED,
        "timestamp": found.end_ms,
        "source": "summit",
        "target": target,
        "hops": hops,
        **{name: body[name] for name in ("pattern", "name", "startTime", "endTime", "count")},
        "data": found.events[-1].body if found.events else {},
    }
    for path, value in zip(plan.group_by, found.key, strict=True):
        _put(event, path, value)
    publish = _publish(starts_topic(target), match_id, event, found.end_ms)
    return Effects(match_id, action, publishes=(publish,))


def _hops(body: dict[str, Any]) -> int:
    hops = body.get("hops")
    return hops if body.get("eventType") == STARTED and type(hops) is int else 0


def _put(event: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a field where there is none yet."""
    place = event
    for name in path[:-1]:
        inner = place.setdefault(name, {})
        if type(inner) is not dict:
            return
        place = inner
    place.setdefault(path[-1], value)
