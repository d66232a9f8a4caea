"""Metric rules: conditions held for their durations, for each key by itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.alerts import metric_rules as module
from summit.alerts.desk_state import AlertState
from summit.alerts.escalation import escalation_due_ms
from summit.alerts.metric_rules import Changed, MetricCondition, MetricRules
from summit.base.errors import Invalid

HOT = MetricCondition("cpu", "gt", 90.0, 100)
SLOW = MetricCondition("latency", "gte", 2.0)


def rules(*conditions: MetricCondition) -> MetricRules:
    made = MetricRules()
    made.set_rule("r", conditions)
    return made


def states(changes: list[Changed]) -> list[tuple[str, int]]:
    return [(change.state, change.at_ms) for change in changes]


def test_a_condition_is_pending_until_it_has_held_for_its_duration() -> None:
    made = rules(HOT)
    assert states(made.observe("cpu", 91, (), 0)) == [("pending", 0)]
    assert made.next_due_ms == 100
    assert made.pending() == [("r", ())]
    assert made.observe("cpu", 99, (), 50) == []
    assert made.advance(99) == []
    assert states(made.advance(150)) == [("firing", 100)]
    assert states(made.observe("cpu", 90, (), 200)) == [("inactive", 200)]
    assert made.is_over("r", ())


def test_a_dip_begins_the_duration_anew() -> None:
    made = rules(HOT)
    made.observe("cpu", 91, (), 0)
    assert states(made.observe("cpu", 50, (), 99)) == [("inactive", 99)]
    assert states(made.observe("cpu", 91, (), 100)) == [("pending", 100)]
    assert made.advance(199) == []
    # It has held for long enough by the time of the value that ends it.
    assert states(made.observe("cpu", 10, (), 200)) == [("firing", 200), ("inactive", 200)]


def test_all_conditions_must_hold_and_each_key_is_by_itself() -> None:
    made = rules(HOT, SLOW)
    for key in ("a", "b"):
        assert made.observe("cpu", 95, key, 0) == []
    assert not made.is_over("r", "a")  # of the latency nothing is known
    assert states(made.observe("latency", 2, "a", 500)) == [("firing", 500)]
    assert (made.state("r", "a"), made.state("r", "b")) == ("firing", "inactive")
    assert made.advance(501) == []
    assert made.observe("other", 1, "a", 502) == []
    made.remove_rule("r")
    assert made.observe("cpu", 1, "a", 503) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "5", None, True])
def test_what_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(Invalid, match="cpu"):
        rules(HOT).observe("cpu", value, (), 0)


@pytest.mark.parametrize(
    ("operator", "values"),
    [("gt", [6]), ("gte", [5, 6]), ("lt", [4]), ("lte", [4, 5]), ("eq", [5]), ("ne", [4, 6])],
)
def test_operators(operator: str, values: list[int]) -> None:
    made = rules(MetricCondition("m", operator, 5))
    found = []
    for value in (4, 5, 6):
        made.observe("m", value, value, 0)
        if made.state("r", value) == "firing":
            found.append(value)
    assert found == values


def test_keys_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "METRIC_RULE_KEYS_MAX", 2)
    made = rules(SLOW)
    for key in ("a", "b", "a", "c"):
        made.observe("latency", 3, key, 0)
    assert made.evicted == 1
    assert [made.state("r", key) for key in ("a", "b", "c")] == ["firing", "inactive", "firing"]


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from([80, 95]), st.booleans())))
@settings(max_examples=200, deadline=None)
def test_it_fires_as_a_plain_reading_says_however_often_time_is_told(steps: list[Any]) -> None:
    made = rules(HOT)
    told: list[tuple[str, int]] = []
    wanted: list[tuple[str, int]] = []
    now, since, firing = 0, None, False
    for later, value, look in steps:
        now += later
        if look:
            told += states(made.advance(now))
        if since is not None and not firing and now - since >= 100:
            firing = True
            wanted.append(("firing", since + 100))
        told += states(made.observe("cpu", value, (), now))
        if value > 90 and since is None:
            since = now
        elif value <= 90:
            if firing:
                wanted.append(("inactive", now))
            since, firing = None, False
    fired = {at for state, at in told if state == "firing"}
    ends = [at for number, (state, at) in enumerate(told)
            if state == "inactive" and told[number - 1][0] == "firing"]  # fmt: skip
    assert fired == {at for state, at in wanted if state == "firing"}
    assert ends == [at for state, at in wanted if state == "inactive"]


def test_when_the_next_level_is_due() -> None:
    alert = AlertState(
        id="a", severity="high", title="t", rule="r", key={}, tags=(), entities=(), fired_at=1_000,
        timestamp=0, last_seen=0,
    )  # fmt: skip
    delays = [0, 500]
    assert escalation_due_ms(delays, 300, alert) == 1_000
    alert.escalation_level, alert.escalated_at = 1, 1_010
    assert escalation_due_ms(delays, 300, alert) == 1_500
    alert.escalation_level, alert.escalated_at = 2, 1_510
    assert escalation_due_ms(delays, 300, alert) == 1_810
    assert escalation_due_ms(delays, None, alert) is None
    assert escalation_due_ms([], 300, alert) is None
    alert.state = "acknowledged"
    assert escalation_due_ms(delays, 300, alert) is None
