"""The one value that is far from the others: of a series, and among events."""

import asyncio
from datetime import UTC, datetime

from summit.cep_engine import AnomalyDetector
from summit.real_time_analytics import AnomalyDetectionConfig, StreamAnalytics


async def main() -> None:
    config = AnomalyDetectionConfig(method="zscore", sensitivity=3, threshold=3)
    series = [
        {"timestamp": 1_700_000_000_000 + n * 1_000, "value": value}
        for n, value in enumerate([100, 105, 98, 1000])
    ]
    for anomaly in await StreamAnalytics().detect_anomalies(series, config):
        print(f"Anomaly detected at {datetime.fromtimestamp(anomaly.timestamp / 1000, UTC)}")
        print(f"Value: {anomaly.value}, Expected: {anomaly.expected}")
        print(f"Severity: {anomaly.severity}")

    detector = AnomalyDetector()
    detector.on("anomaly:detected", lambda found: print(found.event, round(found.z_score)))
    events = [{"eventType": "upload", "bytes": 1_000 + n % 7} for n in range(50)]
    await detector.detect_anomalies(events, "bytes")
    await detector.detect_anomalies([{"eventType": "upload", "bytes": 90_000}], "bytes")


asyncio.run(main())
