"""How long things took, counted in fixed buckets: cheap to add to, to hand on, and to merge."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

# Upper ends in milliseconds; what is longer has a bucket of its own.
BOUNDS_MS: Final = (
    0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0,
)  # fmt: skip


class Histogram:
    """Durations by bucket.

    >>> found = Histogram()
    >>> found.add(0.7); found.add(20_000)
    >>> found.told()[:3], found.told()[-1]
    ([20000.7, 0, 1], 1)
    """

    __slots__ = ("_counts", "sum_ms")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_MS) + 1)
        self.sum_ms = 0.0

    def add(self, took_ms: float) -> None:
        """Something took so long."""
        self._counts[bisect_left(BOUNDS_MS, took_ms)] += 1
        self.sum_ms += took_ms

    def told(self) -> list[float]:
        """The sum in milliseconds, then the count of each bucket alone; of numbers only."""
        return [round(self.sum_ms, 3), *self._counts]


def buckets(told: Sequence[float]) -> tuple[list[tuple[str, float]], float]:
    """What `told` says as Prometheus wants it: cumulative counts by `le` in seconds, and the sum.

    >>> buckets([1500.0, *[0] * 11, 1, 0, 1, 0])[0][-1]
    ('+Inf', 2.0)
    """
    sum_ms, *counts = told or [0.0]
    counts += [0] * (len(BOUNDS_MS) + 1 - len(counts))
    ends = [*(f"{bound / 1_000:g}" for bound in BOUNDS_MS), "+Inf"]
    total = 0.0
    found = []
    for end, count in zip(ends, counts, strict=True):
        total += count
        found.append((end, total))
    return found, sum_ms / 1_000
