"""The dead letter: a record that could not be processed, with the reason, put aside whole.

    topic <original topic>.dlq, same key and headers, value =
    {"originalTopic", "originalPartition", "originalOffset", "originalKey", "originalHeaders",
     "originalValue", "error": {"code", "message", "stage", "rule"}, "timestamp"}

`originalKey`, `originalValue` and the values of `originalHeaders` ([[name, value], ...]) are
base64 or null, so that a replay puts back exactly the bytes that were there.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Final

import msgspec

from summit.base.limits import DEAD_LETTER_BYTES_MAX
from summit.journal.inputs import DEAD_LETTER_SUFFIX

# What is no fault of the event: a deletion, or an event that no rule can use. Counted only.
COUNTED_ONLY: Final = frozenset({"event.empty", "event.no_type", "event.no_key"})

_encode = msgspec.json.Encoder().encode


class OriginalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record that was refused."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes | None]] = ()


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why, and where in the pipeline."""

    code: str
    message: str
    stage: str
    rule: str | None = None


def dead_letter_topic(topic: str) -> str:
    """Where the dead letters of a topic go."""
    return topic + DEAD_LETTER_SUFFIX


def dead_letter_value(record: OriginalRecord, fault: Fault, now_ms: int) -> bytes:
    """The dead letter's JSON.

    A value too long for one record of default size once it is base64 is left out; `error` says
    so, and the original stays readable at its offset.
    """
    value = record.value
    message = fault.message
    if value is not None and len(value) > DEAD_LETTER_BYTES_MAX:
        message += f" (value of {len(value)} bytes left out: read it at its offset)"
        value = None
    return _encode(
        {
            "originalTopic": record.topic,
            "originalPartition": record.partition,
            "originalOffset": record.offset,
            "originalKey": _base64(record.key),
            "originalHeaders": [[name, _base64(v)] for name, v in record.headers],
            "originalValue": _base64(value),
            "error": {
                "code": fault.code,
                "message": message,
                "stage": fault.stage,
                "rule": fault.rule,
            },
            "timestamp": now_ms,
        }
    )


def _base64(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()
