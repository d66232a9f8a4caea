"""What the configurations of collectors check: bounds, and the error that names the place."""

from __future__ import annotations

from typing import Any

from summit.base.config import Config, camel_name
from summit.base.errors import Invalid


def at_least(config: Config, least: int, *names: str) -> None:
    """Refuse values below `least`; None passes."""
    for name in names:
        value: Any = getattr(config, name)
        if value is not None and value < least:
            wire = camel_name(name)
            raise bad_setting(f"/{wire}", f"{wire} must be at least {least}")


def rate_fits(rate: float | None, burst: int | None) -> None:
    """Refuse a rate that is none, and a burst without a rate."""
    if rate is not None and not 0 < rate < float("inf"):
        raise bad_setting("/rateLimit", "rateLimit must be above 0")
    if burst is not None and (rate is None or burst < 1):
        raise bad_setting("/rateBurst", "rateBurst goes with rateLimit and is at least 1")


def hours_fit(hours: float) -> None:
    """Refuse what is no time for which answers are remembered."""
    if not 0 < hours <= 24 * 7:
        raise bad_setting("/idempotencyHours", "idempotencyHours is above 0, at most a week")


def bad_setting(pointer: str, reason: str) -> Invalid:
    """The error for one setting."""
    return Invalid("config.invalid", reason=reason, pointer=pointer)
