"""Round numbers and times along the axes, and how they are written."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_TIME_STEPS = (
    *(n * _SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 14, 30, 91, 182, 365)),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))


def value_ticks(low: float, high: float, count: int) -> list[float]:
    """About so many round numbers from `low` to `high`, both included."""
    if not high > low:
        return [low]
    rough = (high - low) / max(count, 1)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next((s * size for s in (1, 2, 2.5, 5) if s * size >= rough), 10 * size)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place * step for place in range(first, min(last, first + 4 * count) + 1)]


def time_ticks(first: float, last: float, count: int) -> list[float]:
    """About so many round times in UTC, in ms."""
    rough = (last - first) / max(count, 1)
    step = next((s for s in _TIME_STEPS if s >= rough), None)
    if step is None or rough < _SECOND:
        return value_ticks(first, last, count)
    return [float(n * step) for n in range(math.ceil(first / step), math.floor(last / step) + 1)]


def value_text(value: float) -> str:
    """A number in few characters: 1.5M, 12k, 0.25."""
    size = abs(value)
    for unit, prefix in _PREFIXES:
        if unit <= size < 1e15:
            scale = 1e3 if prefix == "k" else unit
            return f"{value / scale:.4g}{prefix}"
    return f"{value:.4g}"


def time_text(at: float, span: float) -> str:
    """A time as exact as a span of so many ms asks for; the number where it is no date."""
    try:
        moment = _EPOCH + timedelta(milliseconds=at)
    except (OverflowError, ValueError):
        return value_text(at)
    if span > 180 * _DAY:
        return f"{moment:%Y-%m}"
    if span > 3 * _DAY:
        return f"{moment:%m-%d}"
    if span > _HOUR:
        return f"{moment:%H:%M}"
    if span > 4 * _SECOND:
        return f"{moment:%H:%M:%S}"
    return f"{moment:%S}.{moment.microsecond // 1000:03d}"
