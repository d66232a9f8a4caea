"""Why a correlation told no group, and a query no anomaly: what it lacks, until when it waits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from summit.cep_engine import EventCorrelator
from summit.documents import validate_correlation, validate_query
from summit.flow.explaining import try_any
from summit.flow.key_texts import parse_keys
from summit.real_time_analytics import StreamAnalytics

T0 = 1_700_000_000_000
SESSION = {
    "id": "s", "correlationKey": "id", "timeWindow": "10s", "minEvents": 3,
    "requireTypes": ["login", "logout"],
}  # fmt: skip
LINKED = {
    "id": "l", "timeWindow": "10s", "minEvents": 3,
    "linkedBy": {"user": ["user", "actor"], "address": ["ip"]}, "hubs": {"links": 1},
}  # fmt: skip


def event(kind: str, at: int, **fields: Any) -> bytes:
    return json.dumps({"eventType": kind, "timestamp": T0 + at, **fields}).encode()


def explained(document: dict[str, Any], *events: bytes, keys: tuple[str, ...] = ()) -> Any:
    plan = validate_correlation(document).plan
    return try_any(plan, events, keys=parse_keys(plan, keys) if keys else ())


def test_a_group_says_what_it_lacks_and_when_it_closes() -> None:
    found = explained(SESSION, event("login", 0, id="a"), event("act", 1_000, id="a"))
    assert found["groups"] == []
    (near,) = found["nearMisses"]
    assert (near["kind"], near["key"], near["missing"]) == ("missing", ("a",), 1)
    assert near["open"]
    assert near["expiresMs"] == T0 + 10_000
    assert "has 2 events: minEvents is 3; of requireTypes 'logout' is missing" in near["text"]
    assert [taken["offset"] for taken in near["taken"]] == [0, 1]
    (still,) = found["unfinished"]
    assert still["waitsFor"] == ["logout"]
    assert still["expiresAt"] == T0 + 10_000


def test_what_came_too_late_and_by_how_much() -> None:
    found = explained(
        SESSION, event("login", 0, id="a"), event("act", 9_999, id="a"),
        event("logout", 10_000, id="a"),
    )  # fmt: skip
    near = found["nearMisses"][0]
    assert (near["kind"], near["lateMs"], near["missing"]) == ("outsideWindow", 1, 1)
    assert near["event"]["offset"] == 2
    closed = next(each for each in found["nearMisses"] if each["kind"] == "missing")
    assert closed["text"].endswith("it closed because its timeWindow was over")


def test_a_session_ends_by_its_gap() -> None:
    document = {"id": "s", "correlationKey": "id", "window": "session", "gap": 500, "minEvents": 2}
    assert len(explained(document, event("a", 0, id=1), event("a", 500, id=1))["groups"]) == 1
    near = explained(document, event("a", 0, id=1), event("a", 501, id=1))["nearMisses"]
    assert (near[0]["kind"], near[0]["lateMs"], near[0]["key"]) == ("outsideWindow", 1, (1,))


def test_a_told_group_is_no_near_miss_and_rules_without_events_say_so() -> None:
    document = {**SESSION, "eventTypes": ["login", "logout"], "minEvents": 2}
    found = explained(document, event("login", 0, id="a"), event("logout", 1, id="a"))
    assert [group["closeReason"] for group in found["groups"]] == ["window"]
    assert found["nearMisses"] == []
    assert "has enough" in found["unfinished"][0]["text"]
    (none,) = explained(document, event("other", 0, id="a"))["nearMisses"]
    assert "none of 1 events is of type login or logout" in none["text"]
    (lacks,) = explained(document, event("login", 0))["nearMisses"]
    assert (lacks["kind"], lacks["event"]["offset"]) == ("noKey", 0)


def test_linked_groups_name_what_links_them_and_what_does_not() -> None:
    events = [
        event("a", 0, user="ann", ip="10.0.0.1"),
        event("a", 1, user="bob", ip="10.0.0.1"),  # the address has brought in what it may
        event("a", 2, user="eve", ip="10.0.0.1"),
    ]
    found = explained(LINKED, *events)
    assert found["groups"] == []
    text = next(one["text"] for one in found["unfinished"] if len(one["events"]) == 2)
    assert "linked by user=ann, user=bob" in text
    assert "address=10.0.0.1 brings nothing more in, as hubs.links is 1" in text
    only = explained(LINKED, *events, keys=("user=eve",))["unfinished"]
    assert [len(one["events"]) for one in only] == [1]
    late = [event("a", 0, user="ann"), event("a", 1, user="ann"), event("a", 10_004, actor="ann")]
    near = explained(LINKED, *late)["nearMisses"][0]
    assert (near["kind"], near["lateMs"]) == ("outsideWindow", 5)


QUERY = {
    "id": "q", "metrics": [{"name": "n", "function": "count"}], "groupBy": ["host"],
    "filters": [{"field": "level", "operator": "eq", "value": "error"}],
    "window": {"type": "tumbling", "size": "10s"},
}  # fmt: skip


def asked(document: dict[str, Any], *events: bytes, keys: tuple[str, ...] = ()) -> Any:
    plan = validate_query(document).plan
    return try_any(plan, events, keys=parse_keys(plan, keys) if keys else ())


def test_a_query_names_the_filter_that_failed_and_the_open_window() -> None:
    found = asked(
        QUERY, event("log", 0, host="a", level="error"), event("log", 1, host="a", level="warn"),
        event("log", 12_000, host="b", level="error"),
    )  # fmt: skip
    assert [(row["key"], row["n"]) for row in found["results"]] == [(["a"], 1), (["b"], 1)]
    (near,) = found["nearMisses"]
    assert (near["kind"], near["key"], near["event"]["offset"]) == ("condition", ("a",), 1)
    assert near["failed"] == [{"condition": 'level == "error"', "values": {"level": "warn"}}]
    (still,) = found["unfinished"]
    assert (still["key"], still["expiresAt"]) == (["b"], T0 + 20_000)
    assert "has 1 event: n is 1; it is told at" in still["text"]
    sent = [event("log", 0, host=host, level="warn") for host in "ab"]
    only = asked(QUERY, *sent, keys=("b",))["nearMisses"]
    assert {each["key"] for each in only if each["key"]} == {("b",)}


@pytest.mark.parametrize("text", ["null", "[null]", "host=null"])
def test_a_group_without_a_value_is_explained(text: str) -> None:
    found = asked(QUERY, event("log", 0, level="error"), keys=(text,))
    assert [still["key"] for still in found["unfinished"]] == [[None]]


def test_a_query_names_what_came_too_late() -> None:
    sent = [event("log", at, host="a", level="error") for at in (0, 20_000, 9_000)]
    found = asked(QUERY, *sent)
    near = found["nearMisses"][0]
    assert (near["kind"], near["event"]["offset"], near["lateMs"]) == ("outsideWindow", 2, 11_000)


def test_a_query_says_how_far_a_value_is_from_an_anomaly() -> None:
    pytest.importorskip("numpy")
    document = {
        "id": "q", "window": {"type": "tumbling", "size": 1_000},
        "metrics": [{"name": "cpu", "function": "avg", "field": "cpu",
                     "anomaly": {"method": "zscore", "threshold": 3}}],
    }  # fmt: skip
    values = [10, 11, 9, 10, 12] * 8
    sent = [event("m", 1_000 * n, cpu=value) for n, value in enumerate([*values, 12.5, 10])]
    found = asked(document, *sent)
    near = found["nearMisses"][0]
    assert near["kind"] == "condition"
    assert near["failed"][0]["condition"] == "abs(deviation) > 3"
    assert near["failed"][0]["values"]["cpu"] == 12.5
    assert "cpu is no anomaly" in near["text"]


def test_from_python() -> None:
    one = {"eventType": "login", "timestamp": T0, "id": "a", "level": "info"}
    (near,) = EventCorrelator().test_correlation_rule(SESSION, [one]).near_misses
    assert (near.kind, near.missing, near.expires_ms) == ("missing", 2, T0 + 10_000)
    (near,) = StreamAnalytics().test_query(QUERY, [{**one, "host": "a"}]).near_misses[:1]
    assert near.failed[0].values == {"level": "info"}
