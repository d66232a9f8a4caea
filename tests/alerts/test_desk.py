"""The alert desk: what becomes of alerts, entry by entry."""

from __future__ import annotations

from typing import Any

import pytest

from summit.alerts import desk as desk_module
from summit.alerts.desk import AlertDesk, Decision
from summit.alerts.entries import (
    Acknowledge,
    AddComment,
    AddInhibition,
    AddSilence,
    AnyEntry,
    Assign,
    CloseCase,
    Escalated,
    Fired,
    LiftSilence,
    Notified,
    OpenCase,
    RemoveInhibition,
    Repeated,
    Resolve,
    decode_entry,
    encode_entry,
)
from summit.alerts.matchers import Matchers
from summit.base.errors import Corrupt, Invalid

HOUR = 3_600_000


class Log:
    """Entries one after the other, each at its time, as they come back from the wire."""

    def __init__(self) -> None:
        self.desk = AlertDesk()
        self.offset = 0

    def __call__(self, at: int, entry: AnyEntry) -> Decision:
        decision = self.desk.apply(self.offset, at, decode_entry(encode_entry(entry)))
        self.offset += 1
        return decision

    def ok(self, at: int, entry: AnyEntry) -> str:
        decision = self(at, entry)
        assert decision.error is None, decision.error
        return decision.id

    def refused(self, at: int, entry: AnyEntry) -> str:
        before = self.desk.dump()
        decision = self(at, entry)
        assert decision.error is not None
        after = AlertDesk.load(before)
        # A refusal changes nothing but what is told of it.
        assert after.state.alerts == self.desk.state.alerts
        assert after.state.cases == self.desk.state.cases
        assert decision.changes[-1].refused
        return decision.error.code

    def status(self, name: str, at: int = 0) -> str:
        at = max(at, self.desk.state.now_ms)
        assert self.desk.describe(name, at)["status"] == self.desk.status_of(name, at)
        return self.desk.status_of(name, at)


@pytest.fixture
def log() -> Log:
    return Log()


def fired(name: str, **changes: Any) -> Fired:
    values: dict[str, Any] = {
        "by": "summit", "id": name, "severity": "low", "title": f"Title {name}", "timestamp": 1_000,
        "rule": "brute", "key": {"ip": "10.0.0.1"}, "tags": ("ssh", "attack.t1110"),
    }  # fmt: skip
    return Fired(**{**values, **changes})


def test_firing_acknowledged_resolved_with_who_and_when(log: Log) -> None:
    log.ok(10, fired("a"))
    assert log.status("a") == "firing"
    log.ok(20, Acknowledge(by="ann", id="a", note="looking"))
    assert log.status("a") == "acknowledged"
    log.ok(30, Resolve(by="bob", id="a", note="false alarm"))
    shown = log.desk.describe("a", 30)
    assert (shown["occurrences"], shown["suppressed"]) == (1, 0)
    assert (shown["status"], shown["acknowledgedBy"], shown["acknowledgedAt"]) == (
        "resolved", "ann", 20,
    )  # fmt: skip
    assert (shown["resolvedBy"], shown["resolvedAt"], shown["firedAt"]) == ("bob", 30, 10)
    told = [(c.what, c.by, c.at, c.before, c.after, c.note) for c in log.desk.history("a")]
    assert told == [
        ("acknowledge", "ann", 20, {"state": "firing"}, {"state": "acknowledged"}, "looking"),
        ("resolve", "bob", 30, {"state": "acknowledged"}, {"state": "resolved"}, "false alarm"),
    ]


def test_what_is_not_in_order_is_refused_where_it_stands(log: Log) -> None:
    assert log.refused(1, Acknowledge(by="ann", id="a")) == "alert.unknown"
    log.ok(2, fired("a"))
    log.ok(3, Acknowledge(by="ann", id="a"))
    log.ok(3, Acknowledge(by="ann", id="a"))  # the same said twice
    assert log.refused(3, Acknowledge(by="bob", id="a")) == "alert.not_firing"
    log.ok(4, Resolve(by="bob", id="a"))
    assert log.refused(5, Resolve(by="ann", id="a")) == "alert.not_firing"
    assert log.refused(5, Acknowledge(by="ann", id="a")) == "alert.not_firing"
    assert log.refused(6, AddComment(by="ann", id="a", text="")) == "alert.comment_empty"
    assert log.refused(6, AddComment(by="ann", id="a", text="x" * 10_001)) == "alert.text_too_long"
    assert log.desk.state.counters["refused"] == 6


def test_of_two_commands_of_one_instant_the_first_in_the_log_wins(log: Log) -> None:
    log.ok(1, fired("a"))
    log.ok(5, Acknowledge(by="ann", id="a"))
    assert log.refused(5, Acknowledge(by="bob", id="a")) == "alert.not_firing"
    assert log.desk.state.alerts["a"].acknowledged_by == "ann"


