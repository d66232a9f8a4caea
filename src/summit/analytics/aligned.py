"""Windows that begin at multiples of a time: tumbling and hopping, in slices they share.

A slice is as long as the greatest common divisor of size and slide, so an event goes into one of
them, however many windows it is in.
"""

from __future__ import annotations

from bisect import insort
from math import gcd
from typing import Any

from summit.analytics.found import Found
from summit.analytics.keeper import NEVER, Keeper, plain_panes
from summit.analytics.pane import Pane
from summit.analytics.program import Program
from summit.analytics.rolling import Rolling
from summit.keyed.keys import Key

_BEFORE_ALL = -(1 << 62)


class Slices:
    """The slices of one group.

    Attributes:
        panes: By the time at which each begins.
        starts: These times, in order.
        told_to: Windows that end by then have been told, or were empty.
        revisions: How often each window was told that may still be corrected, by its end.
    """

    __slots__ = ("due", "panes", "revisions", "rolling", "starts", "told_to")

    def __init__(self) -> None:
        self.panes: dict[int, Pane] = {}
        self.starts: list[int] = []
        self.told_to = _BEFORE_ALL
        self.due: float = NEVER
        self.revisions: dict[int, int] | None = None
        self.rolling: Rolling | None = None


class AlignedWindows(Keeper[Slices]):
    """See the module."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        window = program.plan.window
        assert window.size_ms is not None
        assert window.slide_ms is not None
        self.size, self.slide, self.offset = window.size_ms, window.slide_ms, window.offset_ms
        self.lateness = program.plan.lateness_ms
        self.slice_ms = gcd(self.size, self.slide)
        # Ends of windows lie so much after multiples of the slide.
        self._end_offset = (self.offset + self.size) % self.slide
        self._is_rolling = self.size // self.slice_ms > 3

    def slice_start(self, at_ms: int) -> int:
        """Where the slice of a time begins."""
        return at_ms - (at_ms - self.offset) % self.slice_ms

    def is_behind(self, at_ms: int, now_ms: float) -> bool:
        """Whether some window that holds a time is over."""
        return self.next_end(at_ms) <= now_ms

    def _last_end(self, at_ms: int) -> int:
        """The end of the last window that holds a time (if any does)."""
        return at_ms - (at_ms - self.offset) % self.slide + self.size

    def next_end(self, at_ms: int) -> int:
        """The first end of a window after a time: that of the first window that holds it."""
        return at_ms - (at_ms - self._end_offset) % self.slide + self.slide

    def add(self, key: Key, at_ms: int, rows: list[Any], now_ms: float) -> list[Found]:
        """See `Keeper`; `at_ms` may be any time of the events' slice."""
        count = len(rows)
        if self.slide > self.size and (at_ms - self.offset) % self.slide >= self.size:
            self.counters.unassigned += count
            return []
        last_end = self._last_end(at_ms)
        if last_end + self.lateness <= now_ms:
            self.counters.late += count
            return []
        start = self.slice_start(at_ms)
        state = self.states.get(key)
        if state is None:
            state = self.states[key] = Slices()
        pane = state.panes.get(start)
        if pane is None:
            pane = state.panes[start] = Pane()
            insort(state.starts, start)
        self.program.put(pane, rows)
        self._note(key, count)
        told: list[Found] = []
        if now_ms > state.told_to and now_ms != -NEVER:
            state.told_to = int(now_ms)
        # What was told counts, too: a key that catches up is behind what it has told.
        told_ms = max(now_ms, state.told_to)
        if self.next_end(at_ms) <= told_ms:
            told = self._correct(key, state, at_ms, told_ms, count)
        if state.rolling is not None:
            state.rolling.changed(start)
        due = self._next_due(state)
        if due < state.due:
            state.due = due
            self._set(key, state)
        return told

    def _correct(
        self, key: Key, state: Slices, at_ms: int, now_ms: float, count: int
    ) -> list[Found]:
        """Tell the windows anew that are over and may still be corrected."""
        told = []
        end = self.next_end(at_ms)
        if end + self.lateness <= now_ms:
            self.counters.partly_late += count
        last = self._last_end(at_ms)
        while end <= min(now_ms, last):
            if end + self.lateness > now_ms:
                assert state.revisions is not None or self.lateness
                state.revisions = state.revisions or {}
                revision = state.revisions[end] = state.revisions.get(end, -1) + 1
                pane = self._merged(state, end)
                told.append(self._tell(key, end - self.size, end, pane, revision=revision))
            end += self.slide
        return told

    def _next_end(self, state: Slices) -> float:
        """The end of the next window that may hold something."""
        if not state.starts:
            return NEVER
        end = max(self.next_end(state.told_to), self.next_end(state.starts[0]))
        return end if end <= self._last_end(state.starts[-1]) else NEVER

    def _next_due(self, state: Slices) -> float:
        due = self._next_end(state)
        if self.lateness and state.starts:
            due = min(due, self._last_end(state.starts[0]) + self.lateness)
        return due

    def _look(self, key: Key, state: Slices, now_ms: float) -> list[Found]:
        """See `Keeper`."""
        told: list[Found] = []
        while (end := self._next_end(state)) <= now_ms:
            told += self._over(key, state, int(end))
            self._drop(state, end)
        self._drop(state, now_ms)
        state.due = self._next_due(state)
        if not state.starts:
            del self.states[key]
        return told

    def _over(self, key: Key, state: Slices, end: int, *, partial: bool = False) -> list[Found]:
        state.told_to = end
        pane = self._window(state, end)
        if pane is None:
            return []
        if self.lateness:
            if state.revisions is None:
                state.revisions = {}
            state.revisions[end] = 0
        return [self._tell(key, end - self.size, end, pane, partial=partial)]

    def _drop(self, state: Slices, now_ms: float) -> None:
        """Let go of slices that no window needs any more."""
        starts, gone = state.starts, 0
        while gone < len(starts) and self._last_end(starts[gone]) + self.lateness <= now_ms:
            del state.panes[starts[gone]]
            gone += 1
        if gone:
            del starts[:gone]
        if state.revisions:
            for end in [end for end in state.revisions if end + self.lateness <= now_ms]:
                del state.revisions[end]

    def _window(self, state: Slices, end: int) -> Pane | None:
        """What the window that ends then holds; None = nothing."""
        if not self._is_rolling or self.lateness:
            pane = self._merged(state, end)
            return pane if pane.events else None
        if state.rolling is None:
            state.rolling = Rolling(self.program)
        return state.rolling.window(state.panes, state.starts, end - self.size, end)

    def _merged(self, state: Slices, end: int) -> Pane:
        """The same, without what was worked out before; the pane is not to be changed."""
        inside = [start for start in state.starts if end - self.size <= start < end]
        if len(inside) == 1:
            return state.panes[inside[0]]
        return self.program.merged(state.panes[start] for start in inside)

    def early(self, key: Key, now_ms: float) -> Found | None:
        """See `Keeper`."""
        state = self.states.get(key)
        end = NEVER if state is None else self._next_end(state)
        if state is None or end == NEVER:
            return None
        pane = self.program.merged([self._merged(state, int(end))])
        if not pane.events:
            return None
        return self._tell(key, int(end) - self.size, int(end), pane, final=False)

    def _rest(self, key: Key, state: Slices) -> list[Found]:
        """See `Keeper`: all windows, in order."""
        told: list[Found] = []
        while (end := self._next_end(state)) != NEVER:
            told += self._over(key, state, int(end), partial=True)
            self._drop(state, end)
        return told

    def _dump(self, state: Slices) -> list[Any]:
        panes = plain_panes(self.program, state.panes)
        revisions = None if state.revisions is None else list(state.revisions.items())
        return [panes, state.told_to, revisions]

    def _load(self, plain: list[Any]) -> Slices:
        state = Slices()
        panes, state.told_to, revisions = plain
        for start, pane in panes:
            state.panes[start] = self.program.load(pane)
        state.starts = sorted(state.panes)
        state.revisions = None if revisions is None else dict(revisions)
        state.due = self._next_due(state)
        return state
