"""Control batches that end transactions: one record, written by the broker, never by a client.

    key    version i16 = 0, type i16: 0 abort, 1 commit
    value  version i16 = 0, coordinator epoch i32

The batch is transactional, has the producer's id and epoch and no sequence. Readers skip it; an
offset belongs to it all the same.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from summit.base.errors import Corrupt
from summit.base.files import Buffer
from summit.records.batch import CONTROL, TRANSACTIONAL
from summit.records.record import Record, build_batch, iter_records

_KEY = struct.Struct(">hh")
_VALUE = struct.Struct(">hi")
_ABORT = 0
_COMMIT = 1


class Marker(NamedTuple):
    """What a control batch says; None for a control type that is not about transactions."""

    is_commit: bool | None
    coordinator_epoch: int


def build_marker(
    producer_id: int, producer_epoch: int, *, is_commit: bool, coordinator_epoch: int, now_ms: int
) -> bytearray:
    """The control batch that commits or aborts a producer's open transaction in a partition."""
    record = Record(
        offset=0,
        timestamp=now_ms,
        key=_KEY.pack(0, _COMMIT if is_commit else _ABORT),
        value=_VALUE.pack(0, coordinator_epoch),
        headers=(),
    )
    return build_batch(
        [record],
        attributes=CONTROL | TRANSACTIONAL,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
    )


def read_marker(batch: Buffer) -> Marker:
    """What the control batch says. Raises: Corrupt("batch.unreadable")."""
    for record in iter_records(batch):
        key, value = record.key or b"", record.value or b""
        if len(key) < _KEY.size:
            break
        kind = _KEY.unpack_from(key)[1]
        epoch = _VALUE.unpack_from(value)[1] if len(value) >= _VALUE.size else -1
        return Marker(kind == _COMMIT if kind in (_ABORT, _COMMIT) else None, epoch)
    raise Corrupt("batch.unreadable", reason="a control batch without a control record")
