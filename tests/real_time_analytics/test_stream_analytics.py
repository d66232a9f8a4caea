"""`StreamAnalytics`: queries in one's own process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from summit.base.clock import ManualClock
from summit.base.errors import Invalid
from summit.real_time_analytics import AnalyticsQuery, AnalyticsResult, StreamAnalytics

NOW = 1_760_000_000_000


def query(**more: Any) -> AnalyticsQuery:
    return AnalyticsQuery.from_dict({
        "id": "q", "eventTypes": ["x"], "groupBy": ["deviceType"],
        "window": {"type": "tumbling", "size": "1m"},
        "metrics": [{"name": "sum", "field": "v", "function": "sum"}], **more,
    })  # fmt: skip


def event(at: int, v: Any, device: Any = "phone") -> dict[str, Any]:
    return {"eventType": "x", "timestamp": NOW + at, "v": v, "deviceType": device}


def run(analytics: StreamAnalytics, *events: Any) -> list[AnalyticsResult]:
    told: list[AnalyticsResult] = []
    analytics.on("analytics:result", told.append)
    asyncio.run(analytics.process_events(events))
    return told


def test_a_result_reads_as_attributes_as_a_mapping_and_on_the_wire() -> None:
    analytics = StreamAnalytics(clock=ManualClock(NOW))
    analytics.register_query(query())
    run(analytics, event(0, 1), event(1, 2, None), event(60_000, 3))
    (result,) = analytics.get_results("q")
    start = NOW - NOW % 60_000
    assert (result.query_id, result["query_id"], result.timestamp) == ("q", "q", start + 60_000)
    assert (result.final, result.late, result.partial) == (True, False, False)
    group = result.groups[0]
    assert (group.keys.device_type, group.keys["deviceType"], dict(group.keys)) == (
        "phone", "phone", {"deviceType": "phone"},
    )  # fmt: skip
    assert result.groups[1].keys.device_type is None
    assert result.to_dict()["groups"] == [
        {"keys": {"deviceType": "phone"}, "metrics": {"sum": 1}, "count": 1},
        {"keys": {"deviceType": None}, "metrics": {"sum": 2}, "count": 1},
    ]
    assert result.to_dict()["window"] == {"start": start, "end": start + 60_000}


def test_early_results_come_at_once_and_then_once_a_second() -> None:
    clock = ManualClock(NOW)
    analytics = StreamAnalytics(clock=clock)
    analytics.register_query(query())
    told: list[AnalyticsResult] = []
    analytics.on("analytics:result", told.append)

    async def go() -> None:
        for n in range(25):
            await analytics.process_event(event(n * 100, 1))
            clock.advance(100)
        await analytics.advance_time(NOW + 60_000)

    asyncio.run(go())
    assert [(one.final, one.groups[0].metrics["sum"]) for one in told] == [
        (False, 1), (False, 11), (False, 21), (True, 25),
    ]  # fmt: skip
    assert [one.final for one in analytics.get_results("q")] == [True]


def test_a_new_version_that_means_the_same_goes_on() -> None:
    analytics = StreamAnalytics(clock=ManualClock(NOW))
    analytics.register_query(query())
    run(analytics, event(0, 1))
    analytics.register_query(query(window={"type": "tumbling", "size": 60_000}))
    run(analytics, event(1, 2), event(60_000, 0))
    assert [one.groups[0].metrics["sum"] for one in analytics.get_results("q")] == [3]
    analytics.register_query(query(eventTypes=["y"]))
    assert analytics.get_results("q") == []
    assert analytics.remove_query("q")
    assert not analytics.remove_query("q")
    with pytest.raises(Invalid, match="there is no query 'q'"):
        analytics.get_results("q")


def test_bad_events_are_told_once_and_stop_nothing() -> None:
    analytics = StreamAnalytics(clock=ManualClock(NOW))
    analytics.register_query(query())
    analytics.register_query(query(id="other"))
    rejected: list[Any] = []
    analytics.on("event:rejected", rejected.append)
    run(analytics, event(0, 1), "[1]", b"{", event(60_000, 1))
    assert [(one.code, one.event) for one in rejected] == [
        ("event.not_object", "[1]"), ("event.not_json", b"{"),
    ]  # fmt: skip
    assert analytics.stats["q"]["rejected"] == 2


def test_bad_queries_are_refused_with_pointers() -> None:
    analytics = StreamAnalytics()
    with pytest.raises(Invalid) as caught:
        analytics.register_query(query(metrics=[{"name": "a", "function": "avg"}]))
    assert [problem.pointer for problem in caught.value.details["problems"]] == ["/metrics/0/field"]
    with pytest.raises(Invalid, match="unknown key 'windows'"):
        analytics.register_query(
            {"id": "q", "windows": 1, "metrics": [{"name": "n", "function": "count"}]}
        )


def test_an_anomaly_of_a_metric_is_told_with_what_was_expected() -> None:
    analytics = StreamAnalytics(clock=ManualClock(NOW + 3_600_000))
    metric = {
        "name": "sum", "field": "v", "function": "sum", "trend": True,
        "anomaly": {"method": "zscore", "threshold": 4},
    }  # fmt: skip
    analytics.register_query(query(metrics=[metric]))
    found: list[Any] = []
    analytics.on("anomaly:detected", found.append)
    alerts: list[Any] = []
    analytics.on("alert:generated", alerts.append)
    values = [100 + n % 3 for n in range(30)]
    values[25] = 900
    events = [event(n * 60_000, value) for n, value in enumerate(values)]
    run(analytics, *events)
    (anomaly,) = found
    assert (anomaly.query_id, anomaly.metric, anomaly.value) == ("q", "sum", 900)
    assert anomaly.severity == "critical"
    assert anomaly.expected == pytest.approx(101, abs=1)
    assert anomaly.group.device_type == "phone"
    (alert,) = alerts
    assert (alert.key, alert.severity) == ({"deviceType": "phone"}, "critical")
    assert alert.description == anomaly.explanation
    last = analytics.get_results("q")[-1].groups[0].watched["sum"]
    assert last["trend"]["direction"] == "stable"
    assert last["anomaly"]["state"] == "ready"


def test_moving_averages_of_points() -> None:
    analytics = StreamAnalytics()
    points = [{"timestamp": n, "value": n} for n in range(1, 5)]
    assert analytics.moving_average(points, 2) == [None, 1.5, 2.5, 3.5]
    assert analytics.moving_average([1, 2, 3, 4], 3, "exponential")[-1] == 3.125
    with pytest.raises(Invalid, match="none of simple"):
        analytics.moving_average([1], 2, "odd")  # type: ignore[arg-type]
    assert analytics.analyze(points).trend in ("increasing", "stable")
