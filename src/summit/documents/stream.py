"""Streams: how the events of some topics are read. Now: JSON, in the order of the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from summit.documents.available import EVENT_TIME_LATER, FORMATS_LATER
from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.problems import Problems
from summit.documents.section import Section

STREAM_FIELDS: Final = (*HEAD_FIELDS, "topics", "format", "order", "eventTime")
STREAM_FIELDS_LATER: Final = ("late", "keyedBy")
_LATER: Final = "stream.not_available"


@dataclass(frozen=True, slots=True)
class StreamDocument:
    """A stream that is free of problems.

    Attributes:
        values: The document as it was given.
        topics: Names or globs.
    """

    values: Mapping[str, Any]
    id: str
    topics: tuple[str, ...]
    kind: str = "stream"

    def to_dict(self) -> dict[str, Any]:
        """The document again, with its kind."""
        return {"kind": self.kind, **self.values}


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
    section.choice("order", ("arrival",), ("eventTime",))
    if (value := section.mapping("format")) is not None:
        form = Section(
            value, section.at("format"), problems,
            names=("type",), later_code=_LATER, noun="format",
        )  # fmt: skip
        form.choice("type", ("json",), FORMATS_LATER)
    if (value := section.mapping("eventTime")) is not None:
        time = Section(
            value, section.at("eventTime"), problems,
            names=("field",), later=EVENT_TIME_LATER, later_code=_LATER, noun="eventTime",
        )  # fmt: skip
        # Events are read by their `timestamp`; another field must wait until streams are honoured.
        field = time.text("field")
        if field is not None and field != "timestamp":
            time.not_available("field", "an event time in another field than 'timestamp'")
    problems.raise_if_any(subject_of("stream", values, source))
    assert head.id is not None
    return StreamDocument(values, head.id, topics)
