"""Guide, "Anomaly Detection": the z-score example flags exactly the 1000."""

from __future__ import annotations

import asyncio
import time

import pytest


def test_exactly_the_outlier_is_flagged() -> None:
    from summit.real_time_analytics import (
        AnomalyDetectionConfig,
        StreamAnalytics,
    )

    now = int(time.time() * 1000)
    analytics = StreamAnalytics()

    anomaly_config = AnomalyDetectionConfig(method="zscore", sensitivity=3, threshold=3)

    time_series = [
        {"timestamp": now - 10000, "value": 100},
        {"timestamp": now - 9000, "value": 105},
        {"timestamp": now - 8000, "value": 98},
        {"timestamp": now - 7000, "value": 1000},  # Anomaly
    ]

    anomalies = asyncio.run(analytics.detect_anomalies(time_series, anomaly_config))

    (anomaly,) = anomalies
    assert (anomaly.timestamp, anomaly.value) == (now - 7000, 1000)
    assert anomaly.expected == pytest.approx(101)
    assert anomaly.severity == "critical"
