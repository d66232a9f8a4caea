"""Time series, as the guide names them: anomalies, trend, seasonality, moving averages.

`find_anomalies(points, config)` and `analyze_points(points)` take finished series; the detectors
and averages take a value at a time and keep a bounded state. Needs the extra `analytics` (numpy).
"""

from summit.kernels import (
    Adwin,
    Anomalies,
    Anomaly,
    AnomalyDetectionConfig,
    Auto,
    Cusum,
    Dema,
    Ema,
    EwmaChart,
    HalfSpaceTrees,
    HoltWinters,
    Iqr,
    LinearTrend,
    MovingAverage,
    PageHinkley,
    RandomCutForest,
    RobustZScore,
    Score,
    Seasonal,
    SeasonalPattern,
    Sma,
    Spot,
    TimeSeriesAnalysis,
    TimeSeriesPoint,
    Trend,
    Wma,
    ZScore,
    analyze_points,
    dema,
    detector_of,
    ema,
    explain,
    find_anomalies,
    linear_trend,
    load_detector,
    robust_trend,
    sma,
    wma,
)

__all__ = [
    "Adwin", "Anomalies", "Anomaly", "AnomalyDetectionConfig", "Auto", "Cusum", "Dema", "Ema",
    "EwmaChart", "HalfSpaceTrees", "HoltWinters", "Iqr", "LinearTrend", "MovingAverage",
    "PageHinkley", "RandomCutForest", "RobustZScore", "Score", "Seasonal", "SeasonalPattern",
    "Sma", "Spot", "TimeSeriesAnalysis", "TimeSeriesPoint", "Trend", "Wma", "ZScore",
    "analyze_points", "dema", "detector_of", "ema", "explain", "find_anomalies", "linear_trend",
    "load_detector", "robust_trend", "sma", "wma",
]  # fmt: skip
