"""Batch after batch through a `.log` file, with what is wrong with each.

Nothing of the file but one batch is in memory. Lengths are believed only as far as the file goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from summit.base.files import File
from summit.records.batch import (
    HEADER_BYTES,
    LENGTH_END,
    MAGIC,
    BatchHeader,
    check_crc,
    parse_header,
)


class FoundBatch(NamedTuple):
    """A batch: where it stands, its header, and all of its bytes."""

    position: int
    header: BatchHeader
    data: bytes
    is_crc_right: bool


class BrokenEnd(NamedTuple):
    """Where no batch can be read any more, and why; the walk ends there.

    `is_torn`: the file only ends too early, as after a crash or while a broker is writing.
    """

    position: int
    reason: str
    is_torn: bool


def walk(file: File) -> Iterator[FoundBatch | BrokenEnd]:
    """The batches of a segment in their order; last a `BrokenEnd` if bytes are left over."""
    position, end = 0, file.size()
    while position < end:
        head = file.pread(HEADER_BYTES, position)
        left = end - position
        if len(head) < HEADER_BYTES:
            yield BrokenEnd(position, f"{left} bytes are less than a batch header", is_torn=True)
            return
        header = parse_header(head)
        if header.magic != MAGIC:
            reason = f"message format {header.magic}; only format {MAGIC} can be read"
            yield BrokenEnd(position, reason, is_torn=not any(head))
            return
        if header.batch_length < HEADER_BYTES - LENGTH_END:
            reason = f"batch length {header.batch_length} cannot be"
            yield BrokenEnd(position, reason, is_torn=False)
            return
        if header.size > left:
            reason = f"a batch of {header.size} bytes, but {left} are left"
            yield BrokenEnd(position, reason, is_torn=True)
            return
        data = head + file.pread(header.size - HEADER_BYTES, position + HEADER_BYTES)
        if len(data) < header.size:  # truncated meanwhile
            yield BrokenEnd(position, "the file became shorter", is_torn=True)
            return
        yield FoundBatch(position, header, data, check_crc(data, 0, len(data)))
        position += header.size
