"""The global window: all events of a group, told now and then, until the group stays silent."""

from __future__ import annotations

from typing import Any

from summit.analytics.found import Found
from summit.analytics.keeper import NEVER, Keeper
from summit.analytics.pane import Pane
from summit.analytics.program import Program
from summit.keyed.keys import Key


class Everything:
    """All that a group has.

    Attributes:
        untold: How many events came since it was told.
    """

    __slots__ = ("due", "pane", "untold")

    def __init__(self) -> None:
        self.pane = Pane()
        self.untold = 0
        self.due: float = NEVER


class GlobalWindow(Keeper[Everything]):
    """See the module."""

    ends_by_time = False

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.every_ms = program.plan.window.every_ms
        self.every_count = program.plan.window.every_count

    def add(self, key: Key, at_ms: int, rows: list[Any], now_ms: float) -> list[Found]:
        """See `Keeper`."""
        state = self.states.get(key)
        if state is None:
            state = self.states[key] = Everything()
            state.pane.first_ms = state.pane.last_ms = at_ms
        pane = state.pane
        pane.first_ms = min(pane.first_ms, at_ms)
        pane.last_ms = max(pane.last_ms, at_ms)
        told: list[Found] = []
        rest, most = rows, self.every_count
        while most is not None and state.untold + len(rest) >= most:
            cut = most - state.untold
            self.program.put(pane, rest[:cut])
            told.append(self._told(key, state, pane.last_ms + 1))
            rest = rest[cut:]
        self.program.put(pane, rest)
        state.untold += len(rest)
        self._note(key, len(rows))
        due = self._next_due(state, at_ms, now_ms)
        if due < state.due:
            state.due = due
            self._set(key, state)
        return told

    def _next_due(self, state: Everything, at_ms: int, now_ms: float) -> float:
        """When it is told or forgotten."""
        due = state.pane.last_ms + self.plan.idle_ms
        if self.every_ms is not None and state.untold:
            since = at_ms if now_ms == -NEVER else max(at_ms, int(now_ms))
            due = min(due, since - since % self.every_ms + self.every_ms)
        return due

    def _told(self, key: Key, state: Everything, end_ms: int, *, partial: bool = False) -> Found:
        state.untold = 0
        return self._tell(key, state.pane.first_ms, end_ms, state.pane, partial=partial)

    def _look(self, key: Key, state: Everything, now_ms: float) -> list[Found]:
        """See `Keeper`."""
        told: list[Found] = []
        if state.untold and self.every_ms is not None:
            told.append(self._told(key, state, max(int(now_ms), state.pane.last_ms + 1)))
        idle = state.pane.last_ms + self.plan.idle_ms
        if idle <= now_ms:
            told += self._rest(key, state)
            self.counters.expired += 1
            del self.states[key]
        state.due = idle
        return told

    def early(self, key: Key, now_ms: float) -> Found | None:
        """See `Keeper`."""
        state = self.states.get(key)
        if state is None or not state.untold:
            return None
        pane = self.program.merged([state.pane])
        return self._tell(key, state.pane.first_ms, state.pane.last_ms + 1, pane, final=False)

    def _rest(self, key: Key, state: Everything) -> list[Found]:
        """See `Keeper`."""
        if not state.untold:
            return []
        return [self._told(key, state, state.pane.last_ms + 1, partial=True)]

    def _dump(self, state: Everything) -> list[Any]:
        return [self.program.dump(state.pane), state.untold, state.due]

    def _load(self, plain: list[Any]) -> Everything:
        state = Everything()
        state.pane, state.untold, state.due = self.program.load(plain[0]), plain[1], plain[2]
        return state
