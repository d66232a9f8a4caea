"""A group under random members: nobody is forgotten and nobody is answered twice."""

from __future__ import annotations

import random
from typing import Any

import pytest

from summit.broker.groups.group import Group
from summit.broker.groups.member import JoinAsk, JoinReply, SyncAsk
from summit.broker.groups.states import GroupLimits, State
from summit.protocol import codes


class Client:
    """A member as a client library plays it, but that may stop, forget or leave at any time."""

    def __init__(self, number: int, instance_id: str | None) -> None:
        self.number = number
        self.instance_id = instance_id
        self.member_id = ""
        self.generation = -1
        self.waits = ""  # the ticket of the answer it waits for
        self.leads: list[str] = []
        self.assignment: bytes | None = None


class World:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.group = Group("g", GroupLimits(initial_delay_ms=self.chance.choice([0, 0, 50])))
        self.clients = [
            Client(n, f"static-{n}" if self.chance.random() < 0.3 else None) for n in range(5)
        ]
        self.now = 0.0
        self.serial = 0
        self.asked: dict[str, Client] = {}
        self.answered: set[str] = set()
        self.last_generation = 0
        self.assigned: dict[int, dict[str, bytes]] = {}
        self.unsaved: list[int] = []

    def ticket(self, client: Client) -> str:
        self.serial += 1
        client.waits = f"t{self.serial}"
        self.asked[client.waits] = client
        return client.waits

    def settle(self) -> None:
        for ticket, reply in self.group.take_replies():
            assert isinstance(ticket, str)
            assert ticket not in self.answered, "answered twice"
            self.answered.add(ticket)
            client = self.asked[ticket]
            if client.waits == ticket:
                client.waits = ""
                self.take(client, reply)
        if self.group.take_save():
            self.unsaved.append(self.group.generation)
        assert self.group.generation >= self.last_generation
        self.last_generation = self.group.generation
        if self.group.state is State.EMPTY:
            assert not self.group.members

    def take(self, client: Client, reply: Any) -> None:
        if reply.error == codes.MEMBER_ID_REQUIRED:
            client.member_id = reply.member_id
        elif reply.error in (codes.UNKNOWN_MEMBER_ID, codes.FENCED_INSTANCE_ID):
            client.member_id, client.generation = "", -1
        elif reply.error != codes.NONE:
            client.generation = -1
        elif isinstance(reply, JoinReply):
            client.member_id, client.generation = reply.member_id, reply.generation
            is_leader = reply.leader_id == reply.member_id and not reply.skip_assignment
            client.leads = [member[0] for member in reply.members] if is_leader else []
            client.assignment = None
        else:
            client.assignment = reply.assignment
            known = self.assigned.setdefault(client.generation, {})
            if not client.instance_id:  # a static member may be replaced within a generation
                assert known.setdefault(client.member_id, reply.assignment) == reply.assignment

    def join(self, client: Client) -> None:
        self.serial += 1
        ask = JoinAsk(
            member_id=client.member_id,
            fresh_member_id=f"m{self.serial}",
            instance_id=client.instance_id,
            protocols=[("range", b"%d" % client.number)],
            session_timeout_ms=1_000,
            rebalance_timeout_ms=2_000,
            must_know_id=self.chance.random() < 0.5,
            may_skip_assignment=True,
        )
        self.group.join(ask, self.ticket(client), self.now)

    def sync(self, client: Client) -> None:
        assignments = {
            member: b"%d of %d" % (i, client.generation) for i, member in enumerate(client.leads)
        }
        ask = SyncAsk(
            member_id=client.member_id,
            instance_id=client.instance_id,
            generation=client.generation,
            assignments=assignments,
        )
        self.group.sync(ask, self.ticket(client), self.now)

    def step(self) -> None:
        client = self.chance.choice(self.clients)
        act = self.chance.random()
        if self.unsaved and act < 0.3:
            generation = self.unsaved.pop(0)
            failed = self.chance.random() < 0.1
            self.group.saved(generation, codes.COORDINATOR_NOT_AVAILABLE if failed else 0)
        elif act < 0.45:
            self.now += self.chance.choice([1, 10, 300, 900])
            self.group.tick(self.now)
        elif act < 0.5:
            self.group.leave(client.member_id, client.instance_id, self.now)
        elif act < 0.55:  # forgets who it was, as after a crash
            client.member_id, client.generation, client.waits = "", -1, ""
        else:
            self.behave(client)
        self.settle()

    def behave(self, client: Client) -> None:
        if client.waits:
            return
        if client.generation < 0:
            self.join(client)
        elif client.assignment is None:
            self.sync(client)
        else:
            error = self.group.heartbeat(
                client.member_id, client.instance_id, client.generation, self.now
            )
            if error:
                client.generation = -1
            if error not in (codes.NONE, codes.REBALANCE_IN_PROGRESS):
                client.member_id = ""

    def calm_down(self) -> None:
        """Everybody behaves from now on."""
        for _ in range(400):
            self.now += 50
            self.group.tick(self.now)
            self.settle()
            while self.unsaved:
                self.group.saved(self.unsaved.pop(0))
                self.settle()
            for client in self.clients:
                self.behave(client)
                self.settle()


@pytest.mark.parametrize("seed", range(60))
def test_random_members(seed: int) -> None:
    world = World(seed)
    for _ in range(300):
        world.step()
        deadline = world.group.deadline_ms()
        assert deadline is None or deadline < world.now + 10_000
    world.calm_down()
    group = world.group
    assert group.state is State.STABLE
    assert {client.member_id for client in world.clients} == set(group.members)
    assert {client.generation for client in world.clients} == {group.generation}
    assert all(client.assignment for client in world.clients), "somebody has no part"
    group.kill()
    world.settle()
    assert set(world.asked) == world.answered, "a request was never answered"
