"""Checks of the numbers that detectors and averages are set up with."""

from __future__ import annotations

import math

from summit.base.errors import Invalid


def positive(name: str, value: float) -> float:
    """The value if it is a finite number above 0. Raises Invalid("config.invalid")."""
    if isinstance(value, bool) or not math.isfinite(value) or value <= 0:
        raise Invalid("config.invalid", reason=f"{name} {value!r} is not above 0", pointer="")
    return float(value)


def share(name: str, value: float) -> float:
    """The value if it is above 0 and at most 1. Raises Invalid("config.invalid")."""
    if not 0 < value <= 1:
        reason = f"{name} {value!r} is not above 0 and at most 1"
        raise Invalid("config.invalid", reason=reason, pointer="")
    return float(value)


def whole(name: str, value: int, least: int) -> int:
    """The value if it is a whole number of at least `least`. Raises Invalid("config.invalid")."""
    if isinstance(value, bool) or int(value) != value or value < least:
        reason = f"{name} {value!r} is no whole number of at least {least}"
        raise Invalid("config.invalid", reason=reason, pointer="")
    return int(value)
