"""The group state machine: who is answered what, when, and in which generation."""

from __future__ import annotations

from typing import Any

import pytest

from summit.broker.groups.group import Group
from summit.broker.groups.member import JoinAsk, JoinReply, SyncAsk, SyncReply
from summit.broker.groups.states import GroupLimits, State
from summit.protocol import codes


class Driver:
    """Drives a group with a hand-moved clock; tickets are plain names."""

    def __init__(self, **limits: Any) -> None:
        self.group = Group("g", GroupLimits(**limits))
        self.now = 0.0
        self.serial = 0
        self.answers: dict[str, Any] = {}

    def settle(self, *, save: bool = True) -> None:
        while True:
            for ticket, reply in self.group.take_replies():
                assert ticket not in self.answers, f"{ticket} is answered twice"
                self.answers[str(ticket)] = reply
            if not save or not self.group.take_save():
                return
            self.group.saved(self.group.generation)

    def join(self, ticket: str, member_id: str = "", **fields: Any) -> None:
        self.serial += 1
        fields.setdefault("protocols", [("range", b"sub-" + ticket.encode())])
        fields.setdefault("session_timeout_ms", 10_000)
        fields.setdefault("rebalance_timeout_ms", 60_000)
        ask = JoinAsk(member_id=member_id, fresh_member_id=f"m{self.serial}", **fields)
        self.group.join(ask, ticket, self.now)
        self.settle()

    def sync(self, ticket: str, member_id: str, generation: int, **fields: Any) -> None:
        save = fields.pop("save", True)
        ask = SyncAsk(member_id=member_id, generation=generation, **fields)
        self.group.sync(ask, ticket, self.now)
        self.settle(save=save)

    def tick(self, ms: float) -> None:
        self.now += ms
        self.group.tick(self.now)
        self.settle()

    def pop(self, ticket: str) -> Any:
        return self.answers.pop(ticket)


def stable_pair() -> tuple[Driver, str, str]:
    """A stable group of two; the first is the leader."""
    d = Driver()
    d.join("a")
    a = d.pop("a").member_id
    d.join("b")
    d.join("a2", a)
    b = d.pop("b").member_id
    d.pop("a2")
    d.sync("sb", b, 2)
    d.sync("sa", a, 2, assignments={a: b"for-a", b: b"for-b"})
    assert d.pop("sa").assignment == b"for-a"
    assert d.pop("sb").assignment == b"for-b"
    assert d.group.state is State.STABLE
    return d, a, b


def test_one_member_joins_at_once_and_syncs() -> None:
    d = Driver()
    d.join("a", client_id="cli")
    reply = d.pop("a")
    assert (reply.error, reply.generation, reply.protocol) == (codes.NONE, 1, "range")
    assert reply.leader_id == reply.member_id == "m1"
    assert reply.members == [("m1", None, b"sub-a")]
    d.sync("s", "m1", 1, assignments={"m1": b"all"})
    assert d.pop("s") == SyncReply(
        error=codes.NONE, protocol_type="consumer", protocol="range", assignment=b"all"
    )
    assert d.group.heartbeat("m1", None, 1, d.now) == codes.NONE


def test_second_member_waits_for_the_first_to_rejoin() -> None:
    d = Driver()
    d.join("a")
    a = d.pop("a").member_id
    d.sync("s", a, 1, assignments={a: b"all"})
    d.join("b")
    assert "b" not in d.answers
    assert d.group.heartbeat(a, None, 1, d.now) == codes.REBALANCE_IN_PROGRESS
    d.join("a2", a)
    leader, follower = d.pop("a2"), d.pop("b")
    assert leader.generation == follower.generation == 2
    assert leader.leader_id == follower.leader_id == a
    assert {m[0] for m in leader.members} == {a, follower.member_id}
    assert follower.members == []


def test_follower_syncing_first_waits_for_the_leader_and_for_the_disk() -> None:
    d = Driver()
    d.join("a")
    a = d.pop("a").member_id
    d.join("b")
    d.join("a2", a)
    b = d.pop("b").member_id
    d.sync("sb", b, 2)
    assert "sb" not in d.answers
    d.sync("sa", a, 2, assignments={a: b"A", b: b"B"}, save=False)
    assert "sa" not in d.answers, "an assignment is told only when it is on the disk"
    assert d.group.take_save()
    d.group.saved(2)
    d.settle()
    assert (d.pop("sa").assignment, d.pop("sb").assignment) == (b"A", b"B")


