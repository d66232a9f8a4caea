"""`find_anomalies`: points of a time series judged by a method that is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.kernels.detectors.cusum import cusum
from summit.kernels.detectors.esd import esd
from summit.kernels.detectors.ewma_chart import ewma_chart
from summit.kernels.detectors.iqr import Iqr, iqr
from summit.kernels.detectors.judged import Judged, run
from summit.kernels.detectors.moving_average import moving_average
from summit.kernels.detectors.page_hinkley import page_hinkley
from summit.kernels.detectors.robust_zscore import RobustZScore, robust_zscore
from summit.kernels.detectors.zscore import ZScore, zscore
from summit.kernels.points import Points, TimeSeriesPoint
from summit.kernels.settings import positive, whole
from summit.kernels.trees.isolation_forest import POINTS_MIN as FOREST_POINTS_MIN
from summit.kernels.trees.isolation_forest import isolation_forest

Method = Literal[
    "zscore",
    "iqr",
    "moving-average",
    "isolation-forest",
    "mad",
    "esd",
    "ewma",
    "cusum",
    "page-hinkley",
]
Severity = Literal["low", "medium", "high", "critical"]
PAST_POINTS_MIN = 10


class AnomalyDetectionConfig(Config, frozen=True, kw_only=True):
    """How anomalies are looked for.

    Args:
        method: `zscore`, each value against the others (3 standard deviations); `iqr`, Tukey's
            fences (1.5); `moving-average`, against the values before (3); `isolation-forest`
            (score 0.6); `mad`, against the median (3.5), and `esd`, by taking the worst away (3),
            for outliers that hide each other; `ewma` (3), `cusum` (5) and `page-hinkley` (50), for
            lasting shifts.
        sensitivity: The limit in the method's own units; the number above when not given. Of the
            forest: the share of values, at most 0.5, that may be flagged.
        threshold: The limit as well; goes before `sensitivity`. Of the forest: the score to pass.
        window_size: `zscore`, `iqr`, `mad`: judge each value by so many before it instead of by the
            whole series. `moving-average`, `isolation-forest`: how many before (10). `ewma`,
            `cusum`, `page-hinkley`: from how many first values the level is learned (30). `esd`
            has none.
        seed: Of the forest's chance.
    """

    method: Method
    sensitivity: float | None = None
    threshold: float | None = None
    window_size: int | None = None
    seed: int = 0

    def check(self) -> None:
        for name in ("sensitivity", "threshold"):
            value = getattr(self, name)
            if value is not None:
                positive(name, value)
        if self.window_size is not None:
            whole("windowSize", self.window_size, 3)
        whole("seed", self.seed, 0)
        if self.method == "esd" and self.window_size is not None:
            reason = "esd judges the whole series; leave windowSize out"
            raise Invalid("config.invalid", reason=reason, pointer="/windowSize")
        if self.method == "isolation-forest":
            if self.threshold is not None and self.threshold >= 1:
                reason = f"threshold {self.threshold} of isolation-forest is a score, below 1"
                raise Invalid("config.invalid", reason=reason, pointer="/threshold")
            if self.sensitivity is not None and self.sensitivity > 0.5:
                reason = (
                    f"sensitivity {self.sensitivity} of isolation-forest is the share of values "
                    "that may be flagged, at most 0.5; leave it out for the score alone"
                )
                raise Invalid("config.invalid", reason=reason, pointer="/sensitivity")


class Anomaly(Config, frozen=True, kw_only=True):
    """A value that its method flags.

    `deviation` is signed, finite and in the units of the method's limit; of the forest it is the
    score. `severity` says how far beyond the limit: above 3 times critical, above 2 high, above 1.5
    medium. `event` is the point's metadata.
    """

    timestamp: int | float
    value: float | int
    expected: float
    deviation: float
    severity: Severity
    event: dict[str, Any] | None = None


class Anomalies(list[Anomaly]):
    """The anomalies in order of time, and what else is to be said.

    `method_used` differs from the method asked for only where a forest would have fewer than 16
    values: then it is `zscore`. `reason` says why nothing could be judged; `skipped` counts the
    values that are no finite numbers.
    """

    method_used: str
    reason: str | None
    skipped: int


def find_anomalies(
    points: Iterable[TimeSeriesPoint | Mapping[str, Any]],
    config: AnomalyDetectionConfig | Mapping[str, Any],
) -> Anomalies:
    """Judge points by a method; they may come in any order of time.

    Raises: Invalid("config.invalid"), ("config.unknown_key").

    Example:
        >>> values = enumerate([100, 105, 98, 1000])
        >>> points = [{"timestamp": at, "value": value} for at, value in values]
        >>> [found] = find_anomalies(points, AnomalyDetectionConfig(method="zscore", threshold=3))
        >>> found.value, found.expected, round(found.deviation, 1), found.severity
        (1000, 101.0, 215.9, 'critical')
    """
    if not isinstance(config, AnomalyDetectionConfig):
        config = AnomalyDetectionConfig.from_dict(config)
    series = Points(points)
    found = Anomalies()
    found.skipped = series.skipped
    found.method_used = config.method
    if config.method == "isolation-forest":
        if len(series.values) - series.skipped < FOREST_POINTS_MIN:
            found.method_used = "zscore"
            judged = zscore(series.values)
        else:
            judged = _forest(series.values, config)
    else:
        limit = config.threshold if config.threshold is not None else config.sensitivity
        judged = _METHODS[config.method](series.values, limit, config.window_size)
    found.reason = judged.reason
    for place in judged.flagged.nonzero()[0].tolist():
        point = series.given[place]
        assert point.value is not None
        found.append(
            Anomaly(
                timestamp=point.timestamp, value=point.value,
                expected=float(judged.expected[place]), deviation=float(judged.deviation[place]),
                severity=severity_of(float(judged.ratio[place])), event=point.metadata,
            )
        )  # fmt: skip
    return found


def severity_of(ratio: float) -> Severity:
    """The severity of a deviation that is `ratio` times its limit."""
    if ratio > 3:
        return "critical"
    if ratio > 2:
        return "high"
    return "medium" if ratio > 1.5 else "low"


def _set(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _past(window: int) -> dict[str, int]:
    return {"window": window, "points_min": min(window, PAST_POINTS_MIN)}


def _zscore(values: Any, limit: float | None, window: int | None) -> Judged:
    settings = _set(threshold=limit)
    return (
        run(ZScore(**settings, **_past(window)), values) if window else zscore(values, **settings)
    )


def _iqr(values: Any, limit: float | None, window: int | None) -> Judged:
    settings = _set(sensitivity=limit)
    return run(Iqr(**settings, **_past(window)), values) if window else iqr(values, **settings)


def _mad(values: Any, limit: float | None, window: int | None) -> Judged:
    settings = _set(threshold=limit)
    if window:
        return run(RobustZScore(**settings, **_past(window)), values)
    return robust_zscore(values, **settings)


def _moving_average(values: Any, limit: float | None, window: int | None) -> Judged:
    return moving_average(values, **_set(sensitivity=limit, window=window))


def _esd(values: Any, limit: float | None, window: int | None) -> Judged:
    assert window is None
    return esd(values, **_set(threshold=limit))


def _ewma(values: Any, limit: float | None, window: int | None) -> Judged:
    return ewma_chart(values, **_set(limit=limit, warmup=window))


def _cusum(values: Any, limit: float | None, window: int | None) -> Judged:
    return cusum(values, **_set(limit=limit, warmup=window))


def _page_hinkley(values: Any, limit: float | None, window: int | None) -> Judged:
    return page_hinkley(values, **_set(limit=limit, warmup=window))


def _forest(values: Any, config: AnomalyDetectionConfig) -> Judged:
    settings = _set(
        threshold=config.threshold, share_max=config.sensitivity, window=config.window_size
    )
    return isolation_forest(values, seed=config.seed, **settings)


_METHODS: Final[dict[str, Callable[[Any, float | None, int | None], Judged]]] = {
    "zscore": _zscore,
    "iqr": _iqr,
    "moving-average": _moving_average,
    "mad": _mad,
    "esd": _esd,
    "ewma": _ewma,
    "cusum": _cusum,
    "page-hinkley": _page_hinkley,
}
