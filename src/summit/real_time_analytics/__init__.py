"""Time series, as the guide names them: anomalies, trend, seasonality, moving averages.

`find_anomalies(points, config)` and `analyze_points(points)` take finished series; the detectors
and averages take a value at a time and keep a bounded state. Needs the extra `analytics` (numpy).
"""

from summit.kernels import (
    Anomalies,
    Anomaly,
    AnomalyDetectionConfig,
    Cusum,
    Dema,
    Ema,
    EwmaChart,
    Iqr,
    LinearTrend,
    MovingAverage,
    PageHinkley,
    RobustZScore,
    Score,
    SeasonalPattern,
    Sma,
    TimeSeriesAnalysis,
    TimeSeriesPoint,
    Trend,
    Wma,
    ZScore,
    analyze_points,
    dema,
    ema,
    find_anomalies,
    linear_trend,
    robust_trend,
    sma,
    wma,
)

__all__ = [
    "Anomalies", "Anomaly", "AnomalyDetectionConfig", "Cusum", "Dema", "Ema", "EwmaChart", "Iqr",
    "LinearTrend",
    "MovingAverage", "PageHinkley", "RobustZScore", "Score", "SeasonalPattern", "Sma",
    "TimeSeriesAnalysis", "TimeSeriesPoint", "Trend", "Wma", "ZScore", "analyze_points", "dema",
    "ema", "find_anomalies", "linear_trend", "robust_trend", "sma", "wma",
]  # fmt: skip
