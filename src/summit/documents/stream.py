"""Streams: how the events of some topics are read. Now: JSON, in either order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from summit.base.limits import EVENT_AHEAD_MS_MAX
from summit.documents.available import FORMATS_LATER
from summit.documents.checked import CheckedDocument
from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.problems import Problems
from summit.documents.section import Section

STREAM_FIELDS: Final = (*HEAD_FIELDS, "topics", "format", "order", "eventTime", "late")
STREAM_FIELDS_LATER: Final = ("keyedBy",)
_LATER: Final = "stream.not_available"


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What a stream means for those who read its topics. The defaults are those of other topics.

    Attributes:
        topics: Names or globs.
        is_ordered: Whether events wait until they can be taken in the order of their times.
        delay_ms: How far W_p stays behind the largest time of its partition; 0 in arrival order.
        idle_ms: How long a partition is silent before it holds nothing back; None = the worker's.
        max_future_ms: How far an event's time may lie past its record's, whose it gets beyond.
        drops_late: Whether late events are only counted, not put aside.
    """

    id: str = ""
    topics: tuple[str, ...] = ()
    is_ordered: bool = False
    delay_ms: int = 0
    idle_ms: int | None = None
    max_future_ms: int = EVENT_AHEAD_MS_MAX
    drops_late: bool = False

    def has(self, topic: str) -> bool:
        """Whether the stream says how this topic is read."""
        return any(fnmatchcase(topic, name) for name in self.topics)


class StreamDocument(CheckedDocument[StreamPlan]):
    """A stream that is free of problems."""

    kind = "stream"


def validate_stream(values: Mapping[str, Any], *, source: str = "") -> StreamDocument:
    """Check a stream.

    Raises: Invalid("document.invalid" or "stream.not_available") with all `problems`.
    """
    problems = Problems()
    problems.refuse_foreign(values, "stream", source)
    section = Section(
        values, "", problems,
        names=STREAM_FIELDS, later=STREAM_FIELDS_LATER, later_code=_LATER, noun="stream",
    )  # fmt: skip
    head = read_head(section, "stream")
    topics = section.texts("topics")
    if not topics:
        section.note("topics", "a stream needs 'topics'")
    is_ordered = section.choice("order", ("arrival", "eventTime")) == "eventTime"
    drops_late = section.choice("late", ("topic", "drop")) == "drop"
    if section.has("late") and not is_ordered:
        section.note("late", "no event is late in arrival order: 'late' needs order: eventTime")
    if (value := section.mapping("format")) is not None:
        form = Section(
            value, section.at("format"), problems,
            names=("type",), later_code=_LATER, noun="format",
        )  # fmt: skip
        form.choice("type", ("json",), FORMATS_LATER)
    delay_ms, idle_ms, max_future_ms = 0, None, None
    if (value := section.mapping("eventTime")) is not None:
        time = Section(
            value, section.at("eventTime"), problems,
            names=("field", "maxOutOfOrderness", "idleTimeout", "maxFuture"), later_code=_LATER,
            noun="eventTime",
        )  # fmt: skip
        # Conditions, windows and alerts read `timestamp`; another field would be a second time.
        field = time.text("field")
        if field is not None and field != "timestamp":
            time.not_available("field", "an event time in another field than 'timestamp'")
        delay_ms = time.duration_ms("maxOutOfOrderness", least=0) or 0
        if delay_ms and not is_ordered:
            text = "arrival order waits for nothing: 'maxOutOfOrderness' needs order: eventTime"
            time.note("maxOutOfOrderness", text)
        idle_ms = time.duration_ms("idleTimeout")
        max_future_ms = time.duration_ms("maxFuture", least=0)
    problems.raise_if_any(subject_of("stream", values, source))
    assert head.id is not None
    plan = StreamPlan(
        head.id, topics, is_ordered, delay_ms, idle_ms,
        EVENT_AHEAD_MS_MAX if max_future_ms is None else max_future_ms, drops_late,
    )  # fmt: skip
    return StreamDocument(values, head.id, head.enabled, plan)
