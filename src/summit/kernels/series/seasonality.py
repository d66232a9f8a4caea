"""Seasonality: whether a series repeats itself, after how many values, and how strongly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from summit.kernels.arrays import Floats, as_series, np

POINTS_MIN = 12
CYCLES_MIN = 3
CORRELATION_MIN = 0.3
STRENGTH_MIN = 0.2
_NEARLY = 0.9


@dataclass(frozen=True)
class Seasonality:
    """A period in values, and the share of the variation that it explains, 0..1."""

    period: int
    strength: float


def seasonality(values: Iterable[Any]) -> Seasonality | None:
    """The period of a series at even steps, or None where it shows none.

    The series, less its straight line, must agree with itself a period later: the first high peak
    of the autocorrelation; and it must explain a fifth of the variation. The period is at most a
    third of the series; missing values are filled along straight lines.

    Shape: (n,), n at least 12.
    Cost: O(n log n).
    Source: strength by Wang, Smith and Hyndman 2006, corrected for the values that a cycle has.
    """
    series = as_series(values)
    known = ~np.isnan(series)
    size = len(series)
    if int(known.sum()) < POINTS_MIN:
        return None
    places = np.arange(size, dtype=np.float64)
    moved = _without_line(np.interp(places, places[known], series[known]))
    scale = float(np.abs(moved).max())
    if scale <= 1e-9 * float(np.abs(series[known]).max()):
        return None
    moved /= scale
    spectrum = np.abs(np.fft.rfft(moved, 2 * size)) ** 2
    correlation = np.fft.irfft(spectrum)[:size]
    correlation /= correlation[0]
    last = size // CYCLES_MIN
    agreement = correlation * size / np.arange(size, 0, -1)  # fewer pairs are left further on
    period = _first_peak(agreement[: last + 2])
    if period is None or agreement[period] < max(CORRELATION_MIN, 3 / math.sqrt(size)):
        return None
    strength = _strength(moved, period)
    return Seasonality(period, strength) if strength >= STRENGTH_MIN else None


def _without_line(series: Floats) -> Floats:
    places = np.arange(len(series)) - (len(series) - 1) / 2
    raised = series - series.mean()
    moved: Floats = raised - places * float(places @ raised) / float(places @ places)
    return moved


def _first_peak(agreement: Floats) -> int | None:
    """The first peak nearly as high as the highest, behind the slope down from distance 0."""
    inner = agreement[1:-1]
    peaks = 1 + np.flatnonzero((inner >= agreement[:-2]) & (inner >= agreement[2:]))
    falling = np.flatnonzero(agreement <= agreement[0] / 2)
    peaks = peaks[peaks > max(1, falling[0])] if len(falling) else peaks[:0]
    if not len(peaks) or agreement[peaks].max() <= 0:
        return None
    first = int(peaks[agreement[peaks] >= _NEARLY * agreement[peaks].max()][0])
    around = agreement[first : min(len(agreement) - 1, first + first // 4 + 1)]
    return first + int(np.argmax(around))  # noise makes small peaks on the way up


def _strength(moved: Floats, period: int) -> float:
    phase = np.arange(len(moved)) % period
    means = np.bincount(phase, moved) / np.bincount(phase)
    rest = moved - means[phase]
    freedom = len(moved) - period
    total = float(moved.var()) * len(moved) / (len(moved) - 1)
    return min(max(0.0, 1 - float(rest @ rest) / freedom / total), 1.0)
