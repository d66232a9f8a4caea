"""A series that lives: the newest points of a metric, to be analyzed at any moment."""

from __future__ import annotations

from collections import deque
from typing import Any, Self

from summit.kernels.points import TimeSeriesPoint
from summit.kernels.series.analysis import HORIZON, TimeSeriesAnalysis, analyze_points
from summit.kernels.settings import whole

POINTS_MAX = 1000


class LiveSeries:
    """The last `points_max` points that came; `analyze` says of them what `analyze_points` does.

    Example:
        >>> series = LiveSeries(points_max=100)
        >>> for minute in range(200):
        ...     series.add(60_000 * minute, 5 + minute)
        >>> len(series), series.analyze(horizon=1).trend
        (100, 'increasing')
    """

    __slots__ = ("points",)

    def __init__(self, points_max: int = POINTS_MAX) -> None:
        self.points: deque[tuple[float, Any]] = deque(maxlen=whole("points_max", points_max, 4))

    def __len__(self) -> int:
        return len(self.points)

    def add(self, timestamp: float, value: Any) -> None:
        """Take a point; the oldest goes when there are `points_max`. Raises: Invalid."""
        point = TimeSeriesPoint.from_dict({"timestamp": timestamp, "value": value})
        self.points.append((point.timestamp, point.value))

    def analyze(self, *, horizon: int = HORIZON) -> TimeSeriesAnalysis:
        """Trend, season, changes, outliers and forecast as of now."""
        points = [{"timestamp": at, "value": value} for at, value in self.points]
        return analyze_points(points, horizon=horizon)

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {"pointsMax": self.points.maxlen, "points": [list(point) for point in self.points]}

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One as it was at `dump`."""
        made = cls(state["pointsMax"])
        made.points.extend((at, value) for at, value in state["points"])
        return made
