"""What handlers of patterns are given, and the functions that the guide's handlers use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from summit.alerts import Alert, Evidence, severity_rank
from summit.base.errors import Invalid
from summit.documents.event_pattern import EventPattern
from summit.event_processing.sequence import EventSequence
from summit.events.aggregates import percentile
from summit.events.event import Event

_context: ContextVar[MatchContext | None] = ContextVar("summit.match_context", default=None)
_FIELDS: Final = ("severity", "title", "description", "notify", "runbook", "metadata", "tags")


class MatchContext:
    """One match, as a handler sees it.

    Attributes:
        pattern: The `EventPattern`.
        sequence: The `EventSequence`.
        alerts: Those made so far.
    """

    def __init__(self, pattern: EventPattern, sequence: EventSequence) -> None:
        self.pattern = pattern
        self.sequence = sequence
        self.alerts: list[Alert] = []

    def alert(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        severity: str | None = None,
        title: str | None = None,
        description: str | None = None,
        notify: Sequence[str] = (),
        runbook: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
    ) -> Alert:
        """Raise an alert with the match as its evidence. It is told when the handler has ended.

        Args:
            values: The same fields as a mapping; other names go into `metadata`.
        Raises: Invalid("alert.severity_unknown").
        """
        given = dict(values or {})
        chosen = {name: given.pop(name) for name in _FIELDS if name in given}
        extra = {**given, **(chosen.get("metadata") or {}), **(metadata or {})}
        extra.pop("events", None)
        sequence, pattern = self.sequence, self.pattern
        severity = severity or chosen.get("severity") or "info"
        severity_rank(severity)
        number = len(self.alerts)
        alert = Alert(
            id=sequence.id if not number else f"{sequence.id}-{number}",
            timestamp=sequence.end_time,
            severity=severity,
            title=title or chosen.get("title") or f"Pattern Match: {pattern.name or pattern.id}",
            description=description or chosen.get("description") or pattern.description or "",
            events=[dict(event.value) for event in sequence.events],
            pattern=pattern.id,
            metadata=extra,
            key=dict(zip(pattern.group_by or (), sequence.key, strict=True)),
            count=len(sequence.events),
            first_seen=min(event.timestamp for event in sequence.events),
            last_seen=max(event.timestamp for event in sequence.events),
            rule_version=str(pattern.version or ""),
            tags=[*(pattern.tags or ()), *(chosen.get("tags") or ()), *tags],
            notify=[*(chosen.get("notify") or ()), *notify],
            runbook=runbook or chosen.get("runbook"),
            evidence=[_evidence(step, event) for step, event in sequence.captures],
        )
        self.alerts.append(alert)
        return alert


@contextmanager
def in_handler(context: MatchContext) -> Iterator[None]:
    """Let `generate_alert` raise alerts of this match."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def generate_alert(values: Mapping[str, Any] | None = None, /, **fields: Any) -> Alert:
    """Raise an alert of the match whose handler runs; see `MatchContext.alert`.

    Raises: Invalid("config.invalid") outside of a handler.
    """
    context = _context.get()
    if context is None:
        reason = "generate_alert works in the handler of a pattern, while it runs"
        raise Invalid("config.invalid", reason=reason, pointer="")
    return context.alert(values, **fields)


def calculate_percentile(values: Iterable[Any], percent: float) -> float | None:
    """The percentile of numbers, linear between neighbours; None without any.

    >>> calculate_percentile([100, 200, 300], 95)
    290.0
    """
    return percentile(list(values), percent)


def calculate_risk_score(
    events: Iterable[Event], weights: Mapping[str, float] | None = None
) -> float:
    """The sum of the weights of the event types that there are, each type once.

    Args:
        weights: By event type; a type without one weighs nothing. Without any weights each type
            weighs 10.
    """
    types = {event.event_type for event in events if event.event_type is not None}
    if weights is None:
        return 10.0 * len(types)
    return float(sum(weights.get(each, 0) for each in types))


def _evidence(step: str, event: Event) -> Evidence:
    record = event.transport
    return Evidence(
        step=step, topic=record.topic, partition=record.partition, offset=record.offset,
        timestamp=event.timestamp, event_id=event.event_id,
    )  # fmt: skip
