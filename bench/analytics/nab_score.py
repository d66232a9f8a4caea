"""The scoring of the Numenta Anomaly Benchmark, standard profile, written anew from its paper.

A series of n values has windows [first, last] of places. The first min(15 %, 750) values are not
scored. Of each window only the earliest detection counts: (2 / (1 + e^(5y)) - 1) / 0.98661 with y
from -1 at the first place to nearly 0 at the last; a window without one costs 1. A detection
elsewhere costs 0.11 times the same curve of its distance behind the last window in widths, up to
1 * 0.11 far from any. One threshold serves a whole corpus, the one with the highest sum; 0 is what
a detector that says nothing gets, 100 a perfect one. Source: Lavin and Ahmad 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FALSE_WEIGHT = 0.11
Array = np.ndarray[Any, Any]


def curve(y: Any) -> Any:
    """1 far before 0, 0 at 0, -1 beyond 3 behind it."""
    y = np.asarray(y, float)
    return np.where(y > 3, -1.0, 2 / (1 + np.exp(5 * np.minimum(y, 3))) - 1)


@dataclass
class Labelled:
    """A series with its windows, and what a detection at each place is worth."""

    name: str
    times: Array
    values: Array
    windows: list[tuple[int, int]]

    def __post_init__(self) -> None:
        size = len(self.values)
        self.window = np.full(size, -1)
        self.worth = np.full(size, -1.0)
        for number, (first, last) in enumerate(self.windows):
            width = last - first + 1
            inside = np.arange(first, last + 1)
            self.window[inside] = number
            self.worth[inside] = curve(-(last - inside + 1) / width) / curve(-1.0)
            follows = self.windows[number + 1 :]
            behind = np.arange(last + 1, follows[0][0] if follows else size)
            self.worth[behind] = curve((behind - last) / max(width - 1, 1))
        self.window[: min(int(0.15 * size), 750)] = -2

    def steps(self, scores: Array, false_weight: float) -> tuple[Array, Array]:
        """By how much the sum changes when the threshold falls to a score. Shape: (m,) each."""
        outside = self.window == -1
        at, by = [scores[outside]], [self.worth[outside] * false_weight]
        for number in range(len(self.windows)):
            inside = self.window == number
            order = np.argsort(-scores[inside], kind="stable")
            best = np.maximum.accumulate(self.worth[inside][order])
            gain = np.diff(best, prepend=-1.0)
            at.append(scores[inside][order])
            by.append(gain)
        return np.concatenate(at), np.concatenate(by)


def sums(
    corpus: Sequence[Labelled], scores: Sequence[Array], false_weight: float = FALSE_WEIGHT
) -> tuple[Array, Array]:
    """Every threshold that makes a difference, falling, and the corpus's score with it."""
    steps = [each.steps(s, false_weight) for each, s in zip(corpus, scores, strict=True)]
    at = np.concatenate([a for a, _ in steps])
    by = np.concatenate([b for _, b in steps])
    order = np.argsort(-at, kind="stable")
    at, total = at[order], np.cumsum(by[order])
    is_last = np.append(at[1:] != at[:-1], True)
    windows = sum(len(each.windows) for each in corpus)
    return at[is_last], 100 * total[is_last] / (2 * windows)


def best(
    corpus: Sequence[Labelled], scores: Sequence[Array], false_weight: float = FALSE_WEIGHT
) -> tuple[float, float]:
    """The threshold with the highest score, and that score; infinity when silence is best."""
    at, total = sums(corpus, scores, false_weight)
    place = int(np.argmax(total))
    return (float(at[place]), float(total[place])) if total[place] > 0 else (float("inf"), 0.0)


def score_at(
    corpus: Sequence[Labelled], scores: Sequence[Array], threshold: float,
    false_weight: float = FALSE_WEIGHT,
) -> float:  # fmt: skip
    """The score of a corpus with a threshold."""
    at, total = sums(corpus, scores, false_weight)
    place = int((at >= threshold).sum()) - 1
    return float(total[place]) if place >= 0 else 0.0
