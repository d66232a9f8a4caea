"""The write-ahead log's bytes: files of fixed size that hold one record per commit group.

File, big-endian, preallocated:

    position bytes field
           0     8 mark `SMTWAL01`
           8     8 file number            also the file's name
          16     8 salt                   random, new each time the file is used again
          24     4 CRC-32C of 0..24
        4096       records

Record: one group, whatever number of partitions it touches:

           0     4 bytes of the record, this field included
           4     4 CRC-32C of 8..end, started from the CRC of the record before
           8     8 record number, one more than the record before, across files
          16     4 entry count
          20       entries: topic id 16, partition i32, base offset i64, byte count u32, batches

Files are used again, so old records may stand behind the last one. They never pass: the first
record's CRC starts from the salted header's CRC, each other one from its predecessor's, and the
numbers must follow one another. The first record that does not pass ends the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import crc32c

from summit.base.files import Buffer

SUFFIX = ".wal"
MARK = b"SMTWAL01"
RECORDS_START = 4096

FILE_HEADER = struct.Struct(">8sQ8sI")
_RECORD = struct.Struct(">IIQI")
_AFTER_CRC = struct.Struct(">QI")
_ENTRY = struct.Struct(">16siqI")
_SIZE_AND_CRC = struct.Struct(">II")
_CRC_END = 8
_JOIN_BYTES = 64 * 1024  # below it one joined buffer is cheaper than a vectored write


class WalEntry(NamedTuple):
    """Batches of one partition: `data` starts at `base_offset`."""

    topic_id: bytes
    partition: int
    base_offset: int
    data: Buffer


class WalRecord(NamedTuple):
    """One group as read back, with the position after it and its CRC."""

    number: int
    entries: list[WalEntry]
    end: int
    crc: int


def encode_file_header(number: int, salt: bytes) -> tuple[bytes, int]:
    """The first bytes of a file, and the CRC from which its records' CRCs start."""
    head = FILE_HEADER.pack(MARK, number, salt, 0)[:24]
    crc = crc32c.crc32c(head)
    return head + struct.pack(">I", crc), crc


def decode_file_header(data: Buffer, number: int) -> int | None:
    """The CRC from which the records' CRCs start, or None when this is not file `number`."""
    if len(data) < FILE_HEADER.size:
        return None
    mark, found, _, crc = FILE_HEADER.unpack_from(data)
    if mark != MARK or found != number or crc32c.crc32c(memoryview(data)[:24]) != crc:
        return None
    return int(crc)


def record_size(entries: Sequence[WalEntry]) -> int:
    """Bytes of the record that holds `entries`."""
    return _RECORD.size + sum(_ENTRY.size + len(entry.data) for entry in entries)


def encode_record(
    number: int, entries: Sequence[WalEntry], seed_crc: int
) -> tuple[list[Buffer], int]:
    """The record as buffers to be written one after the other, and its CRC.

    A small record is one buffer; of a large one no batch is copied.
    """
    size = record_size(entries)
    buffers: list[Buffer] = [b"", _AFTER_CRC.pack(number, len(entries))]
    for topic_id, partition, base_offset, data in entries:
        buffers.append(_ENTRY.pack(topic_id, partition, base_offset, len(data)))
        buffers.append(data)
    if size <= _JOIN_BYTES:
        body = b"".join(buffers)
        crc = crc32c.crc32c(body, seed_crc)
        return [_SIZE_AND_CRC.pack(size, crc) + body], crc
    crc = seed_crc
    for buffer in buffers:
        crc = crc32c.crc32c(buffer, crc)
    buffers[0] = _SIZE_AND_CRC.pack(size, crc)
    return buffers, crc


def decode_records(data: Buffer, seed_crc: int, number: int | None) -> Iterator[WalRecord]:
    """The records of a file's bytes up to the first that does not pass.

    Args:
        data: The whole file.
        seed_crc: From `decode_file_header`.
        number: The number of the first record, or None to take what stands there.
    """
    view = memoryview(data)
    position = RECORDS_START
    crc = seed_crc
    while position + _RECORD.size <= len(view):
        size, stored, found, count = _RECORD.unpack_from(view, position)
        end = position + size
        if size < _RECORD.size or end > len(view) or (number is not None and found != number):
            return
        crc = crc32c.crc32c(view[position + _CRC_END : end], crc)
        if crc != stored:
            return
        entries = _decode_entries(view[position + _RECORD.size : end], count)
        yield WalRecord(found, entries, end, crc)
        number = found + 1
        position = end


def _decode_entries(body: memoryview, count: int) -> list[WalEntry]:
    entries: list[WalEntry] = []
    position = 0
    for _ in range(count):
        topic_id, partition, base_offset, size = _ENTRY.unpack_from(body, position)
        position += _ENTRY.size
        entries.append(WalEntry(topic_id, partition, base_offset, body[position : position + size]))
        position += size
    return entries
