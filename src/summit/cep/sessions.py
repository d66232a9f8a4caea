"""Windows that end when a key is silent: for longer than `gap` after its last event.

An event exactly `gap` after the last one still joins, so a session is over one millisecond later.
One that has reached `size` is rolled: a new one begins, and nothing is told of the old one.
"""

from __future__ import annotations

from typing import Any

from summit.cep.aligned import load_pane, plain_pane
from summit.cep.panes import Pane, merged, without_a_part
from summit.cep.window_keys import (
    NEVER,
    Counting,
    KeyWindows,
    Told,
    is_told,
    load_head,
    next_multiple,
    plain_head,
    remembered_ms,
)
from summit.cep.window_program import WindowProgram
from summit.keyed.captured import Captured


class Sessions(KeyWindows):
    """One key's sessions, in the order of time; usually one."""

    __slots__ = ("panes",)

    def __init__(self) -> None:
        super().__init__()
        self.panes: list[Pane] = []


class SessionWindows:
    """See `window_keys.Windows`."""

    def __init__(self, program: WindowProgram, counters: Counting) -> None:
        self.program = program
        assert program.plan.gap_ms is not None
        self.gap_ms = program.plan.gap_ms
        self.size_ms = NEVER if program.plan.size_ms is None else program.plan.size_ms
        self._counters = counters

    def new(self) -> Sessions:
        """See `Windows`."""
        return Sessions()

    def take(self, state: Sessions, event: Captured, row: tuple[Any, ...]) -> list[Told]:
        """See `Windows`: nothing is told before a session ends."""
        at = event.time_ms
        pane = self._pane_at(state, at)
        pane.put(event, row, self.program)
        state.begun_ms, state.silent = None, 0
        return []

    def _pane_at(self, state: Sessions, at_ms: int) -> Pane:
        """The session that takes an event; with it, two may become one."""
        panes, gap = state.panes, self.gap_ms
        near = [
            place for place, pane in enumerate(panes)
            if pane.first_ms - gap <= at_ms <= pane.last_ms + gap
        ]  # fmt: skip
        if not near:
            place = next((n for n, pane in enumerate(panes) if pane.first_ms > at_ms), len(panes))
            panes.insert(place, Pane(self.program.new_keeps(), at_ms))
            return panes[place]
        last = panes[near[-1]]
        if at_ms - last.first_ms >= self.size_ms:
            self._counters.rolled += 1
            panes[near[-1]] = last = Pane(self.program.new_keeps(), at_ms)
        elif len(near) > 1 and last.last_ms - panes[near[0]].first_ms < self.size_ms:
            panes[near[-1]] = last = merged([panes[near[0]], last], self.program)
            del panes[near[0]]
        elif len(near) > 1:
            self._counters.rolled += 1
            del panes[near[0]]
        return last

    def fire(self, state: Sessions, at_ms: int, *, ends: bool) -> list[Told]:
        """See `Windows`."""
        told: list[Told] = []
        while state.panes and state.panes[0].last_ms + self.gap_ms < at_ms:
            pane = state.panes.pop(0)
            end_ms = pane.last_ms + self.gap_ms
            if is_told(self.program, state, pane, end_ms):
                told.append(self._told(pane, pane.first_ms, end_ms))
        if state.begun_ms is not None and state.begun_ms + self.gap_ms < at_ms:
            end_ms = state.begun_ms + self.gap_ms
            empty = Pane(self.program.new_keeps(), state.begun_ms)
            if is_told(self.program, state, empty, end_ms):
                told.append(self._told(empty, state.begun_ms, end_ms))
            state.begun_ms = None
        return told

    def _told(self, pane: Pane, start_ms: int, end_ms: int) -> Told:
        return Told(
            None, start_ms, end_ms, end_ms, pane.first_ms, pane.count, pane.evidence,
            self.program.values(pane),
            timed=True,
        )  # fmt: skip

    def begin(self, state: KeyWindows, now_ms: int) -> None:
        """See `Windows`."""
        state.begun_ms = next_multiple(now_ms, self.gap_ms)

    def due_ms(self, state: Sessions) -> float:
        """See `Windows`."""
        if state.panes:
            return state.panes[0].last_ms + self.gap_ms + 1
        if state.begun_ms is not None:
            return state.begun_ms + self.gap_ms + 1
        return remembered_ms(self.program, state)

    def size(self, state: Sessions) -> int:
        """See `Windows`."""
        return sum(pane.count for pane in state.panes)

    def evidence(self, state: Sessions) -> list[list[Captured]]:
        """See `Windows`."""
        return [pane.evidence for pane in state.panes]

    def shrink(self, state: Sessions) -> bool:
        """See `Windows`: the oldest sessions, or of one session values."""
        panes = state.panes
        if len(panes) < 2:
            return any(pane.shrink(self.program) for pane in panes)
        gone = len(panes) - without_a_part(len(panes))
        self._counters.events_dropped += sum(pane.count for pane in panes[:gone])
        del panes[:gone]
        return True

    def plain(self, state: Sessions) -> tuple[Any, list[Captured]]:
        """See `Windows`."""
        evidence: list[Captured] = []
        panes = [plain_pane(pane, pane.first_ms, evidence) for pane in state.panes]
        return [plain_head(state), panes], evidence

    def load(self, plain: Any, evidence: list[Captured]) -> Sessions:
        """See `Windows`."""
        head, panes = plain
        state = self.new()
        load_head(state, head)
        taken = 0
        for row in panes:
            pane, count = load_pane(row, evidence[taken:], self.program)
            state.panes.append(pane)
            taken += count
        return state
