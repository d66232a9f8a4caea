"""SPOT and DSPOT: limits for a given risk, from the Pareto tails of what was seen."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from collections.abc import Iterable
from typing import Any, Self

from summit.base.errors import Invalid
from summit.kernels.arrays import capped, finite, spread_or_floor
from summit.kernels.detectors.judged import Judged, Score, run
from summit.kernels.detectors.pareto import fit, tail_log10
from summit.kernels.settings import whole

_PEAKS_MIN = 10
_PEAKS_MAX = 200
_RELEARN_AFTER = 10
_SHAPE_KNOWN = 50
_REFIT = 8


class _Tail:
    """One end: a threshold, the newest excesses over it, and the distribution fitted to them."""

    __slots__ = ("edge", "floor", "over", "peaks", "scale", "seen", "shape")

    def __init__(self, edge: float, floor: float, excesses: list[float], seen: int) -> None:
        self.edge, self.floor, self.seen, self.over = edge, floor, seen, max(len(excesses), 1)
        self.peaks: deque[float] = deque(excesses, maxlen=_PEAKS_MAX)
        self._fit()

    def _fit(self) -> None:
        self.shape, self.scale = fit(self.peaks) if self.peaks else (0.0, self.floor)
        if self.shape < 0 and len(self.peaks) < _SHAPE_KNOWN:
            self.shape, self.scale = 0.0, math.fsum(self.peaks) / len(self.peaks)

    def height(self, value: float) -> float:
        """-log10 of the chance of a value beyond the threshold."""
        share = -math.log10(min(self.over / self.seen, 1.0))
        return share + tail_log10(value - self.edge, self.shape, self.scale)

    def learn(self, value: float) -> None:
        self.over += 1
        self.peaks.append(max(value - self.edge, self.floor))
        if self.over < _SHAPE_KNOWN or self.over % _REFIT == 0:
            self._fit()

    def dump(self) -> list[Any]:
        """The state as plain values."""
        fitted = [self.shape, self.scale]
        return [self.edge, self.floor, list(self.peaks), self.seen, self.over, fitted]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        tail = cls(state[0], state[1], state[2], state[3])
        tail.over = state[4]
        tail.shape, tail.scale = state[5]
        return tail


class Spot:
    """Flags a value whose chance, by the tails of what was seen, is below `risk`.

    Each tail is a generalized Pareto distribution over a high threshold, from the first `warmup`
    values, and learns of every later value beyond the threshold that is no anomaly. With a `depth`
    (DSPOT) a value counts by its distance from the mean of so many before it. The deviation is
    -log10 of the chance, signed by the side; inside the thresholds it is 0. After ten flags in a
    row all is learned anew.

    Args:
        risk: Of a flag where nothing changed, each value.
        warmup: Values the tails begin with, 20 or more.
        level: Quantile of the thresholds; lower where ten values would not be beyond them.
        depth: Values of the drifting mean; 0 for none.
    Cost: O(1) a value, a fit for each value beyond a threshold; 400 + `depth` floats.
    Source: Siffer, Fouque, Termier and Largouët 2017.
    """

    __slots__ = (
        "beyond", "depth", "first", "level", "limit", "middle", "recent", "risk", "skipped",
        "tails", "warmup",
    )  # fmt: skip

    def __init__(
        self, *, risk: float = 1e-4, warmup: int = 200, level: float = 0.98, depth: int = 0
    ) -> None:
        for name, value in (("risk", risk), ("level", level)):
            if not 0 < value < 1:
                reason = f"{name} {value!r} is not between 0 and 1"
                raise Invalid("config.invalid", reason=reason, pointer="")
        self.risk, self.level = risk, level
        self.warmup, self.depth = whole("warmup", warmup, 20), whole("depth", depth, 0)
        self.limit = -math.log10(risk)
        self.first: list[float] = []
        self.recent: deque[float] = deque(maxlen=self.depth or 1)
        self.tails: tuple[_Tail, _Tail] | None = None
        self.middle = 0.0
        self.beyond = self.skipped = 0

    def update(self, value: Any, at: float | None = None) -> Score:
        """Judge a value by those before it, then learn from it."""
        number = finite(value)
        if number is None:
            self.skipped += 1
            return Score(False, None, None, self.limit, "missing")
        if self.depth and len(self.recent) < self.depth:
            self._drift(number)
            return Score(False, None, None, self.limit, "warmup")
        centre = math.fsum(self.recent) / self.depth if self.depth else 0.0
        apart = number - centre
        if self.tails is None:
            insort(self.first, apart)
            self._drift(number)
            if len(self.first) == self.warmup:
                self._begin(centre)
            return Score(False, None, None, self.limit, "warmup")
        lower, upper = self.tails
        expected, deviation = centre + self.middle, 0.0
        tail, size, sign = (upper, apart, 1) if apart >= self.middle else (lower, -apart, -1)
        if size > tail.edge:
            deviation = capped(sign * tail.height(size))
        flagged = abs(deviation) > self.limit
        self.beyond = self.beyond + 1 if flagged else 0
        if flagged and self.beyond >= _RELEARN_AFTER:
            self._anew()
        elif not flagged:
            lower.seen += 1
            upper.seen += 1
            if size > tail.edge:
                tail.learn(size)
            self._drift(number)
        return Score(flagged, expected, deviation, self.limit, "ready")

    def _drift(self, number: float) -> None:
        if self.depth:
            self.recent.append(number)

    def _anew(self) -> None:
        self.tails, self.first, self.beyond = None, [], 0
        self.recent.clear()

    def _begin(self, centre: float) -> None:
        first = self.first
        self.middle = first[len(first) // 2]
        floor = 1e-3 * spread_or_floor(first[-1] - first[0], centre + self.middle)
        upside_down = [-value for value in reversed(first)]
        self.tails = (self._tail(upside_down, floor), self._tail(first, floor))
        self.first = []

    def _tail(self, ascending: list[float], floor: float) -> _Tail:
        size = len(ascending)
        many = max(_PEAKS_MIN, round(size * (1 - self.level)))
        edge = ascending[max(size - many - 1, size // 2)]
        excesses = [max(value - edge, floor) for value in ascending if value > edge]
        return _Tail(edge, floor, excesses, size)

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        tails = None
        if self.tails is not None:
            tails = [tail.dump() for tail in self.tails]
        return {
            "settings": {
                "risk": self.risk, "warmup": self.warmup, "level": self.level, "depth": self.depth,
            },
            "first": list(self.first), "recent": list(self.recent), "tails": tails,
            "middle": self.middle, "beyond": self.beyond, "skipped": self.skipped,
        }  # fmt: skip

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(**state["settings"])
        made.first = list(state["first"])
        made.recent.extend(state["recent"])
        if state["tails"] is not None:
            lower, upper = (_Tail.load(each) for each in state["tails"])
            made.tails = (lower, upper)
        made.middle, made.beyond, made.skipped = state["middle"], state["beyond"], state["skipped"]
        return made


def spot(values: Iterable[Any], **settings: Any) -> Judged:
    """`Spot` over a series. Shape: (n,) in, arrays (n,) out."""
    return run(Spot(**settings), values)
