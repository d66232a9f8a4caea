"""Windows that begin at multiples of their slide since 1970: tumbling ones, and hops.

Events are put into panes; a window is one pane, or a few of them, and is looked at when time has
reached its end.
"""

from __future__ import annotations

from math import gcd
from typing import Any

from summit.cep.panes import Pane, merged, without_a_part
from summit.cep.window_keys import (
    SILENT_MAX,
    Counting,
    KeyWindows,
    Told,
    is_told,
    load_head,
    next_multiple,
    plain_head,
    remembered_ms,
)
from summit.cep.window_program import WindowProgram, load_keep
from summit.keyed.captured import Captured


class Aligned(KeyWindows):
    """One key's panes.

    Attributes:
        panes: By their start.
        start_ms: Of the window that is looked at next; None = of none.
        done_ms: Start of the last one that was looked at, or None.
    """

    __slots__ = ("done_ms", "panes", "start_ms")

    def __init__(self) -> None:
        super().__init__()
        self.panes: dict[int, Pane] = {}
        self.start_ms: int | None = None
        self.done_ms: int | None = None


class AlignedWindows:
    """See `window_keys.Windows`."""

    def __init__(self, program: WindowProgram, counters: Counting) -> None:
        self.program = program
        plan = program.plan
        assert plan.size_ms is not None
        self.size_ms = plan.size_ms
        self.slide_ms = plan.slide_ms or plan.size_ms
        self.pane_ms = gcd(self.size_ms, self.slide_ms)
        self._counters = counters

    def new(self) -> Aligned:
        """See `Windows`."""
        return Aligned()

    def first_start(self, at_ms: int) -> int:
        """Start of the first window that holds a time, or of the next where none does."""
        return (at_ms - self.size_ms) // self.slide_ms * self.slide_ms + self.slide_ms

    def take(self, state: Aligned, event: Captured, row: tuple[Any, ...]) -> list[Told]:
        """See `Windows`: nothing is told before a window ends."""
        at = event.time_ms
        start = self.first_start(at)
        if state.done_ms is not None and start <= state.done_ms:
            start = state.done_ms + self.slide_ms
        if start > at:
            if state.done_ms is not None and self.first_start(at) <= state.done_ms:
                self._counters.late += 1
            return []  # else it lies between hops that leave gaps
        if state.start_ms is None or start < state.start_ms:
            state.start_ms = start
        pane_start = at - at % self.pane_ms
        pane = state.panes.get(pane_start)
        if pane is None:
            pane = state.panes[pane_start] = Pane(self.program.new_keeps())
        pane.put(event, row, self.program)
        state.begun_ms, state.silent = None, 0
        return []

    def begin(self, state: Aligned, now_ms: int) -> None:
        """See `Windows`: the first whole window is looked at."""
        state.begun_ms = state.start_ms = next_multiple(now_ms, self.slide_ms)

    def fire(self, state: Aligned, at_ms: int, *, ends: bool) -> list[Told]:
        """See `Windows`."""
        told: list[Told] = []
        while state.start_ms is not None and state.start_ms + self.size_ms <= at_ms:
            view = self.view(state)
            one = self.look(state, view, state.start_ms)
            if one is not None:
                told.append(one)
            self.step(state, is_empty=not view.count, ends=ends)
        return told

    def view(self, state: Aligned) -> Pane:
        """What the next window holds."""
        start = state.start_ms
        assert start is not None
        if self.pane_ms == self.size_ms:
            pane = state.panes.get(start)
            return Pane(self.program.new_keeps(), start) if pane is None else pane
        starts = sorted(at for at in state.panes if start <= at < start + self.size_ms)
        if not starts:
            return Pane(self.program.new_keeps(), start)
        return merged((state.panes[at] for at in starts), self.program)

    def look(self, state: Aligned, view: Pane, start_ms: int) -> Told | None:
        """What is to be told of a window."""
        end_ms = start_ms + self.size_ms
        if not view.count and not self.program.plan.on_empty:
            state.is_armed = True
            return None
        if not is_told(self.program, state, view, end_ms):
            return None
        return Told(
            None, start_ms, end_ms, end_ms, view.first_ms, view.count, view.evidence,
            self.program.values(view),
            timed=True,
        )  # fmt: skip

    def step(self, state: Aligned, *, is_empty: bool, ends: bool) -> None:
        """Go on to the next window."""
        assert state.start_ms is not None
        state.done_ms = state.start_ms
        following = state.start_ms + self.slide_ms
        for start in [at for at in state.panes if at < following]:
            del state.panes[start]
        plan = self.program.plan
        if is_empty and plan.on_empty:
            state.silent = SILENT_MAX if ends else state.silent + 1
        state.start_ms = following
        if plan.on_empty:
            again = plan.rearm != "window" and state.silent < SILENT_MAX
            if again or not state.silent:
                return
        elif plan.kind == "sliding" and plan.rearm == "window" and not state.is_armed:
            return  # until a window without events, at the latest
        state.start_ms = None
        if state.panes:
            state.start_ms = max(following, self.first_start(min(state.panes)))

    def due_ms(self, state: Aligned) -> float:
        """See `Windows`."""
        if state.start_ms is not None:
            return state.start_ms + self.size_ms
        return remembered_ms(self.program, state)

    def size(self, state: Aligned) -> int:
        """See `Windows`."""
        return sum(pane.count for pane in state.panes.values())

    def evidence(self, state: Aligned) -> list[list[Captured]]:
        """See `Windows`."""
        return [pane.evidence for pane in state.panes.values()]

    def shrink(self, state: Aligned) -> bool:
        """See `Windows`: the oldest panes, or of one pane values."""
        starts = sorted(state.panes)
        if len(starts) < 2:
            return any(pane.shrink(self.program) for pane in state.panes.values())
        for start in starts[: len(starts) - without_a_part(len(starts))]:
            self._counters.events_dropped += state.panes.pop(start).count
        return True

    def plain(self, state: Aligned) -> tuple[Any, list[Captured]]:
        """See `Windows`."""
        evidence: list[Captured] = []
        panes = [plain_pane(state.panes[at], at, evidence) for at in sorted(state.panes)]
        return [plain_head(state), state.start_ms, state.done_ms, panes], evidence

    def load(self, plain: Any, evidence: list[Captured]) -> Aligned:
        """See `Windows`."""
        head, start_ms, done_ms, panes = plain
        state = self.new()
        load_head(state, head)
        state.start_ms, state.done_ms = start_ms, done_ms
        taken = 0
        for row in panes:
            pane, count = load_pane(row, evidence[taken:], self.program)
            state.panes[row[0]] = pane
            taken += count
        return state


def plain_pane(pane: Pane, start_ms: int, evidence: list[Captured]) -> list[Any]:
    """A pane for saving; its events go to the end of `evidence`."""
    evidence += pane.evidence
    keeps = [keep.plain() for keep in pane.keeps]
    return [start_ms, pane.count, pane.first_ms, pane.last_ms, len(pane.evidence), keeps]


def load_pane(
    plain: list[Any], evidence: list[Captured], program: WindowProgram
) -> tuple[Pane, int]:
    """What `plain_pane` gave, and how many of the events it has.

    Raises: ValueError, TypeError.
    """
    _, count, first_ms, last_ms, events, keeps = plain
    pane = Pane([load_keep(kind, keep) for (kind, _), keep
                 in zip(program.kept, keeps, strict=True)])  # fmt: skip
    pane.count, pane.first_ms, pane.last_ms = count, first_ms, last_ms
    pane.evidence = evidence[:events]
    return pane, events
