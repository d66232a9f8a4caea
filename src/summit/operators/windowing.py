"""Aggregates over windows of fixed size, and over everything so far."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any, Final

from summit.operators.aggregates import Aggregate
from summit.operators.batch import END_OF_TIME_MS, Batch, Gathered
from summit.operators.formats import key_bytes
from summit.operators.operator import Keeper, StateId
from summit.operators.windows import Hops, Windowed

_NONE: Final = object()


class WindowKeeper(Keeper):
    """One accumulator for each key and window; a window is over when event time comes to its end.

    Args:
        updates: Tell the result after every record, instead of once when the window is over.
    """

    def __init__(self, windows: Hops, aggregate: Aggregate, *, updates: bool) -> None:
        super().__init__()
        self.kind = str(windows)
        self._size_ms = windows.size_ms
        self._windows_of = windows.assigner()
        self._aggregate = aggregate
        self._updates = updates
        self._panes: dict[int, dict[Any, Any]] = {}  # by end
        self._ends: list[int] = []

    def take(self, batch: Batch, port: int) -> Batch:
        """See `Keeper`."""
        del port
        out = Gathered()
        windows_of, panes, dirty = self._windows_of, self._panes, self.dirty
        initial, add, _, result, _, _ = self._aggregate
        for key, value, at, clock, late in batch.rows():
            if self.due_ms <= clock:
                self._close(clock, out)
            is_in = False
            for start, end in () if late else windows_of(at):
                if end <= clock:
                    continue
                is_in = True
                pane = panes.get(end)
                if pane is None:
                    pane = self._open(end)
                state = pane.get(key, _NONE)
                state = pane[key] = add(initial() if state is _NONE else state, value)
                dirty.add((key, start))
                if self._updates:
                    out.add(key, Windowed(key, start, end, result(state)), at, clock)
            if not is_in:
                self.put_aside(key, value, at, clock)
        return out.batch()

    def advance(self, clock_ms: int) -> Batch:
        """See `Keeper`."""
        out = Gathered()
        self._close(clock_ms, out)
        return out.batch()

    def _open(self, end: int) -> dict[Any, Any]:
        pane: dict[Any, Any] = {}
        self._panes[end] = pane
        heappush(self._ends, end)
        self.due_ms = self._ends[0]
        return pane

    def _close(self, clock_ms: int, out: Gathered) -> None:
        result = self._aggregate.result
        while self._ends and self._ends[0] <= clock_ms:
            end = heappop(self._ends)
            start, last = end - self._size_ms, end - 1
            pane = self._panes.pop(end)
            for key in sorted(pane, key=key_bytes):
                self.dirty.add((key, start))
                if not self._updates:
                    out.add(key, Windowed(key, start, end, result(pane[key])), last, last)
        self.due_ms = self._ends[0] if self._ends else END_OF_TIME_MS

    def dump(self, state_id: StateId) -> bytes | None:
        """See `Keeper`."""
        key, start = state_id
        state = self._panes.get(start + self._size_ms, {}).get(key, _NONE)
        return None if state is _NONE else self._aggregate.packing.encode(state)

    def load(self, state_id: StateId, data: bytes) -> None:
        """See `Keeper`."""
        key, start = state_id
        end = start + self._size_ms
        pane = self._panes.get(end)
        if pane is None:
            pane = self._open(end)
        pane[key] = self._aggregate.packing.decode(data)

    def count(self) -> int:
        """See `Keeper`."""
        return sum(map(len, self._panes.values()))


class RunningKeeper(Keeper):
    """One accumulator for each key, over all its records, late ones too; tells every change."""

    kind = "running"

    def __init__(self, aggregate: Aggregate) -> None:
        super().__init__()
        self._aggregate = aggregate
        self._states: dict[Any, Any] = {}

    def take(self, batch: Batch, port: int) -> Batch:
        """See `Keeper`."""
        del port
        initial, add, _, result, _, _ = self._aggregate
        states, found = self._states, []
        for key, value in zip(batch.keys, batch.values, strict=True):
            state = states.get(key, _NONE)
            state = states[key] = add(initial() if state is _NONE else state, value)
            found.append(result(state))
        self.dirty.update((key,) for key in batch.keys)
        return batch.with_values(found)

    def advance(self, clock_ms: int) -> Batch:
        """See `Keeper`; never asked, for nothing is ever due."""
        del clock_ms
        return Gathered().batch()

    def dump(self, state_id: StateId) -> bytes | None:
        """See `Keeper`."""
        state = self._states.get(state_id[0], _NONE)
        return None if state is _NONE else self._aggregate.packing.encode(state)

    def load(self, state_id: StateId, data: bytes) -> None:
        """See `Keeper`."""
        (key,) = state_id
        self._states[key] = self._aggregate.packing.decode(data)

    def count(self) -> int:
        """See `Keeper`."""
        return len(self._states)
