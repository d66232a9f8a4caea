"""Commits of groups without members expire; those of living groups do not."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import pytest
from tests.broker.test_admin import leave
from tests.broker.test_groups_on_the_wire import commit, committed, join, sync
from tests.broker.wire import Wire

from summit.broker import BrokerThread
from summit.protocol import codes
from summit.protocol.list_groups import LIST_GROUPS, ListGroupsRequest


@pytest.fixture
def group() -> str:
    return f"group-{uuid.uuid4().hex[:8]}"


def expire(thread: BrokerThread, retention_ms: int) -> None:
    """Look for what has expired, on the broker's loop."""
    state = thread._broker._state
    assert state is not None
    done = threading.Event()

    def act() -> None:
        state.coordinator.expire(retention_ms)
        done.set()

    state.loop.call_soon_threadsafe(act)
    assert done.wait(10)


def listed(wire: Wire) -> set[str]:
    answer = wire.ask(LIST_GROUPS, 5, ListGroupsRequest())
    return {each.group_id for each in answer.groups}


def test_of_a_group_that_never_had_members(
    broker: BrokerThread, wire: Wire, topic: str, group: str
) -> None:
    assert commit(wire, group, topic, 7) == codes.NONE
    expire(broker, 60_000)
    assert committed(wire, group, topic).committed_offset == 7
    expire(broker, -60_000)  # a minute after everything
    assert committed(wire, group, topic).committed_offset == -1
    assert group not in listed(wire)


def test_members_keep_their_commits(
    broker: BrokerThread, wire: Wire, topic: str, group: str
) -> None:
    joined = join(wire, group)
    sync(wire, group, joined)
    fields = {"generation_id_or_member_epoch": 1, "member_id": joined.member_id}
    assert commit(wire, group, topic, 7, **fields) == codes.NONE
    expire(broker, -60_000)
    assert committed(wire, group, topic).committed_offset == 7
    leave(wire, group, joined)
    expire(broker, 60_000)
    assert committed(wire, group, topic).committed_offset == 7, "its time begins when it is empty"
    expire(broker, -60_000)
    assert committed(wire, group, topic).committed_offset == -1
    assert group not in listed(wire)


def test_it_lasts(start_broker: Callable[..., BrokerThread]) -> None:
    broker = start_broker()
    with Wire(broker.port) as wire:
        wire.create_topic("t")
        assert commit(wire, "g", "t", 7) == codes.NONE
        expire(broker, -60_000)
    broker.stop()
    with Wire(start_broker().port) as wire:
        assert "g" not in listed(wire)
