"""CUSUM: lasting shifts of half to two standard deviations, by what adds up on either side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from summit.kernels.arrays import capped
from summit.kernels.detectors.chart import Chart
from summit.kernels.detectors.judged import Judged, run
from summit.kernels.detectors.reference import Reference
from summit.kernels.settings import positive, whole


class Cusum(Chart):
    """Flags when max(0, up + z - slack) or max(0, down - z - slack) passes `limit`.

    The deviation is the larger sum, negative when it is the lower one.

    Args:
        slack: What a value may be off without adding up, standard deviations.
        limit: In standard deviations.
        mean, std: Those of the process in order; learned from `warmup` values when not given.
    Cost: O(1) a value, O(1) memory.
    Source: Page 1954.

    Example:
        >>> chart = Cusum(mean=0, std=1)
        >>> [chart.update(1.5).flagged for _ in range(6)]
        [False, False, False, False, False, True]
    """

    __slots__ = ("_slack",)

    def __init__(
        self, *, slack: float = 0.5, limit: float = 5.0, mean: float | None = None,
        std: float | None = None, warmup: int = 30,
    ) -> None:  # fmt: skip
        self._slack = positive("slack", slack)
        settings = {"slack": slack, "limit": limit}
        super().__init__(Reference(mean, std, whole("warmup", warmup, 2)),
                         positive("limit", limit), settings)  # fmt: skip

    def begin(self) -> list[float]:
        """Nothing has added up."""
        return [0.0, 0.0]

    def step(self, state: list[float], z: float) -> float:
        """The larger sum, signed."""
        up, down = state
        slack = self._slack
        up = max(0.0, up + z - slack)
        down = max(0.0, down - z - slack)
        state[0], state[1] = up, down
        return capped(up if up >= down else -down)


def cusum(values: Iterable[Any], **settings: Any) -> Judged:
    """`Cusum` over a series. Shape: (n,) in, arrays (n,) out."""
    return run(Cusum(**settings), values)
