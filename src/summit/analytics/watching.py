"""What is watched of the results of a group, window after window: anomalies and trends.

Needs the extra `analytics` (numpy), through the room `kernels`; queries that watch nothing do not.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from summit.documents.query_plan import AnomalyPlan, QueryPlan, TrendPlan


class Watch:
    """The detectors and trends of one group.

    Attributes:
        last_ms: End of the last window that it saw.
        due: When its keeper looks whether it has been silent for too long.
        nth: How many windows before the last one, one after the other, had its times.
    """

    __slots__ = ("due", "last_ms", "nth", "parts", "window")

    def __init__(self, plan: QueryPlan) -> None:
        self.last_ms = 0
        self.due = 0
        self.nth = 0
        self.window: tuple[int, int] | None = None
        self.parts: dict[str, dict[str, Any]] = {}
        for metric in plan.metrics:
            part: dict[str, Any] = {}
            if metric.anomaly is not None:
                part["anomaly"] = new_detector(metric.anomaly)
            if metric.trend is not None:
                part["trend"] = deque(maxlen=metric.trend.results)
            if part:
                self.parts[metric.name] = part

    def see(
        self, plan: QueryPlan, start_ms: int, end_ms: int, metrics: dict[str, Any]
    ) -> dict[str, Any]:
        """Judge a result by those before it, then learn from it."""
        self.last_ms = max(self.last_ms, end_ms)
        window = (start_ms, end_ms)
        self.nth = self.nth + 1 if window == self.window else 0
        self.window = window
        found: dict[str, Any] = {}
        for metric in plan.metrics:
            part = self.parts.get(metric.name)
            if part is None:
                continue
            value = metrics[metric.name]
            said: dict[str, Any] = {}
            if metric.anomaly is not None:
                said["anomaly"] = _judged(metric.anomaly, part["anomaly"], value, end_ms)
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
        return [self.last_ms, parts, self.window, self.nth]

    def load(self, state: list[Any]) -> None:
        """Go on as the dumped one would have."""
        self.last_ms, parts, *more = state
        if more:  # versions before alerts were made of anomalies had none
            window, self.nth = more
            self.window = None if window is None else tuple(window)
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
    from summit.kernels import detector_of

    limit = plan.threshold if plan.threshold is not None else plan.sensitivity
    return detector_of(plan.method, limit=limit, window=plan.window_size, period=plan.period)


def _judged(plan: AnomalyPlan, detector: Any, value: Any, at_ms: int) -> dict[str, Any]:
    from summit.kernels import explain, severity_of

    score = detector.update(value, at_ms)
    said = {
        "flagged": bool(score.flagged), "expected": score.expected, "deviation": score.deviation,
        "severity": None, "state": score.state,
    }  # fmt: skip
    if score.flagged:
        said["severity"] = severity_of(score.ratio)
        said["limit"] = score.limit
        said["explanation"] = explain(plan.method, value, score)
    return said


def _trend(plan: TrendPlan, results: deque[tuple[int, Any]]) -> dict[str, Any]:
    from summit.kernels import linear_trend

    found = linear_trend(
        [value for _, value in results], [at for at, _ in results], alpha=plan.alpha
    )
    return {"direction": found.direction, "slope": found.slope, "pValue": found.p_value}
