"""From a match of a pattern to its alert. Pure: the same match always gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from summit.alerts.alert import Alert, Evidence
from summit.alerts.attack import techniques_of
from summit.alerts.found import CapturedEvent, Found, MatchSource, holds
from summit.alerts.identity import alert_id, source_coordinate
from summit.alerts.severity import alert_severity
from summit.alerts.templates import render_template
from summit.base.limits import ALERT_EVENTS_BYTES_MAX, ALERT_EVENTS_MAX, ALERT_EVIDENCE_MAX
from summit.documents.plan import ActionPlan, PatternPlan, TemplatePlan


def make_alert(plan: PatternPlan, found: Found, topic_id: Callable[[str], str]) -> Alert:
    """The alert of a match, or of a partial match that ran out of time.

    Args:
        topic_id: Gives a topic's id; its name where the cluster knows no ids.
    """
    events = found.events
    action = action_of(plan, found)
    source = MatchSource(plan, found)
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
    if found.late:
        metadata["correction"] = correction_of(plan, found, topic_id)
    count = len(events)
    if found.window is not None:
        count = found.events_seen
        metadata |= _of_window(plan, found)
        if count > len(bodies):
            metadata["eventsOmitted"] = count - len(bodies)
        if count > len(events):
            metadata["evidenceOmitted"] = count - len(events)
    return Alert(
        id=found_id(plan, found, topic_id),
        timestamp=found.end_ms,
        severity=_severity(action, source),
        title=_title(plan, action, found, source),
        description=_text(action.description, source) or plan.description,
        events=bodies,
        pattern=plan.id,
        metadata=metadata,
        key={".".join(path): value for path, value in zip(plan.group_by, found.key, strict=True)},
        count=count,
        first_seen=min(times, default=found.end_ms) if found.window is None else found.first_ms,
        last_seen=max(times, default=found.end_ms),
        rule_version=plan.semantic_hash if plan.version is None else str(plan.version),
        tags=list(plan.tags),
        technique=action.technique,
        attack=techniques_of(plan.tags),
        notify=list(action.notify),
        runbook=action.runbook,
        evidence=[_evidence(event) for event in _both_ends(events, ALERT_EVIDENCE_MAX)],
    )


def correction_of(
    plan: PatternPlan, found: Found, topic_id: Callable[[str], str]
) -> dict[str, Any]:
    """What is said of a match that a late event brought about, changed or ended."""
    said: dict[str, Any] = {"late": True, "revision": found.revision}
    if found.revision:
        said["corrects"] = found_id(plan, found._replace(revision=found.revision - 1), topic_id)
        said["withdrawn"] = found.withdrawn
    return said


def _title(plan: PatternPlan, action: ActionPlan, found: Found, source: MatchSource) -> str:
    title = _text(action.title, source) or f"Pattern Match: {plan.name}"
    if found.withdrawn:
        return f"Withdrawn: {title}"
    return f"Corrected: {title}" if found.revision else title


def _of_window(plan: PatternPlan, found: Found) -> dict[str, Any]:
    """What an alert says of the window that it was made of."""
    assert plan.window is not None
    assert found.window is not None
    named = {text for _, text in plan.window.names}
    start_ms, end_ms = found.window
    return {
        "window": {"start": start_ms, "end": end_ms},
        "aggregates": {name: found.values[name] for name in found.values if name not in named},
    }


def action_of(plan: PatternPlan, found: Found) -> ActionPlan:
    """What is to be done with a match of the plan."""
    return plan.action if plan.on_timeout is None or not found.timed_out else plan.on_timeout


def found_id(plan: PatternPlan, found: Found, topic_id: Callable[[str], str]) -> str:
    """The id of a match: that of its alert, where it makes one."""
    identity = [
        (event.step, source_coordinate(event.src, topic_id(event.topic), event.partition,
                                       event.offset))
        for event in _told_by(found)
    ]  # fmt: skip
    return alert_id(
        "timeout" if found.timed_out else "pattern",
        plan.id,
        plan.semantic_hash,
        found.key,
        identity,
        deadline_ms=found.end_ms if found.timed else None,
        revision=found.revision,
    )


def _told_by(found: Found) -> Sequence[CapturedEvent]:
    """The events that tell a match from others of its rule and key.

    A window is told apart by the event that completed it, or by the time that did.
    """
    if found.window is None:
        return found.events
    return () if found.timed else found.events[-1:]


def _severity(action: ActionPlan, source: MatchSource) -> str:
    for severity, condition in action.severity_rules:
        if holds(condition, source):
            return severity
    return alert_severity(action.severity, [e.body.get("severity") for e in source.events])


def _text(template: TemplatePlan | None, source: MatchSource) -> str:
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
