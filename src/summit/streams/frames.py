"""Records between the tasks of an app: `_<app>-<name>-repartition`. Pure.

A record stands in the partition of its keys and holds a frame (MessagePack list, version 1):

    [1, sender's slot, [key, ...], [value, ...], [time, ...], [clock, ...], [late, ...] or null,
     sender's clock, whether the sender is idle]

The last two tell how far the sender's event time has come behind the records of the frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.errors import Corrupt
from summit.operators.batch import Batch
from summit.operators.formats import Packing, as_key

FRAME_VERSION: Final = 1
_FRAME_BYTES: Final = 400_000  # of values; a record of default size holds a frame

_Raw = msgspec.Raw


class _Wire(msgspec.Struct, array_like=True, gc=False):
    version: int
    sender: int
    keys: list[Any]
    values: list[msgspec.Raw]
    times: list[int]
    clocks: list[int]
    lates: list[bool] | None
    clock: int
    is_idle: bool


class Frame(NamedTuple):
    """One frame, read."""

    sender: int
    batch: Batch
    clock_ms: int
    is_idle: bool


class Told(NamedTuple):
    """How far a task has come."""

    clock_ms: int
    is_idle: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Wire).decode


def encode_frames(
    sender: int, batches: list[Batch], told: Told, before_ms: int, packing: Packing
) -> Iterator[bytes]:
    """The frames of one sender for one partition and one commit; what is told stands in the last.

    Args:
        before_ms: What was told last: a frame with more to come tells no more than its records.
    """
    for index, batch in enumerate(batches):
        rows = list(batch.rows())
        packed = [packing.encode(value) for value in batch.values]
        start = size = 0
        for end, data in enumerate(packed, 1):
            size += len(data) + 30
            is_last = end == len(packed)
            if size < _FRAME_BYTES and not is_last:
                continue
            stretch = rows[start:end]
            clocks = [row[3] for row in stretch]
            lates = [row[4] for row in stretch]
            closing = is_last and index == len(batches) - 1
            yield _encode(
                _Wire(
                    FRAME_VERSION, sender, [row[0] for row in stretch],
                    [msgspec.Raw(one) for one in packed[start:end]], [row[2] for row in stretch],
                    clocks, lates if any(lates) else None,
                    told.clock_ms if closing else max(before_ms, clocks[-1]),
                    closing and told.is_idle,
                )
            )  # fmt: skip
            start, size = end, 0
    if not batches:
        yield _encode(
            _Wire(FRAME_VERSION, sender, [], [], [], [], None, told.clock_ms, told.is_idle)
        )


def decode_frame(value: bytes, packing: Packing) -> Frame:
    """The frame of a record's value. Raises: Corrupt("streams.frame")."""
    try:
        wire = _decode(value)
        if wire.version != FRAME_VERSION:
            raise ValueError(f"version {wire.version} is not {FRAME_VERSION}")
        keys = wire.keys
        if any(type(key) is list for key in keys):
            keys = [as_key(key) for key in keys]
        values = [packing.decode(raw) for raw in wire.values]
    except (msgspec.MsgspecError, ValueError) as error:
        raise Corrupt("streams.frame", reason=str(error)) from error
    batch = Batch(keys, values, wire.times, wire.clocks, wire.lates)
    return Frame(wire.sender, batch, wire.clock, wire.is_idle)
