"""Change points: where the mean of a series becomes another one, for a whole series."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from summit.kernels.arrays import Floats, as_series, np, spread_or_floor
from summit.kernels.settings import positive, whole

PENALTY = 4.0
SIZE_MIN = 5
_POINTS_MAX = 5000
_KEPT_VARIANCE = 0.6230
"""That of the middle nine tenths of a standard normal distribution."""


def change_points(
    values: Iterable[Any], *, penalty: float = PENALTY, size_min: int = SIZE_MIN
) -> list[int]:
    """The places at which a new level begins, the best set of them (PELT).

    The sum of squares around the mean of each part, in units of the noise, plus a cost for each
    change is the least that it can be. The noise is read from the differences of neighbours, so
    that levels do not count for it. Missing values belong to no part. Of a stream, `Cusum`,
    `PageHinkley` and `Adwin` tell a change as it comes.

    Args:
        penalty: The cost of a change, times the logarithm of the number of values.
        size_min: Values that a part has at least.
    Shape: (n,) in; ascending places in it. Beyond 5,000 values, means of neighbours are taken, and
        a place is right up to so many.
    Cost: O(n) with many changes, O(n^2) with none.
    Source: Killick, Fearnhead and Eckley 2012.

    Example:
        >>> change_points([5, 6, 5, 4, 5, 6, 5] * 3 + [9, 8, 9, 10, 9, 9] * 3)
        [21]
    """
    positive("penalty", penalty)
    whole("size_min", size_min, 2)
    series = as_series(values)
    places = np.flatnonzero(~np.isnan(series))
    known = series[places]
    each = math.ceil(len(known) / _POINTS_MAX) or 1
    if each > 1:
        whole_blocks = len(known) // each * each
        known = known[:whole_blocks].reshape(-1, each).mean(axis=1)
        places = places[:whole_blocks:each]
    if len(known) < 2 * size_min:
        return []
    standard = (known - np.median(known)) / noise_of(known)
    cuts = _pelt(np.clip(standard, -1e6, 1e6), penalty * math.log(len(known)), size_min)
    return [int(places[cut]) for cut in cuts]


def noise_of(known: Floats) -> float:
    """The standard deviation of the noise, from the nine tenths smallest steps of neighbours."""
    squares = np.sort(np.diff(known) ** 2)
    kept = squares[: max(1, int(0.9 * len(squares)))]
    sigma = math.sqrt(float(kept.mean()) / _KEPT_VARIANCE / 2)
    if sigma <= 0:  # most neighbours are equal
        sigma = math.sqrt(float(squares.mean()) / 2) / 10
    return spread_or_floor(sigma, float(np.abs(known).max()))


def _pelt(z: Floats, cost: float, size_min: int) -> list[int]:
    """Where the parts of the cheapest division begin, without the first."""
    size = len(z)
    sums = np.concatenate([[0.0], np.cumsum(z)])
    squares = np.concatenate([[0.0], np.cumsum(z * z)])
    best = np.full(size + 1, np.inf)
    best[0] = -cost
    begins = np.zeros(size + 1, np.int64)
    starts = np.zeros(0, np.int64)
    for end in range(size_min, size + 1):
        newest = end - size_min
        if newest == 0 or newest >= size_min:
            starts = np.append(starts, newest)
        total = sums[end] - sums[starts]
        within = squares[end] - squares[starts] - total * total / (end - starts)
        costs = best[starts] + within
        place = int(np.argmin(costs))
        best[end], begins[end] = costs[place] + cost, starts[place]
        starts = starts[costs <= best[end]]
    cuts, end = [], size
    while begins[end] > 0:
        end = int(begins[end])
        cuts.append(end)
    return cuts[::-1]
