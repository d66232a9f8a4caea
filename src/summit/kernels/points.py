"""Points of a time series, as users give them, made into arrays in order of time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.events.times import epoch_ms
from summit.kernels.arrays import Floats, as_series, np


class TimeSeriesPoint(Config, frozen=True, kw_only=True):
    """A value at a time.

    Args:
        timestamp: Milliseconds since 1970 UTC; in a mapping also RFC 3339 text.
        value: A number, or None where it is missing.
        metadata: Whatever belongs to it; comes back with an anomaly.
    """

    timestamp: int | float
    value: int | float | None = None
    metadata: dict[str, Any] | None = None

    def check(self) -> None:
        if not math.isfinite(self.timestamp):
            reason = f"timestamp {self.timestamp} is no point in time"
            raise Invalid("config.invalid", reason=reason, pointer="/timestamp")


class Points:
    """Points in order of time: `times` and `values` (NaN: missing) as arrays, and the originals."""

    def __init__(self, points: Iterable[TimeSeriesPoint | Mapping[str, Any]]) -> None:
        given = [_point(point) for point in points]
        given.sort(key=lambda point: point.timestamp)
        self.given = given
        self.times: Floats = np.array([point.timestamp for point in given], np.float64)
        self.values = as_series(point.value for point in given)
        self.skipped = int(np.isnan(self.values).sum())


def _point(point: Any) -> TimeSeriesPoint:
    if isinstance(point, TimeSeriesPoint):
        return point
    if not isinstance(point, Mapping):
        reason = f"a point has timestamp and value, not {type(point).__name__}"
        raise Invalid("config.invalid", reason=reason, pointer="")
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in point.items()}
    at = plain.get("timestamp")
    if isinstance(at, str):
        plain["timestamp"] = epoch_ms(at)
        if plain["timestamp"] is None:
            raise Invalid("event.bad_time", value=at[:80])
    return TimeSeriesPoint.from_dict(plain)
