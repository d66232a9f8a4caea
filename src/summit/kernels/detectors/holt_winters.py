"""Holt-Winters detector: a value against the forecast from level, trend and season."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from summit.kernels.arrays import finite
from summit.kernels.detectors.judged import Judged, Score, run
from summit.kernels.detectors.residual import Residual
from summit.kernels.settings import positive, share, whole

_VALUE_MAX = 1e150


class HoltWinters:
    """Flags a value that is far from its one-step forecast by additive exponential smoothing.

    With l the level, b the damped trend and s the season: expected = l + damping * b + s. All three
    begin with the first two seasons (without a season, with ten values). A missing value is taken
    for the forecast where there is a season, so that it keeps its place.

    Args:
        period: Of the season in values, 2 or more; None for none.
        limit: In standard deviations of the one-step errors.
        alpha, beta, gamma: How quickly level, trend and season follow.
        damping: What is left of the trend a step later.
    Cost: O(1) a value; `period` floats, twice as many at the start.
    Source: Winters 1960; damping by Gardner and McKenzie 1985.
    """

    __slots__ = (
        "alpha", "beta", "count", "damping", "first", "gamma", "level", "limit", "period",
        "residual", "season", "skipped", "trend",
    )  # fmt: skip

    def __init__(
        self, *, period: int | None = None, limit: float = 4.0, alpha: float = 0.2,
        beta: float = 0.02, gamma: float = 0.1, damping: float = 0.98,
    ) -> None:  # fmt: skip
        self.period = None if period is None else whole("period", period, 2)
        self.limit = positive("limit", limit)
        self.alpha, self.beta = share("alpha", alpha), share("beta", beta)
        self.gamma, self.damping = share("gamma", gamma), share("damping", damping)
        self.first: list[float] | None = []
        self.season: list[float] = [0.0]
        self.level = self.trend = 0.0
        self.count = self.skipped = 0
        self.residual = Residual(self.limit)

    def update(self, value: Any, at: float | None = None) -> Score:
        """Judge a value by those before it, then learn from it."""
        number = finite(value)
        place = self.count % len(self.season)
        if number is None:
            self.skipped += 1
            if self.first is None and self.period is not None:
                self._step(self._expected(place), place)
            return Score(False, None, None, self.limit, "missing")
        if self.first is not None:
            self._begin(number)
            return Score(False, None, None, self.limit, "warmup")
        expected = self._expected(place)
        deviation, taken = self.residual.judge(number, expected)
        self._step(taken, place)
        if deviation is None:
            return Score(False, None, None, self.limit, "warmup")
        return Score(abs(deviation) > self.limit, expected, deviation, self.limit, "ready")

    def _expected(self, place: int) -> float:
        expected = self.level + self.damping * self.trend + self.season[place]
        return min(max(expected, -_VALUE_MAX), _VALUE_MAX)

    def _step(self, value: float, place: int) -> None:
        before, trend, season = self.level, self.damping * self.trend, self.season
        self.level = self.alpha * (value - season[place]) + (1 - self.alpha) * (before + trend)
        self.trend = self.beta * (self.level - before) + (1 - self.beta) * trend
        if self.period is not None:
            season[place] += self.gamma * (value - self.level - season[place])
        self.count += 1

    def _begin(self, number: float) -> None:
        first = self.first
        assert first is not None
        first.append(number)
        size = self.period or 5
        if len(first) < 2 * size:
            return
        means = [sum(part) / size for part in (first[:size], first[size:])]
        self.trend = (means[1] - means[0]) / size if self.period else 0.0
        middle = sum(first) / len(first)
        self.level = middle + self.trend * (size - 0.5)
        if self.period is not None:
            flat = [v - self.trend * (n - size + 0.5) - middle for n, v in enumerate(first)]
            self.season = [(a + b) / 2 for a, b in zip(flat[:size], flat[size:], strict=True)]
        self.first = None

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {
            "settings": {
                "period": self.period, "limit": self.limit, "alpha": self.alpha,
                "beta": self.beta, "gamma": self.gamma, "damping": self.damping,
            },
            "first": None if self.first is None else list(self.first),
            "season": list(self.season), "level": self.level, "trend": self.trend,
            "count": self.count, "residual": self.residual.dump(), "skipped": self.skipped,
        }  # fmt: skip

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(**state["settings"])
        first = state["first"]
        made.first = None if first is None else list(first)
        made.season, made.residual = list(state["season"]), Residual.load(state["residual"])
        made.level, made.trend = state["level"], state["trend"]
        made.count, made.skipped = state["count"], state["skipped"]
        return made


def holt_winters(values: Iterable[Any], **settings: Any) -> Judged:
    """`HoltWinters` over a series at even steps. Shape: (n,) in, arrays (n,) out."""
    return run(HoltWinters(**settings), values)
