"""Pure numerics over series: moments, percentiles, detectors, averages, trends. Needs numpy.

Arrays or single values in, arrays or scores out; no clock, no disk, no network, chance by a seed.
What is missing (None, NaN, infinite, no number) is passed over and counted, never taken for zero.
"""

from summit.kernels.detectors.adwin import Adwin, adwin
from summit.kernels.detectors.anomalies import (
    Anomalies,
    Anomaly,
    AnomalyDetectionConfig,
    find_anomalies,
    severity_of,
)
from summit.kernels.detectors.auto import Auto, auto
from summit.kernels.detectors.cusum import Cusum, cusum
from summit.kernels.detectors.esd import esd
from summit.kernels.detectors.ewma_chart import EwmaChart, ewma_chart
from summit.kernels.detectors.holt_winters import HoltWinters, holt_winters
from summit.kernels.detectors.iqr import Iqr, iqr
from summit.kernels.detectors.judged import Detector, Judged, Score, run
from summit.kernels.detectors.methods import STREAMING, detector_of, explain, load_detector
from summit.kernels.detectors.moving_average import MovingAverage, moving_average
from summit.kernels.detectors.page_hinkley import PageHinkley, page_hinkley
from summit.kernels.detectors.robust_zscore import RobustZScore, robust_zscore
from summit.kernels.detectors.seasonal import Seasonal, seasonal
from summit.kernels.detectors.spot import Spot, spot
from summit.kernels.detectors.zscore import ZScore, zscore
from summit.kernels.moments import Moments, RollingMoments
from summit.kernels.order_statistics import SortedWindow, mad, median, percentile
from summit.kernels.points import TimeSeriesPoint
from summit.kernels.series.analysis import (
    ChangePoint,
    Prediction,
    SeasonalPattern,
    TimeSeriesAnalysis,
    analyze_points,
)
from summit.kernels.series.change_points import change_points
from summit.kernels.series.forecast import Forecast, forecast
from summit.kernels.series.linear_trend import LinearTrend, linear_trend
from summit.kernels.series.live import LiveSeries
from summit.kernels.series.resampling import resample
from summit.kernels.series.robust_trend import robust_trend
from summit.kernels.series.seasonality import Seasonality, seasonality
from summit.kernels.series.smoothing import Dema, Ema, Sma, Wma, dema, ema, sma, wma
from summit.kernels.series.trend import Trend
from summit.kernels.trees.half_space_trees import HalfSpaceTrees, half_space_trees
from summit.kernels.trees.isolation_forest import IsolationForest, isolation_forest
from summit.kernels.trees.random_cut_forest import RandomCutForest, random_cut_forest

__all__ = [
    "ChangePoint", "Forecast", "LiveSeries", "Prediction", "change_points", "forecast", "resample",
    "Adwin", "Auto", "HalfSpaceTrees", "HoltWinters", "RandomCutForest", "STREAMING", "Seasonal",
    "Spot", "adwin", "auto", "detector_of", "explain", "half_space_trees", "holt_winters",
    "load_detector", "random_cut_forest", "seasonal", "spot",
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
