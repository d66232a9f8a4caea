"""Bodies of HTTP requests into events: bytes in, the same bytes out, one slice per event.

Every event is parsed once to be sure that it is a JSON object in UTF-8 and to find its key; what
is written to the topic is the client's own bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.errors import Invalid
from summit.base.limits import HTTP_BODY_BYTES_MAX
from summit.events.event import DECODE_ERRORS

JSON_TYPES: Final = frozenset({"", "application/json", "text/json"})
LINES_TYPES: Final = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/json-lines",
        "application/x-jsonlines",
    }
)

_decode_any = msgspec.json.Decoder().decode
_decode_slices = msgspec.json.Decoder(list[msgspec.Raw]).decode
_SPACE: Final = b" \t\r\n"


class Limits(NamedTuple):
    """What one request may hold.

    Attributes:
        max_bytes: What its events may add up to, where they are not the request's own bytes.
    """

    max_events: int
    max_event_bytes: int
    max_bytes: int = HTTP_BODY_BYTES_MAX


class Batch(NamedTuple):
    """The events of one request: their bytes, and their parsed values in the same order.

    Attributes:
        indexes: Where each stood in the request; None when nothing was left out.
        faults: Why others were left out, by where they stood.
    """

    slices: list[bytes]
    values: list[dict[str, Any]]
    indexes: list[int] | None = None
    faults: Mapping[int, Invalid] = MappingProxyType({})


def parse_leniently(media: str, body: bytes, limits: Limits) -> Batch:
    """As `parse_body`, but an event that is bad is left out and told in `faults`.

    An array whose text is not JSON is refused as a whole: where its events begin is not known.
    """
    return _leniently(_parts(media, body, limits), limits)


def _leniently(parts: Iterator[tuple[bytes, Invalid | None]], limits: Limits) -> Batch:
    faults: dict[int, Invalid] = {}
    slices: list[bytes] = []
    values: list[dict[str, Any]] = []
    indexes: list[int] = []
    for index, (part, fault) in enumerate(parts):
        try:
            if fault is not None:
                raise fault
            one = _parse_json(part, limits, index)
        except Invalid as error:
            faults[index] = error
        else:
            slices += one.slices
            values += one.values
            indexes.append(index)
    return Batch(slices, values, indexes, faults)


def _parts(media: str, body: bytes, limits: Limits) -> Iterator[tuple[bytes, Invalid | None]]:
    """The bytes of each event, whatever they are."""
    if media in LINES_TYPES:
        parts = [text for line in body.split(b"\n") if (text := line.strip(_SPACE))]
    else:
        if media not in JSON_TYPES:
            raise _media_type(media)
        try:
            is_array = body.lstrip(_SPACE)[:1] == b"["
            parts = [bytes(part) for part in _decode_slices(body)] if is_array else [body]
        except DECODE_ERRORS as error:
            raise _malformed(body, error) from error
    if len(parts) > limits.max_events:
        raise _too_many(len(parts), limits)
    yield from _marked(parts)


def _marked(parts: Sequence[bytes]) -> Iterator[tuple[bytes, Invalid | None]]:
    """Parts, and why an array among them is no event."""
    for index, part in enumerate(parts):
        is_array = part.lstrip(_SPACE)[:1] == b"["
        yield part, _not_object(index, [], f"event {index}") if is_array else None


def parse_parts(parts: Sequence[bytes], limits: Limits, *, leniently: bool = False) -> Batch:
    """The events of a message that holds them one by one. Raises Invalid: as `parse_body`."""
    if len(parts) > limits.max_events:
        raise _too_many(len(parts), limits)
    if not parts:
        raise _invalid(None, "the message", "it holds no event")
    if leniently:
        return _leniently(_marked(parts), limits)
    values: list[dict[str, Any]] = []
    for index, part in enumerate(parts):
        values.append(_event(index, part, "event", index, limits))
    return Batch(list(parts), values)


def parse_body(media: str, body: bytes, limits: Limits) -> Batch:
    """The events of a body.

    Args:
        media: The content type without parameters.
        body: One JSON object, an array of objects, or objects one a line.
    Raises: Invalid: `web.media_type` (415), `ingest.too_many`, `ingest.event_too_large` (413),
        `ingest.event_invalid` (400) with the index of the event as pointer.
    """
    if media in JSON_TYPES:
        return _parse_json(body, limits)
    if media in LINES_TYPES:
        return _parse_lines(body, limits)
    raise _media_type(media)


def key_reader(find: Callable[[Any], Any]) -> Callable[[dict[str, Any]], bytes | None]:
    """A function that makes the record key of an event: text as it is, other values as JSON."""

    def key_of(event: dict[str, Any]) -> bytes | None:
        found = find(event)
        if found is None:
            return None
        return found.encode() if type(found) is str else msgspec.json.encode(found)

    return key_of


def _media_type(media: str) -> Invalid:
    return Invalid(
        "web.media_type",
        media=media,
        accepted="application/json, application/x-ndjson, application/jsonl,"
        " application/cloudevents+json, application/cloudevents-batch+json",
    )


def _parse_json(body: bytes, limits: Limits, first: int = 0) -> Batch:
    try:
        value = _decode_any(body)
    except DECODE_ERRORS as error:
        raise _malformed(body, error) from error
    if type(value) is dict:
        slices = [body.strip(_SPACE)]
        value = [value]
    elif type(value) is list:
        if len(value) > limits.max_events:
            raise _too_many(len(value), limits)
        slices = [bytes(part) for part in _decode_slices(body)]
    else:
        raise _not_object(first, value, "body")
    for index, event in enumerate(value, first):
        if type(event) is not dict:
            raise _not_object(index, event, f"event {index}")
        if len(slices[index - first]) > limits.max_event_bytes:
            raise too_large(index, len(slices[index - first]), limits)
    return Batch(slices, value)


def _event(index: int, text: bytes, what: str, number: int, limits: Limits) -> dict[str, Any]:
    """One event of several. Raises Invalid, with its name in the request: `what` and `number`."""
    if len(text) > limits.max_event_bytes:
        raise too_large(index, len(text), limits)
    try:
        value = _decode_any(text)
    except DECODE_ERRORS as error:
        raise _invalid(index, f"{what} {number}", _reason(error)) from error
    if type(value) is not dict:
        raise _not_object(index, value, f"{what} {number}")
    return value


def _parse_lines(body: bytes, limits: Limits) -> Batch:
    slices: list[bytes] = []
    values: list[dict[str, Any]] = []
    for index, line in enumerate(body.split(b"\n")):
        text = line.strip(_SPACE)
        if not text:
            continue
        if len(slices) == limits.max_events:
            raise _too_many(len(slices) + 1, limits)
        values.append(_event(index, text, "line", index + 1, limits))
        slices.append(text)
    if not slices:
        raise _invalid(0, "the body", "it holds no event")
    return Batch(slices, values)


def _malformed(body: bytes, error: Exception) -> Invalid:
    """Name the element of an array that is not JSON; slow, only for bodies that are refused."""
    try:
        text = body.decode()
        index = _broken_element(text)
    except (UnicodeDecodeError, RecursionError):
        index = None
    if index is None:
        return _invalid(None, "the body", _reason(error))
    return _invalid(index, f"event {index}", _reason(error))


def _broken_element(text: str) -> int | None:
    """The index of the first element that does not parse, None when `text` is no array."""
    decoder = json.JSONDecoder()
    position = _skip_space(text, 0)
    if text[position : position + 1] != "[":
        return None
    index = 0
    while True:
        position = _skip_space(text, position + 1)
        try:
            _, position = decoder.raw_decode(text, position)
        except ValueError:
            return index
        position = _skip_space(text, position)
        if text[position : position + 1] != ",":
            return index
        index += 1


def _skip_space(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\r", "\n"):
        position += 1
    return position


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 (byte {error.start})"
    return str(error)


def _not_object(index: int, value: Any, what: str) -> Invalid:
    kinds = {list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return _invalid(index, what, f"it is {kinds.get(type(value), 'a number')}, not an object")


def _invalid(index: int | None, what: str, reason: str) -> Invalid:
    pointer = "" if index is None else f"/{index}"
    return Invalid("ingest.event_invalid", what=what, reason=reason, pointer=pointer, index=index)


def _too_many(count: int, limits: Limits) -> Invalid:
    return Invalid("ingest.too_many", count=count, limit=limits.max_events, pointer="")


def too_large(index: int, size_bytes: int, limits: Limits) -> Invalid:
    """The error for an event that is larger than may be."""
    return Invalid(
        "ingest.event_too_large",
        index=index,
        size_bytes=size_bytes,
        limit=limits.max_event_bytes,
        pointer=f"/{index}",
    )
