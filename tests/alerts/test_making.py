"""Alerts made of matches: texts, severity, evidence, bounds."""

from __future__ import annotations

from typing import Any

import pytest

from summit.alerts import CapturedEvent, Found, decode_alert, encode_alert, make_alert
from summit.documents.plan import ActionPlan, PatternPlan, StepPlan, TemplatePlan
from summit.events.expressions.ir import Field, Literal, Size, StepAggregate, StepField


def plan(**changes: Any) -> PatternPlan:
    values: dict[str, Any] = {
        "id": "brute",
        "name": "Brute force",
        "steps": (StepPlan("failed", times_min=2), StepPlan("success")),
        "description": "Failures, then a login",
        "group_by": (("sourceIP",),),
        "semantic_hash": "abc",
    }
    return PatternPlan(**{**values, **changes})


def event(step: str, offset: int, **body: Any) -> CapturedEvent:
    return CapturedEvent(step, "auth", 2, offset, None, 1_000 + offset, body)


FOUND = Found(
    ("10.0.0.1",),
    [
        event("failed", 1, sourceIP="10.0.0.1", user="root", tries=2, severity="low"),
        event("failed", 2, sourceIP="10.0.0.1", user="admin", tries=4.5, eventId="e2"),
        event("success", 5, sourceIP="10.0.0.1", data={"user": "ann"}, severity="medium"),
    ],
    1_005,
)


def same(name: str) -> str:
    return name


def test_an_alert_carries_what_was_matched() -> None:
    alert = make_alert(plan(), FOUND, {"auth": "topic-id"}.__getitem__)
    assert alert.title == "Pattern Match: Brute force"
    assert alert.description == "Failures, then a login"
    assert (alert.severity, alert.timestamp) == ("medium", 1_005)
    assert (alert.first_seen, alert.last_seen, alert.count) == (1_001, 1_005, 3)
    assert alert.key == {"sourceIP": "10.0.0.1"}
    assert alert.pattern == "brute"
    assert alert.rule_version == "abc"
    assert [e.body for e in FOUND.events] == alert.events
    assert [(e.step, e.topic, e.partition, e.offset, e.event_id) for e in alert.evidence] == [
        ("failed", "auth", 2, 1, None),
        ("failed", "auth", 2, 2, "e2"),
        ("success", "auth", 2, 5, None),
    ]
    assert decode_alert(encode_alert(alert)) == alert


def test_texts_and_severity_do_not_change_the_id_but_the_topic_does() -> None:
    first = make_alert(plan(), FOUND, same)
    action = ActionPlan(severity="critical", title=TemplatePlan("x", ("x",)), notify=("team",))
    second = make_alert(plan(action=action, name="Other", version=7), FOUND, same)
    assert first.id == second.id
    assert (second.title, second.severity, second.notify) == ("x", "critical", ["team"])
    assert second.rule_version == "7"
    assert make_alert(plan(), FOUND, {"auth": "made anew"}.__getitem__).id != first.id
    assert make_alert(plan(semantic_hash="other"), FOUND, same).id != first.id


@pytest.mark.parametrize(
    ("hole", "text"),
    [
        (Field(("sourceIP",)), "10.0.0.1"),
        (Field(("user",)), "ann"),
        (Field(("tries",)), "4.5"),
        (Field(("data",)), '{"user":"ann"}'),
        (Field(("no", "such")), "<unknown no.such>"),
        (StepField("failed", "first", ("user",)), "root"),
        (StepField("failed", "last", ("user",)), "admin"),
        (StepField("never", "last", ("user",)), "<unknown never.last.user>"),
        (StepAggregate("count", "failed", None), "2"),
        (StepAggregate("count", "never", None), "0"),
        (StepAggregate("count", "failed", ("eventId",)), "1"),
        (StepAggregate("sum", "failed", ("tries",)), "6.5"),
        (StepAggregate("min", "failed", ("tries",)), "2"),
        (StepAggregate("max", "failed", ("tries",)), "4.5"),
        (StepAggregate("avg", "failed", ("tries",)), "3.25"),
        (StepAggregate("distinct", "failed", ("user",)), "2"),
        (StepAggregate("avg", "success", ("tries",)), "<unknown avg(success.tries)>"),
        (Size(Literal(1)), "<unknown size>"),
    ],
)
def test_holes_are_filled_or_show_their_name(hole: Any, text: str) -> None:
    action = ActionPlan(title=TemplatePlan("", ("a ", hole, " b")))
    assert make_alert(plan(action=action), FOUND, same).title == f"a {text} b"


def test_copied_fields_stand_in_the_metadata() -> None:
    action = ActionPlan(fields=(("user",), ("no", "such")))
    alert = make_alert(plan(action=action), FOUND, same)
    assert alert.metadata == {"fields": {"user": "ann", "no.such": None}}


def test_a_long_value_is_cut() -> None:
    found = Found(("x" * 5_000,), FOUND.events, 5)
    action = ActionPlan(title=TemplatePlan("", (Field(("sourceIP",)),)))
    assert len(make_alert(plan(action=action), found, same).title) == 200


def test_a_huge_match_stays_below_a_record_and_says_what_is_missing() -> None:
    events = [event("failed", n, text="y" * 100) for n in range(5_000)]
    alert = make_alert(plan(), Found(("k",), events, 5), same)
    assert alert.count == 5_000
    assert len(alert.events) == 100
    assert alert.metadata == {"eventsOmitted": 4_900, "evidenceOmitted": 3_000}
    assert [alert.evidence[0].offset, alert.evidence[-1].offset] == [0, 4_999]
    assert len(encode_alert(alert)) < 900_000


def test_few_huge_events_are_left_out_of_the_alert_but_not_of_its_evidence() -> None:
    events = [event("failed", n, text="y" * 200_000) for n in range(4)]
    alert = make_alert(plan(), Found(("k",), events, 5), same)
    assert (len(alert.events), alert.metadata["eventsOmitted"]) == (0, 4)
    assert len(alert.evidence) == 4


def test_the_same_record_of_a_source_is_the_same_alert_wherever_it_lies() -> None:
    def at(offset: int) -> Found:
        body = {"sourceIP": "a"}
        return Found(("a",), [CapturedEvent("s", "t", 0, offset, "file:f:10:0", 5, body)], 5)

    assert make_alert(plan(), at(1), same).id == make_alert(plan(), at(900), same).id


def test_an_absence_is_identified_by_its_deadline() -> None:
    def at(end_ms: int, *, timed: bool) -> str:
        return make_alert(plan(), Found(("k",), FOUND.events, end_ms, timed), same).id

    assert at(1, timed=False) == at(2, timed=False)
    assert at(1, timed=True) != at(2, timed=True)
    assert at(1, timed=True) != at(1, timed=False)


def test_tags_name_attack_techniques_and_the_action_one_in_words() -> None:
    marked = plan(
        tags=("attack.t1110.001", "ssh"), action=ActionPlan(technique="Password guessing")
    )
    alert = make_alert(marked, FOUND, same)
    assert alert.technique == "Password guessing"
    assert [(t.id, t.name, t.tactics) for t in alert.attack] == [
        ("T1110.001", "Brute Force", ("credential-access",))
    ]
    assert decode_alert(encode_alert(alert)) == alert
