"""`find_anomalies`: points of a time series judged by a method that is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.kernels.detectors.esd import esd
from summit.kernels.detectors.iqr import iqr
from summit.kernels.detectors.judged import Judged, run
from summit.kernels.detectors.methods import describe, detector_of
from summit.kernels.detectors.robust_zscore import robust_zscore
from summit.kernels.detectors.zscore import zscore
from summit.kernels.points import Points, TimeSeriesPoint
from summit.kernels.settings import positive, whole
from summit.kernels.trees.isolation_forest import POINTS_MIN as FOREST_POINTS_MIN
from summit.kernels.trees.isolation_forest import isolation_forest

Method = Literal[
    "auto",
    "zscore",
    "iqr",
    "moving-average",
    "isolation-forest",
    "mad",
    "esd",
    "seasonal",
    "holt-winters",
    "ewma",
    "cusum",
    "page-hinkley",
    "adwin",
    "spot",
    "dspot",
    "half-space-trees",
    "random-cut-forest",
]
Severity = Literal["low", "medium", "high", "critical"]
AUTO_POINTS_MIN = 100


class AnomalyDetectionConfig(Config, frozen=True, kw_only=True):
    """How anomalies are looked for.

    Args:
        method: `auto`, several at once with nothing to tune (powers of ten, 2.75); `zscore`, each
            value against the others (3 standard deviations); `iqr`, Tukey's fences (1.5);
            `moving-average`, against the values before (3); `isolation-forest` (score 0.6); `mad`,
            against the median (3.5), and `esd`, by taking the worst away (3),
            for outliers that hide each other; `seasonal` (4), by the time of day, a period given or
            learned, and `holt-winters` (4), by level, trend and season; `ewma` (3), `cusum` (5) and
            `page-hinkley` (50), for lasting shifts, and `adwin`, for changes of the mean, where the
            limit is the chance of a false one (0.002); `spot` and `dspot`, by the tails of the
            first values, where it is that of each value (0.0001); `half-space-trees` and
            `random-cut-forest`, by how few values were alike (powers of ten, 3).
        sensitivity: The limit in the method's own units; the number above when not given. Of the
            forest: the share of values, at most 0.5, that may be flagged.
        threshold: The limit as well; goes before `sensitivity`. Of the forest: the score to pass.
        window_size: `zscore`, `iqr`, `mad`: judge each value by so many before it instead of by the
            whole series. `moving-average`, `isolation-forest`: how many before (10). `ewma`,
            `cusum`, `page-hinkley`, `adwin`: from how many first values the level is learned (30);
            `spot`, `dspot`: the tails (200). Trees: how many values make the forest. The others
            have none.
        period: `auto`, `seasonal`, `holt-winters`: the season, in values. Without it the first two
            take the day or learn it.
        seed: Of the trees' chance.
    """

    method: Method
    sensitivity: float | None = None
    threshold: float | None = None
    window_size: int | None = None
    period: int | None = None
    seed: int = 0

    def check(self) -> None:
        for name in ("sensitivity", "threshold"):
            value = getattr(self, name)
            if value is not None:
                positive(name, value)
        if self.window_size is not None:
            whole("windowSize", self.window_size, 3)
        whole("seed", self.seed, 0)
        if self.window_size is not None and self.method in _WITHOUT_WINDOW:
            reason = f"{self.method} has no window; leave windowSize out"
            raise Invalid("config.invalid", reason=reason, pointer="/windowSize")
        if self.period is not None:
            whole("period", self.period, 2)
            if self.method not in _WITH_PERIOD:
                reason = f"{self.method} knows no season; leave period out"
                raise Invalid("config.invalid", reason=reason, pointer="/period")
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
    medium. `explanation` says it all in a sentence. `event` is the point's metadata.
    """

    timestamp: int | float
    value: float | int
    expected: float
    deviation: float
    severity: Severity
    explanation: str = ""
    event: dict[str, Any] | None = None


class Anomalies(list[Anomaly]):
    """The anomalies in order of time, and what else is to be said.

    `method_used` differs from the method asked for only where a forest would have fewer than 16
    values, or `auto` fewer than 100: then it is `zscore`. `reason` says why nothing could be
    judged; `skipped` counts the values that are no finite numbers.
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
    known = len(series.values) - series.skipped
    too_few = known < _POINTS_MIN.get(config.method, 0)
    found.method_used = "zscore" if too_few else config.method
    judged = zscore(series.values) if too_few else _judge(series, config)
    found.reason = judged.reason
    for place in judged.flagged.nonzero()[0].tolist():
        point = series.given[place]
        assert point.value is not None
        expected, deviation = float(judged.expected[place]), float(judged.deviation[place])
        said = describe(found.method_used, point.value, expected, deviation, judged.limit)
        found.append(
            Anomaly(
                timestamp=point.timestamp, value=point.value, expected=expected,
                deviation=deviation, severity=severity_of(float(judged.ratio[place])),
                explanation=said, event=point.metadata,
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


def _judge(series: Points, config: AnomalyDetectionConfig) -> Judged:
    method, window = config.method, config.window_size
    if method == "isolation-forest":
        settings = _set(threshold=config.threshold, share_max=config.sensitivity, window=window)
        return isolation_forest(series.values, seed=config.seed, **settings)
    limit = config.threshold if config.threshold is not None else config.sensitivity
    if window is None and method in _OF_THE_WHOLE:
        return _OF_THE_WHOLE[method](series.values, limit)
    made = detector_of(method, limit=limit, window=window, period=config.period, seed=config.seed)
    return run(made, series.values, series.times.tolist())


def _set(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


_OF_THE_WHOLE: Final[dict[str, Callable[[Any, float | None], Judged]]] = {
    "zscore": lambda values, limit: zscore(values, **_set(threshold=limit)),
    "iqr": lambda values, limit: iqr(values, **_set(sensitivity=limit)),
    "mad": lambda values, limit: robust_zscore(values, **_set(threshold=limit)),
    "esd": lambda values, limit: esd(values, **_set(threshold=limit)),
}
_POINTS_MIN: Final = {"isolation-forest": FOREST_POINTS_MIN, "auto": AUTO_POINTS_MIN}
_WITHOUT_WINDOW: Final = {"esd", "auto", "seasonal", "holt-winters"}
_WITH_PERIOD: Final = {"auto", "seasonal", "holt-winters"}
