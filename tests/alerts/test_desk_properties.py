"""Properties of the alert desk over random logs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from summit.alerts.desk import AlertDesk
from summit.alerts.entries import (
    Acknowledge,
    AddComment,
    AddInhibition,
    AddSilence,
    AnyEntry,
    Assign,
    CloseCase,
    Fired,
    LiftSilence,
    OpenCase,
    RemoveInhibition,
    Repeated,
    Resolve,
    decode_entry,
    encode_entry,
)
from summit.alerts.matchers import Matchers

SEVERITIES = ("info", "low", "medium", "high", "critical")
ids = st.sampled_from([f"a{n}" for n in range(12)])
people = st.sampled_from(["ann", "bob"])
numbered = st.integers(1, 4)
tags = st.lists(st.sampled_from(["x", "y", "attack.t1110", "attack.t1046"]), max_size=2).map(tuple)
matchers = st.one_of(
    st.sampled_from(SEVERITIES).map(lambda each: Matchers(severity=(each,))),
    st.sampled_from(["x", "y"]).map(lambda each: Matchers(tags=(each,))),
    st.sampled_from([1, 2]).map(lambda each: Matchers(key={"ip": each})),
    st.sampled_from(["ip=1", "ip=2"]).map(lambda each: Matchers(entity=(each,))),
)
fired = st.builds(
    Fired, id=ids, severity=st.sampled_from(SEVERITIES), title=st.sampled_from(["t", "u"]),
    timestamp=st.integers(0, 10**8), key=st.sampled_from([{}, {"ip": 1}, {"ip": 2, "user": "z"}]),
    tags=tags, rule=st.none(), by=st.just("summit"), last_seen=st.just(0),
)  # fmt: skip
entries = st.one_of(
    fired,
    fired,
    st.builds(Repeated, id=ids, count=numbered, last_seen=st.integers(0, 10**8)),
    st.builds(Acknowledge, by=people, id=ids),
    st.builds(Resolve, by=people, id=ids),
    st.builds(AddComment, by=people, id=ids | st.just("case-1"), text=st.sampled_from(["", "hm"])),
    st.builds(Assign, by=people, id=ids | st.just("case-1"), to=people),
    st.builds(AddSilence, by=people, matchers=matchers, until=st.integers(0, 120)),
    st.builds(LiftSilence, by=people, id=numbered.map(lambda n: f"silence-{n}")),
    st.builds(AddInhibition, by=people, source=matchers, target=matchers),
    st.builds(RemoveInhibition, by=people, id=numbered.map(lambda n: f"inhibition-{n}")),
    st.builds(OpenCase, by=people, entity=st.sampled_from(["ip=1", None]), alerts=st.tuples(ids)),
    st.builds(CloseCase, by=people, id=numbered.map(lambda n: f"case-{n}")),
)
logs = st.lists(st.tuples(st.integers(0, 100), entries), max_size=40)


def run(desk: AlertDesk, log: list[tuple[int, AnyEntry]], first: int = 0) -> list[Any]:
    told = []
    for number, (at, entry) in enumerate(log):
        decision = desk.apply(first + number, at, decode_entry(encode_entry(entry)))
        error = decision.error
        told.append((decision.id, decision.changes, None if error is None else error.code))
    return told


@given(log=logs, cut=st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_dump_and_load_anywhere_change_nothing(log: list[Any], cut: int) -> None:
    whole = AlertDesk()
    told = run(whole, log)
    first = AlertDesk()
    before = run(first, log[:cut])
    second = AlertDesk.load(first.dump())
    after = run(second, log[cut:], min(cut, len(log)))
    assert before + after == told
    assert second.dump() == whole.dump()


@given(log=logs)
@settings(max_examples=200, deadline=None)
def test_what_holds_after_every_log(log: list[Any]) -> None:
    desk = AlertDesk()
    run(desk, log)
    state = desk.state
    counted = Counter(state.duplicates.values())
    likes = [
        (str(alert.key), alert.title, alert.severity)
        for alert in state.alerts.values()
        if alert.is_open
    ]
    assert len(likes) == len(set(likes))  # open alerts are never alike
    for alert in state.alerts.values():
        assert alert.count == 1 + counted[alert.id]
        assert (alert.id in state.closed) == (not alert.is_open)
        if alert.inhibited_by is not None:
            source = state.alerts[alert.inhibited_by]
            assert source.is_open
            assert set(source.entities) & set(alert.entities)
    ids = {entry.id for _, entry in log if isinstance(entry, Fired)}
    assert ids == set(state.alerts) | set(state.duplicates)
    open_cases = [case for case in state.cases.values() if case.state == "open"]
    entities = [entity for case in open_cases for entity in case.entities]
    assert len(entities) == len(set(entities))  # an entity has one open case at most
    for case in open_cases:
        assert case.alert_count == len(case.alerts)
        assert all(state.alerts[name].case == case.id for name in case.alerts)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["critical", "high", "low"]), st.integers(0, 2), st.booleans()),
        max_size=14,
    )
)
def test_who_is_muted_does_not_depend_on_the_order(steps: list[tuple[str, int, bool]]) -> None:
    desk = AlertDesk()
    rows: list[AnyEntry] = [
        AddInhibition(by="a", source=Matchers(severity=(one,)), target=Matchers(severity=(two,)))
        for one, two in (("high", "low"), ("critical", "high"))
    ]
    for turn, (severity, number, fires) in enumerate(steps):
        name = f"{severity}-{number}"
        rows.append(
            Fired(id=name, severity=severity, title=f"{name} {turn}", timestamp=turn,
                  key={"ip": 1}, tags=(), rule=None, by="summit", last_seen=0)
            if fires else Resolve(by="a", id=name)
        )  # fmt: skip
    for offset, entry in enumerate(rows):
        desk.apply(offset, offset, entry)
        open_ones = [alert for alert in desk.state.alerts.values() if alert.is_open]
        loud = {
            severity: [a for a in open_ones if a.severity == severity]
            for severity in ("critical", "high", "low")
        }
        for alert in loud["high"]:
            assert (alert.inhibited_by is not None) == bool(loud["critical"])
        for alert in loud["low"]:
            acts = bool(loud["high"]) and not loud["critical"]
            assert (alert.inhibited_by is not None) == acts


def test_inhibitions_in_a_circle_come_to_an_end() -> None:
    desk = AlertDesk()
    names = ("a", "b", "c")
    for number, (one, two) in enumerate(zip(names, ("b", "c", "a"), strict=True)):
        entry = AddInhibition(by="x", source=Matchers(tags=(one,)), target=Matchers(tags=(two,)))
        desk.apply(number, number, entry)
    for number, name in enumerate(names * 2, 3):
        entry = Fired(id=f"{name}{number}", severity="low", title=f"{number}", timestamp=1,
                      key={"ip": 1}, tags=(name,), rule=None, by="summit", last_seen=0)  # fmt: skip
        desk.apply(number, number, entry)
    alerts = desk.state.alerts.values()
    assert 0 < sum(alert.inhibited_by is not None for alert in alerts) < len(alerts)
