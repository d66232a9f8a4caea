"""Records on their way into a log without a producer: whatever is given, as the log takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from summit.base.errors import Invalid
from summit.client import ProducerRecord, StreamMessage, header_pairs
from summit.records import Record


def encodable(
    topic: str, message: StreamMessage | ProducerRecord | Mapping[str, Any], now_ms: int
) -> Record:
    """Key, value, headers and timestamp of a message; the time is now where it has none.

    Raises: Invalid("record.invalid") for what is no text, bytes or None; Invalid for unknown keys.
    """
    if isinstance(message, Mapping):
        message = ProducerRecord.from_dict({"topic": topic, **message})
    timestamp = now_ms if message.timestamp is None else message.timestamp
    if not isinstance(timestamp, int) or timestamp < 0:
        raise Invalid("record.invalid", reason="a timestamp is 0 ms or more", pointer="/timestamp")
    pairs = header_pairs(message.headers) or []
    return Record(
        0,
        timestamp,
        _plain(message.key, "key"),
        _plain(message.value, "value"),
        tuple((name, _plain(value, "header")) for name, value in pairs),
    )


def _plain(text: object, name: str) -> bytes | None:
    if text is None or isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode()
    raise Invalid(
        "record.invalid",
        reason=f"a {name} is text, bytes or None, not {type(text).__name__}",
        pointer=f"/{name}",
    )
