"""A group whose partitions the broker assigns: who holds what, when, and after a restart."""

from __future__ import annotations

import random
import re
import uuid

import pytest

from summit.broker.groups import stored_consumer
from summit.broker.groups.assignment import NOWHERE, Place, Places
from summit.broker.groups.assignors import Sizes
from summit.broker.groups.consumer_group import Beat, BeatReply, ConsumerGroup, ConsumerLimits
from summit.broker.groups.consumer_member import MemberState
from summit.protocol import codes

LIMITS = ConsumerLimits(session_timeout_ms=10_000, members_max=20)


class Topics:
    """Topics by name; ids follow from the order in which they were made."""

    def __init__(self, **counts: int) -> None:
        self.version = 0
        self.ids: dict[str, uuid.UUID] = {}
        self.counts: dict[str, int] = {}
        for name, count in counts.items():
            self.make(name, count)

    def make(self, name: str, count: int) -> None:
        self.version += 1
        self.ids[name] = uuid.UUID(int=self.version)
        self.counts[name] = count

    def drop(self, name: str) -> None:
        self.version += 1
        del self.ids[name], self.counts[name]

    def sizes(self, names: frozenset[str]) -> Sizes:
        return {self.ids[name]: self.counts[name] for name in names if name in self.ids}

    def matching(self, pattern: str) -> frozenset[str]:
        try:
            return frozenset(name for name in self.ids if re.fullmatch(pattern, name))
        except re.error as error:
            raise ValueError(str(error)) from error

    def all(self, *names: str) -> Places:
        return frozenset((self.ids[n], i) for n in names for i in range(self.counts[n]))


def group_of(topics: Topics) -> ConsumerGroup:
    return ConsumerGroup("g", LIMITS, topics)


class Client:
    """A member as a client library plays it: it says what it holds, and gives back when told."""

    def __init__(self, name: str, **fields: object) -> None:
        self.name = name
        self.fields = fields
        self.epoch = 0
        self.held: Places = NOWHERE
        self.told: Places = NOWHERE

    def ask(self) -> Beat:
        return Beat(
            member_id=self.name, epoch=self.epoch, rebalance_timeout_ms=5_000, owned=self.held,
            **self.fields,  # type: ignore[arg-type]
        )  # fmt: skip

    def take(self, reply: BeatReply) -> None:
        if reply.error:
            self.epoch, self.held, self.told = 0, NOWHERE, NOWHERE
            return
        self.epoch = reply.epoch
        if reply.assignment is not None:
            self.told = reply.assignment
        self.held = self.told

    def beat(self, group: ConsumerGroup, now_ms: float = 0) -> BeatReply:
        reply = group.heartbeat(self.ask(), now_ms)
        self.take(reply)
        return reply


def converge(group: ConsumerGroup, clients: list[Client], now_ms: float = 0) -> None:
    """Heartbeats until nothing moves any more."""
    for _ in range(20):
        for client in clients:
            client.beat(group, now_ms)
        if group.state == "Stable":
            for client in clients:
                client.beat(group, now_ms)
            return
    raise AssertionError(group.state)


def test_partitions_are_given_back_before_others_have_them() -> None:
    topics = Topics(t=4)
    group = group_of(topics)
    first, second = Client("a", names=["t"]), Client("b", names=["t"])
    first.beat(group)
    assert first.held == topics.all("t")
    assert second.beat(group).assignment == NOWHERE
    assert group.state == "Reconciling"
    assert second.beat(group).assignment == NOWHERE, "the first has not been told yet"
    reply = group.heartbeat(first.ask(), 0)
    assert reply.assignment is not None
    assert len(reply.assignment) == 2
    assert second.beat(group).assignment == NOWHERE, "the first has not given back yet"
    first.take(reply)
    first.beat(group)
    assert second.beat(group).assignment == topics.all("t") - first.held
    assert group.state == "Stable"


def test_a_heartbeat_that_says_nothing_new_hears_nothing_new() -> None:
    group = group_of(Topics(t=1))
    client = Client("a", names=["t"])
    client.beat(group)
    reply = group.heartbeat(Beat(member_id="a", epoch=client.epoch), 0)
    assert (reply.error, reply.assignment) == (codes.NONE, None)
    assert group.take_dirty()
    group.heartbeat(Beat(member_id="a", epoch=client.epoch), 0)
    assert not group.take_dirty(), "it would be written for nothing"


def test_who_lost_an_answer_may_come_with_the_epoch_before() -> None:
    topics = Topics(t=2)
    group = group_of(topics)
    client = Client("a", names=["t"])
    client.beat(group)
    group.heartbeat(
        Beat(member_id="b", epoch=0, names=["t"], rebalance_timeout_ms=1, owned=NOWHERE), 0
    )
    client.beat(group)
    client.beat(group)  # gave back: it is in the new epoch now
    before = Beat(member_id="a", epoch=client.epoch - 1, owned=client.held)
    assert group.heartbeat(before, 0).error == codes.NONE
    before.owned = topics.all("t")
    assert group.heartbeat(before, 0).error == codes.FENCED_MEMBER_EPOCH
    before.epoch = client.epoch + 1
    assert group.heartbeat(before, 0).error == codes.FENCED_MEMBER_EPOCH


def test_who_does_not_give_back_in_time_is_put_out() -> None:
    topics = Topics(t=2)
    group = group_of(topics)
    first, second = Client("a", names=["t"]), Client("b", names=["t"])
    first.beat(group)
    second.beat(group)
    first.beat(group)
    assert group.deadline_ms() == 5_000
    for now_ms in (2_000, 4_000):
        group.heartbeat(Beat(member_id="a", epoch=first.epoch), now_ms)
        second.beat(group, now_ms)
    group.tick(5_000)
    assert list(group.members) == ["b"]
    second.beat(group, 5_000)
    assert second.held == topics.all("t")
    assert first.beat(group, 5_000).error == codes.UNKNOWN_MEMBER_ID


