"""What a trend is, and what both ways to find one begin and end with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from summit.base.errors import Invalid
from summit.kernels.arrays import Floats, as_series, np

POINTS_MIN = 4


@dataclass(frozen=True)
class Trend:
    """A straight line through a series and whether it is there.

    `direction` is `increasing`, `decreasing`, or `stable` when `p_value` is not below `alpha`.
    `slope` is per unit of time, `slope_low`..`slope_high` holds it with confidence 1 - alpha;
    all of them None where there are too few values (4), which `reason` then says. `statistic` is t
    of the line or z of Mann-Kendall, `s` and `variance` are the latter's. `sampled` says that pairs
    were taken of a part of the values only.
    """

    direction: str
    slope: float | None = None
    intercept: float | None = None
    slope_low: float | None = None
    slope_high: float | None = None
    p_value: float | None = None
    statistic: float | None = None
    s: float | None = None
    variance: float | None = None
    sampled: bool = False
    reason: str | None = None


TOO_FEW = Trend("stable", reason="not enough data")


def known_pairs(values: Iterable[Any], times: Iterable[Any] | None) -> tuple[Floats, Floats]:
    """Values and times where both are there; times from the first one on."""
    y = as_series(values)
    t = np.arange(len(y), dtype=np.float64) if times is None else as_series(times)
    if len(y) != len(t):
        reason = f"there are {len(t)} times for {len(y)} values"
        raise Invalid("config.invalid", reason=reason, pointer="")
    both = ~(np.isnan(y) | np.isnan(t))
    return y[both], t[both]


def direction_of(slope: float, p_value: float, alpha: float) -> str:
    """The trend's name: a slope that is not significant is `stable`."""
    if p_value >= alpha or not slope:
        return "stable"
    return "increasing" if slope > 0 else "decreasing"
