"""Windows that end with each event: all of the group's events in (t - size, t].

Each moment with events is a slice. A window is told when no event of its moment can come any more,
so events of one moment make one result.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Any

from summit.analytics.found import Found
from summit.analytics.keeper import NEVER, Keeper, plain_panes
from summit.analytics.pane import Pane
from summit.analytics.program import Program
from summit.analytics.rolling import Rolling
from summit.keyed.keys import Key


class Moments:
    """The events of one group that some window still needs.

    Attributes:
        panes: By moment.
        starts: The moments, in order.
        told_to: Windows that end at a moment before it have been told.
        events: How many events there are.
    """

    __slots__ = ("due", "events", "panes", "rolling", "starts", "told_to")

    def __init__(self, program: Program) -> None:
        self.panes: dict[int, Pane] = {}
        self.starts: list[int] = []
        self.told_to = -(1 << 62)
        self.events = 0
        self.due: float = NEVER
        self.rolling = Rolling(program)


class TrailingWindows(Keeper[Moments]):
    """See the module."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        assert program.plan.window.size_ms is not None
        self.size = program.plan.window.size_ms

    def add(self, key: Key, at_ms: int, rows: list[Any], now_ms: float) -> list[Found]:
        """See `Keeper`."""
        count = len(rows)
        if at_ms < now_ms:
            if at_ms + self.size <= now_ms:
                self.counters.late += count
                return []
            self.counters.partly_late += count  # its own window is over, later ones are not
        state = self.states.get(key)
        if state is None:
            state = self.states[key] = Moments(self.program)
        pane = state.panes.get(at_ms)
        if pane is None:
            pane = state.panes[at_ms] = Pane()
            insort(state.starts, at_ms)
        self.program.put(pane, rows)
        self._note(key, count)
        state.events += count
        if now_ms > state.told_to and now_ms != -NEVER:
            state.told_to = int(now_ms)
        state.rolling.changed(at_ms)
        self._keep_few(state)
        self._set_due(key, state)
        return []

    def _keep_few(self, state: Moments) -> None:
        """Let the oldest moments go when there are too many events."""
        while state.events > self.plan.events_max and len(state.starts) > 1:
            gone = self._drop_first(state)
            self.counters.dropped += gone
            state.rolling.changed(state.starts[0] - 1)

    def _drop_first(self, state: Moments) -> int:
        count = state.panes.pop(state.starts.pop(0)).events
        state.events -= count
        return count

    def _next(self, state: Moments) -> int | None:
        """The next moment whose window is to be told."""
        place = bisect_left(state.starts, state.told_to)
        return state.starts[place] if place < len(state.starts) else None

    def _set_due(self, key: Key, state: Moments) -> None:
        at = self._next(state)
        due = state.starts[0] + self.size if at is None else at + 1
        if due < state.due:
            state.due = due
            self._set(key, state)

    def _look(self, key: Key, state: Moments, now_ms: float) -> list[Found]:
        """See `Keeper`."""
        told: list[Found] = []
        while (at := self._next(state)) is not None and at < now_ms:
            told += self._over(key, state, at)
        while state.starts and state.starts[0] + self.size <= now_ms:
            self._drop_first(state)
        if not state.starts:
            del self.states[key]
        else:
            at = self._next(state)
            state.due = state.starts[0] + self.size if at is None else at + 1
        return told

    def _over(self, key: Key, state: Moments, at: int) -> list[Found]:
        state.told_to = at + 1
        start = at - self.size + 1
        pane = state.rolling.window(state.panes, state.starts, start, at + 1)
        assert pane is not None
        return [self._tell(key, start, at + 1, pane)]

    def early(self, key: Key, now_ms: float) -> Found | None:
        """See `Keeper`: the window that ends with the last event."""
        state = self.states.get(key)
        if state is None or self._next(state) is None:
            return None
        end = state.starts[-1] + 1
        first = bisect_right(state.starts, end - self.size - 1)
        pane = self.program.merged(state.panes[at] for at in state.starts[first:])
        return self._tell(key, end - self.size, end, pane, final=False)

    def _rest(self, key: Key, state: Moments) -> list[Found]:
        """See `Keeper`."""
        told: list[Found] = []
        while (at := self._next(state)) is not None:
            told += self._over(key, state, at)
        return told

    def _dump(self, state: Moments) -> list[Any]:
        return [plain_panes(self.program, state.panes), state.told_to]

    def _load(self, plain: list[Any]) -> Moments:
        state = Moments(self.program)
        panes, state.told_to = plain
        for at, pane in panes:
            state.panes[at] = self.program.load(pane)
        state.starts = sorted(state.panes)
        state.events = sum(pane.events for pane in state.panes.values())
        at = self._next(state)
        state.due = state.starts[0] + self.size if at is None else at + 1
        return state
