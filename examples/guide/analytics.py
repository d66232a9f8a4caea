"""Logins by country and device: how many, how long, in windows of five minutes."""

import asyncio

from summit.real_time_analytics import AnalyticsQuery, StreamAnalytics

analytics = StreamAnalytics()
analytics.register_query(
    AnalyticsQuery(
        id="login-metrics",
        name="Login Metrics by Country",
        event_types=["user.login"],
        window={"type": "tumbling", "size": 300_000},
        metrics=[
            {"name": "login_count", "field": "eventId", "function": "count"},
            {"name": "avg_duration", "field": "duration", "function": "avg"},
            {
                "name": "p95_duration",
                "field": "duration",
                "function": "percentile",
                "percentile": 95,
            },
        ],
        group_by=["country", "deviceType"],
    )
)


def show(result) -> None:
    if result.final:
        for group in result.groups:
            keys = group.keys
            print(f"{result.query_id}: {keys['country']} ({keys['deviceType']}):", group.metrics)


analytics.on("analytics:result", show)


async def main() -> None:
    for n in range(20):
        await analytics.process_event(
            {
                "eventType": "user.login",
                "eventId": f"e{n}",
                "timestamp": 1_700_000_100_000 + n * 1_000,
                "duration": 100 + n,
                "country": "DE",
                "deviceType": "phone",
            }
        )
    await analytics.advance_time(1_700_001_000_000)


asyncio.run(main())
