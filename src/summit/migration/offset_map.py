"""From the offsets of one partition to those of its copy. Pure.

A copy begins at 0 and has no holes; its source may begin later and has holes where transactions
were marked or aborted and where compaction took records away. Between two holes both count alike,
so only where the difference changes is remembered:

    source offsets   7 8 9 . . 12 13          points  [(7, 0), (12, 3)]
    copied to        0 1 2      3  4          count   5
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class OffsetMap:
    """Grows with the copy; translates at any time."""

    def __init__(self, points: Iterable[tuple[int, int]] = (), count: int = 0) -> None:
        self.points = list(points)
        self.count = count

    def add(self, source: int) -> int:
        """Note that the record at this offset is copied next; where it comes to stand."""
        target = self.count
        if not self.points or source - self.points[-1][0] != target - self.points[-1][1]:
            self.points.append((source, target))
        self.count += 1
        return target

    def translate(self, source: int) -> int:
        """Where the first record at or after an offset of the source stands, or will stand.

        >>> offsets = OffsetMap([(7, 0), (12, 3)], 5)
        >>> [offsets.translate(at) for at in (0, 8, 10, 12, 13, 14, 99)]
        [0, 1, 3, 3, 4, 5, 5]
        """
        index = bisect_right(self.points, source, key=lambda point: point[0]) - 1
        if index < 0:
            return 0
        begins, stands = self.points[index]
        ends = self.points[index + 1][1] if index + 1 < len(self.points) else self.count
        return min(stands + source - begins, ends)
