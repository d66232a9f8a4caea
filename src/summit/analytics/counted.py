"""Windows of so many events of a group, in the order in which they are taken."""

from __future__ import annotations

from math import gcd
from typing import Any

from summit.analytics.found import Found
from summit.analytics.keeper import NEVER, Keeper, plain_panes
from summit.analytics.pane import Pane
from summit.analytics.program import Program
from summit.analytics.rolling import Rolling
from summit.keyed.keys import Key


class Counted:
    """The slices of one group, each of so many events.

    Attributes:
        panes: By the number of the slice.
        taken: How many events came in all.
        last_ms: Time of the latest of them.
    """

    __slots__ = ("due", "last_ms", "panes", "rolling", "taken")

    def __init__(self, program: Program) -> None:
        self.panes: dict[int, Pane] = {}
        self.taken = 0
        self.last_ms = 0
        self.due: float = NEVER
        self.rolling = Rolling(program)


class CountWindows(Keeper[Counted]):
    """See the module. A group that stays silent is told, as partial, and forgotten."""

    ends_by_time = False

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        window = program.plan.window
        assert window.count is not None
        assert window.step is not None
        self.count, self.step = window.count, window.step
        self.slice = gcd(self.count, self.step)

    def add(self, key: Key, at_ms: int, rows: list[Any], now_ms: float) -> list[Found]:
        """See `Keeper`."""
        state = self.states.get(key)
        if state is None:
            state = self.states[key] = Counted(self.program)
        state.last_ms = max(state.last_ms, at_ms) if state.taken else at_ms
        told: list[Found] = []
        for row in rows:
            number = state.taken // self.slice
            pane = state.panes.get(number)
            if pane is None:
                pane = state.panes[number] = Pane()
                pane.first_ms = pane.last_ms = at_ms
            pane.first_ms = min(pane.first_ms, at_ms)
            pane.last_ms = max(pane.last_ms, at_ms)
            self.program.put(pane, (row,))
            state.taken += 1
            if state.taken >= self.count and (state.taken - self.count) % self.step == 0:
                told.append(self._told(key, state))
        self._note(key, len(rows))
        if state.due == NEVER:
            state.due = state.last_ms + self.plan.idle_ms
            self._set(key, state)
        return told

    def _told(self, key: Key, state: Counted) -> Found:
        end = state.taken // self.slice
        start = end - self.count // self.slice
        for number in [number for number in state.panes if number < start]:
            del state.panes[number]
        inside = list(state.panes.values())
        pane = state.rolling.window(state.panes, sorted(state.panes), start, end)
        assert pane is not None
        found = self._over(key, inside, pane)
        if self.step == self.count:
            state.panes.clear()
        return found

    def _over(
        self, key: Key, inside: list[Pane], pane: Pane, *, final: bool = True, partial: bool = False
    ) -> Found:
        first = min(each.first_ms for each in inside)
        last = max(each.last_ms for each in inside)
        return self._tell(key, first, last + 1, pane, final=final, partial=partial)

    def _look(self, key: Key, state: Counted, now_ms: float) -> list[Found]:
        """See `Keeper`."""
        due = state.last_ms + self.plan.idle_ms
        if due > now_ms:
            state.due = due
            return []
        self.counters.expired += 1
        told = self._rest(key, state)
        del self.states[key]
        return told

    def _left(self, state: Counted) -> list[Pane]:
        """What came since the last window that was told."""
        over = (state.taken - self.count) // self.step * self.step + self.count
        first = max(over, 0) // self.slice if state.taken >= self.count else 0
        return [pane for number, pane in sorted(state.panes.items()) if number >= first]

    def early(self, key: Key, now_ms: float) -> Found | None:
        """See `Keeper`: the last so many events."""
        state = self.states.get(key)
        if state is None or not state.panes:
            return None
        inside = [pane for _, pane in sorted(state.panes.items())]
        return self._over(key, inside, self.program.merged(inside), final=False)

    def _rest(self, key: Key, state: Counted) -> list[Found]:
        """See `Keeper`."""
        left = self._left(state)
        if not any(pane.events for pane in left):
            return []
        return [self._over(key, left, self.program.merged(left), partial=True)]

    def _dump(self, state: Counted) -> list[Any]:
        return [plain_panes(self.program, state.panes), state.taken, state.last_ms]

    def _load(self, plain: list[Any]) -> Counted:
        state = Counted(self.program)
        panes, state.taken, state.last_ms = plain
        for number, pane in panes:
            state.panes[number] = self.program.load(pane)
        state.due = state.last_ms + self.plan.idle_ms
        return state