def test_a_silent_member_is_put_out() -> None:
    group = group_of(Topics(t=2))
    Client("a", names=["t"]).beat(group, 0)
    group.tick(9_999)
    assert group.members
    group.tick(10_000)
    assert not group.members
    assert group.state == "Empty"
    assert group.deadline_ms() is None


def test_topics_that_come_grow_and_go() -> None:
    topics = Topics(a1=1)
    group = group_of(topics)
    client = Client("m", names=["later"], pattern="a.*")
    client.beat(group)
    assert client.held == topics.all("a1")
    topics.make("a2", 2)
    topics.make("later", 3)
    topics.make("other", 9)
    converge(group, [client])
    assert client.held == topics.all("a1", "a2", "later")
    topics.counts["a1"] = 5
    topics.version += 1
    topics.drop("later")
    converge(group, [client])
    assert client.held == topics.all("a1", "a2")
    client.fields = {"names": [], "pattern": ""}
    converge(group, [client])
    assert client.held == NOWHERE


def test_a_static_member_keeps_its_place_while_it_is_away() -> None:
    topics = Topics(t=4)
    group = group_of(topics)
    first = Client("a", names=["t"], instance_id="one")
    second = Client("b", names=["t"], instance_id="two")
    converge(group, [first, second])
    epoch, held = group.epoch, first.held
    again = Client("c", names=["t"], instance_id="one")
    assert again.beat(group).error == codes.UNRELEASED_INSTANCE_ID
    assert group.leave("a", "one", for_a_while=True) == codes.NONE
    converge(group, [second, again])
    assert (again.held, group.epoch) == (held, epoch), "nobody else had to move"
    assert group.heartbeat(first.ask(), 0).error == codes.FENCED_INSTANCE_ID
    assert group.leave("c", "one") == codes.NONE
    converge(group, [second])
    assert second.held == topics.all("t")


def test_a_bad_pattern_changes_nothing() -> None:
    group = group_of(Topics(t=1))
    assert Client("a", names=[], pattern="(").beat(group).error == codes.INVALID_REGULAR_EXPRESSION
    assert not group.members
    assert not group.take_dirty()


def restarted(
    group: ConsumerGroup, disk: dict[bytes, bytes | None], topics: Topics
) -> ConsumerGroup:
    """The group as a start finds it on the disk, with all that it has said so far."""
    disk.update(stored_consumer.records_of(group, group.take_dirty()))
    stored: dict[str, stored_consumer.StoredGroup] = {}
    for key, value in disk.items():
        stored_consumer.replay(stored, key, value)
    new = group_of(topics)
    stored["g"].restore(new, 0)
    return new


def state_of(group: ConsumerGroup) -> object:
    members = {
        name: (m.epoch, m.previous_epoch, m.state, m.assigned, m.revoking, m.names, m.pattern,
               m.instance_id)
        for name, m in group.members.items()
    }  # fmt: skip
    return (group.epoch, group.assignment_epoch, members, group.targets, group.owners,
            group.static_ids)  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_random_lives(seed: int) -> None:
    """Members come, go, fall silent, lose answers; topics change; the broker restarts. No partition
    is ever held by two who may read it, and in the end everything is read."""
    chance = random.Random(seed)
    topics = Topics(t0=3, t1=4)
    group = group_of(topics)
    disk: dict[bytes, bytes | None] = {}
    clients: dict[str, Client] = {}
    serial = 0
    for _ in range(120):
        what = chance.random()
        if what < 0.06 and len(clients) < 6:
            serial += 1
            wanted = [name for name in topics.ids if chance.random() < 0.7]
            fields: dict[str, object] = {"names": wanted}
            if chance.random() < 0.3:
                fields["pattern"] = "t[0-2]"
            clients[f"m{serial}"] = Client(f"m{serial}", **fields)
        elif what < 0.09 and clients:
            name = chance.choice(list(clients))
            group.leave(name, None)
            del clients[name]
        elif what < 0.12:
            topics.make(f"t{chance.randrange(5)}", chance.randrange(6))
        elif what < 0.15 and len(topics.ids) > 1:
            topics.drop(chance.choice(list(topics.ids)))
        elif what < 0.2 and group.epoch > 1:
            before = state_of(group)
            group = restarted(group, disk, topics)
            same = state_of(group)
            assert same == before, "the disk says otherwise"
        elif clients:
            client = chance.choice(list(clients.values()))
            reply = group.heartbeat(client.ask(), 0)
            if chance.random() < 0.85:  # else it gets lost
                client.take(reply)
        check_alone(clients)
        check_owners(group)
    if clients:
        converge(group, list(clients.values()))
        wanted_topics = group.subscribed & topics.ids.keys()
        everything = topics.all(*wanted_topics)
        assert frozenset().union(*(client.held for client in clients.values())) == everything
        for name, member in group.members.items():
            assert member.state is MemberState.STABLE
            assert clients[name].held == member.assigned == group.targets[name]


def check_alone(clients: dict[str, Client]) -> None:
    holders: dict[Place, str] = {}
    for client in clients.values():
        for place in client.held:
            assert holders.setdefault(place, client.name) == client.name, "held by two"


def check_owners(group: ConsumerGroup) -> None:
    """The index of holders says what the members say."""
    assert group.owners == {
        place: member.member_id for member in group.members.values() for place in member.holds
    }
