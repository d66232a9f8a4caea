"""Points of a time series, as users give them, made into arrays in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.events.times import epoch_ms
from summit.kernels.arrays import Floats, as_series, np

TIME_MAX = 1e17


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
        if not _is_time(self.timestamp):
            reason = f"timestamp {str(self.timestamp)[:40]} is no point in time"
            raise Invalid("config.invalid", reason=reason, pointer="/timestamp")


class Reading(NamedTuple):
    """What a point says, checked."""

    timestamp: int | float
    value: int | float | None
    metadata: dict[str, Any] | None


class Points:
    """Points in order of time: `times` and `values` (NaN: missing) as arrays, and the readings."""

    def __init__(self, points: Iterable[TimeSeriesPoint | Mapping[str, Any]]) -> None:
        given = [_read(point) for point in points]
        given.sort(key=_time_of)
        self.given = given
        self.times: Floats = np.array([reading.timestamp for reading in given], np.float64)
        self.values = as_series(reading.value for reading in given)
        self.skipped = int(np.isnan(self.values).sum())


def _time_of(reading: Reading) -> int | float:
    return reading.timestamp


def _is_time(timestamp: float) -> bool:
    return -TIME_MAX < timestamp < TIME_MAX


def _is_json(metadata: Any) -> bool:
    return type(metadata) is dict and all(type(key) is str for key in metadata)


def _read(point: Any) -> Reading:
    if type(point) is dict:  # the quick way for points that are plainly right
        at, value, metadata = point.get("timestamp"), point.get("value"), point.get("metadata")
        if (
            len(point) == 1 + ("value" in point) + ("metadata" in point)
            and (type(at) is int or type(at) is float)
            and (type(value) is float or type(value) is int or value is None)
            and (metadata is None or _is_json(metadata))
            and _is_time(at)
        ):
            return Reading(at, value, metadata)
    made = point if isinstance(point, TimeSeriesPoint) else _made(point)
    return Reading(made.timestamp, made.value, made.metadata)


def _made(point: Any) -> TimeSeriesPoint:
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
