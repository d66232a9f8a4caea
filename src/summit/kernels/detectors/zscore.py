"""z-score: how many standard deviations a value is from the mean of the others, or of the past."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Self

from summit.kernels.arrays import (
    DEVIATION_MAX,
    Floats,
    as_series,
    capped,
    finite,
    np,
    spread_or_floor,
)
from summit.kernels.detectors.judged import Judged, Score, nothing_judged
from summit.kernels.distributions import normal_two_sided, student_limit
from summit.kernels.moments import RollingMoments
from summit.kernels.settings import positive, whole

POINTS_MIN = 4


def zscore(values: Iterable[Any], *, threshold: float = 3.0, student: bool = False) -> Judged:
    """Each value against the m others: (v - their mean) / (their sample std * sqrt(1 + 1/m)).

    So a value is no part of its own measure, and can pass any threshold. It needs 4 values.

    Args:
        threshold: Flagged when |deviation| is above it.
        student: Read the threshold as a normal tail and use the Student limit that
            has the same: 3 becomes 19.2 with four values, and 3.0 with many.
    Shape: (n,) in, arrays (n,) out.
    Raises: Invalid("config.invalid").
    Source: the externally studentized residual (Cook and Weisberg 1982).

    Example:
        >>> judged = zscore([100, 105, 98, 1000])
        >>> judged.flagged.tolist(), round(float(judged.deviation[3]), 1)
        ([False, False, False, True], 215.9)
    """
    positive("threshold", threshold)
    series = as_series(values)
    seen = ~np.isnan(series)
    known = series[seen]
    if len(known) < POINTS_MIN:
        return nothing_judged(len(series), threshold, "not enough data")
    others = len(known) - 1
    mean, spread = _of_the_others(known)
    limit = student_limit(normal_two_sided(threshold), others - 1) if student else threshold
    score = (known - mean) / (spread * math.sqrt(1 + 1 / others))
    expected, deviation = (np.full(len(series), np.nan) for _ in range(2))
    expected[seen] = mean
    deviation[seen] = np.clip(score, -DEVIATION_MAX, DEVIATION_MAX)
    ratio = np.abs(deviation) / limit
    return Judged(ratio > 1, expected, deviation, ratio, limit)


def _of_the_others(known: Floats) -> tuple[Floats, Floats]:
    """Mean and sample standard deviation without each value in turn.

    Sums from both ends, not the whole less the value: beside a huge value the rest would be lost in
    rounding. Centred and scaled, so that squares neither cancel nor overflow.
    """
    centre = float(np.median(known))
    moved = known - centre
    scale = float(np.abs(moved).max()) or 1.0
    moved /= scale

    def without(terms: Floats) -> Floats:
        before, after = np.zeros(len(terms)), np.zeros(len(terms))
        before[1:] = np.cumsum(terms)[:-1]
        after[:-1] = np.cumsum(terms[::-1])[::-1][1:]
        return before + after

    others = len(known) - 1
    sums = without(moved)
    squares = np.maximum(without(moved * moved) - sums * sums / others, 0)
    mean = centre + sums / others * scale
    spread = np.sqrt(squares / (others - 1)) * scale
    floors = [spread_or_floor(s, m) for s, m in zip(spread.tolist(), mean.tolist(), strict=True)]
    return mean, np.array(floors)


class ZScore:
    """z-score of a stream: each value against the last `window` before it.

    A flagged value is learned as if it stood at the limit, so that one spike blinds nobody; after
    `relearn_after` flagged values in a row the new level is taken as it is. For the first
    `points_min` values the state is `warmup`.

    Cost: O(1) a value; `window` floats.
    """

    __slots__ = ("flagged_run", "moments", "points_min", "relearn_after", "skipped", "threshold")

    def __init__(
        self, *, threshold: float = 3.0, window: int = 100, points_min: int = 10,
        relearn_after: int = 10,
    ) -> None:  # fmt: skip
        self.threshold = positive("threshold", threshold)
        self.points_min = whole("points_min", points_min, POINTS_MIN - 1)
        self.moments = RollingMoments(whole("window", window, self.points_min))
        self.relearn_after = whole("relearn_after", relearn_after, 1)
        self.flagged_run = 0
        self.skipped = 0

    def update(self, value: Any, at: float | None = None) -> Score:
        """Judge a value by those before it, then learn from it."""
        number = finite(value)
        if number is None:
            self.skipped += 1
            return Score(False, None, None, self.threshold, "missing")
        moments = self.moments
        known = len(moments.values)
        if known < self.points_min:
            moments.add(number)
            return Score(False, None, None, self.threshold, "warmup")
        mean = moments.mean
        spread = spread_or_floor(moments.stddev(ddof=1), mean) * math.sqrt(1 + 1 / known)
        deviation = capped((number - mean) / spread)
        flagged = abs(deviation) > self.threshold
        self.flagged_run = self.flagged_run + 1 if flagged else 0
        if flagged and self.flagged_run <= self.relearn_after:
            moments.add(mean + math.copysign(self.threshold * spread, deviation))
        else:
            moments.add(number)
        return Score(flagged, mean, deviation, self.threshold, "ready")

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {
            "threshold": self.threshold, "pointsMin": self.points_min,
            "relearnAfter": self.relearn_after, "run": self.flagged_run, "skipped": self.skipped,
            "moments": self.moments.dump(),
        }  # fmt: skip

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        moments = RollingMoments.load(state["moments"])
        made = cls(
            threshold=state["threshold"], points_min=state["pointsMin"],
            relearn_after=state["relearnAfter"], window=state["moments"][0],
        )  # fmt: skip
        made.moments, made.flagged_run, made.skipped = moments, state["run"], state["skipped"]
        return made
