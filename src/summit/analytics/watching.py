"""What is watched of the results of a group, window after window: anomalies and trends.

Needs the extra `analytics` (numpy), through the room `kernels`; queries that watch nothing do not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from summit.documents.query_plan import AnomalyPlan, QueryPlan, TrendPlan


class Watch:
    """The detectors and trends of one group.

    Attributes:
        last_ms: End of the last window that it saw.
        due: When its keeper looks whether it has been silent for too long.
    """

    __slots__ = ("due", "last_ms", "parts")

    def __init__(self, plan: QueryPlan) -> None:
        self.last_ms = 0
        self.due = 0
        self.parts: dict[str, dict[str, Any]] = {}
        for metric in plan.metrics:
            part: dict[str, Any] = {}
            if metric.anomaly is not None:
                part["anomaly"] = new_detector(metric.anomaly)
            if metric.trend is not None:
                part["trend"] = deque(maxlen=metric.trend.results)
            if part:
                self.parts[metric.name] = part

    def see(self, plan: QueryPlan, end_ms: int, metrics: dict[str, Any]) -> dict[str, Any]:
        """Judge a result by those before it, then learn from it."""
        self.last_ms = max(self.last_ms, end_ms)
        found: dict[str, Any] = {}
        for metric in plan.metrics:
            part = self.parts.get(metric.name)
            if part is None:
                continue
            value = metrics[metric.name]
            said: dict[str, Any] = {}
            if "anomaly" in part:
                said["anomaly"] = _judged(part["anomaly"], value)
            if metric.trend is not None:
                part["trend"].append((end_ms, value))
                said["trend"] = _trend(metric.trend, part["trend"])
            found[metric.name] = said
        return found

    def dump(self) -> list[Any]:
        """The state as plain values."""
        parts = {
            name: [
                None if "anomaly" not in part else part["anomaly"].dump(),
                None if "trend" not in part else list(part["trend"]),
            ]
            for name, part in self.parts.items()
        }
        return [self.last_ms, parts]

    def load(self, state: list[Any]) -> None:
        """Go on as the dumped one would have."""
        self.last_ms, parts = state
        for name, (detector, results) in parts.items():
            part = self.parts[name]
            if detector is not None:
                part["anomaly"] = type(part["anomaly"]).load(detector)
            if results is not None:
                part["trend"].extend((at, value) for at, value in results)


def is_watched(plan: QueryPlan) -> bool:
    """Whether some metric of a query has an anomaly detector or a trend."""
    return any(metric.anomaly or metric.trend for metric in plan.metrics)


def new_detector(plan: AnomalyPlan) -> Any:
    """A detector of a stream. Raises: Invalid("extra.missing") without numpy."""
    from summit import kernels

    limit = plan.threshold if plan.threshold is not None else plan.sensitivity
    made: dict[str, tuple[Callable[..., Any], str, str]] = {
        "zscore": (kernels.ZScore, "threshold", "window"),
        "iqr": (kernels.Iqr, "sensitivity", "window"),
        "moving-average": (kernels.MovingAverage, "sensitivity", "window"),
        "mad": (kernels.RobustZScore, "threshold", "window"),
        "ewma": (kernels.EwmaChart, "limit", "warmup"),
        "cusum": (kernels.Cusum, "limit", "warmup"),
        "page-hinkley": (kernels.PageHinkley, "limit", "warmup"),
    }
    new, limit_name, window_name = made[plan.method]
    settings: dict[str, Any] = {}
    if limit is not None:
        settings[limit_name] = limit
    if plan.window_size is not None:
        settings[window_name] = plan.window_size
        if plan.method in _WITH_MINIMUM:
            settings["points_min"] = min(plan.window_size, _POINTS_MIN)
    return new(**settings)


_WITH_MINIMUM: Final = ("zscore", "iqr", "mad")
_POINTS_MIN: Final = 10


def _judged(detector: Any, value: Any) -> dict[str, Any]:
    from summit.kernels import severity_of

    score = detector.update(value)
    severity = None
    if score.flagged:
        severity = severity_of(abs(score.deviation) / (score.limit or 1.0))
    return {
        "flagged": bool(score.flagged), "expected": score.expected, "deviation": score.deviation,
        "severity": severity, "state": score.state,
    }  # fmt: skip


def _trend(plan: TrendPlan, results: deque[tuple[int, Any]]) -> dict[str, Any]:
    from summit.kernels import linear_trend

    found = linear_trend(
        [value for _, value in results], [at for at, _ in results], alpha=plan.alpha
    )
    return {"direction": found.direction, "slope": found.slope, "pValue": found.p_value}
