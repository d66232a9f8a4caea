"""Guide, "Stream Analytics Queries": count, average and p95 per country and device, 5 minutes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest


def test_login_metrics_by_country() -> None:
    from summit.real_time_analytics import (
        AnalyticsQuery,
        StreamAnalytics,
    )

    async def go() -> list[Any]:
        results: list[Any] = []
        analytics = StreamAnalytics()

        login_metrics_query = AnalyticsQuery.from_dict(
            {
                "id": "login-metrics",
                "name": "Login Metrics by Country",
                "eventTypes": ["user.login"],
                "window": {"type": "tumbling", "size": 300000},  # 5 minutes
                "metrics": [
                    {"name": "login_count", "field": "eventId", "function": "count"},
                    {"name": "avg_duration", "field": "duration", "function": "avg"},
                    {
                        "name": "p95_duration",
                        "field": "duration",
                        "function": "percentile",
                        "percentile": 95,
                    },
                ],
                "groupBy": ["country", "deviceType"],
            }
        )

        analytics.register_query(login_metrics_query)

        def on_result(result: Any) -> None:
            print(f"Query {result.query_id} results:")

            for group in result.groups:
                print(f"{group.keys.country} ({group.keys.device_type}):", group.metrics)
            results.append(result)

        analytics.on("analytics:result", on_result)

        for n in range(21):
            await analytics.process_event(
                {
                    "eventId": f"e{n}",
                    "eventType": "user.login",
                    "timestamp": n * 1_000,
                    "country": "NL" if n < 20 else "DE",
                    "deviceType": "phone",
                    "duration": 10 * n,
                }
            )
        await analytics.advance_time(300_000)
        return results

    (final,) = [result for result in asyncio.run(go()) if result.final]
    assert (final.window.start, final.window.end) == (0, 300_000)
    by_country = {group.keys.country: group.metrics for group in final.groups}
    assert by_country["DE"] == {"login_count": 1, "avg_duration": 200, "p95_duration": 200}
    dutch = by_country["NL"]
    assert (dutch["login_count"], dutch["avg_duration"]) == (20, 95)
    assert dutch["p95_duration"] == pytest.approx(180.5)