def test_open_alerts_with_key_title_and_severity_in_common_are_one(log: Log) -> None:
    log.ok(1, fired("a", title="Same", last_seen=1_000))
    log.ok(2, fired("b", title="Same", timestamp=3_000))
    log.ok(3, fired("c", title="Same", severity="high"))
    log.ok(4, fired("d", title="Same", key={"ip": "10.0.0.2"}))
    log.ok(5, fired("b", title="Same"))  # the same alert once more: nothing
    assert {name: log.status(name) for name in "abcd"} == {
        "a": "firing", "b": "duplicate", "c": "firing", "d": "firing",
    }  # fmt: skip
    assert log.desk.describe("b", 5) == {"status": "duplicate", "duplicateOf": "a"}
    assert log.desk.describe("nobody", 5) == {"status": "firing"}
    first = log.desk.state.alerts["a"]
    assert (first.count, first.last_seen) == (2, 3_000)
    log.ok(6, Acknowledge(by="ann", id="b"))  # what is done to a duplicate is done to its first
    assert log.status("a") == "acknowledged"
    log.ok(7, Resolve(by="ann", id="a"))
    log.ok(8, fired("e", title="Same"))
    assert log.status("e") == "firing"


def test_suppressed_alerts_count_for_the_one_that_stands_for_them(log: Log) -> None:
    log.ok(1, fired("a"))
    log.ok(2, Repeated(id="a", count=7, last_seen=9_000))
    log.ok(3, Repeated(id="gone", count=2, last_seen=9_000))
    alert = log.desk.state.alerts["a"]
    assert (alert.count, alert.suppressed, alert.last_seen) == (1, 7, 9_000)
    assert log.desk.state.counters["suppressed"] == 9


def test_a_silence_mutes_what_fires_and_what_is_open_until_its_end(log: Log) -> None:
    log.ok(1, fired("before"))
    name = log.ok(10, AddSilence(by="ann", matchers=Matchers(severity=("low",)), until=100))
    assert name == "silence-1"
    log.ok(11, fired("during"))
    log.ok(12, fired("other", severity="critical"))
    assert [log.status(each) for each in ("before", "during", "other")] == [
        "silenced", "silenced", "firing",
    ]  # fmt: skip
    assert log.status("during", 99) == "silenced"
    assert log.status("during", 100) == "firing"  # half-open
    log.ok(100, fired("after"))
    assert log.status("after") == "firing"
    assert log.desk.state.silences == {}
    assert log.desk.history(name)[-1].what == "silenceEnded"


def test_a_silence_is_lifted(log: Log) -> None:
    name = log.ok(10, AddSilence(by="ann", matchers=Matchers(tags=("ssh",)), until=100))
    log.ok(11, fired("a"))
    log.ok(12, LiftSilence(by="bob", id=name))
    assert log.status("a") == "firing"
    assert log.refused(13, LiftSilence(by="bob", id=name)) == "alert.silence_unknown"
    assert log.refused(14, AddSilence(matchers=Matchers(tags=("x",)), until=14)) == (
        "alert.silence_over"
    )


def test_an_open_alert_mutes_others_of_its_entity(log: Log) -> None:
    source, target = Matchers(severity=("critical",)), Matchers(tags=("noise",))
    name = log.ok(1, AddInhibition(by="ann", source=source, target=target))
    log.ok(2, fired("early", tags=("noise",)))
    log.ok(3, fired("loud", severity="critical"))
    log.ok(4, fired("late", tags=("noise",)))
    log.ok(4, fired("elsewhere", tags=("noise",), key={"ip": "10.9.9.9"}))
    log.ok(4, fired("both", severity="critical", tags=("noise",)))
    names = ("early", "late", "elsewhere", "both", "loud")
    assert [log.status(each) for each in names] == [
        "inhibited", "inhibited", "firing", "firing", "firing",
    ]  # fmt: skip
    log.ok(5, Resolve(by="ann", id="loud"))
    assert log.desk.state.alerts["early"].inhibited_by == "both"
    log.ok(6, RemoveInhibition(by="ann", id=name))
    assert [log.status(each) for each in ("early", "late")] == ["firing", "firing"]
    log.ok(7, AddInhibition(by="ann", source=source, target=target))  # acts on what is open too
    assert log.status("early") == "inhibited"
    log.ok(8, Resolve(by="ann", id="both"))
    assert log.status("early") == "firing"


def test_a_high_risk_opens_a_case_that_the_entitys_alerts_join(log: Log) -> None:
    log.ok(1, fired("a", severity="high"))  # 50
    assert log.desk.state.cases == {}
    log.ok(2, fired("b", severity="high"))  # 100
    log.ok(3, fired("c", severity="info"))
    log.ok(4, fired("d", key={"ip": "10.9.9.9"}))
    (case,) = log.desk.state.cases.values()
    assert (case.id, case.entities, case.alerts) == ("case-1", ["ip=10.0.0.1"], ["b", "c"])
    assert (case.severity, case.alert_count, case.opened_by) == ("high", 2, "summit")
    log.ok(5, Assign(by="ann", id="case-1", to="bob"))
    log.ok(5, AddComment(by="ann", id="case-1", text="see the logs"))
    log.ok(6, CloseCase(by="ann", id="case-1", reason="a test"))
    assert (case.state, case.assignee, case.closed_by) == ("closed", "bob", "ann")
    assert [c.text for c in case.comments] == ["see the logs"]
    assert log.refused(7, CloseCase(by="ann", id="case-1")) == "alert.case_closed"
    log.ok(8, fired("e", severity="high"))  # settled: the risk begins anew
    assert log.desk.state.alerts["e"].case is None
    log.ok(9, fired("f", severity="critical"))
    assert log.desk.state.cases["case-2"].previous == "case-1"


