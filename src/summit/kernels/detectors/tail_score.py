"""How rare a size is among those before it: a decaying histogram with a Pareto tail."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Any, Self

_BINS_PER_OCTAVE = 4
_KEY_MAX = 1000 * _BINS_PER_OCTAVE
_ZERO = -_KEY_MAX
_TAIL = 0.98
_SHAPE_MAX = 0.45
_REFIT = 50
_LOG_E = math.log10(math.e)


class TailScore:
    """-log10 of the chance to see such a size or a larger one, by those that came before.

    Sizes are counted in bins of a quarter octave whose counts fade over `memory` values. Up to the
    98 % quantile the chance is that of the counts; beyond it that of a generalized Pareto
    distribution with the mean and variance of what is there. Refitted after each 50 values; 0
    before the first 50.

    Cost: O(1) a value, a list of a few dozen bins for each refit.
    Source: peaks over threshold (Pickands 1975), fitted by moments (Hosking and Wallis 1987).
    """

    __slots__ = ("counts", "memory", "seen", "table", "tail")

    def __init__(self, memory: int = 4000) -> None:
        self.memory = memory
        self.counts: dict[int, float] = {}
        self.seen = 0
        self.table: tuple[list[int], list[float]] = ([], [])
        self.tail: list[float] = []

    def score(self, size: float) -> float:
        """Judge a size, at least 0, by those before it, then learn from it."""
        key = _key(size)
        seen, counts = self.seen, self.counts
        if seen and seen % _REFIT == 0:
            self._refit()
        self.seen = seen + 1
        counts[key] = counts.get(key, 0.0) + 1
        if not self.tail:
            return 0.0
        keys, scores = self.table
        if key > keys[-1]:
            edge, shape, scale, at_edge = self.tail
            over = max(size - edge, 0.0) / scale  # the logarithm may round up into the next bin
            over = over if shape < 1e-3 else math.log1p(shape * over) / shape
            return at_edge + over * _LOG_E
        return scores[bisect_left(keys, key)]

    def _refit(self) -> None:
        counts = self.counts
        if self.seen > _REFIT:
            fading = 1 - _REFIT / max(self.memory, _REFIT + 1)
            self.counts = counts = {
                key: count * fading for key, count in counts.items() if count > 1e-3
            }
        keys = sorted(counts)
        total = math.fsum(counts.values())
        below, scores = 0.0, []
        last = len(keys) - 1
        for place, key in enumerate(keys):
            middle = below + (0.0 if key == _ZERO else counts[key] / 2)
            scores.append(-math.log10((total - middle + 1) / (total + 1)))
            below += counts[key]
            if below >= _TAIL * total:
                last = place
                break
        self.table = (keys[: last + 1], scores)
        edge = _edge(keys[last])
        beyond = [(counts[key], _middle(key) - edge) for key in keys[last + 1 :]]
        weight = math.fsum(count for count, _ in beyond)
        if weight:
            mean = math.fsum(count * over for count, over in beyond) / weight
            variance = math.fsum(count * (over - mean) ** 2 for count, over in beyond) / weight
        else:
            weight, mean, variance = total / (total + 1), edge * 0.1 or 1e-12, 0.0
        ratio = mean * mean / variance if variance > 0 else 1.0
        shape = min(max((1 - ratio) / 2, 0.0), _SHAPE_MAX)
        scale = mean if not shape else mean * (1 + ratio) / 2
        self.tail = [edge, shape, scale, -math.log10(weight / total)]

    def dump(self) -> list[Any]:
        """The state as plain values."""
        counts = [[key, count] for key, count in self.counts.items()]
        return [self.memory, self.seen, counts, *self.table, self.tail]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        made = cls(state[0])
        made.seen = state[1]
        made.counts = dict(state[2])
        made.table = (list(state[3]), list(state[4]))
        made.tail = list(state[5])
        return made


def _key(size: float) -> int:
    if size <= 0:
        return _ZERO
    return max(math.floor(math.log2(size) * _BINS_PER_OCTAVE), 1 - _KEY_MAX)


def _edge(key: int) -> float:
    """The upper end of a bin."""
    return 0.0 if key == _ZERO else float(2.0 ** ((key + 1) / _BINS_PER_OCTAVE))


def _middle(key: int) -> float:
    return float(2.0 ** ((key + 0.5) / _BINS_PER_OCTAVE))
