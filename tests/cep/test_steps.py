"""Which sequences are refused, and that the reason names the step."""

from __future__ import annotations

import pytest

from summit.base.errors import Invalid
from summit.cep.moves import Automaton
from summit.cep.steps import Step, stoppers, takers

A, B = Step("a"), Step("b")


@pytest.mark.parametrize(
    ("steps", "named", "reason"),
    [
        ([], "", "at least one step"),
        ([A, A], "a", "twice"),
        ([Step("a", times_min=0)], "a", "times"),
        ([Step("a", times_min=3, times_max=2)], "a", "times"),
        ([Step("a", until=True)], "a", "until"),
        ([Step("a", "notNext"), B], "a", "begin"),
        ([A, Step("n", "notNext")], "n", "last"),
        ([A, Step("n", "notFollowedBy")], "n", "within"),
        ([A, Step("n", "notNext", times_max=2), B], "n", "negative"),
        ([A, Step("n", "notFollowedBy", optional=True), B], "n", "negative"),
        ([A, Step("o", optional=True), Step("n", "notFollowedBy"), B], "n", "'o'"),
        ([Step("g", times_max=None, greedy=True), Step("o", optional=True)], "o", "'g'"),
        ([Step("g", times_max=None, greedy=True, group=(A, B))], "g", "group"),
        ([Step("g", group=(A, Step("o", until=True)))], "o", "until"),
    ],
)
def test_refused(steps: list[Step], named: str, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        Automaton(steps, None)
    assert caught.value.code == "pattern.steps"
    assert caught.value.details["step"] == named
    assert reason in str(caught.value)


def test_an_absence_at_the_end_needs_within() -> None:
    assert len(Automaton([A, Step("n", "notFollowedBy")], 1_000).pending) == 1


def test_bits_go_by_the_order_of_steps_those_in_groups_included() -> None:
    loop = Step("c", times_max=None, until=True)
    group = Step("g", times_max=None, until=True, group=(Step("x"), loop))
    steps = [A, group, B]
    assert [step.name for step in takers(steps)] == ["a", "x", "c", "b"]
    assert [step.name for step in stoppers(steps)] == ["g", "c"]


def test_only_strict_steps_need_every_event() -> None:
    loop = Step("b", times_min=3, times_max=None)
    assert not Automaton([Step("a", "next"), loop, Step("c", "followedByAny")], None).sees_all
    assert Automaton([A, Step("b", "next")], None).sees_all
    assert Automaton([A, Step("n", "notNext"), B], None).sees_all
    strict = Step("b", times_min=3, times_max=None, contiguity="strict")
    assert Automaton([strict], None).sees_all
    assert Automaton([A, Step("g", group=(Step("x"), Step("y", "next")))], None).sees_all
