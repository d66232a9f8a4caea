"""The state of one key as bytes: what is saved in a changelog, and kept of keys at rest.

MessagePack list, version 2 (the version travels beside the bytes, not in them):

    [sequence of the event taken last,
     base time,
     [[topic, partition], ...],
     [[sequence, time, own time, index of its topic partition, offset, src, value, whole], ...],
     [[state, [[start time, start, last time, [step, event index, ...], mark, done], ...],
       [step, event index, ...] of the events all these runs have taken], ...],
     [held runs, in the same form],
     [[first, last], ...] the starts whose time-outs are told no more,
     [what the rule remembers of earlier events, ...],
     when an event of a step came last: only of rules with a session]

Times are milliseconds after the base time, own times after the event's time. `whole` is 1 when the
value is the record's own, 0 when it is a projection; `done` is `Run.done_ms`, when it is a time
after the base time. Events, states and runs stand in a fixed order. Version 1 had neither `done`
nor the last two members.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.errors import Corrupt
from summit.cep.runs import Bucket, KeyRuns, Run
from summit.keyed.captured import Captured, Move, Origins

STATE_VERSION: Final = 2

_EventRow = tuple[int, int, int, int, int, str | None, bytes, int]
_OldRunRow = tuple[int, int, int, list[int], int]
_RunRow = tuple[int, int, int, list[int], int, int | None]
_OldRows = tuple[
    int,
    int,
    list[tuple[str, int]],
    list[_EventRow],
    list[tuple[int, list[_OldRunRow], list[int]]],
    list[_OldRunRow],
]


class _Rows(NamedTuple):
    sequence: int
    base_ms: int
    places: list[tuple[str, int]]
    events: list[_EventRow]
    states: list[tuple[int, list[_RunRow], list[int]]]
    held: list[_RunRow]
    told: list[tuple[int, int]]
    previous: list[Any]
    session: int | None = None


_Raw = msgspec.Raw


class _PeekedRows(NamedTuple):
    sequence: int
    base_ms: int
    places: _Raw
    events: _Raw
    states: list[tuple[int, list[tuple[int, _Raw, _Raw, _Raw, _Raw, _Raw]], _Raw]]
    held: list[_Raw]
    told: _Raw
    previous: list[_Raw]
    session: int | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODERS: Final[dict[int, Any]] = {
    1: msgspec.msgpack.Decoder(_OldRows).decode,
    2: msgspec.msgpack.Decoder(_Rows).decode,
}
_peek = msgspec.msgpack.Decoder(_PeekedRows).decode


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
    whole = (key.sequence, base, list(origins), rows, states, held, key.told, key.previous)
    session = key.session_ms
    _ENCODER.encode_into(whole if session is None else (*whole, session - base), buffer)
    return bytes(buffer)


def load_key(data: bytes, version: int, origins: Origins) -> KeyRuns:
    """The state that `dump_key` wrote, now or in an earlier version.

    Raises: Corrupt("pattern.state") for an unknown version or bytes that are none of ours.
    """
    decode = _decoder(version)
    try:
        sequence, base, places, rows, states, held, *more = decode(data)
        told, previous, session = more or ([], [], None)
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
    last_ms = None if session is None else base + session
    return KeyRuns(sequence, count, by_state, waiting, told, previous, last_ms)


class Peeked(NamedTuple):
    """What a key's state is, without reading it whole.

    Attributes:
        runs: Number of live runs.
        is_empty: Nothing need be kept of the key.
        first_ms: Time of the first event of the oldest run; 0 where there is none.
    """

    runs: int
    is_empty: bool
    first_ms: int


def peek_key(data: bytes) -> Peeked:
    """A quick look at what `dump_key` wrote, in the version of now.

    Raises: as `load_key`, for a part of the reasons.
    """
    try:
        seen = _peek(data)
    except msgspec.MsgspecError as error:
        raise Corrupt("pattern.state", reason=str(error)) from error
    starts = [row[0] for _, rows, _ in seen.states for row in rows]
    is_empty = not (starts or seen.held or seen.previous)
    return Peeked(len(starts), is_empty, seen.base_ms + min(starts) if starts else 0)


def move_key(data: bytes, version: int, move: Move) -> bytes:
    """The same state, of the same version, with its events where another cluster has them.

    Raises: Corrupt("pattern.state").
    """
    decode = _decoder(version)
    try:
        sequence, base, places, rows, *others = decode(data)
        moved: list[_EventRow] = []
        for number, time, own, origin, offset, src, value, whole in rows:
            topic, partition = places[origin]
            at, source = move(topic, partition, offset, src)
            moved.append((number, time, own, origin, at, source, value, whole))
    except (msgspec.MsgspecError, IndexError, ValueError) as error:
        raise Corrupt("pattern.state", reason=str(error)) from error
    if version == STATE_VERSION and others[-1] is None:
        del others[-1]  # as `dump_key` writes it
    return _ENCODER.encode((sequence, base, places, moved, *others))


def _decoder(version: int) -> Any:
    found = _DECODERS.get(version)
    if found is None:
        reason = f"it was written in version {version}, and version {STATE_VERSION} is known here"
        raise Corrupt("pattern.state", reason=reason)
    return found


def _run_row(run: Run, base: int, numbers: dict[int, int]) -> _RunRow:
    return (
        run.start_ms - base,
        run.start,
        run.last_ms - base,
        _flat(run.captures, numbers),
        run.mark,
        run.done_ms if run.done_ms is None or run.done_ms < 0 else run.done_ms - base,
    )


def _run(row: _RunRow, base: int, events: list[Captured]) -> Run:
    start_ms, start, last_ms, flat, mark, *more = row
    done = more[0] if more else None
    if done is not None and done >= 0:
        done += base
    return Run(base + start_ms, start, base + last_ms, tuple(_unflat(flat, events)), mark, done)


def _flat(captures: Sequence[Any], numbers: dict[int, int]) -> list[int]:
    flat = list(captures)
    flat[1::2] = [numbers[event.sequence] for event in flat[1::2]]
    return flat


def _unflat(flat: list[int], events: list[Captured]) -> list[Any]:
    captures: list[Any] = list(flat)
    captures[1::2] = [events[index] for index in flat[1::2]]
    return captures