def test_failed_save_refuses_the_syncs_and_the_leader_may_try_again() -> None:
    d = Driver()
    d.join("a")
    d.sync("s", "m1", 1, assignments={"m1": b"x"}, save=False)
    assert d.group.take_save()
    d.group.saved(1, codes.COORDINATOR_NOT_AVAILABLE)
    d.settle()
    assert d.pop("s").error == codes.COORDINATOR_NOT_AVAILABLE
    d.sync("s2", "m1", 1, assignments={"m1": b"y"})
    assert d.pop("s2").assignment == b"y"


def test_save_of_an_overtaken_generation_is_ignored() -> None:
    d = Driver()
    d.join("a")
    d.sync("s", "m1", 1, assignments={"m1": b"x"}, save=False)
    assert d.group.take_save()
    d.join("b")  # rebalance starts while the write is in flight
    assert d.pop("s").error == codes.REBALANCE_IN_PROGRESS
    d.group.saved(1)
    assert d.group.state is State.PREPARING


def test_member_id_is_required_first_when_asked_for() -> None:
    d = Driver()
    d.join("a", must_know_id=True)
    reply = d.pop("a")
    assert (reply.error, reply.member_id) == (codes.MEMBER_ID_REQUIRED, "m1")
    assert d.group.state is State.EMPTY
    d.join("a2", "m1", must_know_id=True)
    assert d.pop("a2").error == codes.NONE


def test_a_given_id_is_forgotten_after_the_session() -> None:
    d = Driver()
    d.join("a", must_know_id=True)
    assert d.group.deadline_ms() == 10_000
    d.tick(10_000)
    d.join("a2", "m1", must_know_id=True)
    assert d.pop("a2").error == codes.UNKNOWN_MEMBER_ID


def test_a_rebalance_waits_for_a_given_id() -> None:
    d, a, b = stable_pair()
    d.join("c", must_know_id=True)
    c = d.pop("c").member_id
    d.join("c2", c)  # in: rebalance
    d.join("a2", a)
    d.join("d", must_know_id=True)
    d.join("b2", b)
    assert "a2" not in d.answers, "the one with the fresh id has not come back yet"
    d.join("d2", d.pop("d").member_id)
    assert {d.pop(t).generation for t in ("a2", "b2", "c2", "d2")} == {3}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"session_timeout_ms": 5}, codes.INVALID_SESSION_TIMEOUT),
        ({"session_timeout_ms": 10**9}, codes.INVALID_SESSION_TIMEOUT),
        ({"protocols": []}, codes.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": ""}, codes.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocols": [("cooperative", b"")]}, codes.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": "connect"}, codes.INCONSISTENT_GROUP_PROTOCOL),
        ({"member_id": "nobody"}, codes.UNKNOWN_MEMBER_ID),
        ({"member_id": "nobody", "instance_id": "i"}, codes.UNKNOWN_MEMBER_ID),
    ],
)
def test_joins_that_are_refused(fields: dict[str, Any], error: int) -> None:
    d, _, _ = stable_pair()
    d.join("x", **fields)
    assert d.pop("x").error == error
    assert d.group.state is State.STABLE


def test_group_takes_no_more_than_its_limit() -> None:
    d = Driver(members_max=1)
    d.join("a")
    d.join("b")
    assert d.pop("b").error == codes.GROUP_MAX_SIZE_REACHED


def test_protocol_with_most_votes_among_the_common_ones() -> None:
    d = Driver()
    d.join("a", protocols=[("x", b""), ("range", b"a-r"), ("sticky", b"")])
    a = d.pop("a").member_id
    d.join("b", protocols=[("sticky", b"b-s"), ("range", b"b-r")])
    d.join("a2", a, protocols=[("x", b""), ("range", b"a-r"), ("sticky", b"a-s")])
    d.join("c", protocols=[("range", b"c-r"), ("sticky", b"c-s")])
    assert d.pop("a2").protocol in ("range", "sticky")
    b = d.pop("b").member_id
    d.join("b2", b, protocols=[("sticky", b"b-s"), ("range", b"b-r")])
    d.join("a3", a, protocols=[("x", b""), ("range", b"a-r"), ("sticky", b"a-s")])
    reply = d.pop("a3")
    assert reply.protocol == "range"
    assert sorted(m[2] for m in reply.members) == [b"a-r", b"b-r", b"c-r"]


