"""`auto`: one score of complementary detectors, in powers of ten, that needs no tuning."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Any, Final, Self

from summit.kernels.arrays import capped, finite, rounded_off
from summit.kernels.detectors.judged import Judged, Score, run
from summit.kernels.detectors.season import Season
from summit.kernels.detectors.tail_score import TailScore
from summit.kernels.settings import positive, whole

LIMIT = 2.75
WARMUP = 50

_SLOT_WEIGHT: Final = 0.2
_SLOT_POINTS: Final = 6
_SLOW: Final = 0.01
_SHIFT_SHARE: Final = 0.4
_EXTREME_SHARE: Final = 10.0
_EXTREME_MAX: Final = 2.0
_PEAK_MIN: Final = 1.0
_PEAKS_MAX: Final = 256


class Auto:
    """Judges a value by its season, by lasting shifts, and by all that was ever seen.

    Three parts are added up, each a power of ten: how rare the distance from the mean of its slot
    in the season is (`season`); how rare the slowly moving mean of these distances is (`shift`,
    of which 40 % count); and how far, in tenths of the range seen so far, the value is outside of
    it (`extreme`). What is rare is measured by the past of the series itself (`TailScore`), so
    there is nothing to tune. An alarm is told once: within `rest` values only a higher one in
    the same direction counts. And what comes often is no news: one that k earlier ones were as
    high as loses log10(1 + k).

    Args:
        limit: Flagged when the score is above it: 3 is about one in a thousand.
        period: The season in values; without it, the day if times are given, else learned.
        rest: In values.
    Cost: some µs a value; a bounded state of some kB, with a learned season 1,024 floats more.
    """

    __slots__ = (
        "fast", "highest", "level", "limit", "lowest", "means", "peaks", "rest", "resting",
        "season", "seen", "shift", "skipped", "slow",
    )  # fmt: skip

    def __init__(self, *, limit: float = LIMIT, period: int | None = None, rest: int = 100) -> None:
        self.limit = positive("limit", limit)
        self.rest = whole("rest", rest, 0)
        self.season = Season(period)
        self.means: dict[int, float] = {}
        self.level = 0.0
        self.shift = 0.0
        self.lowest, self.highest = math.inf, -math.inf
        self.fast, self.slow = TailScore(), TailScore()
        self.seen = self.skipped = 0
        self.peaks: list[float] = []
        self.resting: dict[int, tuple[float, int]] = {}

    def update(self, value: Any, at: float | None = None) -> Score:
        """Judge a value by those before it, then learn from it."""
        slot, share = self.season.step(at)
        number = finite(value)
        if number is None:
            self.skipped += 1
            self._season(None)
            return Score(False, None, None, self.limit, "missing")
        seen = self.seen
        self.seen = seen + 1
        expected = self.means.get(slot, self.level)
        apart = rounded_off(number - expected, number) if seen else 0.0
        shift = self.shift
        season = self.fast.score(abs(apart))
        lasting = _SHIFT_SHARE * self.slow.score(abs(shift))
        extreme = self._extreme(number)
        self._learn(number, apart, slot, share)
        if seen < WARMUP:
            return Score(False, None, None, self.limit, "warmup")
        sign = 1 if apart >= 0 else -1
        height = self._told(season + lasting + extreme, sign)
        parts = {"season": season, "shift": lasting, "extreme": extreme}
        deviation = capped(math.copysign(height, sign))
        return Score(height > self.limit, expected, deviation, self.limit, "ready", parts)

    def _extreme(self, number: float) -> float:
        """How far outside of all that was seen, in tenths of its range, at most twice the range."""
        lowest, highest = self.lowest, self.highest
        if lowest <= number <= highest:
            return 0.0
        self.lowest, self.highest = min(lowest, number), max(highest, number)
        if self.seen <= WARMUP:
            return 0.0
        spread = highest - lowest
        beyond = rounded_off(max(number - highest, lowest - number), number)
        over = beyond / spread if spread > 0 else (1.0 if beyond else 0.0)
        return _EXTREME_SHARE * min(over, _EXTREME_MAX)

    def _learn(self, number: float, apart: float, slot: int, share: float) -> None:
        seen = self.seen
        self.level += (number - self.level) * max(0.05, 1 / seen)
        weight = _SLOT_WEIGHT * min(1.0, share * _SLOT_POINTS)
        mean = self.means.get(slot)
        self.means[slot] = number if mean is None else mean + (number - mean) * weight
        self.shift += (apart - self.shift) * max(_SLOW, 1 / seen)
        self._season(number)

    def _season(self, number: float | None) -> None:
        means = self.season.learn(number)
        if means is not None:
            self.means = dict(enumerate(means))

    def _told(self, height: float, sign: int) -> float:
        """The height, less what earlier ones take from it; at most 1 where it is no news."""
        if height <= _PEAK_MIN:
            return height
        now = self.seen
        before, when = self.resting.get(sign, (0.0, -self.rest))
        if now - when <= self.rest and height <= before:
            return _PEAK_MIN
        self.resting[sign] = (height, now)
        peaks = self.peaks
        as_high = len(peaks) - bisect_left(peaks, height)
        insort(peaks, height)
        if len(peaks) > _PEAKS_MAX:
            del peaks[0]
        return max(height - math.log10(1 + as_high), 0.0)

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        seen = [self.lowest, self.highest] if self.seen else None
        return {
            "limit": self.limit, "rest": self.rest, "season": self.season.dump(),
            "means": [[slot, mean] for slot, mean in self.means.items()], "level": self.level,
            "shift": self.shift, "range": seen, "fast": self.fast.dump(), "slow": self.slow.dump(),
            "seen": self.seen, "skipped": self.skipped, "peaks": list(self.peaks),
            "resting": [[sign, *told] for sign, told in self.resting.items()],
        }  # fmt: skip

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(limit=state["limit"], rest=state["rest"])
        made.season = Season.load(state["season"])
        made.means = dict(state["means"])
        made.level, made.shift = state["level"], state["shift"]
        if state["range"] is not None:
            made.lowest, made.highest = state["range"]
        made.fast, made.slow = TailScore.load(state["fast"]), TailScore.load(state["slow"])
        made.seen, made.skipped = state["seen"], state["skipped"]
        made.peaks = list(state["peaks"])
        made.resting = {sign: (height, when) for sign, height, when in state["resting"]}
        return made


def auto(values: Iterable[Any], times: Iterable[float] | None = None, **settings: Any) -> Judged:
    """`Auto` over a series, in order of time (ms, if given). Shape: (n,) in, arrays (n,) out."""
    return run(Auto(**settings), values, times)
