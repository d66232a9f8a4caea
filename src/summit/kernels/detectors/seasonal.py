"""Seasonal detector: a value against the mean of its place in the season."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from summit.kernels.arrays import finite
from summit.kernels.detectors.judged import Judged, Score, run
from summit.kernels.detectors.residual import Residual
from summit.kernels.detectors.season import SLOTS_MAX, Season
from summit.kernels.settings import positive, share


class Seasonal:
    """Flags a value that is far from the weighted mean of its slot in the season.

    The season (`Season`) is given in values, learned, or the day where times are given. A slot
    whose mean is not known yet says nothing (`warmup`). Missing values keep their slot.

    Args:
        period: In values.
        limit: In standard deviations of the distances.
        weight: That of a new value in the mean of its slot.
        slots: Into how many parts a season is cut at most.
    Cost: O(1) a value; `slots` means, with a learned season 1,024 floats.
    """

    __slots__ = ("limit", "means", "residual", "season", "skipped", "weight")

    def __init__(
        self, *, period: int | None = None, limit: float = 4.0, weight: float = 0.2,
        slots: int = SLOTS_MAX,
    ) -> None:  # fmt: skip
        self.limit = positive("limit", limit)
        self.weight = share("weight", weight)
        self.season = Season(period, slots=slots)
        self.means: dict[int, float] = {}
        self.residual = Residual(self.limit)
        self.skipped = 0

    def update(self, value: Any, at: float | None = None) -> Score:
        """Judge a value by those before it, then learn from it."""
        slot, _ = self.season.step(at)
        number = finite(value)
        if number is None:
            self.skipped += 1
            self._learn(None)
            return Score(False, None, None, self.limit, "missing")
        expected = self.means.get(slot)
        if expected is None:
            self.means[slot] = number
            self._learn(number)
            return Score(False, None, None, self.limit, "warmup")
        deviation, taken = self.residual.judge(number, expected)
        self.means[slot] = expected + (taken - expected) * self.weight
        self._learn(number)
        if deviation is None:
            return Score(False, None, None, self.limit, "warmup")
        return Score(abs(deviation) > self.limit, expected, deviation, self.limit, "ready")

    def _learn(self, number: float | None) -> None:
        means = self.season.learn(number)
        if means is not None:
            self.means = dict(enumerate(means))

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {
            "limit": self.limit, "weight": self.weight, "season": self.season.dump(),
            "means": [[slot, mean] for slot, mean in self.means.items()],
            "residual": self.residual.dump(), "skipped": self.skipped,
        }  # fmt: skip

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(limit=state["limit"], weight=state["weight"])
        made.season = Season.load(state["season"])
        made.means = dict(state["means"])
        made.residual = Residual.load(state["residual"])
        made.skipped = state["skipped"]
        return made


def seasonal(
    values: Iterable[Any], times: Iterable[float] | None = None, **settings: Any
) -> Judged:
    """`Seasonal` over a series, in order of time (ms, if given). Shape: (n,) in and out."""
    return run(Seasonal(**settings), values, times)
