"""Producer snapshot files: what producers had written before an offset.

Kafka's own format, version 1, big-endian: version i16, CRC-32C u32 of all that follows, count i32,
then per producer: id i64, epoch i16, last sequence i32, last offset i64, offset delta i32,
timestamp i64, coordinator epoch i32, first offset of the open transaction i64 or -1. A producer of
whom only a marker is left has last sequence and last offset -1.

Kafka keeps the last batch only. We keep five, so that a batch sent again right after a restart is
still recognised: after Kafka's part, which its readers stop at, follow the mark `SMT1`, a count i32
and per earlier batch: producer id i64, first sequence i32, last sequence i32, base offset i64, last
offset i64, each producer's oldest first.
"""

from __future__ import annotations

import struct

import crc32c

from summit.base.files import Buffer
from summit.log.producers import ProducedBatch, ProducerEntry

_HEAD = struct.Struct(">hI")
_COUNT = struct.Struct(">i")
_ENTRY = struct.Struct(">qhiqiqiq")
_EARLIER = struct.Struct(">qiiqq")
_VERSION = 1
_MARK = b"SMT1"
_NO_BATCH = ProducedBatch(-1, -1, -1, -1)


def encode_snapshot(entries: dict[int, ProducerEntry]) -> bytes:
    """The bytes of a snapshot file."""
    parts = [_COUNT.pack(len(entries))]
    earlier: list[bytes] = []
    for producer_id, entry in entries.items():
        last = entry.batches[-1] if entry.batches else _NO_BATCH
        delta = last.last_offset - last.base_offset
        fields = (last.last_sequence, last.last_offset, delta, entry.written_ms)
        transaction = (entry.coordinator_epoch, entry.open_offset)
        parts.append(_ENTRY.pack(producer_id, entry.epoch, *fields, *transaction))
        earlier += [_EARLIER.pack(producer_id, *batch) for batch in entry.batches[:-1]]
    body = b"".join([*parts, _MARK, _COUNT.pack(len(earlier)), *earlier])
    return _HEAD.pack(_VERSION, crc32c.crc32c(body)) + body


def decode_snapshot(data: Buffer) -> dict[int, ProducerEntry] | None:
    """The entries of a snapshot file, or None when it is damaged or of another version."""
    view = memoryview(data)
    if len(view) < _HEAD.size + _COUNT.size:
        return None
    version, crc = _HEAD.unpack_from(view)
    body = view[_HEAD.size :]
    if version != _VERSION or crc32c.crc32c(body) != crc:
        return None
    (count,) = _COUNT.unpack_from(body)
    end = _COUNT.size + count * _ENTRY.size
    if count < 0 or end > len(body):
        return None
    earlier = _decode_earlier(body[end:])
    entries: dict[int, ProducerEntry] = {}
    for fields in _ENTRY.iter_unpack(body[_COUNT.size : end]):
        producer_id, epoch, last_sequence, last_offset, delta, timestamp, *transaction = fields
        coordinator_epoch, open_offset = transaction
        if last_sequence < 0:
            entries[producer_id] = ProducerEntry(
                epoch, timestamp, (), open_offset, coordinator_epoch
            )
            continue
        first_sequence = (last_sequence - delta) & 0x7FFF_FFFF
        last = ProducedBatch(first_sequence, last_sequence, last_offset - delta, last_offset)
        batches = (*earlier.get(producer_id, ()), last)
        entries[producer_id] = ProducerEntry(
            epoch, timestamp, batches, open_offset, coordinator_epoch
        )
    return entries


def _decode_earlier(body: memoryview) -> dict[int, list[ProducedBatch]]:
    found: dict[int, list[ProducedBatch]] = {}
    start = len(_MARK) + _COUNT.size
    if len(body) < start or body[: len(_MARK)] != _MARK:
        return found  # written by Kafka
    (count,) = _COUNT.unpack_from(body, len(_MARK))
    end = start + count * _EARLIER.size
    if count < 0 or end > len(body):
        return found
    for producer_id, *batch in _EARLIER.iter_unpack(body[start:end]):
        found.setdefault(producer_id, []).append(ProducedBatch(*batch))
    return found
