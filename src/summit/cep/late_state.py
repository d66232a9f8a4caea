"""A key of a rule with `allowedLateness` as bytes.

MessagePack list, version 129 (the version travels beside the bytes, not in them), which no other
state of a pattern has:

    [version of the rule's own state, state of now, state of before, the time of that,
     [[topic, partition], ...],
     [[time, own time, index of its topic partition, offset, src, value, whole, mask,
       the record around it], ...],
     [[match, revision, when it was withdrawn], ...], when time last changed the state of now]

A state is null where the key had none, and so is the last time where there was none. The state of
now is what it is without lateness.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.errors import Corrupt
from summit.cep.late_keys import Kept, Row, Said
from summit.cep.match import Match
from summit.keyed.captured import Captured, EventRef, Move, Origins

LATE_STATE_VERSION: Final = 129
LATE_STATE_ID_END: Final = "/late"  # so end the state ids of such rules, and no others

_EventRow = tuple[int, int, int, int, str | None, bytes, bool, int, dict[str, Any] | None]


class _Saved(NamedTuple):
    version: int
    state: bytes | None
    base: bytes | None
    base_ms: int | None
    places: list[tuple[str, int]]
    rows: list[_EventRow]
    told: list[tuple[Match, int, int | None]]
    fired_ms: int | None = None


_encode = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(_Saved)


def dump_late(state: bytes | None, version: int, kept: Kept | None) -> bytes:
    """The state of a key, and what is kept for late events."""
    if kept is None:
        return _encode((version, state, None, None, (), (), ()))
    places: dict[tuple[str, int], int] = {}
    rows: list[_EventRow] = []
    for event, mask, transport in kept.rows:
        place = (event.origin.topic, event.origin.partition)
        rows.append(
            (
                event.time_ms, event.own_ms, places.setdefault(place, len(places)), event.offset,
                event.src, event.value, event.whole, mask, transport,
            )
        )  # fmt: skip
    told = [(said.match, said.revision, said.withdrawn_ms) for said in kept.told.values()]
    fired_ms = int(kept.fired_ms) if kept.fired_ms > float("-inf") else None
    base_ms = int(kept.base_ms)
    return _encode((version, state, kept.base, base_ms, list(places), rows, told, fired_ms))


def load_late(data: bytes, origins: Origins) -> tuple[bytes | None, int, Kept | None]:
    """The state of now, its version, and what is kept beside it.

    Raises: Corrupt("pattern.state").
    """
    version, state, base, base_ms, places, rows, told, fired_ms = _decoded(data)
    if base_ms is None:
        return state, version, None
    try:
        known = [origins.of(topic, partition) for topic, partition in places]
        kept = Kept(base, base_ms)
        if fired_ms is not None:
            kept.fired_ms = fired_ms
        for at, own, origin, offset, src, value, whole, mask, transport in rows:
            event = Captured(0, at, own, known[origin], offset, src, value, whole)
            kept.put(Row(event, mask, transport))
    except IndexError as error:
        raise Corrupt("pattern.state", reason=str(error)) from error
    for match, revision, withdrawn_ms in told:
        kept.tell(Said(match, revision, withdrawn_ms))
    return state, version, kept


def state_of_now(data: bytes, version: int) -> tuple[bytes | None, int]:
    """The rule's own state and its version, of a saved state of any rule.

    Raises: Corrupt("pattern.state").
    """
    if version != LATE_STATE_VERSION:
        return data, version
    inner, state, *_ = _decoded(data)
    return state, inner


def move_late(data: bytes, move: Move, move_state: Callable[[bytes, int, Move], bytes]) -> bytes:
    """The same with all events at the places where another cluster has them.

    Args:
        move_state: Moves the rule's own state: takes its bytes, its version and `move`.
    Raises: Corrupt("pattern.state").
    """
    version, state, base, base_ms, places, rows, told, fired_ms = _decoded(data)
    moved: list[_EventRow] = []
    for at, own, origin, offset, src, value, whole, mask, transport in rows:
        now_at, source = move(*places[origin], offset, src)
        moved.append((at, own, origin, now_at, source, value, whole, mask, transport))
    moved_told = [(_moved(match, move), revision, at) for match, revision, at in told]
    return _encode((
        version, None if state is None else move_state(state, version, move),
        None if base is None else move_state(base, version, move), base_ms, places, moved,
        moved_told, fired_ms,
    ))  # fmt: skip


def _moved(match: Match, move: Move) -> Match:
    captures: list[tuple[str, EventRef]] = []
    for step, ref in match.captures:
        offset, source = move(ref.topic, ref.partition, ref.offset, ref.src)
        captures.append((step, msgspec.structs.replace(ref, offset=offset, src=source)))
    return msgspec.structs.replace(match, captures=captures)


def _decoded(data: bytes) -> _Saved:
    try:
        saved: _Saved = _decoder.decode(data)
        return saved
    except msgspec.MsgspecError as error:
        raise Corrupt("pattern.state", reason=str(error)) from error
