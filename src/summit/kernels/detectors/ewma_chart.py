"""EWMA chart: small lasting shifts, by an exponentially weighted mean of standardized values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from summit.kernels.arrays import capped
from summit.kernels.detectors.chart import Chart
from summit.kernels.detectors.judged import Judged, run
from summit.kernels.detectors.reference import Reference
from summit.kernels.settings import positive, share, whole


class EwmaChart(Chart):
    """Flags when the weighted mean leaves its control limits.

    With z the standardized value: e = weight * z + (1 - weight) * e, flagged when |e| is above
    limit * sqrt(weight / (2 - weight) * (1 - (1 - weight)^(2t))); the deviation is e in units of
    that root.

    Args:
        weight: That of a new value, above 0 and at most 1.
        limit: In standard deviations of the weighted mean.
        mean, std: Those of the process in order; learned from `warmup` values when not given.
    Cost: O(1) a value, O(1) memory.
    Source: Roberts 1959.
    """

    __slots__ = ("_fading", "_weight")

    def __init__(
        self, *, weight: float = 0.2, limit: float = 3.0, mean: float | None = None,
        std: float | None = None, warmup: int = 30,
    ) -> None:  # fmt: skip
        self._weight = share("weight", weight)
        self._fading = 1 - self._weight
        settings = {"weight": weight, "limit": limit}
        super().__init__(Reference(mean, std, whole("warmup", warmup, 2)),
                         positive("limit", limit), settings)  # fmt: skip

    def begin(self) -> list[float]:
        """The mean of nothing, and the power of what is left of it."""
        return [0.0, 1.0]

    def step(self, state: list[float], z: float) -> float:
        """The weighted mean in its own standard deviations."""
        weight, fading = self._weight, self._fading
        state[0] = mean = weight * z + fading * state[0]
        state[1] = left = state[1] * fading * fading
        return capped(mean / math.sqrt(weight / (2 - weight) * (1 - left)))


def ewma_chart(values: Iterable[Any], **settings: Any) -> Judged:
    """`EwmaChart` over a series. Shape: (n,) in, arrays (n,) out."""
    return run(EwmaChart(**settings), values)
