"""Pure numerics over series: moments, percentiles, detectors, averages, trends. Needs numpy.

Arrays or single values in, arrays or scores out; no clock, no disk, no network, chance by a seed.
What is missing (None, NaN, infinite, no number) is passed over and counted, never taken for zero.
"""

from summit.kernels.analysis import SeasonalPattern, TimeSeriesAnalysis, analyze_points
from summit.kernels.anomalies import (
    Anomalies,
    Anomaly,
    AnomalyDetectionConfig,
    find_anomalies,
    severity_of,
)
from summit.kernels.cusum import Cusum, cusum
from summit.kernels.esd import esd
from summit.kernels.ewma_chart import EwmaChart, ewma_chart
from summit.kernels.iqr import Iqr, iqr
from summit.kernels.isolation_forest import IsolationForest, isolation_forest
from summit.kernels.judged import Detector, Judged, Score, run
from summit.kernels.linear_trend import LinearTrend, linear_trend
from summit.kernels.moments import Moments, RollingMoments
from summit.kernels.moving_average import MovingAverage, moving_average
from summit.kernels.order_statistics import SortedWindow, mad, median, percentile
from summit.kernels.page_hinkley import PageHinkley, page_hinkley
from summit.kernels.points import TimeSeriesPoint
from summit.kernels.robust_trend import robust_trend
from summit.kernels.robust_zscore import RobustZScore, robust_zscore
from summit.kernels.seasonality import Seasonality, seasonality
from summit.kernels.smoothing import Dema, Ema, Sma, Wma, dema, ema, sma, wma
from summit.kernels.trend import Trend
from summit.kernels.zscore import ZScore, zscore

__all__ = [
    "Anomalies", "Anomaly", "AnomalyDetectionConfig", "Cusum", "Dema", "Detector", "Ema",
    "EwmaChart", "Iqr", "IsolationForest", "Judged", "LinearTrend", "Moments",
    "MovingAverage", "PageHinkley",
    "RobustZScore", "RollingMoments", "Score", "SeasonalPattern", "Seasonality", "Sma",
    "SortedWindow", "TimeSeriesAnalysis", "TimeSeriesPoint", "Trend", "Wma", "ZScore",
    "analyze_points", "cusum", "dema", "ema", "esd", "ewma_chart", "find_anomalies", "iqr",
    "isolation_forest", "linear_trend", "mad", "median", "moving_average", "page_hinkley",
    "percentile", "robust_trend", "robust_zscore", "run", "seasonality", "severity_of", "sma",
    "wma", "zscore",
]  # fmt: skip
