"""What the streaming trees have in common: the last few values as a point, and its rarity."""

from __future__ import annotations

from collections import deque
from typing import Any

from summit.kernels.arrays import capped, finite
from summit.kernels.detectors.judged import Score
from summit.kernels.detectors.tail_score import TailScore
from summit.kernels.settings import positive, whole


class Shingled:
    """Judges the point made of the last `shingle` values by a forest, and its score by the past.

    The deviation is -log10 of the chance of such a score among those before it (`TailScore`).
    Expected is a weighted mean of the values before.
    """

    __slots__ = ("level", "limit", "points", "rarity", "recent", "seed", "shingle", "skipped")

    def __init__(self, limit: float, shingle: int, seed: int) -> None:
        self.limit = positive("limit", limit)
        self.shingle = whole("shingle", shingle, 1)
        self.seed = whole("seed", seed, 0)
        self.recent: deque[float] = deque(maxlen=self.shingle)
        self.rarity = TailScore()
        self.level = 0.0
        self.points = self.skipped = 0

    def isolation(self, point: list[float]) -> float | None:
        """How much apart a point is, at least 0, then learn from it; None: not known yet."""
        raise NotImplementedError

    def update(self, value: Any, at: float | None = None) -> Score:
        """Judge a value by those before it, then learn from it."""
        number = finite(value)
        if number is None:
            self.skipped += 1
            return Score(False, None, None, self.limit, "missing")
        recent, expected = self.recent, self.level
        recent.append(number)
        self.points += 1
        self.level += (number - expected) * max(0.05, 1 / self.points)
        if len(recent) < self.shingle:
            return Score(False, None, None, self.limit, "warmup")
        size = self.isolation(list(recent))
        if size is None:
            return Score(False, None, None, self.limit, "warmup")
        deviation = capped(self.rarity.score(size))
        if self.rarity.seen <= 50:
            return Score(False, None, None, self.limit, "warmup")
        return Score(deviation > self.limit, expected, deviation, self.limit, "ready")

    def dump_shared(self) -> list[Any]:
        """The state that every kind has, as plain values."""
        return [list(self.recent), self.rarity.dump(), self.level, self.points, self.skipped]

    def load_shared(self, state: list[Any]) -> None:
        """Take that state."""
        self.recent.extend(state[0])
        self.rarity = TailScore.load(state[1])
        self.level, self.points, self.skipped = state[2:]