def test_follower_that_rejoins_unchanged_gets_the_same_generation() -> None:
    d, _, b = stable_pair()
    d.join("b2", b, protocols=[("range", b"sub-b")])
    assert d.pop("b2").generation == 2
    assert d.group.state is State.STABLE


def test_leader_that_rejoins_starts_a_rebalance() -> None:
    d, a, b = stable_pair()
    d.join("a3", a, protocols=[("range", b"sub-a2")])
    assert "a3" not in d.answers
    d.join("b3", b, protocols=[("range", b"sub-b")])
    assert d.pop("a3").generation == d.pop("b3").generation == 3


def test_silent_member_is_removed_at_its_sessions_end() -> None:
    d, a, b = stable_pair()
    d.tick(9_000)
    assert d.group.heartbeat(a, None, 2, d.now) == codes.NONE
    d.tick(1_000)
    assert list(d.group.members) == [a]
    assert d.group.heartbeat(a, None, 2, d.now) == codes.REBALANCE_IN_PROGRESS
    assert d.group.heartbeat(b, None, 2, d.now) == codes.UNKNOWN_MEMBER_ID
    d.join("a3", a)
    assert [m[0] for m in d.pop("a3").members] == [a]


def test_rebalance_goes_on_without_who_does_not_rejoin() -> None:
    d, a, b = stable_pair()
    d.join("c", rebalance_timeout_ms=5_000, session_timeout_ms=70_000)
    d.join("a3", a, rebalance_timeout_ms=5_000)
    for _ in range(60):  # b only heartbeats
        d.tick(1_000)
        if b in d.group.members:
            d.group.heartbeat(b, None, 2, d.now)
    assert b not in d.group.members
    assert d.pop("a3").generation == d.pop("c").generation == 3


def test_members_that_do_not_sync_are_removed() -> None:
    d = Driver()
    d.join("a", rebalance_timeout_ms=5_000, session_timeout_ms=60_000)
    a = d.pop("a").member_id
    d.join("b", rebalance_timeout_ms=5_000, session_timeout_ms=60_000)
    d.join("a2", a, rebalance_timeout_ms=5_000, session_timeout_ms=60_000)
    b = d.pop("b").member_id
    d.sync("sb", b, 2)
    d.tick(5_000)  # the leader stays silent
    assert d.pop("sb").error == codes.REBALANCE_IN_PROGRESS
    d.join("b2", b)
    assert d.pop("b2").leader_id == b


@pytest.mark.parametrize(
    ("member", "instance", "generation", "error"),
    [
        ("a", None, 1, codes.ILLEGAL_GENERATION),
        ("a", None, 3, codes.ILLEGAL_GENERATION),
        ("nobody", None, 2, codes.UNKNOWN_MEMBER_ID),
        ("a", "nobody", 2, codes.UNKNOWN_MEMBER_ID),
    ],
)
def test_requests_of_strangers(member: str, instance: str, generation: int, error: int) -> None:
    d, a, _ = stable_pair()
    who = a if member == "a" else member
    assert d.group.heartbeat(who, instance, generation, d.now) == error
    assert d.group.check_commit(who, instance, generation, d.now) == error
    d.sync("s", who, generation, instance_id=instance)
    assert d.pop("s").error == error


def test_sync_with_another_protocol_is_refused() -> None:
    d, a, _ = stable_pair()
    d.sync("s1", a, 2, protocol="sticky")
    assert d.pop("s1").error == codes.INCONSISTENT_GROUP_PROTOCOL
    d.sync("s2", a, 2, protocol_type="connect")
    assert d.pop("s2").error == codes.INCONSISTENT_GROUP_PROTOCOL


def test_leave_rebalances_the_rest_and_the_last_one_empties_the_group() -> None:
    d, a, b = stable_pair()
    assert d.group.leave(a, None, d.now) == codes.NONE
    assert d.group.leave(a, None, d.now) == codes.UNKNOWN_MEMBER_ID
    assert d.group.state is State.PREPARING
    d.join("b3", b)
    assert d.pop("b3").leader_id == b
    assert d.group.leave(b, None, d.now) == codes.NONE
    assert d.group.state is State.EMPTY
    assert d.group.deadline_ms() is None
    d.join("c")
    assert d.pop("c").generation == 5


