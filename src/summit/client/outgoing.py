"""What a record must be before librdkafka is given it, and how many bytes it counts for."""

from __future__ import annotations

from summit.base.errors import Invalid
from summit.base.limits import RECORD_OVERHEAD_BYTES
from summit.client.types import Text

Pairs = list[tuple[str, Text | None]]


def plain_bytes(text: object, name: str) -> bytes | None:
    """A key or a value as bytes. Raises Invalid."""
    if text is None or isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, bytearray | memoryview):
        return bytes(text)
    raise Invalid(
        "record.invalid",
        reason=f"a {name} is text, bytes or None, not {type(text).__name__}",
        pointer=f"/{name}",
    )


def bytes_of(key: bytes | None, value: bytes | None, headers: Pairs | None) -> int:
    """What the record takes of `bufferMemory`."""
    size = RECORD_OVERHEAD_BYTES
    if key is not None:
        size += len(key)
    if value is not None:
        size += len(value)
    if headers:
        for name, text in headers:
            size += len(name) + (0 if text is None else len(text))
    return size


def checked_partition(partition: int) -> int:
    """The partition, if it can be one. Raises Invalid."""
    if partition < 0:
        raise Invalid("record.invalid", reason="a partition is 0 or more", pointer="/partition")
    return partition


def checked_timestamp(timestamp_ms: int) -> int:
    """The timestamp, if it can be one. Raises Invalid."""
    if timestamp_ms <= 0:
        raise Invalid(
            "record.invalid",
            reason="a timestamp is more than 0 ms since 1970 UTC",
            pointer="/timestamp",
        )
    return timestamp_ms
