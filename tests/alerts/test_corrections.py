"""Alerts that late events have changed: how they are told, and what the desk makes of them."""

from __future__ import annotations

from typing import Any

from summit.alerts import AlertDesk, CapturedEvent, Found, make_alert
from summit.alerts.entries import fired_entry
from summit.documents import validate_pattern

PLAN = validate_pattern(
    {
        "id": "p", "groupBy": ["user"], "where": "eventType == 'a'", "allowedLateness": "1m",
        "window": {"type": "tumbling", "size": 1000}, "having": "count() > 1",
        "action": {"type": "alert", "config": {"title": "${user}: ${count()}"}},
    }
).plan  # fmt: skip


def found(count: int, at: int = 1_000, **more: Any) -> Found:
    events = [
        CapturedEvent("event", "t", 0, n, None, n, {"user": "u", "eventType": "a"})
        for n in range(count)
    ]
    return Found(
        ("u",), events, at, timed=True, window=(at - 1_000, at), events_seen=count,
        values={"count()": count}, **more,
    )  # fmt: skip


def test_a_correction_names_the_alert_that_it_corrects() -> None:
    first = make_alert(PLAN, found(2), str)
    second = make_alert(PLAN, found(3, late=True, revision=1), str)
    third = make_alert(PLAN, found(3, late=True, revision=2, withdrawn=True), str)
    assert "correction" not in first.metadata
    assert second.metadata["correction"] == {
        "late": True, "revision": 1, "corrects": first.id, "withdrawn": False,
    }  # fmt: skip
    assert third.metadata["correction"]["corrects"] == second.id
    assert len({first.id, second.id, third.id}) == 3
    titles = [alert.title for alert in (first, second, third)]
    assert titles == ["u: 2", "Corrected: u: 3", "Withdrawn: u: 3"]


def test_the_desk_ends_an_alert_when_all_of_it_is_withdrawn() -> None:
    desk = AlertDesk()
    first, again = make_alert(PLAN, found(2), str), make_alert(PLAN, found(2, at=5_000), str)
    gone = make_alert(PLAN, found(2, late=True, revision=1, withdrawn=True), str)
    gone_too = make_alert(
        PLAN, found(2, at=5_000, late=True, revision=1, withdrawn=True), str
    )  # fmt: skip
    for number, alert in enumerate((first, again, gone)):
        desk.apply(number, 10, fired_entry(alert))
    assert desk.status_of(first.id, 10) == "firing"  # the other window still holds
    assert desk.status_of(gone.id, 10) == "duplicate"
    desk.apply(3, 10, fired_entry(gone_too))
    assert desk.status_of(first.id, 10) == "resolved"
    assert len(desk.state.alerts) == 1


def test_a_correction_of_an_unknown_alert_fires_unless_it_withdraws() -> None:
    desk = AlertDesk()
    changed = make_alert(PLAN, found(3, late=True, revision=1), str)
    gone = make_alert(PLAN, found(3, at=9_000, late=True, revision=1, withdrawn=True), str)
    desk.apply(0, 10, fired_entry(changed))
    desk.apply(1, 10, fired_entry(gone))
    assert list(desk.state.alerts) == [changed.id]
