"""Series as arrays: the one door to numpy, what is missing, and the floor under every spread."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from summit.base.errors import Invalid

try:
    import numpy as np
    from numpy.typing import NDArray
except ImportError as error:
    raise Invalid("extra.missing", what="analytics", extra="analytics") from error

__all__ = ["Floats", "Flags", "NDArray", "as_series", "finite", "np", "spread_or_floor"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

VALUE_MAX = 1e150
DEVIATION_MAX = 1e6
_ROUNDING = 1e-12
_FLOOR_RELATIVE = 1e-6
_FLOOR = 1e-12


def finite(value: Any) -> float | None:
    """The number as a float, or None for what is none: missing, NaN, infinite, text, a bool.

    Numbers beyond 1e150 count as that, so that their squares stay finite.
    """
    if type(value) is not float:
        if value is None or isinstance(value, (bool, np.bool_, str, bytes)):
            return None
        try:
            value = float(value)
        except OverflowError:
            return VALUE_MAX if value > 0 else -VALUE_MAX
        except (TypeError, ValueError):
            return None
    if not math.isfinite(value):
        return None
    return float(min(max(value, -VALUE_MAX), VALUE_MAX))


def as_series(values: Iterable[Any]) -> Floats:
    """One float for each value, NaN where `finite` says there is none.

    Shape: (n,) in, float64 (n,) out.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf" and values.ndim == 1:
        array = values.astype(np.float64)
        array[~np.isfinite(array)] = np.nan
        return np.clip(array, -VALUE_MAX, VALUE_MAX)
    numbers = [finite(value) for value in values]
    return np.array([math.nan if number is None else number for number in numbers], np.float64)


def spread_or_floor(spread: float, centre: float) -> float:
    """The spread, or where it is nothing but rounding a small floor, so that ratios stay finite."""
    size = abs(centre)
    if spread > _ROUNDING * size:
        return spread
    return max(_FLOOR_RELATIVE * size, _FLOOR)


def rounded_off(apart: float, value: float) -> float:
    """The distance from a value, or 0 where it is nothing but rounding."""
    return apart if abs(apart) > _ROUNDING * abs(value) else 0.0


def capped(deviation: float) -> float:
    """The deviation, at most 1e6 either way."""
    return min(max(deviation, -DEVIATION_MAX), DEVIATION_MAX)
