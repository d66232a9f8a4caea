"""From a match of a pattern to its alert. Pure: the same match always gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from summit.alerts.alert import Alert, Evidence
from summit.alerts.attack import techniques_of
from summit.alerts.identity import alert_id, source_coordinate
from summit.alerts.severity import alert_severity
from summit.alerts.templates import render_template
from summit.base.limits import ALERT_EVENTS_BYTES_MAX, ALERT_EVENTS_MAX, ALERT_EVIDENCE_MAX
from summit.documents.plan import PatternPlan, TemplatePlan
from summit.events.expressions.ir import Path
from summit.events.fields import compile_path


class CapturedEvent(NamedTuple):
    """One matched event, read in full.

    Attributes:
        src: The text of its header `summit.src`, or None.
        timestamp_ms: Event time.
        body: The JSON object as it was written.
        whole: False when `body` holds only the fields that rules read (a very long event).
    """

    step: str
    topic: str
    partition: int
    offset: int
    src: str | None
    timestamp_ms: int
    body: dict[str, Any]
    whole: bool = True


class Found(NamedTuple):
    """A match as this room needs it.

    Attributes:
        key: Values of the plan's `group_by`, in its order.
        events: In the order of the match, never empty.
        end_ms: Event time at which it came true.
        timed: Whether time completed it (an absence); then `end_ms` is the deadline.
    """

    key: tuple[Any, ...]
    events: Sequence[CapturedEvent]
    end_ms: int
    timed: bool = False


def make_alert(plan: PatternPlan, found: Found, topic_id: Callable[[str], str]) -> Alert:
    """The alert of a match.

    Args:
        topic_id: Gives a topic's id; its name where the cluster knows no ids.
    """
    events = found.events
    action = plan.action
    source = _MatchSource(plan, found)
    identity = [
        (event.step, source_coordinate(event.src, topic_id(event.topic), event.partition,
                                       event.offset))
        for event in events
    ]  # fmt: skip
    times = [event.timestamp_ms for event in events]
    bodies, omitted = _shown(events)
    metadata: dict[str, Any] = {}
    if action.fields:
        metadata["fields"] = {".".join(path): source.field(path) for path in action.fields}
    if omitted:
        metadata["eventsOmitted"] = omitted
    cut = sum(not event.whole for event in events)
    if cut:
        metadata["eventsCut"] = cut
    if len(events) > ALERT_EVIDENCE_MAX:
        metadata["evidenceOmitted"] = len(events) - ALERT_EVIDENCE_MAX
    return Alert(
        id=alert_id(
            "pattern",
            plan.id,
            plan.semantic_hash,
            found.key,
            identity,
            deadline_ms=found.end_ms if found.timed else None,
        ),
        timestamp=found.end_ms,
        severity=alert_severity(action.severity, [e.body.get("severity") for e in events]),
        title=_text(action.title, source) or f"Pattern Match: {plan.name}",
        description=_text(action.description, source) or plan.description,
        events=bodies,
        pattern=plan.id,
        metadata=metadata,
        key={".".join(path): value for path, value in zip(plan.group_by, found.key, strict=True)},
        count=len(events),
        first_seen=min(times),
        last_seen=max(times),
        rule_version=plan.semantic_hash if plan.version is None else str(plan.version),
        tags=list(plan.tags),
        technique=action.technique,
        attack=techniques_of(plan.tags),
        notify=list(action.notify),
        runbook=action.runbook,
        evidence=[_evidence(event) for event in _both_ends(events, ALERT_EVIDENCE_MAX)],
    )


def _text(template: TemplatePlan | None, source: _MatchSource) -> str:
    return "" if template is None else render_template(template, source)


def _evidence(event: CapturedEvent) -> Evidence:
    event_id = event.body.get("eventId")
    return Evidence(
        step=event.step,
        topic=event.topic,
        partition=event.partition,
        offset=event.offset,
        timestamp=event.timestamp_ms,
        src=event.src,
        event_id=event_id if isinstance(event_id, str) else None,
    )


def _both_ends(events: Sequence[CapturedEvent], count_max: int) -> list[CapturedEvent]:
    """All of them, or the first and last halves of `count_max`."""
    if len(events) <= count_max:
        return list(events)
    half = count_max // 2
    return [*events[:half], *events[len(events) - half :]]


def _shown(events: Sequence[CapturedEvent]) -> tuple[list[dict[str, Any]], int]:
    """The bodies an alert carries, and how many are left out."""
    count_max = ALERT_EVENTS_MAX
    while True:
        shown = [event.body for event in _both_ends(events, count_max)]
        if len(msgspec.json.encode(shown)) <= ALERT_EVENTS_BYTES_MAX or count_max == 0:
            return shown, len(events) - len(shown)
        count_max //= 2


class _MatchSource:
    """Values of a match for the holes of texts."""

    def __init__(self, plan: PatternPlan, found: Found) -> None:
        self._events = found.events
        self._key = dict(zip(plan.group_by, found.key, strict=True))

    def field(self, path: Path) -> object:
        if path in self._key:
            return self._key[path]
        find = compile_path(path)
        for event in reversed(self._events):
            value = find(event.body)
            if value is not None:
                return value
        return None

    def step_field(self, step: str, which: str, path: Path) -> object:
        events = self._of_step(step)
        if not events:
            return None
        return compile_path(path)(events[0 if which == "first" else -1].body)

    def aggregate(self, function: str, step: str, path: Path | None) -> object:
        events = self._of_step(step)
        if path is None:
            return len(events) if function == "count" else None
        find = compile_path(path)
        values = [value for e in events if (value := find(e.body)) is not None]
        if function == "count":
            return len(values)
        if function == "distinct":
            return len({msgspec.json.encode(value) for value in values})
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        if function == "sum":
            return sum(numbers)
        if not numbers:
            return None
        return {
            "min": min(numbers),
            "max": max(numbers),
            "avg": sum(numbers) / len(numbers),
        }.get(function)

    def _of_step(self, step: str) -> list[CapturedEvent]:
        return [event for event in self._events if event.step == step]
