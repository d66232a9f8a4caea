"""Things that wait for their time, taken out in order: sorted by the batch, not by the event.

What came since the last look is sorted in one go. Sorted lists stand with their earliest item last,
so that what is due is cut off at the end; two of about one length become one, so that there are
never many.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, Generic, TypeVar

_NEVER: Final = float("inf")

Item = TypeVar("Item", bound=tuple[Any, ...])


def _before(item: tuple[Any, ...]) -> Any:
    return -item[0]


class InOrder(Generic[Item]):
    """A bag of tuples whose first member is a time; what is due comes in the order of the tuples.

    Attributes:
        add: Puts one in.

    Cost: an item is sorted into lists as often as the logarithm of how many wait.
    """

    def __init__(self) -> None:
        self._fresh: list[Item] = []
        self.add = self._fresh.append  # the list stays the same one
        self._sorted: list[list[Item]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count + len(self._fresh)

    def __iter__(self) -> Iterator[Item]:
        """All of them, in no certain order."""
        return chain(self._fresh, *self._sorted)

    @property
    def first_ms(self) -> float:
        """The earliest time; infinite when nothing waits."""
        self._sort()
        return min((items[-1][0] for items in self._sorted), default=_NEVER)

    def take(self, before_ms: float) -> list[Item]:
        """Take out what has an earlier time than this, in order."""
        self._sort()
        taken: list[list[Item]] = []
        emptied = False
        for items in self._sorted:
            if items[-1][0] >= before_ms:
                continue
            first = bisect_right(items, -before_ms, key=_before)
            taken.append(items[first:])
            del items[first:]
            emptied = emptied or not items
        if not taken:
            return []
        if emptied:
            self._sorted = [items for items in self._sorted if items]
        due = taken[0] if len(taken) == 1 else sorted(chain(*taken), reverse=True)
        due.reverse()
        self._count -= len(due)
        return due

    def _sort(self) -> None:
        if not self._fresh:
            return
        items = sorted(self._fresh, reverse=True)
        self._fresh.clear()
        self._count += len(items)
        lists = self._sorted
        while lists and len(lists[-1]) < 2 * len(items):
            items = sorted(lists.pop() + items, reverse=True)
        lists.append(items)
