"""Record batch, format version 2: the 61-byte header, its checks and the fields a broker rewrites.

    position bytes field
           0     8 base offset            offset of the first record
           8     4 batch length           bytes after this field
          12     4 leader epoch           not covered by the CRC
          16     1 magic                  2
          17     4 CRC-32C                of everything from position 21 to the end
          21     2 attributes             bits 0-2 codec, 3 append time, 4 transactional, 5 control
          23     4 last offset delta      offset of the last record minus base offset
          27     8 base timestamp         ms; records hold deltas to it
          35     8 max timestamp          ms
          43     8 producer id            -1 = none
          51     2 producer epoch         -1 = none
          53     4 base sequence          -1 = none
          57     4 record count
          61       records, compressed as a whole by the codec

Worked number: one record of an 8-byte value with no key takes 61 + 15 bytes, so batch length is 64.
Base offset and leader epoch lie outside the CRC: a broker patches them in place and never rebuilds
the batch. Records inside are `record.py`'s. Source: Kafka protocol guide, "Record Batch".
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import crc32c

from summit.base.errors import Corrupt, Invalid
from summit.base.files import Buffer
from summit.records.codecs import codec_at

HEADER_BYTES = 61
LENGTH_END = 12  # base offset and batch length: what precedes the bytes that batch length counts
CRC_START = 21  # the first byte that the CRC covers
MAGIC = 2

CODEC_MASK = 0x07
LOG_APPEND_TIME = 0x08
TRANSACTIONAL = 0x10
CONTROL = 0x20

NO_PRODUCER_ID = -1
NO_SEQUENCE = -1
SEQUENCE_MAX = 2**31 - 1

HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH = struct.Struct(">i")
_BASE = struct.Struct(">qii")
_CRC = struct.Struct(">I")
_ATTRIBUTES = struct.Struct(">h")
_MAX_TIMESTAMP = struct.Struct(">q")

# The smallest record: length, attributes, two deltas, two lengths, header count; a byte each.
RECORD_BYTES_MIN = 7


class BatchHeader(NamedTuple):
    """The header's fields in wire order; offsets in records, timestamps in ms since 1970 UTC."""

    base_offset: int
    batch_length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def codec(self) -> int:
        """Index into `codecs.CODECS`."""
        return self.attributes & CODEC_MASK

    @property
    def is_log_append_time(self) -> bool:
        return bool(self.attributes & LOG_APPEND_TIME)

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL)

    @property
    def last_offset(self) -> int:
        """Offset of the last record, inclusive."""
        return self.base_offset + self.last_offset_delta

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last record; the count goes on at 0 after 2^31 - 1."""
        if self.base_sequence < 0:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) & SEQUENCE_MAX

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return LENGTH_END + self.batch_length


def parse_header(buf: Buffer, position: int = 0) -> BatchHeader:
    """The header at `position`, unchecked. Raises: Invalid("batch.bad_format") if it is cut off."""
    if position < 0 or position + HEADER_BYTES > len(buf):
        raise Invalid("batch.bad_format", reason="shorter than a batch header")
    return BatchHeader._make(HEADER.unpack_from(buf, position))


def check_crc(buf: Buffer, position: int, size: int) -> bool:
    """Whether the CRC of the batch of `size` bytes at `position` holds."""
    (stored,) = _CRC.unpack_from(buf, position + 17)
    covered = memoryview(buf)[position + CRC_START : position + size]
    return bool(crc32c.crc32c(covered) == stored)


def validate_batch(buf: Buffer) -> BatchHeader:
    """Check that `buf` is exactly one batch that a producer may send.

    Pure; the records inside stay closed: their CRC vouches for them.

    Returns: The header.
    Raises:
        Invalid("batch.bad_format"): lengths, counts or sequences contradict one another.
        Invalid("batch.magic_unsupported"): message format 0 or 1.
        Invalid("batch.codec_unknown"): a codec that does not exist.
        Invalid("batch.transactional"): a transactional batch without a producer id.
        Corrupt("batch.crc_mismatch"): the bytes changed on their way.
    Cost: 1 µs and the CRC (42 µs a megabyte).
    """
    size = len(buf)
    if size > 16 and buf[16] != MAGIC and buf[16] < 128:
        raise Invalid("batch.magic_unsupported", magic=buf[16])
    if size < HEADER_BYTES:
        raise Invalid("batch.bad_format", reason="shorter than a batch header")
    header = BatchHeader._make(HEADER.unpack_from(buf, 0))
    if header[3] != MAGIC:
        raise Invalid("batch.bad_format", reason=f"magic is {header[3]}")
    if header[1] != size - LENGTH_END:
        raise Invalid(
            "batch.bad_format", reason=f"says {header[1] + LENGTH_END} bytes but has {size}"
        )
    if crc32c.crc32c(memoryview(buf)[CRC_START:]) != header[4]:
        raise Corrupt("batch.crc_mismatch")
    _check_fields(header, size)
    return header


def _check_fields(header: BatchHeader, size: int) -> None:
    attributes = header.attributes
    if attributes:
        if attributes & CODEC_MASK:
            codec_at(attributes & CODEC_MASK)
        if attributes & CONTROL:
            raise Invalid("batch.bad_format", reason="a client may not write control batches")
        if attributes & TRANSACTIONAL and header.producer_id < 0:
            raise Invalid("batch.transactional")
        if attributes & LOG_APPEND_TIME:
            raise Invalid("batch.bad_timestamp")
    count = header.record_count
    if count < 1 or header.last_offset_delta != count - 1:
        raise Invalid(
            "batch.bad_format",
            reason=f"{count} records end at offset delta {header.last_offset_delta}",
        )
    if not attributes & CODEC_MASK and count * RECORD_BYTES_MIN > size - HEADER_BYTES:
        raise Invalid("batch.bad_format", reason=f"{count} records do not fit into {size} bytes")
    if header.producer_id >= 0 and (header.producer_epoch < 0 or header.base_sequence < 0):
        raise Invalid("batch.bad_format", reason="a producer id without epoch or sequence")


def assign_offsets(
    buf: bytearray | memoryview, position: int, base_offset: int, leader_epoch: int
) -> None:
    """Write base offset and leader epoch into the batch at `position`; the CRC stays right."""
    (length,) = _LENGTH.unpack_from(buf, position + 8)
    _BASE.pack_into(buf, position, base_offset, length, leader_epoch)


def stamp_append_time(buf: bytearray | memoryview, position: int, size: int, now_ms: int) -> None:
    """Make the batch's time the broker's: sets the attribute and max timestamp, mends the CRC."""
    (attributes,) = _ATTRIBUTES.unpack_from(buf, position + 21)
    _ATTRIBUTES.pack_into(buf, position + 21, attributes | LOG_APPEND_TIME)
    _MAX_TIMESTAMP.pack_into(buf, position + 35, now_ms)
    covered = memoryview(buf)[position + CRC_START : position + size]
    _CRC.pack_into(buf, position + 17, crc32c.crc32c(covered))


def split_batches(buf: Buffer) -> list[tuple[int, int]]:
    """Position and size of each batch in `buf`; a batch cut off at the end is left out.

    Raises: Corrupt("batch.unreadable") when a length cannot be one of a batch.
    """
    found: list[tuple[int, int]] = []
    position = 0
    end = len(buf)
    while position + HEADER_BYTES <= end:
        (length,) = _LENGTH.unpack_from(buf, position + 8)
        if length < HEADER_BYTES - LENGTH_END:
            raise Corrupt("batch.unreadable", reason=f"batch length {length}")
        size = length + LENGTH_END
        if position + size > end:
            break
        found.append((position, size))
        position += size
    return found
