"""Joins: two streams within a stretch of event time, and a stream with a table."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import msgspec

from summit.operators.batch import Batch, Gathered
from summit.operators.formats import Packing
from summit.operators.operator import Keeper, StateId
from summit.operators.timers import Timers

LEFT: Final = 0
RIGHT: Final = 1

Combine = Callable[[Any, Any], Any]
How = Literal["inner", "left", "outer"]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bool, msgspec.Raw]).decode


class Within(NamedTuple):
    """A right event belongs to a left one at t if it lies from `t + first_ms` to `t + last_ms`,
    both inclusive."""

    first_ms: int
    last_ms: int

    def __str__(self) -> str:
        return f"{self.first_ms} ms to {self.last_ms} ms"


# A record that waits: time, number among those of its key and time, value, whether it has met one.
_Waiting = list[Any]


class IntervalJoin(Keeper):
    """Every pair of one key, once, however the two streams are interleaved.

    Each side's records wait until event time rules out that a partner comes. Late ones are put
    aside.

    Args:
        how: `left`: left records without a partner come out with None when none can come any more;
            `outer`: those of both sides.
    """

    def __init__(
        self, within: Within, how: How, combine: Combine, packings: tuple[Packing, Packing]
    ) -> None:
        super().__init__()
        self.kind = f"join {within} {how}"
        self._within = within
        self._alone = (how != "inner", how == "outer")  # by side: comes out alone
        self._combine = combine
        self._packings = packings
        self._waiting: tuple[dict[Any, list[_Waiting]], dict[Any, list[_Waiting]]] = ({}, {})
        self._timers = Timers()

    def take(self, batch: Batch, port: int) -> Batch:
        """See `Keeper`."""
        out = Gathered()
        for key, value, at, clock, late in batch.rows():
            if self.due_ms <= clock:
                self._expire(clock, out)
            if late:
                self.put_aside(key, value, at, clock)
                continue
            met = self._meet(key, value, at, clock, port, out)
            if self._due(port, at) > clock:
                self._wait(key, value, at, port, met)
            elif not met and self._alone[port]:
                self._come_out_alone(key, value, max(at, clock), clock, port, out)
        return out.batch()

    def _meet(self, key: Any, value: Any, at: int, clock: int, side: int, out: Gathered) -> bool:
        others = self._waiting[1 - side].get(key)
        if not others:
            return False
        before, after = self._within
        first, last = (at + before, at + after) if side == LEFT else (at - after, at - before)
        found = others[bisect_left(others, [first]) : bisect_left(others, [last + 1])]
        for other in found:
            pair = (value, other[2]) if side == LEFT else (other[2], value)
            out.add(key, self._combine(*pair), max(at, other[0]), clock)
            if not other[3] and self._alone[1 - side]:
                other[3] = True
                self.dirty.add((key, 1 - side, other[0], other[1]))
        return bool(found)

    def _due(self, side: int, at: int) -> int:
        """When no partner can come any more."""
        return at + 1 + (self._within.last_ms if side == LEFT else -self._within.first_ms)

    def _wait(self, key: Any, value: Any, at: int, side: int, met: bool) -> None:
        waiting = self._waiting[side].setdefault(key, [])
        end = bisect_left(waiting, [at + 1])
        number = waiting[end - 1][1] + 1 if end and waiting[end - 1][0] == at else 0
        self._keep(key, side, [at, number, value, met], waiting)
        self.dirty.add((key, side, at, number))

    def _keep(self, key: Any, side: int, one: _Waiting, waiting: list[_Waiting]) -> None:
        insort(waiting, one)
        self._timers.set(self._due(side, one[0]), key, (side, one[0], one[1]))
        self.due_ms = self._timers.due_ms

    def advance(self, clock_ms: int) -> Batch:
        """See `Keeper`."""
        out = Gathered()
        self._expire(clock_ms, out)
        return out.batch()

    def _expire(self, clock_ms: int, out: Gathered) -> None:
        while self.due_ms <= clock_ms:
            due, key, (side, at, number) = self._timers.pop()
            self.due_ms = self._timers.due_ms
            waiting = self._waiting[side][key]
            _, _, value, met = waiting.pop(bisect_left(waiting, [at, number]))
            if not waiting:
                del self._waiting[side][key]
            self.dirty.add((key, side, at, number))
            if not met and self._alone[side]:
                self._come_out_alone(key, value, due - 1, due - 1, side, out)

    def _come_out_alone(
        self, key: Any, value: Any, at: int, clock: int, side: int, out: Gathered
    ) -> None:
        pair = (value, None) if side == LEFT else (None, value)
        out.add(key, self._combine(*pair), at, clock)

    def dump(self, state_id: StateId) -> bytes | None:
        """See `Keeper`."""
        key, side, at, number = state_id
        waiting = self._waiting[side].get(key, [])
        index = bisect_left(waiting, [at, number])
        if index == len(waiting) or waiting[index][:2] != [at, number]:
            return None
        _, _, value, met = waiting[index]
        return _encode((met, msgspec.Raw(self._packings[side].encode(value))))

    def load(self, state_id: StateId, data: bytes) -> None:
        """See `Keeper`."""
        key, side, at, number = state_id
        met, packed = _decode(data)
        value = self._packings[side].decode(packed)
        waiting = self._waiting[side].setdefault(key, [])
        self._keep(key, side, [at, number, value, met], waiting)

    def count(self) -> int:
        """See `Keeper`."""
        return sum(len(waiting) for side in self._waiting for waiting in side.values())


class TableJoin(Keeper):
    """Each record with what the table says of its key when it comes; late ones too.

    The table comes through the right input; a value of None takes its key out.

    Args:
        is_left: Records of keys that the table has not come out with None, instead of not at all.
    """

    kind = "table"

    def __init__(self, combine: Combine, packing: Packing, *, is_left: bool) -> None:
        super().__init__()
        self._combine = combine
        self._packing = packing
        self._is_left = is_left
        self._table: dict[Any, Any] = {}

    def take(self, batch: Batch, port: int) -> Batch:
        """See `Keeper`."""
        if port == RIGHT:
            for key, value in zip(batch.keys, batch.values, strict=True):
                if value is None:
                    self._table.pop(key, None)
                else:
                    self._table[key] = value
            self.dirty.update((key,) for key in batch.keys)
            return Gathered().batch()
        if not self._is_left:
            batch = batch.select([key in self._table for key in batch.keys])
        get, combine = self._table.get, self._combine
        pairs = zip(batch.keys, batch.values, strict=True)
        return batch.with_values([combine(value, get(key)) for key, value in pairs])

    def advance(self, clock_ms: int) -> Batch:
        """See `Keeper`; never asked, for nothing is ever due."""
        del clock_ms
        return Gathered().batch()

    def dump(self, state_id: StateId) -> bytes | None:
        """See `Keeper`."""
        value = self._table.get(state_id[0])
        return None if value is None else self._packing.encode(value)

    def load(self, state_id: StateId, data: bytes) -> None:
        """See `Keeper`."""
        (key,) = state_id
        self._table[key] = self._packing.decode(data)

    def count(self) -> int:
        """See `Keeper`."""
        return len(self._table)
