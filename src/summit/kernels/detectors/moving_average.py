"""Moving average as a detector: each value against the mean of the last few before it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from summit.kernels.arrays import capped, finite, spread_or_floor
from summit.kernels.detectors.judged import Judged, Score, run
from summit.kernels.moments import RollingMoments
from summit.kernels.settings import positive, whole


class MovingAverage:
    """|v - mean of the `window` before| > sensitivity * their (population) standard deviation.

    Every value is learned as it is. Until there are `window` values the state is `warmup`.

    Cost: O(1) a value; `window` floats.
    """

    __slots__ = ("moments", "sensitivity", "skipped")

    def __init__(self, *, sensitivity: float = 3.0, window: int = 10) -> None:
        self.sensitivity = positive("sensitivity", sensitivity)
        self.moments = RollingMoments(whole("window", window, 2))
        self.skipped = 0

    def update(self, value: Any, at: float | None = None) -> Score:
        """Judge a value by those before it, then learn from it."""
        number = finite(value)
        if number is None:
            self.skipped += 1
            return Score(False, None, None, self.sensitivity, "missing")
        moments = self.moments
        if len(moments.values) < (moments.values.maxlen or 0):
            moments.add(number)
            return Score(False, None, None, self.sensitivity, "warmup")
        mean = moments.mean
        deviation = capped((number - mean) / spread_or_floor(moments.stddev(), mean))
        moments.add(number)
        flagged = abs(deviation) > self.sensitivity
        return Score(flagged, mean, deviation, self.sensitivity, "ready")

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {
            "sensitivity": self.sensitivity, "skipped": self.skipped,
            "moments": self.moments.dump(),
        }  # fmt: skip

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(sensitivity=state["sensitivity"], window=state["moments"][0])
        made.moments, made.skipped = RollingMoments.load(state["moments"]), state["skipped"]
        return made


def moving_average(values: Iterable[Any], *, sensitivity: float = 3.0, window: int = 10) -> Judged:
    """`MovingAverage` over a series.

    Shape: (n,) in, arrays (n,) out.
    Raises: Invalid("config.invalid").

    Example:
        >>> moving_average([100.0] * 20 + [500], sensitivity=2, window=5).flagged.nonzero()[0]
        array([20])
    """
    return run(MovingAverage(sensitivity=sensitivity, window=window), values)
