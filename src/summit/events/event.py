"""The event: a JSON object, and the record that brought it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from summit.base.errors import Invalid
from summit.events.fields import Candidate, Path, candidates, compile_path, parse_path, walk
from summit.events.times import epoch_ms

# What msgspec raises for bytes that are not the JSON it wants.
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode_json = msgspec.json.Decoder().decode
_encode_json = msgspec.json.Encoder().encode
_find_type = compile_path("eventType")
_find_id = compile_path("eventId")
_find_source = compile_path("source")
_find_severity = compile_path("severity")
_find_priority = compile_path("priority")


class Transport(msgspec.Struct, frozen=True, kw_only=True):
    """The record around an event: what a field may fall back to.

    Attributes:
        key: The record key as text (undecodable bytes replaced), or None.
        timestamp: The record's time, milliseconds since 1970 UTC.
        headers: The last value of each name, as text.
    """

    topic: str = ""
    partition: int = -1
    offset: int = -1
    key: str | None = None
    timestamp: int = 0
    headers: dict[str, str] = {}


class Readable(Protocol):
    """What predicates of `EventLayout` read of an event; an `Event` has it."""

    @property
    def value(self) -> dict[str, Any]: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def transport(self) -> Transport: ...


class Event(msgspec.Struct, kw_only=True):
    """One event.

    Attributes:
        event_id: The event's own `eventId`; without one, `topic/partition/offset`.
        event_type: Text, empty when the event has none.
        timestamp: Event time, milliseconds since 1970 UTC: its own, else the record's.
        source: Who reported it (`source` or `eventSource`).
        severity: As written; see `severities.severity_rank`.
        value: The parsed JSON object, untouched.
    """

    event_id: str
    event_type: str
    timestamp: int
    source: str | None
    severity: str | None
    priority: str | int | float | None
    value: dict[str, Any]
    transport: Transport

    @property
    def topic(self) -> str:
        """The topic of the record; empty when the event came from none."""
        return self.transport.topic

    @property
    def partition(self) -> int:
        """The partition of the record, -1 when the event came from none."""
        return self.transport.partition

    @property
    def offset(self) -> int:
        """The offset of the record, -1 when the event came from none."""
        return self.transport.offset

    @property
    def key(self) -> str | None:
        """The record key as text."""
        return self.transport.key

    @property
    def headers(self) -> dict[str, str]:
        """The record headers as text."""
        return self.transport.headers

    @property
    def metadata(self) -> dict[str, Any]:
        """The member `metadata`, empty when there is none."""
        return self._container("metadata")

    @property
    def data(self) -> dict[str, Any]:
        """The member `data`, empty when there is none."""
        return self._container("data")

    @property
    def enriched_data(self) -> dict[str, Any]:
        """The member `enrichedData`, empty when there is none."""
        return self._container("enrichedData")

    def get(self, path: Path | str) -> Any:
        """The value at a field path as rules see it, None when null.

        Raises: Invalid("path.invalid").
        """
        return field_reader(parse_path(path) if isinstance(path, str) else path)(self)

    def _container(self, name: str) -> dict[str, Any]:
        found = self.value.get(name)
        return found if type(found) is dict else {}


def parse_event(
    value: bytes | memoryview | None,
    *,
    timestamp_ms: int = 0,
    topic: str = "",
    partition: int = -1,
    offset: int = -1,
    key: bytes | str | None = None,
    headers: Iterable[tuple[str, bytes | None]] = (),
) -> Event:
    """Parse one record into an event.

    Args:
        value: A JSON object in UTF-8.
        timestamp_ms: The record's time, for an event without its own.

    Raises: Invalid("event.empty", "event.not_json", "event.not_object", "event.bad_time").
    """
    if value is None or not value:
        raise Invalid("event.empty")
    parsed = decode_value(value)
    transport = Transport(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key.decode(errors="replace") if isinstance(key, bytes) else key,
        timestamp=timestamp_ms,
        headers=_header_texts(headers),
    )
    return make_event(parsed, transport)


def decode_value(value: bytes | memoryview) -> Any:
    """The JSON value of some bytes. Raises: Invalid("event.not_json")."""
    try:
        return _decode_json(value)
    except DECODE_ERRORS as error:
        raise Invalid("event.not_json", reason=_reason(error)) from error


def make_event(value: object, transport: Transport | None = None) -> Event:
    """An event of an already parsed JSON value.

    Raises: Invalid("event.not_object", "event.bad_time").
    """
    if type(value) is not dict:
        raise Invalid("event.not_object", kind=_kind(value))
    around = transport if transport is not None else Transport()
    event_type = _find_type(value)
    source, severity, priority = _find_source(value), _find_severity(value), _find_priority(value)
    return Event(
        event_id=_event_id(_find_id(value), around),
        event_type=event_type if type(event_type) is str else "",
        timestamp=event_time(value.get("timestamp"), around.timestamp),
        source=source if type(source) is str else None,
        severity=severity if type(severity) is str else None,
        priority=priority if type(priority) in (str, int, float) else None,
        value=value,
        transport=around,
    )


def timeless_event(value: dict[str, Any], transport: Transport) -> Event:
    """As `make_event`, but a `timestamp` that is no time counts as none: the record's is taken."""
    try:
        return make_event(value, transport)
    except Invalid:
        event = make_event({n: v for n, v in value.items() if n != "timestamp"}, transport)
        event.value = value
        return event


