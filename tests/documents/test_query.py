"""Documents of kind `query`: every field, and what is said of a wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.documents.analytics_query import AnalyticsQuery
from summit.documents.query import QUERY_FIELDS, validate_query
from summit.documents.query_plan import AnomalyAlertPlan, AnomalyPlan, TrendPlan, WindowPlan

WHOLE: dict[str, Any] = {
    "id": "login-metrics",
    "name": "Login metrics",
    "description": "By country",
    "enabled": True,
    "version": 3,
    "owner": "team",
    "tags": ["a"],
    "topics": ["auth.*"],
    "eventTypes": ["user.login"],
    "filters": [{"field": "duration", "operator": "gte", "value": 0}],
    "where": "country != 'ZZ'",
    "groupBy": ["country", "device.type"],
    "window": {"type": "hopping", "size": "5m", "slide": "30s", "offset": "10s"},
    "allowedLateness": "1m",
    "metrics": [
        {"name": "n", "function": "count"},
        {
            "name": "p", "field": "duration", "function": "percentile", "percentile": 99.5,
            "interpolation": "nearest", "exact": True,
            "anomaly": {"method": "mad", "threshold": 4, "windowSize": 50},
            "trend": {"results": 10, "alpha": 0.01},
        },
        {"name": "r", "function": "rate", "per": "1m"},
        {"name": "s", "field": "duration", "function": "stddev", "ddof": 1},
        {"name": "t", "field": "user", "function": "topK", "limit": 5},
        {"name": "d", "field": "user", "function": "countDistinct"},
        {"name": "q", "function": "ratio", "of": ["s", "n"]},
    ],
    "topic": "login-metrics",
    "limits": {"groups": 500, "events": 100, "idle": "1h"},
    "early": "5s",
}  # fmt: skip


def test_every_field_is_read() -> None:
    assert set(WHOLE) | {"kind"} == set(QUERY_FIELDS)
    document = validate_query(WHOLE)
    plan = document.plan
    assert document.to_dict() == {"kind": "query", **WHOLE}
    assert plan.window == WindowPlan("hopping", 300_000, 30_000, 10_000)
    assert plan.group_by == (("country",), ("device", "type"))
    assert (plan.types, plan.topics, plan.topic) == (("user.login",), ("auth.*",), "login-metrics")
    assert (plan.lateness_ms, plan.groups_max, plan.events_max, plan.idle_ms) == (
        60_000, 500, 100, 3_600_000,
    )  # fmt: skip
    assert plan.early_ms == 5_000
    assert validate_query(base(early=False)).plan.early_ms is None
    by_name = {metric.name: metric for metric in plan.metrics}
    percentile = by_name["p"]
    assert (percentile.percent, percentile.nearest, percentile.exact) == (99.5, True, True)
    assert percentile.anomaly == AnomalyPlan("mad", threshold=4, window_size=50)
    assert percentile.trend == TrendPlan(10, 0.01)
    assert (by_name["r"].per_ms, by_name["s"].sample, by_name["t"].limit) == (60_000, True, 5)
    assert (by_name["d"].function, by_name["q"].of) == ("distinct", ("s", "n"))


def test_the_class_of_the_guide_carries_every_field() -> None:
    made = AnalyticsQuery.from_dict(WHOLE)
    assert made.to_dict() == WHOLE
    assert AnalyticsQuery.from_dict({"kind": "query", "id": "q", "group_by": ["a"]}).to_dict() == {
        "id": "q", "groupBy": ["a"],
    }  # fmt: skip


def base(**more: Any) -> dict[str, Any]:
    return {
        "id": "q", "window": {"type": "tumbling", "size": 10},
        "metrics": [{"name": "n", "function": "count"}], **more,
    }  # fmt: skip


def metric(**more: Any) -> dict[str, Any]:
    return base(metrics=[{"name": "m", **more}])


@pytest.mark.parametrize(
    ("values", "pointer", "text"),
    [
        ({"id": "q", "metrics": []}, "/window", "type: global"),
        (base(window={"size": 5}), "/window/type", "a window needs 'type'"),
        (base(window={"type": "slidng", "size": 5}), "/window/type", "must be one of"),
        (base(window={"type": "tumbling"}), "/window/size", "needs 'size'"),
        (base(window={"type": "tumbling", "size": 9, "slide": 3}), "/window/slide", "hopping"),
        (base(window={"type": "hopping", "size": 9}), "/window/slide", "needs 'slide'"),
        (base(window={"type": "hopping", "size": "7d", "slide": 1}), "/window/slide", "too short"),
        (base(window={"type": "session", "slide": 1}), "/window/slide", "only 'gap' and 'size'"),
        (base(window={"type": "count"}), "/window/count", "needs 'count'"),
        (base(window={"type": "count", "count": 2, "step": 3}), "/window/step", "at most"),
        (base(window={"type": "global"}), "/window/every", "never closes"),
        (base(metrics=[]), "/metrics", "needs a metric"),
        (base(metrics=[1]), "/metrics/0", "must be a map"),
        (metric(function="sum"), "/metrics/0/field", "needs 'field'"),
        (metric(field="x"), "/metrics/0/function", "needs 'function'"),
        (metric(field="x", function="mdian"), "/metrics/0/function", "must be one of"),
        (metric(field="x", function="sum", percentile=5), "/metrics/0/percentile", "belongs to"),
        (metric(field="x", function="percentile", percentile=101), "/metrics/0/percentile", "100"),
        (metric(field="x..y", function="sum"), "/metrics/0/field", "empty"),
        (metric(function="ratio", of=["m"]), "/metrics/0/of", "two names"),
        (metric(function="ratio", of=["a", "b"]), "/metrics/0/of", "no metric 'a'"),
        (
            metric(field="x", function="topK", anomaly={"method": "mad"}),
            "/metrics/0/anomaly", "gives no numbers",
        ),
        (
            metric(field="x", function="sum", anomaly={"method": "mada"}),
            "/metrics/0/anomaly/method", "must be one of",
        ),
        (
            metric(field="x", function="sum", anomaly="mada"), "/metrics/0/anomaly/method",
            "must be one of",
        ),
        (
            metric(field="x", function="sum", anomaly={"method": "mad", "alert": 1}),
            "/metrics/0/anomaly/alert", "true, false or a map",
        ),
        (
            metric(field="x", function="sum", anomaly={"method": "mad", "alert": {"title": "${"}}),
            "/metrics/0/anomaly/alert/title", "not closed",
        ),
        (
            metric(field="x", function="sum", trend={"results": 2}), "/metrics/0/trend/results",
            "from 3",
        ),
        (base(topic="_x"), "/topic", "no topic for results"),
        (base(filters="a > 1"), "/filters", "goes to 'where'"),
        (base(filters=[{"field": "a", "operator": "gtt", "value": 1}]), "/filters/0/operator", ""),
        (base(eventTypes=["a*"]), "/eventTypes/0", "in full"),
        (base(groupBy=["a", "a"]), "/groupBy/1", "twice"),
        (base(limits={"group": 1}), "/limits/group", "no field"),
        (
            base(window={"type": "count", "count": 2}, allowedLateness=5), "/allowedLateness",
            "told once",
        ),
        (base(windows=1), "/windows", "no field 'windows'"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_its_place(
    values: dict[str, Any], pointer: str, text: str
) -> None:
    with pytest.raises(Invalid) as caught:
        validate_query(values)
    problems = caught.value.details["problems"]
    assert any(p.pointer == pointer and text in p.message for p in problems), problems


def test_anomalies_are_asked_for_in_a_word_and_make_alerts() -> None:
    def read(anomaly: Any) -> Any:
        return validate_query(metric(function="count", anomaly=anomaly)).plan

    assert read("mad").metrics[0].anomaly == AnomalyPlan("mad")
    assert read(True).metrics[0].anomaly == AnomalyPlan("auto")
    assert read(False).metrics[0].anomaly is None
    plan = read({"method": "mad", "alert": {"severity": "high", "suppress": "1h"}})
    assert plan.metrics[0].anomaly.alert == AnomalyAlertPlan(severity="high", suppress_ms=3_600_000)
    assert plan.state_id == read("mad").state_id == read({"method": "mad", "alert": False}).state_id
    assert plan.state_id != read("zscore").state_id


def test_what_means_the_same_has_the_same_state() -> None:
    plan = validate_query(base()).plan
    same = base(name="x", description="y", topic="t", limits={"groups": 5}, version=2, early="2s")
    same["window"] = {"type": "sliding", "size": "10ms", "slide": 10}
    assert validate_query(same).plan.state_id == plan.state_id
    for change in (
        {"where": "a > 1"}, {"groupBy": ["a"]}, {"allowedLateness": 1}, {"id": "other"},
        {"metrics": [{"name": "k", "function": "count"}]}, {"topics": ["t"]},
    ):  # fmt: skip
        assert validate_query(base(**change)).plan.state_id != plan.state_id