def test_leave_of_a_waiting_member_answers_it() -> None:
    d, a, _ = stable_pair()
    d.join("a3", a, protocols=[("range", b"new")])
    assert d.group.leave(a, None, d.now) == codes.NONE
    d.settle()
    assert d.pop("a3").error == codes.UNKNOWN_MEMBER_ID


def test_commits_are_refused_between_join_and_sync() -> None:
    d = Driver()
    d.join("a")
    assert d.group.check_commit("m1", None, 1, d.now) == codes.REBALANCE_IN_PROGRESS
    assert d.group.check_commit("", None, -1, d.now) == codes.UNKNOWN_MEMBER_ID


def test_anybody_may_commit_while_nobody_is_in() -> None:
    d = Driver()
    assert d.group.check_commit("", None, -1, d.now) == codes.NONE


def test_static_member_takes_its_place_back_without_a_rebalance() -> None:
    d = Driver()
    d.join("a", instance_id="ia")
    a = d.pop("a").member_id
    d.join("b", instance_id="ib")
    d.join("a2", a, instance_id="ia")
    b = d.pop("b").member_id
    d.pop("a2")
    d.sync("sb", b, 2, instance_id="ib")
    d.sync("sa", a, 2, instance_id="ia", assignments={a: b"A", b: b"B"})
    d.answers.clear()
    d.join("b2", "", instance_id="ib", protocols=[("range", b"sub-b")])
    reply = d.pop("b2")
    assert (reply.error, reply.generation) == (codes.NONE, 2)
    assert reply.member_id not in ("", b)
    assert d.group.heartbeat(b, "ib", 2, d.now) == codes.FENCED_INSTANCE_ID
    d.sync("sb2", reply.member_id, 2, instance_id="ib")
    assert d.pop("sb2").assignment == b"B"


@pytest.mark.parametrize("may_skip", [True, False])
def test_static_leader_that_returns_does_not_assign_anew(may_skip: bool) -> None:
    d = Driver()
    d.join("a", instance_id="ia")
    old = d.pop("a").member_id
    d.sync("s", old, 1, instance_id="ia", assignments={old: b"A"})
    d.join("a2", instance_id="ia", may_skip_assignment=may_skip, protocols=[("range", b"sub-a")])
    reply = d.pop("a2")
    assert reply.generation == 1
    assert reply.skip_assignment is may_skip
    assert (reply.leader_id == reply.member_id) is may_skip


def test_second_instance_fences_the_waiting_first() -> None:
    d, a, b = stable_pair()
    d.join("s1", instance_id="same")
    d.join("s2", instance_id="same")
    assert d.pop("s1").error == codes.FENCED_INSTANCE_ID
    d.join("a3", a)
    d.join("b3", b)
    assert d.pop("s2").error == codes.NONE


def test_static_member_may_leave_by_its_instance_id() -> None:
    d = Driver()
    d.join("a", instance_id="ia")
    assert d.group.leave("", "nobody", 0) == codes.UNKNOWN_MEMBER_ID
    assert d.group.leave("other", "ia", 0) == codes.FENCED_INSTANCE_ID
    assert d.group.leave("", "ia", 0) == codes.NONE
    assert d.group.state is State.EMPTY


def test_initial_delay_collects_members_of_an_empty_group() -> None:
    d = Driver(initial_delay_ms=3_000)
    d.join("a")
    d.tick(2_000)
    d.join("b")
    d.tick(2_000)
    assert d.answers == {}
    d.tick(1_000)
    assert d.pop("a").generation == d.pop("b").generation == 1


def test_repeated_join_replaces_the_first_request() -> None:
    d, a, _ = stable_pair()
    d.join("a3", a, protocols=[("range", b"1")])
    d.join("a4", a, protocols=[("range", b"2")])
    assert d.pop("a3").error == codes.REBALANCE_IN_PROGRESS
    assert "a4" not in d.answers


def test_dead_group_refuses_everybody() -> None:
    d, a, _ = stable_pair()
    d.join("a3", a, protocols=[("range", b"1")])
    d.group.kill()
    d.settle()
    assert d.pop("a3").error == codes.COORDINATOR_NOT_AVAILABLE
    assert d.group.heartbeat(a, None, 2, d.now) == codes.COORDINATOR_NOT_AVAILABLE
    d.join("n")
    assert d.pop("n").error == codes.COORDINATOR_NOT_AVAILABLE


def test_replies_are_plain_values() -> None:
    assert JoinReply(error=0) == JoinReply(error=0)
