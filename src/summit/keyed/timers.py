"""When to look at keys again. Two kinds: to be exact, and to be tidy.

`ExactTimers` is for patterns that report an absence: each key has one timer, at its earliest
deadline, and timers fire in the order (time, key). `TidyTimers` only forgets runs whose time is
over, so that idle keys cost nothing: keys are put into coarse buckets, and a key may be looked at
later than due, never missed.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final

from summit.keyed.keys import Key, key_text

BUCKETS_PER_WITHIN = 16
_STALE_MAX: Final = 1_000  # replaced timers that are left where they are, beside one a key


class TidyTimers:
    """Coarse buckets of keys.

    Args:
        within_ms: The pattern's limit; a bucket spans a sixteenth of it.
    """

    def __init__(self, within_ms: int) -> None:
        self.within_ms = within_ms
        self._width_ms = max(within_ms // BUCKETS_PER_WITHIN, 1)
        self._buckets: dict[int, set[Key]] = {}
        self.next_ms: float = float("inf")

    def add(self, key: Key, deadline_ms: float) -> None:
        """Look at the key when its deadline is over."""
        number = int(deadline_ms) // self._width_ms
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = set()
            self.next_ms = min(self.next_ms, (number + 1) * self._width_ms)
        bucket.add(key)

    def due(self, now_ms: float) -> list[Key]:
        """Take out the keys of all buckets that are over at `now_ms`, in no certain order."""
        if now_ms < self.next_ms:
            return []
        over = sorted(n for n in self._buckets if (n + 1) * self._width_ms <= now_ms)
        keys = [key for number in over for key in self._buckets.pop(number)]
        first = min(self._buckets, default=None)
        self.next_ms = float("inf") if first is None else (first + 1) * self._width_ms
        return keys


class ExactTimers:
    """One timer per key; a later `set` for the same key replaces it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str, Key]] = []
        self._set: dict[Key, float] = {}

    @property
    def next_ms(self) -> float:
        """The earliest timer, infinite when there is none."""
        while self._heap and self._set.get(self._heap[0][2]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else float("inf")

    def set(self, key: Key, deadline_ms: float) -> None:
        """Let the key's timer fire at `deadline_ms`; infinite = never."""
        if self._set.get(key) == deadline_ms:
            return
        if deadline_ms == float("inf"):
            self._set.pop(key, None)
            return
        self._set[key] = deadline_ms
        heappush(self._heap, (deadline_ms, key_text(key), key))
        if len(self._heap) > 2 * len(self._set) + _STALE_MAX:
            self._heap = [timer for timer in self._heap if self._set.get(timer[2]) == timer[0]]
            heapify(self._heap)

    def peek(self) -> tuple[float, Key] | None:
        """The next timer, its time and key, without taking it out."""
        at_ms = self.next_ms
        return (at_ms, self._heap[0][2]) if self._heap else None

    def take(self, now_ms: float) -> tuple[float, Key] | None:
        """Take out the next timer that is due at `now_ms`: its time and key."""
        if self.next_ms > now_ms:
            return None
        deadline, _, key = heappop(self._heap)
        del self._set[key]
        return deadline, key
