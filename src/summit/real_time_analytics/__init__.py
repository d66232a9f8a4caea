"""Queries over streams, and time series, as the guide names them.

`StreamAnalytics` runs queries by group and window, in this process.
`find_anomalies(points, config)` and `analyze_points(points)` take finished series; the detectors
and averages take a value at a time and keep a bounded state. Needs the extra `analytics` (numpy).
"""

from summit.documents.analytics_query import AnalyticsQuery
from summit.kernels import (
    Adwin,
    Anomalies,
    Anomaly,
    AnomalyDetectionConfig,
    Auto,
    ChangePoint,
    Cusum,
    Dema,
    Ema,
    EwmaChart,
    Forecast,
    HalfSpaceTrees,
    HoltWinters,
    Iqr,
    LinearTrend,
    LiveSeries,
    MovingAverage,
    PageHinkley,
    Prediction,
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
    change_points,
    dema,
    detector_of,
    ema,
    explain,
    find_anomalies,
    forecast,
    linear_trend,
    load_detector,
    resample,
    robust_trend,
    sma,
    wma,
)
from summit.real_time_analytics.analytics_result import AnalyticsResult
from summit.real_time_analytics.stream_analytics import StreamAnalytics

__all__ = [
    "Adwin", "AnalyticsQuery", "AnalyticsResult", "Anomalies", "Anomaly",
    "AnomalyDetectionConfig", "Auto", "ChangePoint", "Cusum", "Dema", "Ema", "EwmaChart",
    "Forecast", "HalfSpaceTrees", "HoltWinters", "Iqr", "LinearTrend", "LiveSeries",
    "MovingAverage", "PageHinkley", "Prediction", "RandomCutForest", "RobustZScore", "Score",
    "Seasonal", "SeasonalPattern", "Sma", "Spot", "StreamAnalytics", "TimeSeriesAnalysis",
    "TimeSeriesPoint", "Trend", "Wma", "ZScore", "analyze_points", "change_points", "dema",
    "detector_of", "ema", "explain", "find_anomalies", "forecast", "linear_trend",
    "load_detector", "resample", "robust_trend", "sma", "wma",
]  # fmt: skip
