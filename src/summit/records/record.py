"""Records inside a batch: one by one out of it, and a batch built of them.

A record is: length varint, attributes i8 = 0, timestamp delta varint, offset delta varint, key
(length varint, -1 = null), value (the same), header count varint, headers (name length, name,
value length or -1, value). Deltas are to the batch's base timestamp and base offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import crc32c

from summit.base.errors import Corrupt, Invalid
from summit.base.files import Buffer
from summit.base.limits import BATCH_UNFOLDED_BYTES_MAX
from summit.records.batch import (
    CODEC_MASK,
    CRC_START,
    HEADER,
    HEADER_BYTES,
    LENGTH_END,
    LOG_APPEND_TIME,
    MAGIC,
    RECORD_BYTES_MIN,
    BatchHeader,
    parse_header,
)
from summit.records.codecs import compress, decompress
from summit.records.varints import decode_varint, encode_varint

Headers = tuple[tuple[str, bytes | None], ...]


class Record(NamedTuple):
    """One record: its offset, timestamp in ms since 1970 UTC, key, value and headers."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def iter_records(batch: Buffer, max_bytes: int = BATCH_UNFOLDED_BYTES_MAX) -> Iterator[Record]:
    """The records of the batch that starts at position 0 of `batch`, in order.

    The CRC is not looked at. Bytes after the batch are ignored.

    Args:
        max_bytes: What a compressed batch may unfold to.
    Raises: Corrupt("batch.unreadable"), Invalid("batch.unfolds_too_large" | "batch.codec_unknown"
        | "batch.bad_format"); records before the bad one have been given by then.
    Cost: About 1.5 µs a record; memory of the unfolded batch, whatever counts the bytes claim.
    """
    header = parse_header(batch)
    size = header.size
    if header.magic != MAGIC:
        raise Invalid("batch.magic_unsupported", magic=header.magic)
    if size < HEADER_BYTES or size > len(batch):
        raise Corrupt("batch.unreadable", reason=f"says {size} bytes but has {len(batch)}")
    packed = memoryview(batch)[HEADER_BYTES:size]
    codec = header.attributes & CODEC_MASK
    body = decompress(codec, packed, max_bytes) if codec else bytes(packed)
    if header.record_count < 0 or header.record_count * RECORD_BYTES_MIN > len(body):
        reason = f"{header.record_count} records in {len(body)} bytes"
        raise Corrupt("batch.unreadable", reason=reason)
    return _iter_body(body, header)


def _iter_body(body: bytes, header: BatchHeader) -> Iterator[Record]:
    base_offset = header.base_offset
    base_timestamp = header.base_timestamp
    append_time = header.max_timestamp if header.attributes & LOG_APPEND_TIME else None
    position = 0
    for _ in range(header.record_count):
        length, position = decode_varint(body, position)
        end = position + length
        if length < 0 or end > len(body):
            raise Corrupt("batch.unreadable", reason="a record is cut off")
        timestamp, position = decode_varint(body, position + 1)
        offset, position = decode_varint(body, position)
        key, position = _decode_bytes(body, position, end)
        value, position = _decode_bytes(body, position, end)
        count, position = decode_varint(body, position)
        headers: Headers = ()
        if count:
            headers, position = _decode_headers(body, position, end, count)
        if position != end:
            raise Corrupt("batch.unreadable", reason="a record does not end where it says")
        if append_time is not None:
            timestamp = append_time - base_timestamp
        yield Record(base_offset + offset, base_timestamp + timestamp, key, value, headers)


def _decode_bytes(body: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    length, position = decode_varint(body, position)
    if length < 0:
        if length == -1:
            return None, position
        raise Corrupt("batch.unreadable", reason=f"length {length}")
    stop = position + length
    if stop > end:
        raise Corrupt("batch.unreadable", reason="a key, value or header is cut off")
    return body[position:stop], stop


def _decode_headers(body: bytes, position: int, end: int, count: int) -> tuple[Headers, int]:
    if count < 0 or count * 2 > end - position:
        raise Corrupt("batch.unreadable", reason=f"{count} headers in {end - position} bytes")
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        name, position = _decode_bytes(body, position, end)
        if name is None:
            raise Corrupt("batch.unreadable", reason="a header without a name")
        value, position = _decode_bytes(body, position, end)
        try:
            headers.append((name.decode(), value))
        except UnicodeDecodeError as error:
            raise Corrupt("batch.unreadable", reason="a header name is not UTF-8") from error
    return tuple(headers), position


def build_batch(
    records: Iterable[Record],
    *,
    codec: int = 0,
    base_offset: int = 0,
    leader_epoch: int = -1,
    attributes: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
) -> bytearray:
    """One batch of `records`, ready to be sent or staged.

    Offsets are given by position: record i gets `base_offset + i`; `Record.offset` is not read.

    Args:
        codec: Index into `codecs.CODECS`.
        attributes: Bits beside the codec (`CONTROL`, `TRANSACTIONAL`, `LOG_APPEND_TIME`).
    Returns: The bytes with the right CRC.
    Raises: Invalid("batch.bad_format") when there are no records; Invalid("batch.codec_unknown").
    """
    items = list(records)
    if not items:
        raise Invalid("batch.bad_format", reason="a batch has at least one record")
    base_timestamp = items[0].timestamp
    parts: list[bytes] = []
    for delta, record in enumerate(items):
        body = _encode_record(record, record.timestamp - base_timestamp, delta)
        parts += (encode_varint(len(body)), body)
    packed = b"".join(parts)
    if codec:
        packed = compress(codec, packed)
    out = bytearray(HEADER_BYTES + len(packed))
    HEADER.pack_into(
        out, 0, base_offset, len(out) - LENGTH_END, leader_epoch, MAGIC, 0, attributes | codec,
        len(items) - 1, base_timestamp, max(record.timestamp for record in items),
        producer_id, producer_epoch, base_sequence, len(items),
    )  # fmt: skip
    out[HEADER_BYTES:] = packed
    out[17:21] = crc32c.crc32c(memoryview(out)[CRC_START:]).to_bytes(4, "big")
    return out


def _encode_record(record: Record, timestamp_delta: int, offset_delta: int) -> bytes:
    parts = [
        b"\x00",
        encode_varint(timestamp_delta),
        encode_varint(offset_delta),
        *_encode_bytes(record.key),
        *_encode_bytes(record.value),
        encode_varint(len(record.headers)),
    ]
    for name, value in record.headers:
        parts += _encode_bytes(name.encode())
        parts += _encode_bytes(value)
    return b"".join(parts)


def _encode_bytes(data: bytes | None) -> tuple[bytes, bytes]:
    if data is None:
        return b"\x01", b""
    return encode_varint(len(data)), data
