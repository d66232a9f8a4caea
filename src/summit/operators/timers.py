"""Timers of many keys: which are due, in an order that does not depend on when they were set."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

from summit.operators.batch import END_OF_TIME_MS
from summit.operators.formats import key_bytes


class Timers:
    """A heap of (time, key, what); `what` of one key are comparable. Who set a timer says, when it
    is due, whether it still holds."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[int, bytes, Any, Any]] = []

    @property
    def due_ms(self) -> int:
        """When the next one is due; `END_OF_TIME_MS` = there is none."""
        return self._heap[0][0] if self._heap else END_OF_TIME_MS

    def set(self, at_ms: int, key: Any, what: Any) -> None:
        """One timer more; the same twice counts as once, if who set it says so."""
        heappush(self._heap, (at_ms, key_bytes(key), what, key))

    def pop(self) -> tuple[int, Any, Any]:
        """The next one: time, key and what; of one time in the order of the keys' bytes."""
        at_ms, _, what, key = heappop(self._heap)
        return at_ms, key, what
