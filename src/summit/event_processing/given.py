"""Events as callers give them (mapping, `Event`, JSON text, record), and as they get them back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from summit.base.config import camel_name
from summit.base.errors import Invalid
from summit.events.event import (
    Event,
    Transport,
    decode_value,
    event_bytes,
    make_event,
    timeless_event,
)

_encode = msgspec.json.Encoder().encode


class ResultEvent(Event, kw_only=True):
    """An event that was made of another one.

    Members of its JSON object are read as attributes (`event.user`) and as those of a mapping
    (`event["user"]`, `dict(event)`); the names of `Event` come first. An event whose `timestamp`
    is no time has that of its record as attribute `timestamp`, 0 without one.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in self.__struct_fields__ and not name.startswith("__"):
            for spelled in (name, camel_name(name)):
                if spelled in self.value:
                    return self.value[spelled]
        raise AttributeError(name)

    def __getitem__(self, name: str) -> Any:
        return self.value[name]

    def __contains__(self, name: object) -> bool:
        return name in self.value

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def keys(self) -> Any:
        """The names of the members."""
        return self.value.keys()

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return self.value


def given_value(event: Any) -> tuple[dict[str, Any], Transport]:
    """The event's JSON object, a copy that is the caller's, and the record around it.

    Raises: Invalid("event.not_object", "event.not_json", "event.empty").
    """
    transport = event.transport if isinstance(event, Event) else Transport()
    try:
        plain = _encode(event.value) if isinstance(event, Event) else event_bytes(event)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        # The reason must not show a value of the event, and what `msgspec` says holds only types.
        raise Invalid("event.not_json", reason="it holds what JSON cannot hold") from error
    if not plain:
        raise Invalid("event.empty")
    value = decode_value(plain)
    if type(value) is not dict:
        raise Invalid("event.not_object", kind=f"a {type(value).__name__}")
    return value, transport


def given_event(event: Any) -> Event:
    """The event to read fields of.

    Raises: Invalid("event.not_object", "event.not_json", "event.empty", "event.bad_time").
    """
    return event if isinstance(event, Event) else make_event(*given_value(event))


def result_event(value: dict[str, Any], transport: Transport) -> ResultEvent:
    """The event of a value; its time is the record's where its own is none."""
    made = timeless_event(value, transport)
    return ResultEvent(
        event_id=made.event_id, event_type=made.event_type, timestamp=made.timestamp,
        source=made.source,
        severity=made.severity, priority=made.priority, value=value, transport=transport,
    )  # fmt: skip
