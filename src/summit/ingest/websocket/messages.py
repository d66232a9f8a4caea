"""Messages of WebSockets into events.

text      a JSON object: an event, whose `id` names the message in its answer;
          an array of events; or, in the subprotocol `summit.v1`, an envelope
          {"id": …, "seq": …, "events": [event, …]}
binary    NDJSON, or MessagePack of any of these
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.events.event import DECODE_ERRORS
from summit.ingest.bodies import Limits, parse_body
from summit.ingest.session import Message

SUBPROTOCOL: Final = "summit.v1"

_decode_msgpack = msgspec.msgpack.Decoder().decode
_decode_envelope: Any = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_JSON_STARTS: Final = b'{[" \t\r\n'
_ID_CHARS_MAX: Final = 200


def parse_message(data: str | bytes, limits: Limits, *, enveloped: bool) -> Message:
    """Read one message. Raises Invalid: as `parse_body`."""
    if isinstance(data, str):
        return _parse_text(data.encode(), limits, enveloped=enveloped)
    if data[:1] in _JSON_STARTS and data[:1]:
        return Message(parse_body("application/x-ndjson", data, limits), None, None)
    try:
        value = _decode_msgpack(data)
        body = msgspec.json.encode(value)
    except (*DECODE_ERRORS, ValueError, TypeError) as error:
        reason = f"it is neither JSON lines nor MessagePack ({error})"
        raise Invalid("ingest.event_invalid", what="the message", reason=reason) from error
    return _parse_text(body, limits, enveloped=enveloped)


def _parse_text(body: bytes, limits: Limits, *, enveloped: bool) -> Message:
    batch = parse_body("application/json", body, limits)
    if len(batch.values) != 1 or body.lstrip()[:1] == b"[":
        return Message(batch, None, None)
    (value,) = batch.values
    id_ = _id_of(value.get("id"))
    if not (enveloped and isinstance(value.get("events"), list)):
        return Message(batch, id_, None)
    seq = value.get("seq")
    if seq is not None and (type(seq) is not int or seq < 1):
        raise Invalid(
            "ingest.event_invalid", what="the envelope", reason="seq is not a number from 1",
            pointer="/seq",
        )  # fmt: skip
    events = bytes(_decode_envelope(body)["events"])
    return Message(parse_body("application/json", events, limits), id_, seq)


def _id_of(value: Any) -> str | int | None:
    """An id that can be told again, else none."""
    if type(value) is int or (type(value) is str and len(value) <= _ID_CHARS_MAX):
        return value
    return None
