"""The trend of least squares, tested by Student's t: of a series, and of a stream in five sums."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Self

from summit.kernels.arrays import DEVIATION_MAX, finite
from summit.kernels.distributions import student_limit, student_two_sided
from summit.kernels.series.trend import POINTS_MIN, TOO_FEW, Trend, direction_of, known_pairs
from summit.kernels.settings import share


def linear_trend(
    values: Iterable[Any], times: Iterable[Any] | None = None, *, alpha: float = 0.05
) -> Trend:
    """The line of least squares, tested by Student's t.

    Args:
        times: When the values were; 0, 1, 2, … when not given.
    Shape: (n,) each.
    Raises: Invalid("config.invalid") when there are not as many times as values.

    Example:
        >>> trend = linear_trend([1, 2.1, 2.9, 4, 5])
        >>> trend.direction, round(trend.slope, 2)
        ('increasing', 0.99)
    """
    share("alpha", alpha)
    y, t = known_pairs(values, times)
    if len(y) < POINTS_MIN or t.min() == t.max():
        return TOO_FEW
    t_mean, y_mean = float(t.mean()), float(y.mean())
    moved, raised = t - t_mean, y - y_mean
    spread = float(moved @ moved)
    slope = float(moved @ raised) / spread
    left = raised - slope * moved
    total, rest = float(raised @ raised), float(left @ left)
    return _line(len(y), (t_mean, y_mean), (spread, total, rest), slope, alpha)


class LinearTrend:
    """The line of least squares through all that came; missing values are passed over.

    Cost: O(1) a value, O(1) memory.
    Source: Welford's sums, for two variables.
    """

    __slots__ = ("count", "skipped", "sums", "t_mean", "y_mean")

    def __init__(self) -> None:
        self.count = 0
        self.skipped = 0
        self.t_mean = self.y_mean = 0.0
        self.sums = [0.0, 0.0, 0.0]  # of squares of times, of values, and of products

    def update(self, time: Any, value: Any) -> None:
        """Take a value and when it was; times may come in any order."""
        t, y = finite(time), finite(value)
        if t is None or y is None:
            self.skipped += 1
            return
        self.count += 1
        moved, raised = t - self.t_mean, y - self.y_mean
        self.t_mean += moved / self.count
        self.y_mean += raised / self.count
        left = y - self.y_mean
        sums = self.sums
        sums[0] += moved * (t - self.t_mean)
        sums[1] += raised * left
        sums[2] += moved * left

    def trend(self, *, alpha: float = 0.05) -> Trend:
        """The trend by now. Raises: Invalid("config.invalid")."""
        share("alpha", alpha)
        spread, total, product = self.sums
        if self.count < POINTS_MIN or not spread:
            return TOO_FEW
        slope = product / spread
        rest = total - slope * product
        if rest <= 1e-14 * total:  # less than the subtraction can tell
            rest = 0.0
        return _line(self.count, (self.t_mean, self.y_mean), (spread, total, rest), slope, alpha)

    def dump(self) -> list[Any]:
        """The whole state as plain values that JSON can hold."""
        return [self.count, self.skipped, self.t_mean, self.y_mean, list(self.sums)]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls()
        made.count, made.skipped, made.t_mean, made.y_mean, sums = state
        made.sums = list(sums)
        return made


def _line(
    size: int,
    means: tuple[float, float],
    squares: tuple[float, float, float],
    slope: float,
    alpha: float,
) -> Trend:
    """The trend from the means of times and values and the squares: of times, of values, left."""
    t_mean, y_mean = means
    spread, total, rest = squares
    rounding = 1e-24 * size
    if rest <= rounding * max(total, y_mean * y_mean):
        rest = 0.0
    if total <= rounding * y_mean * y_mean:
        slope = 0.0
    error = math.sqrt(rest / (size - 2) / spread)
    if error:
        statistic = min(max(slope / error, -DEVIATION_MAX), DEVIATION_MAX)
    else:
        statistic = math.copysign(DEVIATION_MAX, slope) if slope else 0.0
    p_value = student_two_sided(statistic, size - 2)
    reach = student_limit(alpha, size - 2) * error if alpha < 1 else 0.0
    return Trend(
        direction_of(slope, p_value, alpha), slope, y_mean - slope * t_mean,
        slope - reach, slope + reach, p_value, statistic,
    )  # fmt: skip
