"""First and last value, and a list of them: by event time, then by place, not by arrival."""

from __future__ import annotations

from heapq import nsmallest
from operator import itemgetter
from typing import Any, Self

from summit.analytics.columns import Column

At = tuple[Any, ...]
"""When and where an event was: (time, topic, partition, offset)."""

_at = itemgetter(0)


class Ordered:
    """The first values of a field in order of time, at most `limit`; and the last one."""

    __slots__ = ("count", "first", "last", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        self.first: list[tuple[At, Any]] = []
        self.last: tuple[At, Any] | None = None

    def add(self, column: Column) -> None:
        """Take the values of a column that are not null."""
        assert column.ats is not None
        rows = [row for row in zip(column.ats, column.values, strict=True) if row[1] is not None]
        self._take(rows, max(rows, key=_at, default=None), len(rows))

    def _take(self, rows: list[tuple[At, Any]], last: tuple[At, Any] | None, count: int) -> None:
        if last is None:
            return
        self.count += count
        self.first = nsmallest(self.limit, [*self.first, *rows], key=_at)
        if self.last is None or last[0] > self.last[0]:
            self.last = last

    def merge(self, other: Ordered) -> None:
        """Take all that another has taken."""
        self._take(other.first, other.last, other.count)

    def dump(self) -> list[Any]:
        """The state as plain values."""
        return [self.limit, self.count, self.first, self.last]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        made = cls(state[0])
        made.count = state[1]
        made.first = [(tuple(at), value) for at, value in state[2]]
        made.last = None if state[3] is None else (tuple(state[3][0]), state[3][1])
        return made
