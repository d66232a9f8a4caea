"""Isolation forest: what few random cuts set apart from the rest is unusual."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from summit.kernels.arrays import Floats, NDArray, as_series, np
from summit.kernels.detectors.judged import Judged, nothing_judged
from summit.kernels.settings import positive, share, whole

POINTS_MIN = 16
SAMPLE_MAX = 256
CUT = 0.6
_EULER = 0.5772156649015329


class IsolationForest:
    """Random trees over the rows of a table; the same seed and rows, the same scores.

    A score is 2^(-E[h] / c): near 1 where few cuts set a row apart, 0.5 for an ordinary one.

    Args:
        trees: How many.
        sample: Rows that each tree is made of, at most.
    Source: Liu, Ting and Zhou 2008.
    """

    def __init__(self, *, trees: int = 100, sample: int = SAMPLE_MAX, seed: int = 0) -> None:
        self.trees = whole("trees", trees, 1)
        self.sample = whole("sample", sample, 2)
        self.seed = whole("seed", seed, 0)
        self._forest: list[_Tree] = []
        self._ordinary = 1.0

    def fit(self, rows: Floats) -> IsolationForest:
        """Grow the trees. Shape: (n, features), n at least 2, no NaN."""
        draw = np.random.default_rng(self.seed)
        size = min(self.sample, len(rows))
        depth_max = math.ceil(math.log2(size))
        self._ordinary = _path_length(size)
        self._forest = [
            _Tree(rows[draw.choice(len(rows), size, replace=False)], depth_max, draw)
            for _ in range(self.trees)
        ]
        return self

    def score(self, rows: Floats) -> Floats:
        """The score of each row, 0..1. Shape: (n, features) in, (n,) out."""
        total = np.zeros(len(rows))
        for tree in self._forest:
            total += tree.path_lengths(rows)
        scores: Floats = 2.0 ** (-total / (len(self._forest) * self._ordinary))
        return scores


class _Tree:
    """One tree as flat arrays: by node the feature (-1: a leaf), the cut, and the left child."""

    def __init__(self, rows: Floats, depth_max: int, draw: Any) -> None:
        feature, cut, left, length = [-1], [0.0], [0], [0.0]
        waiting = [(0, rows, 0)]
        while waiting:
            node, part, depth = waiting.pop()
            low, high = part.min(axis=0), part.max(axis=0)
            differing = np.flatnonzero(high > low)
            if depth >= depth_max or len(part) <= 1 or not len(differing):
                length[node] = depth + _path_length(len(part))
                continue
            chosen = int(differing[int(draw.integers(len(differing)))])
            at = float(low[chosen] + draw.random() * (high[chosen] - low[chosen]))
            is_left = part[:, chosen] <= at
            feature[node], cut[node], left[node] = chosen, at, len(feature)
            for side in (is_left, ~is_left):
                if side.any():
                    waiting.append((len(feature), part[side], depth + 1))
                feature.append(-1)
                cut.append(0.0)
                left.append(0)
                length.append(float(depth + 1))
        self._feature: NDArray[Any] = np.array(feature)
        self._cut = np.array(cut)
        self._left = np.array(left)
        self._length = np.array(length)
        self._depth_max = depth_max

    def path_lengths(self, rows: Floats) -> Floats:
        """How deep each row comes. Shape: (n, features) in, (n,) out."""
        node = np.zeros(len(rows), np.int64)
        every = np.arange(len(rows))
        for _ in range(self._depth_max):
            feature = self._feature[node]
            inner = feature >= 0
            if not inner.any():
                break
            goes_right = rows[every, np.maximum(feature, 0)] > self._cut[node]
            node = np.where(inner, self._left[node] + goes_right, node)
        lengths: Floats = self._length[node]
        return lengths


def _path_length(count: int) -> float:
    """The mean depth of an unsuccessful search in a binary tree of so many rows."""
    if count <= 1:
        return 0.0
    if count == 2:
        return 1.0
    return 2 * (math.log(count - 1) + _EULER) - 2 * (count - 1) / count


def isolation_forest(
    values: Iterable[Any], *, threshold: float = CUT, share_max: float = 1.0, window: int = 10,
    trees: int = 100, seed: int = 0,
) -> Judged:  # fmt: skip
    """An isolation forest over each value and its distance from the median of those before it.

    The deviation is the score, 0..1; a value is flagged above `threshold`, and of those at most the
    share `share_max` with the highest scores. The ratio counts from the score of an ordinary value,
    0.5. Expected is the median of the series. It needs 16 values. Of plain noise some 4 % pass 0.6:
    where that is too much, set `share_max`.

    Args:
        window: How many values before each one its distance is measured from.
    Shape: (n,) in, arrays (n,) out.
    Raises: Invalid("config.invalid").
    """
    positive("threshold", threshold)
    share("share_max", share_max)
    whole("window", window, 1)
    series = as_series(values)
    seen = ~np.isnan(series)
    known = series[seen]
    if len(known) < POINTS_MIN:
        return nothing_judged(len(series), threshold, "not enough data")
    rows = np.column_stack([known, known - _medians_before(known, window)])
    scores = IsolationForest(trees=trees, seed=seed).fit(rows).score(rows)
    cut = threshold
    if share_max < 1:
        allowed = math.ceil(share_max * len(known))
        cut = max(cut, float(np.sort(scores)[::-1][allowed])) if allowed < len(known) else cut
    flagged = np.zeros(len(series), bool)
    expected, deviation = (np.full(len(series), np.nan) for _ in range(2))
    flagged[seen] = scores > cut
    expected[seen] = np.median(known)
    deviation[seen] = scores
    ratio = np.maximum(deviation - 0.5, 0) / max(threshold - 0.5, 0.01)
    return Judged(flagged, expected, deviation, ratio, threshold)


def _medians_before(known: Floats, window: int) -> Floats:
    """The median of the `window` values before each one; at the start of the first so many."""
    medians = np.full(len(known), np.median(known[:window]))
    if len(known) > window:
        views = np.lib.stride_tricks.sliding_window_view(known[:-1], window)
        block = max(1, 1_000_000 // window)
        for first in range(0, len(views), block):
            part = np.median(views[first : first + block], axis=1)
            medians[window + first : window + first + len(part)] = part
    return medians
