"""The view: folding, order, filters, bounds."""

from __future__ import annotations

from typing import Any

import pytest

from summit.alerts import Alert, AlertQuery, AlertView, encode_alert
from summit.base.errors import Invalid


def alert(number: int, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "id": f"id{number}",
        "timestamp": number,
        "severity": "high",
        "title": f"Alert {number}",
        "description": "",
        "events": [],
        "pattern": "p",
        "key": {"ip": f"10.0.0.{number}", "port": number},
    }
    return encode_alert(Alert(**{**values, **changes}))


def filled(*values: bytes, **bounds: int) -> AlertView:
    view = AlertView(**bounds)
    for value in values:
        view.add(value)
    return view


def ids(view: AlertView, **query: Any) -> list[str]:
    return [found.id for found in view.query(AlertQuery(**query)).alerts]


def test_newest_first_by_event_time_then_arrival() -> None:
    view = filled(alert(5), alert(1), alert(9), alert(5, id="later"))
    assert ids(view) == ["id9", "later", "id5", "id1"]


def test_an_alert_read_twice_is_one() -> None:
    view = AlertView()
    assert view.add(alert(1)) is not None
    assert view.add(alert(1)) is None
    assert view.add(alert(1, severity="critical")) is None
    assert (len(view), view.folded) == (1, 2)
    assert view.stats() == {"totalAlerts": 1, "criticalAlerts": 1, "highAlerts": 0}
    found = view.get("id1")
    assert found is not None
    assert found.severity == "critical"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"severity": "critical"}, ["id3"]),
        ({"pattern": "q"}, ["id2"]),
        ({"key": "10.0.0.1"}, ["id1"]),
        ({"key": "3"}, ["id3"]),
        ({"key": "10.0.0"}, []),
        ({"since_ms": 2}, ["id3", "id2"]),
        ({"until_ms": 2}, ["id1"]),
        ({"since_ms": 2, "until_ms": 3}, ["id2"]),
        ({"text": "ALERT 2"}, ["id2"]),
        ({"limit": 2}, ["id3", "id2"]),
        ({"severity": "low"}, []),
    ],
)
def test_filters(query: dict, expected: list[str]) -> None:
    view = filled(alert(1), alert(2, pattern="q"), alert(3, severity="critical"))
    assert ids(view, **query) == expected


def test_pages_go_on_where_the_last_one_ended_whatever_arrives_meanwhile() -> None:
    view = filled(*(alert(n) for n in range(10)))
    first = view.query(AlertQuery(limit=4))
    view.add(alert(100))
    second = view.query(AlertQuery(limit=4, before=first.next_cursor))
    third = view.query(AlertQuery(limit=4, before=second.next_cursor))
    assert [a.id for a in [*first.alerts, *second.alerts, *third.alerts]] == [
        f"id{n}" for n in range(9, -1, -1)
    ]
    assert third.next_cursor is None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"severity": "urgent"}, "alert.severity_unknown"),
        ({"limit": 0}, "alert.limit_invalid"),
        ({"limit": 10**9}, "alert.limit_invalid"),
        ({"before": "x"}, "alert.cursor_invalid"),
    ],
)
def test_bad_queries_are_refused(query: dict, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        filled(alert(1)).query(AlertQuery(**query))
    assert caught.value.code == code


def test_the_alerts_read_first_leave_a_full_view() -> None:
    view = filled(*(alert(n) for n in (9, 8, 1, 2, 3)), count_max=3)
    assert ids(view) == ["id3", "id2", "id1"]
    assert view.evicted == 2
    assert view.get("id9") is None


def test_bytes_are_bounded_too_and_the_last_alert_stays() -> None:
    view = filled(*(alert(n, description="x" * 1_000) for n in range(5)), bytes_max=2_700)
    assert ids(view) == ["id4", "id3"]
    view.add(alert(9, description="x" * 9_000))
    assert ids(view) == ["id9"]


def test_what_is_no_alert_is_counted_and_skipped() -> None:
    view = filled(b"{}", b"\xff", b"[]", alert(1))
    assert (len(view), view.invalid) == (1, 3)


def test_a_removed_alert_is_gone() -> None:
    view = filled(alert(1), alert(2))
    view.remove("id1")
    view.remove("no such")
    assert ids(view) == ["id2"]
    assert view.stats()["totalAlerts"] == 1
