"""What a detector says: of one value (`Score`), and of a whole series (`Judged`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

from summit.kernels.arrays import Flags, Floats, as_series, np


class Score(NamedTuple):
    """What a streaming detector says of one value.

    `expected` and `deviation` are None where nothing can be said: `state` is `missing` for what is
    no finite number (it changes nothing but `skipped`), `warmup` while too few values are known,
    else `ready`. `deviation` is signed and finite, in the units of `limit`. `parts` are what an
    ensemble's deviation is made of.
    """

    flagged: bool
    expected: float | None
    deviation: float | None
    limit: float
    state: str
    parts: dict[str, float] | None = None

    @property
    def ratio(self) -> float:
        """How many times the limit: what the severity is read from."""
        return abs(self.deviation or 0.0) / (self.limit or 1.0)


class Detector(Protocol):
    """A streaming detector: bounded state, the past only, the same input the same answers.

    One for each series: group and metric.
    """

    skipped: int

    def update(self, value: Any, at: float | None = None) -> Score:
        """Judge a value by those before it, then learn from it.

        `at`, its time in ms, is of use to those that know seasons.
        """

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""


@dataclass(frozen=True)
class Judged:
    """What a detector says of a series.

    Shape: every array (n,), as the series. `expected` and `deviation` are NaN where `seen` is
    False: the value is missing, or too little came before it. `reason` is set when nothing at all
    was judged. `ratio` is what the severity is read from: 1 at the limit.
    """

    flagged: Flags
    expected: Floats
    deviation: Floats
    ratio: Floats
    limit: float
    reason: str | None = None

    @property
    def seen(self) -> Flags:
        """Which values were judged."""
        return ~np.isnan(self.deviation)


def nothing_judged(size: int, limit: float, reason: str) -> Judged:
    """The answer for a series that is too short."""
    blank = np.full(size, np.nan)
    return Judged(np.zeros(size, bool), blank, blank.copy(), blank.copy(), limit, reason)


def run(detector: Detector, values: Iterable[Any], times: Iterable[float] | None = None) -> Judged:
    """A streaming detector over a whole series: the same answers, as arrays."""
    series, update = as_series(values).tolist(), detector.update
    if times is None:
        scores = [update(value) for value in series]
    else:
        scores = [update(value, at) for value, at in zip(series, times, strict=True)]
    nan = float("nan")
    expected = np.array([nan if s.expected is None else s.expected for s in scores], np.float64)
    deviation = np.array([nan if s.deviation is None else s.deviation for s in scores], np.float64)
    limit = scores[-1].limit if scores else 0.0
    reason = None if bool((~np.isnan(deviation)).any()) else "not enough data"
    flagged = np.array([s.flagged for s in scores], bool)
    return Judged(flagged, expected, deviation, np.abs(deviation) / (limit or 1.0), limit, reason)