def event_bytes(event: Any) -> bytes:
    """An event that someone hands over, as the value of a record.

    Args:
        event: A mapping with the names of the wire, an `Event`, JSON text or bytes, or a record
            whose value is JSON.
    Raises: Invalid("event.not_object").
    """
    if isinstance(event, bytes):
        return event
    if isinstance(event, str):
        return event.encode()
    if isinstance(event, Event):
        own = {"eventId": event.event_id, "timestamp": event.timestamp}
        return _encode_json({**own, **event.value})
    if isinstance(event, Mapping):
        return _encode_json(dict(event))
    value = getattr(event, "value", None)
    if isinstance(value, bytes):
        return value
    raise Invalid("event.not_object", kind=type(event).__name__)


def event_time(own: object, record_ms: int) -> int:
    """Event time: the event's own `timestamp`, else the record's.

    Raises: Invalid("event.bad_time") when its own is neither milliseconds nor RFC 3339.
    """
    if own is None:
        return record_ms
    found = epoch_ms(own)
    if found is None:
        raise Invalid("event.bad_time", value=own[:80] if type(own) is str else _kind(own))
    return found


@lru_cache(maxsize=4_096)
def field_reader(path: Path) -> Callable[[Event], Any]:
    """A function that reads a field of an event as rules see it."""
    if path == ("timestamp",):
        return lambda event: event.timestamp
    places = candidates(path)
    root, is_plain = path[0], len(path) == 1

    def read(event: Event) -> Any:
        if is_plain and type(event.value) is dict:
            found = event.value.get(root)
            if found is not None:
                return found
        for place in places:
            found = _look(event, place)
            if found is not None:
                return found
        return None

    return read


def _look(event: Event, place: Candidate) -> Any:
    if place.place == "value":
        return walk(event.value, place.path)
    return walk(getattr(event.transport, place.path[0]), place.path[1:])


def _event_id(own: object, around: Transport) -> str:
    if type(own) is str and own:
        return own
    if type(own) is int and abs(own) < 1 << 64:
        return str(own)
    return f"{around.topic}/{around.partition}/{around.offset}" if around.offset >= 0 else ""


def _header_texts(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    return {name: value.decode(errors="replace") for name, value in headers if value is not None}


def _kind(value: object) -> str:
    names: Mapping[type, str] = {list: "a list", str: "a text", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else "a value")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 (byte {error.start})"
    return str(error)
