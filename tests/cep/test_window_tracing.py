"""Why a window was not told: which one, what it has, what it would need, when it closes."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.cep.plans import chunk, event

from summit.cep.window_tracing import WindowTracer
from summit.documents import validate_pattern
from summit.flow.explaining import tried_dict
from summit.flow.trying import run_document_tests, try_pattern

T0 = 1_700_000_000_000


def plan_of(window: dict[str, Any], having: str, **more: Any) -> Any:
    return validate_pattern(
        {
            "id": "w", "groupBy": ["user"], "where": "eventType == 'a'", "window": window,
            "having": having, "action": {"type": "alert"}, **more,
        }
    ).plan  # fmt: skip


def explained(plan: Any, *values: bytes) -> dict[str, Any]:
    return tried_dict(try_pattern(plan, values))


def test_a_window_that_ended_says_what_it_lacked() -> None:
    plan = plan_of({"type": "tumbling", "size": 10_000}, "count() >= 3 && sum(x) > 100")
    values = [event("a", T0 + at, user="ann", x=60) for at in (0, 1_000)]
    found = explained(plan, *values, event("a", T0 + 50_000, user="bob", x=1))
    near = found["nearMisses"][0]
    assert near["kind"] == "condition"
    assert near["key"] == ("ann",)
    assert near["failed"] == [{"condition": "count() >= 3", "values": {"count()": 2}}]
    assert "has 2 events: count() is 2, needed is count() >= 3" in near["text"]
    assert [taken["offset"] for taken in near["taken"]] == [0, 1]
    (still,) = found["unfinished"]
    assert still["key"] == ["bob"]
    assert still["expiresAt"] == T0 + 60_000
    assert still["startedAt"] == T0 + 50_000
    assert "it closes at" in still["text"]


@pytest.mark.parametrize(
    ("window", "expires"),
    [
        ({"type": "sliding", "size": 5_000}, T0 + 1_000 + 5_000),
        ({"type": "session", "gap": 700}, T0 + 1_000 + 700),
    ],
)
def test_windows_of_other_kinds(window: dict[str, Any], expires: int) -> None:
    plan = plan_of(window, "count() >= 3")
    values = [event("a", T0 + at, user="ann") for at in (500, 1_000)]
    found = explained(plan, *values)
    assert "count() is 2, needed is count() >= 3" in found["nearMisses"][0]["text"]
    assert found["unfinished"][-1]["expiresAt"] == expires


def test_the_nearest_comes_first_and_their_number_is_bounded() -> None:
    rand = random.Random(3)
    plan = plan_of({"type": "tumbling", "size": 1_000}, "count() >= 10")
    values: list[bytes] = []
    for number in range(40):
        count = rand.randint(1, 9)
        values += [event("a", T0 + number * 1_000, user="u")] * count
    tracer = WindowTracer(plan)
    tracer.feed(chunk(*values, stamps=[T0 + 10**6] * len(values)))
    near, _ = tracer.finish()
    counts = [each.failed[0].values["count()"] for each in near]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 9
    assert len(near) == 10


def test_events_that_get_into_no_window_are_told() -> None:
    plan = plan_of({"type": "tumbling", "size": 10_000}, "count() >= 3")
    (none,) = explained(plan, event("b", T0, user="u"))["nearMisses"]
    assert (none["kind"], none["key"]) == ("missing", None)
    near = explained(plan, event("a", T0))["nearMisses"][0]
    assert near["kind"] == "noKey"
    assert near["event"]["timestamp"] == T0


def test_only_the_keys_asked_for() -> None:
    plan = plan_of({"type": "tumbling", "size": 10_000}, "count() >= 3")
    tracer = WindowTracer(plan, ["bob"])
    tracer.feed(chunk(event("a", T0, user="ann"), event("a", T0, user="bob"), stamps=[T0] * 2))
    near, still = tracer.finish()
    assert {each.key for each in near} == {("bob",)} == {each.key for each in still}


def test_silence_that_was_broken() -> None:
    plan = plan_of({"type": "tumbling", "size": 10_000}, "count() == 0")
    near = explained(plan, event("a", T0, user="ann"), event("a", T0 + 9_999, user="ann"))
    assert "count() is 2, needed is count() == 0" in near["nearMisses"][0]["text"]


def test_figures_by_their_names() -> None:
    plan = plan_of(
        {"type": "tumbling", "size": 10_000}, "ports > 2",
        aggregates=[{"name": "ports", "field": "port", "function": "distinct"}],
    )  # fmt: skip
    near = explained(plan, event("a", T0, user="u", port=1))["nearMisses"][0]
    assert near["failed"] == [{"condition": "ports > 2", "values": {"ports": 1}}]


def test_what_is_wanted_is_shown_whole() -> None:
    plan = plan_of(
        {"type": "sliding", "size": 10_000}, "has(avg(v)) && (count() < 1 || max(v) > 2)"
    )
    near = explained(plan, event("a", T0, user="u"))["nearMisses"][0]
    wanted = [each["condition"] for each in near["failed"]]
    assert wanted == ["has(avg(v))", "(count() < 1) || (max(v) > 2)"]


def test_a_match_that_is_suppressed_is_told() -> None:
    plan = plan_of(
        {"type": "sliding", "size": 1_000}, "count() >= 2", suppress={"by": ["user"], "for": "1h"},
    )  # fmt: skip
    times = (0, 500, 5_000, 5_500)
    found = explained(plan, *(event("a", T0 + at, user="ann") for at in times))
    assert [match["endTime"] for match in found["matches"]] == [T0 + 500]
    (one,) = found["suppressed"]
    assert (one["key"], one["endTime"]) == (["ann"], T0 + 5_500)
    assert [alert["id"] for alert in found["alerts"]] == [one["alertId"]]


def test_a_failed_test_says_what_was_suppressed() -> None:
    events = [{"eventType": "a", "user": "u", "times": 3, "every": "1s"}]
    document = {
        "id": "w", "groupBy": ["user"], "conditions": [
            {"field": "eventType", "operator": "eq", "value": "a"},
        ],
        "action": {"type": "alert"}, "suppress": {"by": ["user"], "for": "1h"},
        "tests": [{"events": events, "expect": {"alerts": 3}}],
    }  # fmt: skip
    (result,) = run_document_tests(document)
    assert result.failures == [
        "1 alerts instead of 3", "'suppress' let an earlier alert stand for 2 more",
    ]  # fmt: skip
