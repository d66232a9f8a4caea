"""`_summit.exchange`: events for key groups that another worker holds. Pure.

A record stands in the partition of its key group and holds a frame (MessagePack list, version 1):

    [1, definitions offset of the inputs told,
     [[topic, partition, [offset, ...], [record time, ...], [time taken, ...], [value, ...],
       [key, ...], [[[header, value], ...], ...]], ...],
     [[topic, partition, offset, time], ...],
     [[topic, partition, clock time, idle], ...],
     definitions offset of the events, [key group, ...]]

The two last lists tell how far the sender has read its inputs: every event below that offset that
the group needs has been sent, in this frame or before it, and event time has come so far (`NO_TIME`
= none is known of that input); and which of them are silent, as `Processor.rest` takes it. Inputs
that moved are told, now and then all of them. The definitions at the end are those that the sender
goes by; those at the beginning are newer while rules change (`flow/switching.py`), and the key
groups are those that are ready for them.

An event may be as large as a record, and its frame longer: from 1,000,000 bytes on it is compressed
(zlib; it begins with 0x78, which no such list does).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.errors import Corrupt
from summit.base.packing import pack, unpack
from summit.keyed.captured import Move
from summit.keyed.chunks import SOURCE_HEADER, Chunk, source_of
from summit.keyed.outputs import Remote

FRAME_VERSION: Final = 1
NO_TIME: Final = 1 << 62
FRAME_BYTES_MAX: Final = 400_000  # of values; a record of default size holds a frame


class Told(NamedTuple):
    """How far one input is.

    Attributes:
        time_ms: Its largest event time, or `NO_TIME`.
        clock_ms: How far time has come there by the clock; None = it is not silent.
        is_idle: It is silent for so long that it holds nothing back.
    """

    offset: int
    time_ms: int
    clock_ms: int | None = None
    is_idle: bool = False


_Stretch = tuple[
    str, int, list[int], list[int], list[int], list[bytes], list[bytes | None], list[Any]
]


class _Wire(msgspec.Struct, array_like=True, gc=False):
    version: int
    definitions: int
    stretches: list[_Stretch]
    told: list[tuple[str, int, int, int]]
    silent: list[tuple[str, int, int, bool]] = []
    acting: int = -1  # none in frames of before: the same as `definitions`
    ready: list[int] = []


class Frame(NamedTuple):
    """One frame, read.

    Attributes:
        definitions: No more events of the inputs told will come by older ones than these.
        chunks: Events with the times at which they are taken, in order.
        told: How far the inputs are.
        acting: The definitions that the sender goes by.
        ready: Key groups that have seen everything by older ones than `definitions`.
    """

    definitions: int
    chunks: list[tuple[Chunk, list[int]]]
    told: dict[tuple[str, int], Told]
    acting: int
    ready: list[int]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Wire)


def encode_frames(
    events: Iterable[Remote],
    told: Mapping[tuple[str, int], Told],
    definitions: int,
    *,
    acting: int | None = None,
    ready: Sequence[int] = (),
    limit: bool = True,
) -> list[bytes]:
    """The frames of one key group for one commit; what is told stands in the last.

    Args:
        definitions, ready: As in `Frame`.
        acting: As in `Frame`; None = `definitions`.
        limit: Begin a new frame where one of several events would pass `FRAME_BYTES_MAX`.
    """
    frames: list[bytes] = []
    stretches: list[_Stretch] = []
    by = definitions if acting is None else acting
    size = 0
    for event in events:
        more = len(event.value) + len(event.key or b"") + 50
        if limit and stretches and size + more > FRAME_BYTES_MAX:
            frames.append(_ENCODER.encode(_Wire(FRAME_VERSION, definitions, stretches, [], [], by)))
            stretches, size = [], 0
        last = stretches[-1] if stretches else None
        if last is None or (last[0], last[1]) != (event.topic, event.partition):
            last = (event.topic, event.partition, [], [], [], [], [], [])
            stretches.append(last)
        _, _, offsets, stamps, taken, values, keys, headers = last
        offsets.append(event.offset)
        stamps.append(event.timestamp_ms)
        taken.append(event.taken_ms)
        values.append(event.value)
        keys.append(event.key)
        headers.append(_pairs(event.headers))
        size += more
    rows = [(*place, row.offset, row.time_ms) for place, row in told.items()]
    silent = [
        (*place, row.clock_ms, row.is_idle)
        for place, row in told.items()
        if row.clock_ms is not None
    ]
    if stretches or rows or ready or not limit:
        wire = _Wire(FRAME_VERSION, definitions, stretches, rows, silent, by, list(ready))
        frames.append(_ENCODER.encode(wire))
    return [pack(frame) for frame in frames]


def decode_frame(value: bytes) -> Frame:
    """The frame of a record's value. Raises: Corrupt("exchange.frame")."""
    try:
        wire = _DECODER.decode(unpack(value))
    except (msgspec.MsgspecError, ValueError) as error:
        raise Corrupt("exchange.frame", reason=str(error)) from error
    if wire.version != FRAME_VERSION:
        reason = f"version {wire.version} is not {FRAME_VERSION}"
        raise Corrupt("exchange.frame", reason=reason)
    chunks = [
        (Chunk(topic, partition, offsets, stamps, values, headers, keys), taken)
        for topic, partition, offsets, stamps, taken, values, keys, headers in wire.stretches
    ]
    silent = {(topic, partition): rest for topic, partition, *rest in wire.silent}
    told = {
        (topic, partition): Told(at, time, *silent.get((topic, partition), ()))
        for topic, partition, at, time in wire.told
    }
    acting = wire.definitions if wire.acting < 0 else wire.acting
    return Frame(wire.definitions, chunks, told, acting, wire.ready)


def moved_frame(value: bytes, move: Move, log_of_definitions: tuple[str, int]) -> bytes:
    """The same frame with its events at the places where another cluster has them.

    Args:
        log_of_definitions: Topic and partition of the definitions.
    Raises: Corrupt("exchange.frame").
    """
    frame = decode_frame(value)
    events = [
        Remote(
            0, chunk.topic, chunk.partition, *_moved(chunk, n, move, stamp, taken),
        )
        for chunk, times in frame.chunks
        for n, (stamp, taken) in enumerate(zip(chunk.timestamps_ms, times, strict=True))
    ]  # fmt: skip
    told = {
        (topic, partition): row._replace(offset=move(topic, partition, row.offset, "")[0])
        for (topic, partition), row in frame.told.items()
    }
    definitions, acting = (
        move(*log_of_definitions, at, None)[0] for at in (frame.definitions, frame.acting)
    )
    frames = encode_frames(events, told, definitions, acting=acting, ready=frame.ready, limit=False)
    return frames[0]


def _moved(chunk: Chunk, n: int, move: Move, stamp: int, taken: int) -> Any:
    headers = [] if chunk.headers is None else list(chunk.headers[n])
    known = source_of(headers)
    offset, source = move(chunk.topic, chunk.partition, chunk.offsets[n], known)
    if known is None and source is not None:
        headers.append([SOURCE_HEADER, source.encode()])
    key = None if chunk.keys is None else chunk.keys[n]
    return offset, stamp, taken, key, chunk.values[n] or b"", headers


def _pairs(headers: Any) -> list[Any]:
    if not headers:
        return []
    return [list(pair) for pair in getattr(headers, "pairs", headers)]
