"""The generalized Pareto distribution: fitted to what is beyond a threshold, and its tail."""

from __future__ import annotations

import math
from collections.abc import Sequence

from summit.kernels.arrays import np

_SHAPE_MAX = 0.9


def fit(excesses: Sequence[float]) -> tuple[float, float]:
    """Shape and scale with the highest likelihood; excesses above 0, at least one.

    With t = shape / scale the shape is the mean of log(1 + t * y), so the likelihood is searched
    along t alone: a grid, then a finer one around its best. Shapes are kept below 0.9.

    Source: Grimshaw 1993.
    """
    y = np.asarray(excesses, np.float64)
    mean, largest = float(y.mean()), float(y.max())
    best, shape, scale = -math.log(mean) - 1, 0.0, mean
    if len(y) < 5 or largest <= 0:
        return shape, scale
    grid = np.concatenate([-(1 - np.geomspace(1e-3, 0.999, 24)) / largest,
                           np.geomspace(1e-3, 30, 32) / mean])  # fmt: skip
    for _ in range(2):
        shapes = np.log1p(grid[:, None] * y).mean(axis=1)
        fits = (np.abs(shapes) > 1e-9) & (shapes < _SHAPE_MAX) & (shapes > -0.5)
        with np.errstate(divide="ignore", invalid="ignore"):
            heights = np.where(fits, -np.log(shapes / grid) - shapes - 1, -np.inf)
        place = int(np.argmax(heights))
        if heights[place] <= best:
            break
        best, shape = float(heights[place]), float(shapes[place])
        scale = shape / float(grid[place])
        low, high = grid[max(place - 1, 0)], grid[min(place + 1, len(grid) - 1)]
        grid = np.linspace(low, high, 24)
        grid = grid[np.abs(grid) > 1e-12]
    return shape, scale


def tail_log10(excess: float, shape: float, scale: float) -> float:
    """-log10 of the chance that an excess is as large or larger."""
    over = excess / scale
    if abs(shape) < 1e-6:
        return over / math.log(10)
    inside = 1 + shape * over
    if inside <= 0:  # beyond the end of a bounded tail
        return 300.0
    return math.log10(inside) / shape
