"""Timers of windows: many keys are due at the same time, so each time has one list of keys.

A timer may be too early for its key, or stand there twice, and its key may be gone: who takes it
looks again. It is never too late.
"""

from __future__ import annotations

from heapq import heappop, heappush

from summit.keyed.keys import Key


class WindowTimers:
    """Lists of keys by the time at which they are due."""

    def __init__(self) -> None:
        self._keys: dict[int, list[Key]] = {}
        self._heap: list[int] = []

    @property
    def next_ms(self) -> float:
        """The earliest time; infinite when there is none."""
        return self._heap[0] if self._heap else float("inf")

    def add(self, key: Key, at_ms: int) -> None:
        """Look at the key when time has reached `at_ms`."""
        keys = self._keys.get(at_ms)
        if keys is None:
            self._keys[at_ms] = [key]
            heappush(self._heap, at_ms)
        else:
            keys.append(key)

    def take(self, now_ms: float, room: int | None = None) -> tuple[int, list[Key]] | None:
        """Take out the earliest time and its keys, if it has come.

        Args:
            room: Leave keys beyond so many for the next call.
        """
        if not self._heap or self._heap[0] > now_ms:
            return None
        if room is not None and len(keys := self._keys[self._heap[0]]) > room:
            some = keys[-room:]
            del keys[-room:]
            return self._heap[0], some
        at_ms = heappop(self._heap)
        return at_ms, self._keys.pop(at_ms)