def test_muted_alerts_and_duplicates_count_for_the_risk_but_muted_ones_open_no_case(
    log: Log,
) -> None:
    log.ok(1, AddSilence(by="ann", matchers=Matchers(tags=("quiet",)), until=1_000))
    log.ok(2, fired("a", severity="critical", tags=("quiet",)))
    assert log.desk.risk("ip=10.0.0.1", 1_000) == 100
    assert log.desk.state.cases == {}
    log.ok(3, fired("b", title="Same", severity="info"))
    assert log.desk.state.alerts["b"].case == "case-1"


def test_a_case_by_hand(log: Log) -> None:
    log.ok(1, fired("a"))
    log.ok(1, fired("b", key={}))
    assert log.refused(2, OpenCase(by="ann", alerts=("b",))) == "alert.case_empty"
    assert log.refused(2, OpenCase(by="ann", alerts=("x",))) == "alert.unknown"
    name = log.ok(3, OpenCase(by="ann", entity="ip=10.0.0.1", title="Odd", alerts=("a", "b")))
    assert log.desk.state.cases[name].alerts == ["a", "b"]
    assert log.refused(4, OpenCase(by="bob", entity="ip=10.0.0.1")) == "alert.case_open"
    log.ok(5, CloseCase(by="ann", id=name))
    again = log.ok(6, OpenCase(by="ann", entity="ip=10.0.0.1"))
    assert log.desk.state.cases[again].alerts == []  # its alerts have their case


def test_risk_decays_and_grows_with_tactics(log: Log) -> None:
    log.ok(1, fired("a", severity="medium", timestamp=0, tags=()))
    assert log.desk.risk("ip=10.0.0.1", 0) == 25
    assert log.desk.risk("ip=10.0.0.1", 24 * HOUR) == 12.5
    log.ok(2, fired("b", severity="medium", timestamp=24 * HOUR, tags=("attack.t1110",)))
    assert log.desk.risk("ip=10.0.0.1", 24 * HOUR) == 37.5
    log.ok(3, fired("c", severity="medium", timestamp=0, tags=("attack.t1046",)))  # late
    assert log.desk.risk("ip=10.0.0.1", 24 * HOUR) == 50 * 1.25
    assert log.desk.risk("ip=nobody", 0) == 0


def test_escalation_and_notifications_are_noted(log: Log) -> None:
    log.ok(1, fired("a"))
    log.ok(2, Escalated(by="summit", id="a", level=2))
    log.ok(3, Notified(by="summit", id="a", channel="mail", action="escalated"))
    log.ok(4, Notified(id="a", channel="hook", action="escalated", delivered=False, reason="500"))
    alert = log.desk.state.alerts["a"]
    assert (alert.escalation_level, alert.notifications_sent, alert.notifications_failed) == (
        2, 1, 1,
    )  # fmt: skip
    assert alert.notified_at == 4


def test_time_never_goes_back(log: Log) -> None:
    log.ok(100, fired("a"))
    log.ok(50, Acknowledge(by="ann", id="a"))
    assert log.desk.state.alerts["a"].acknowledged_at == 100


def test_state_is_bounded_and_what_leaves_is_counted(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "DESK_ALERTS_MAX", 3)
    monkeypatch.setattr(desk_module, "DESK_DUPLICATES_MAX", 1)
    monkeypatch.setattr(desk_module, "DESK_AUDIT_MAX", 20)
    for name in ("a", "b", "c"):
        log.ok(1, fired(name))
    log.ok(2, Resolve(by="ann", id="b"))
    log.ok(3, fired("d"))
    assert list(log.desk.state.alerts) == ["a", "c", "d"]  # what is over goes first
    log.ok(4, fired("e"))
    assert list(log.desk.state.alerts) == ["c", "d", "e"]
    log.ok(5, fired("f", title="Title e"))
    log.ok(5, fired("g", title="Title e"))
    assert list(log.desk.state.duplicates) == ["g"]
    for _ in range(30):
        log.ok(6, AddComment(by="ann", id="e", text="x"))
    assert len(log.desk.state.audit) <= 20
    counters = log.desk.state.counters
    assert (counters["alertsEvicted"], counters["openAlertsEvicted"]) == (1, 1)
    assert counters["duplicatesEvicted"] == 1
    assert counters["auditEvicted"] > 0


def test_a_dump_of_another_version_or_none_is_refused() -> None:
    for data in (b"", b"\x63abc", b"\x01not msgpack"):
        with pytest.raises(Corrupt):
            AlertDesk.load(data)


def test_an_entry_of_unknown_form_is_refused() -> None:
    for value in (b"", b"[]", b'{"type":"nothing"}', b'{"type":"fired"}', b"\xff"):
        with pytest.raises(Invalid):
            decode_entry(value)
