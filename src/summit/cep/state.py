"""The state of one key as bytes: what is saved in a changelog, and kept of keys at rest.

MessagePack list, version 1 (the version travels beside the bytes, not in them):

    [sequence of the event taken last,
     base time,
     [[topic, partition], ...],
     [[sequence, time, own time, index of its topic partition, offset, src, value, whole], ...],
     [[state, [[start time, start, last time, [step, event index, ...], mark], ...],
       [step, event index, ...] of the events all these runs have taken], ...],
     [held runs, in the same form]]

Times are milliseconds after the base time, own times after the event's time. `whole` is 1 when the
value is the record's own, 0 when it is a projection. Events, states and runs stand in a fixed
order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from summit.base.errors import Corrupt
from summit.cep.runs import Bucket, KeyRuns, Run
from summit.keyed.captured import Captured, Move, Origins

STATE_VERSION: Final = 1

_EventRow = tuple[int, int, int, int, int, str | None, bytes, int]
_RunRow = tuple[int, int, int, list[int], int]
_Rows = tuple[
    int,
    int,
    list[tuple[str, int]],
    list[_EventRow],
    list[tuple[int, list[_RunRow], list[int]]],
    list[_RunRow],
]

_ENCODER: Final = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder(_Rows).decode


def dump_key(key: KeyRuns) -> bytes:
    """The state of a key as bytes."""
    events: dict[int, Captured] = {}
    flats = [run.captures for run in key.held]
    for bucket in key.by_state.values():
        flats += [run.captures for run in bucket.runs]
        flats.append(tuple(bucket.taken))
    for flat in flats:
        for event in flat[1::2]:
            events[event.sequence] = event
    numbers = {sequence: index for index, sequence in enumerate(sorted(events))}
    origins: dict[tuple[str, int], int] = {}
    base = min((event.time_ms for event in events.values()), default=0)
    rows: list[_EventRow] = []
    for sequence in numbers:
        event = events[sequence]
        place = (event.origin.topic, event.origin.partition)
        origin = origins.setdefault(place, len(origins))
        rows.append(
            (
                sequence,
                event.time_ms - base,
                event.own_ms - event.time_ms,
                origin,
                event.offset,
                event.src,
                event.value,
                int(event.whole),
            )
        )
    states = [
        (state, [_run_row(run, base, numbers) for run in bucket.runs], _flat(bucket.taken, numbers))
        for state, bucket in sorted(key.by_state.items())
    ]
    held = [_run_row(run, base, numbers) for run in key.held]
    # The bytes that an encoder gives hold on to room they do not use; a copy does not.
    buffer = bytearray()
    _ENCODER.encode_into((key.sequence, base, list(origins), rows, states, held), buffer)
    return bytes(buffer)


def load_key(data: bytes, version: int, origins: Origins) -> KeyRuns:
    """The state that `dump_key` wrote.

    Raises: Corrupt("pattern.state") for another version or bytes that are none of ours.
    """
    _check_version(version)
    try:
        sequence, base, places, rows, states, held = _decode(data)
        known = [origins.of(topic, partition) for topic, partition in places]
        events = [
            Captured(
                number,
                base + time,
                base + time + own,
                known[origin],
                offset,
                src,
                value,
                bool(whole),
            )
            for number, time, own, origin, offset, src, value, whole in rows
        ]
        by_state = {
            state: Bucket([_run(row, base, events) for row in runs], _unflat(taken, events))
            for state, runs, taken in states
        }
        waiting = [_run(row, base, events) for row in held]
    except (msgspec.MsgspecError, IndexError, ValueError) as error:
        raise Corrupt("pattern.state", reason=str(error)) from error
    count = sum(len(bucket.runs) for bucket in by_state.values())
    return KeyRuns(sequence, count, by_state, waiting)


def move_key(data: bytes, version: int, move: Move) -> bytes:
    """The same state with its events at the places where another cluster has them.

    Raises: Corrupt("pattern.state").
    """
    _check_version(version)
    try:
        sequence, base, places, rows, states, held = _decode(data)
        moved: list[_EventRow] = []
        for number, time, own, origin, offset, src, value, whole in rows:
            topic, partition = places[origin]
            at, source = move(topic, partition, offset, src)
            moved.append((number, time, own, origin, at, source, value, whole))
    except (msgspec.MsgspecError, IndexError, ValueError) as error:
        raise Corrupt("pattern.state", reason=str(error)) from error
    return _ENCODER.encode((sequence, base, places, moved, states, held))


def _check_version(version: int) -> None:
    if version != STATE_VERSION:
        reason = f"it was written in version {version}, and version {STATE_VERSION} is known here"
        raise Corrupt("pattern.state", reason=reason)


def _run_row(run: Run, base: int, numbers: dict[int, int]) -> _RunRow:
    return (
        run.start_ms - base,
        run.start,
        run.last_ms - base,
        _flat(run.captures, numbers),
        run.mark,
    )


def _run(row: _RunRow, base: int, events: list[Captured]) -> Run:
    start_ms, start, last_ms, flat, mark = row
    return Run(base + start_ms, start, base + last_ms, tuple(_unflat(flat, events)), mark)


def _flat(captures: Sequence[Any], numbers: dict[int, int]) -> list[int]:
    flat = list(captures)
    flat[1::2] = [numbers[event.sequence] for event in flat[1::2]]
    return flat


def _unflat(flat: list[int], events: list[Captured]) -> list[Any]:
    captures: list[Any] = list(flat)
    captures[1::2] = [events[index] for index in flat[1::2]]
    return captures
