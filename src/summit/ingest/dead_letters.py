"""Dead letters: what a source could not turn into an event, kept with the reason.

The record of topic `<topic>.dlq` is JSON: originalTopic, originalPartition, originalOffset,
originalKey, originalHeaders, originalValue (base64), error {code, message, stage, rule},
timestamp. A line of a file has no original offset yet; its place is in the header `summit.src`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from summit.base.errors import SummitError

SUFFIX: Final = ".dlq"


class _Reason(msgspec.Struct, frozen=True):
    code: str
    message: str
    stage: str
    rule: str | None


class _DeadLetter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    original_topic: str
    original_partition: int | None
    original_offset: int | None
    original_key: bytes | None
    original_headers: dict[str, str]
    original_value: bytes
    error: _Reason
    timestamp: int


def dead_letter_topic(topic: str) -> str:
    """The topic that takes the dead letters of `topic`."""
    return topic + SUFFIX


def dead_letter(
    value: bytes,
    error: SummitError,
    *,
    topic: str,
    partition: int | None,
    headers: Iterable[tuple[str, bytes]],
    now_ms: int,
) -> bytes:
    """The dead-letter record for source bytes that did not become a record of `topic`.

    Args:
        value: The source bytes as they are.
        error: Why.
        partition: The partition that the record was meant for.
        headers: The headers that the record would have had.
        now_ms: The time, milliseconds since 1970 UTC.
    """
    return _ENCODER.encode(
        _DeadLetter(
            original_topic=topic,
            original_partition=partition,
            original_offset=None,
            original_key=None,
            original_headers={name: text.decode(errors="replace") for name, text in headers},
            original_value=value,
            error=_Reason(error.code, str(error), "collector", None),
            timestamp=now_ms,
        )
    )


_ENCODER: Final = msgspec.json.Encoder()
