"""Page-Hinkley: a drift of the mean, by how far values have moved from their own mean so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from summit.kernels.arrays import capped
from summit.kernels.detectors.chart import Chart
from summit.kernels.detectors.judged import Judged, run
from summit.kernels.detectors.reference import Reference
from summit.kernels.settings import positive, whole


class PageHinkley(Chart):
    """Flags when m, the sum of z - mean of z so far - delta, is `limit` above its minimum.

    The same downwards. Made for drifts: a single spike rarely passes the limit. Values are
    standardized first; with `mean=0, std=1` they are taken as they are, as the textbook does.

    Args:
        delta: What is tolerated at each value, standard deviations.
        limit: In standard deviations.
        mean, std: Those of the process in order; learned from `warmup` values when not given.
    Cost: O(1) a value, O(1) memory.
    Source: Hinkley 1971.
    """

    __slots__ = ("_delta",)

    def __init__(
        self, *, delta: float = 0.005, limit: float = 50.0, mean: float | None = None,
        std: float | None = None, warmup: int = 30,
    ) -> None:  # fmt: skip
        self._delta = positive("delta", delta)
        settings = {"delta": delta, "limit": limit}
        super().__init__(Reference(mean, std, whole("warmup", warmup, 2)),
                         positive("limit", limit), settings)  # fmt: skip

    def begin(self) -> list[float]:
        """Count, mean, the sum upwards with its minimum, that downwards with its maximum."""
        return [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]

    def step(self, state: list[float], z: float) -> float:
        """The larger way from the extreme, signed."""
        count, mean, up, lowest, down, highest = state
        count += 1
        mean += (z - mean) / count
        up += z - mean - self._delta
        down += z - mean + self._delta
        lowest, highest = min(lowest, up), max(highest, down)
        state[:] = count, mean, up, lowest, down, highest
        risen, fallen = up - lowest, highest - down
        return capped(risen if risen >= fallen else -fallen)


def page_hinkley(values: Iterable[Any], **settings: Any) -> Judged:
    """`PageHinkley` over a series. Shape: (n,) in, arrays (n,) out."""
    return run(PageHinkley(**settings), values)
