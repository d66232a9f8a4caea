"""What a key's saved windows mean: for people who ask why a window rule has not fired yet. Pure."""

from __future__ import annotations

from typing import Any

from summit.cep.explaining import KeyCounts
from summit.cep.late_state import state_of_now
from summit.cep.window_keys import NEVER
from summit.cep.window_lane import WindowCounters, new_windows
from summit.cep.window_rule import WindowRule
from summit.cep.window_state import load_windows
from summit.documents.plan import PatternPlan
from summit.keyed.captured import Captured, Origins


class WindowReader:
    """Reads saved states of one window rule.

    Args:
        plan: May be disabled: its saved state is readable all the same.
    """

    def __init__(self, plan: PatternPlan) -> None:
        self.rule = WindowRule(plan)
        self._windows = new_windows(self.rule, WindowCounters())
        self._origins = Origins()

    def _state(self, data: bytes, version: int) -> Any:
        state, version = state_of_now(data, version)
        if state is None:  # only what is kept for late events
            return self._windows.new()
        return load_windows(self._windows, state, version, self._origins)

    def count(self, data: bytes, version: int) -> KeyCounts:
        """How much a key holds. Raises Corrupt("pattern.state")."""
        state = self._state(data, version)
        due_ms = self._windows.due_ms(state)
        _, evidence = self._windows.plain(state)
        expires_ms = None if due_ms == NEVER else int(due_ms)
        return KeyCounts(self._windows.size(state), len(evidence), expires_ms)

    def shown(self, data: bytes, version: int) -> dict[str, Any]:
        """A key's windows, by the names of the wire. Raises Corrupt("pattern.state").

        Returns: `size`: events, or groups where these are compared; `toldAt`; `armed`; `dueAt`:
            when time alone makes a difference; `evidence`.
        """
        state = self._state(data, version)
        due_ms = self._windows.due_ms(state)
        _, evidence = self._windows.plain(state)
        return {
            "size": self._windows.size(state),
            "armed": state.is_armed,
            "toldAt": state.told_ms,
            "dueAt": None if due_ms == NEVER else int(due_ms),
            "evidence": [_place(event) for event in evidence],
        }


def _place(event: Captured) -> dict[str, Any]:
    return {
        "topic": event.origin.topic, "partition": event.origin.partition, "offset": event.offset,
        "timestamp": event.own_ms,
    }  # fmt: skip
