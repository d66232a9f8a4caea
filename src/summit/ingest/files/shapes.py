"""How a line becomes events: one function per format.

A shape takes a line and gives the JSON bytes of its events with their record keys, in order; the
position in the list is the event's `sub`. The event id is the source coordinate, so that a line
that is read twice has the same id.

    line    {"eventId", "eventType", "timestamp", "source", "message"}
    jsonl   the object as it stands, byte for byte
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.events.event import DECODE_ERRORS
from summit.ingest.files.coordinates import Coordinate
from summit.ingest.files.lines import Line
from summit.ingest.settings import FileOptions

KeyOf = Callable[[dict[str, Any]], bytes | None]

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class Shaped(NamedTuple):
    """One event of a line."""

    value: bytes
    key: bytes | None


Shape = Callable[[Line], list[Shaped]]


def make_shape(
    options: FileOptions, *, path: str, identity: str, key_of: KeyOf | None, clock: Clock
) -> Shape:
    """The shape of one file's lines.

    The shape raises Invalid("ingest.line_invalid", "ingest.line_too_long") for a line that is no
    event; blank lines give none.
    """
    if options.format == "jsonl":
        return _jsonl(path, key_of)
    return _text(options, path, identity, key_of, clock)


def check_length(line: Line, path: str, max_line_bytes: int) -> None:
    """Refuse an over-long line, of which only the beginning was read."""
    if line.size_bytes > max_line_bytes:
        raise Invalid(
            "ingest.line_too_long",
            size_bytes=line.size_bytes,
            limit=max_line_bytes,
            path=path,
            offset=line.offset,
        )


def _jsonl(path: str, key_of: KeyOf | None) -> Shape:
    def shape(line: Line) -> list[Shaped]:
        text = line.data.strip()
        if not text:
            return []
        try:
            event = _decode(text)
        except DECODE_ERRORS as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise _invalid(line, path, reason) from error
        if type(event) is not dict:
            raise _invalid(line, path, "not a JSON object")
        return [Shaped(text, key_of(event) if key_of is not None else None)]

    return shape


def _text(
    options: FileOptions, path: str, identity: str, key_of: KeyOf | None, clock: Clock
) -> Shape:
    event_type = options.event_type

    def shape(line: Line) -> list[Shaped]:
        text, lossless = _decode_text(line.data)
        if not text or text.isspace():
            return []
        event = {
            "eventId": Coordinate(identity, line.offset, 0).text,
            "eventType": event_type,
            "timestamp": clock.now_ms(),
            "source": path,
            "message": text,
        }
        if not lossless:
            event["rawBase64"] = base64.b64encode(line.data).decode()
        return [Shaped(_encode(event), key_of(event) if key_of is not None else None)]

    return shape


def _decode_text(data: bytes) -> tuple[str, bool]:
    """A line as text; False when it was not UTF-8 and some of it is replaced."""
    try:
        return data.decode(), True
    except UnicodeDecodeError:
        return data.decode(errors="replace"), False


def _invalid(line: Line, path: str, reason: str) -> Invalid:
    return Invalid("ingest.line_invalid", path=path, offset=line.offset, reason=reason)
