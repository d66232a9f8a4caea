"""Groups and offsets on the wire: every version, durability over restarts, description."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from tests.broker.wire import Wire, batch_of

from summit.broker import BrokerThread
from summit.protocol import codes
from summit.protocol.describe_groups import DESCRIBE_GROUPS, DescribeGroupsRequest
from summit.protocol.heartbeat import HEARTBEAT, HeartbeatRequest
from summit.protocol.join_group import JOIN_GROUP, JoinGroupRequest, JoinGroupRequestProtocol
from summit.protocol.leave_group import LEAVE_GROUP, LeaveGroupRequest, MemberIdentity
from summit.protocol.list_groups import LIST_GROUPS, ListGroupsRequest
from summit.protocol.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from summit.protocol.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from summit.protocol.sync_group import SYNC_GROUP, SyncGroupRequest, SyncGroupRequestAssignment


def join_request(group: str, member_id: str = "", **fields: Any) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=group,
        session_timeout_ms=fields.pop("session_timeout_ms", 10_000),
        rebalance_timeout_ms=20_000,
        member_id=member_id,
        protocol_type=fields.pop("protocol_type", "consumer"),
        protocols=fields.pop(
            "protocols", [JoinGroupRequestProtocol(name="range", metadata=b"meta")]
        ),
        **fields,
    )


def join(wire: Wire, group: str, version: int = 9, **fields: Any) -> Any:
    """Join, coming back with the given id where one is required."""
    answer = wire.ask(JOIN_GROUP, version, join_request(group, **fields))
    if answer.error_code == codes.MEMBER_ID_REQUIRED:
        again = join_request(group, answer.member_id, **fields)
        answer = wire.ask(JOIN_GROUP, version, again)
    return answer


def sync(wire: Wire, group: str, joined: Any, assignment: bytes = b"", version: int = 5) -> Any:
    request = SyncGroupRequest(
        group_id=group,
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        assignments=[SyncGroupRequestAssignment(member_id=joined.member_id, assignment=assignment)],
    )
    return wire.ask(SYNC_GROUP, version, request)


def commit_request(
    group: str, topic: Any, offset: int, *, index: int = 0, **fields: Any
) -> OffsetCommitRequest:
    part = OffsetCommitRequestPartition(
        partition_index=index, committed_offset=offset, committed_leader_epoch=4,
        committed_metadata=fields.pop("metadata", "note"),
    )  # fmt: skip
    where = {"name": topic} if isinstance(topic, str) else {"topic_id": topic}
    return OffsetCommitRequest(
        group_id=group, topics=[OffsetCommitRequestTopic(partitions=[part], **where)], **fields
    )


def commit(wire: Wire, *arguments: Any, version: int = 8, **fields: Any) -> int:
    answer = wire.ask(OFFSET_COMMIT, version, commit_request(*arguments, **fields))
    error: int = answer.topics[0].partitions[0].error_code
    return error


def committed(wire: Wire, group: str, topic: str) -> Any:
    wanted = OffsetFetchRequestTopics(name=topic, partition_indexes=[0])
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=[wanted])])
    return wire.ask(OFFSET_FETCH, 8, request).groups[0].topics[0].partitions[0]


@pytest.fixture
def group() -> str:
    return f"group-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("version", range(10))
def test_every_version_of_join(wire: Wire, group: str, version: int) -> None:
    first = wire.ask(JOIN_GROUP, version, join_request(group))
    if version >= 4:
        assert first.error_code == codes.MEMBER_ID_REQUIRED
        assert first.member_id.startswith("wire-")
        first = wire.ask(JOIN_GROUP, version, join_request(group, first.member_id))
    assert (first.error_code, first.generation_id) == (codes.NONE, 1)
    assert (first.protocol_name, first.leader) == ("range", first.member_id)
    assert [(m.member_id, m.metadata) for m in first.members] == [(first.member_id, b"meta")]


@pytest.mark.parametrize("version", range(6))
def test_every_version_of_sync(wire: Wire, group: str, version: int) -> None:
    joined = join(wire, group)
    answer = sync(wire, group, joined, b"all of it", version)
    assert (answer.error_code, answer.assignment) == (codes.NONE, b"all of it")
    if version >= 5:
        assert (answer.protocol_type, answer.protocol_name) == ("consumer", "range")


@pytest.mark.parametrize("version", range(5))
def test_every_version_of_heartbeat(wire: Wire, group: str, version: int) -> None:
    joined = join(wire, group)
    sync(wire, group, joined)

    def beat(generation: int, member_id: str) -> int:
        request = HeartbeatRequest(group_id=group, generation_id=generation, member_id=member_id)
        error: int = wire.ask(HEARTBEAT, version, request).error_code
        return error

    assert beat(1, joined.member_id) == codes.NONE
    assert beat(2, joined.member_id) == codes.ILLEGAL_GENERATION
    assert beat(1, "nobody") == codes.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("version", range(6))
def test_every_version_of_leave(wire: Wire, group: str, version: int) -> None:
    joined = join(wire, group)
    members = [MemberIdentity(member_id=joined.member_id), MemberIdentity(member_id="nobody")]
    request = LeaveGroupRequest(group_id=group, member_id=joined.member_id, members=members)
    answer = wire.ask(LEAVE_GROUP, version, request)
    assert answer.error_code == codes.NONE
    if version >= 3:
        errors = [each.error_code for each in answer.members]
        assert errors == [codes.NONE, codes.UNKNOWN_MEMBER_ID]
    assert join(wire, group).generation_id == 3


def test_a_join_waits_for_the_other_member(broker: BrokerThread, wire: Wire, group: str) -> None:
    first = join(wire, group)
    sync(wire, group, first)
    with Wire(broker.port) as other:
        request = join_request(group)
        request.member_id = other.ask(JOIN_GROUP, 9, request).member_id
        sent = other.send(JOIN_GROUP, 9, request)
        again = wire.ask(JOIN_GROUP, 9, join_request(group, first.member_id))
        second = other.receive(JOIN_GROUP, 9, sent)
    assert again.generation_id == second.generation_id == 2
    assert len(again.members) == 2
    assert second.members == []


def test_a_silent_member_is_removed(broker: BrokerThread, wire: Wire, group: str) -> None:
    first = join(wire, group, session_timeout_ms=150)
    sync(wire, group, first)
    with Wire(broker.port) as other:
        second = join(other, group)  # waits until the silent one is gone
    assert second.generation_id == 2
    assert [each.member_id for each in second.members] == [second.member_id]


def test_a_join_whose_connection_ended_is_not_answered(
    broker: BrokerThread, wire: Wire, group: str
) -> None:
    first = join(wire, group)
    sync(wire, group, first)
    with Wire(broker.port) as other:
        request = join_request(group, session_timeout_ms=150)
        request.member_id = other.ask(JOIN_GROUP, 9, request).member_id
        other.send(JOIN_GROUP, 9, request)
    again = wire.ask(JOIN_GROUP, 9, join_request(group, first.member_id))
    assert again.error_code == codes.NONE
    time.sleep(0.3)
    last = wire.ask(JOIN_GROUP, 9, join_request(group, first.member_id))
    assert [each.member_id for each in last.members] == [first.member_id]


@pytest.mark.parametrize("version", range(2, 11))
def test_every_version_of_offset_commit(wire: Wire, topic: str, group: str, version: int) -> None:
    where: Any = wire.metadata(topic).topics[0].topic_id if version >= 10 else topic
    assert commit(wire, group, where, 7, version=version) == codes.NONE
    found = committed(wire, group, topic)
    assert (found.committed_offset, found.metadata) == (7, "note")
    assert found.committed_leader_epoch == (4 if version >= 6 else -1)


@pytest.mark.parametrize("version", range(1, 11))
def test_every_version_of_offset_fetch(wire: Wire, topic: str, group: str, version: int) -> None:
    commit(wire, group, topic, 7)
    topic_id = wire.metadata(topic).topics[0].topic_id
    if version < 8:
        single = OffsetFetchRequestTopic(name=topic, partition_indexes=[0, 1])
        request = OffsetFetchRequest(group_id=group, topics=[single])
        answer = wire.ask(OFFSET_FETCH, version, request)
    else:
        wanted = OffsetFetchRequestTopics(name=topic, topic_id=topic_id, partition_indexes=[0, 1])
        one = OffsetFetchRequestGroup(group_id=group, topics=[wanted])
        empty = OffsetFetchRequestGroup(group_id="nobody", topics=[wanted])
        found = wire.ask(OFFSET_FETCH, version, OffsetFetchRequest(groups=[one, empty]))
        answer, nobody = found.groups
        assert [p.committed_offset for p in nobody.topics[0].partitions] == [-1, -1]
    assert answer.error_code == codes.NONE
    parts = answer.topics[0].partitions
    assert [(p.partition_index, p.committed_offset) for p in parts] == [(0, 7), (1, -1)]
    assert [p.error_code for p in parts] == [0, 0]
    assert [p.metadata for p in parts] == ["note", ""]


@pytest.mark.parametrize("version", [2, 7, 8, 10])
def test_null_topics_mean_all(wire: Wire, topic: str, group: str, version: int) -> None:
    commit(wire, group, topic, 7)
    if version < 8:
        answer = wire.ask(OFFSET_FETCH, version, OffsetFetchRequest(group_id=group, topics=None))
    else:
        one = OffsetFetchRequestGroup(group_id=group, topics=None)
        answer = wire.ask(OFFSET_FETCH, version, OffsetFetchRequest(groups=[one])).groups[0]
    (found,) = answer.topics
    assert found.partitions[0].committed_offset == 7
    if version >= 10:
        assert found.topic_id == wire.metadata(topic).topics[0].topic_id


def test_unknown_ids_in_commit_and_fetch(wire: Wire, group: str) -> None:
    assert commit(wire, group, uuid.uuid4(), 7, version=10) == codes.UNKNOWN_TOPIC_ID
    wanted = OffsetFetchRequestTopics(topic_id=uuid.uuid4(), partition_indexes=[0])
    one = OffsetFetchRequestGroup(group_id=group, topics=[wanted])
    (answer,) = wire.ask(OFFSET_FETCH, 10, OffsetFetchRequest(groups=[one])).groups
    assert answer.topics[0].partitions[0].error_code == codes.UNKNOWN_TOPIC_ID


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"topic": "absent-topic"}, codes.UNKNOWN_TOPIC_OR_PARTITION),
        ({"index": 9}, codes.UNKNOWN_TOPIC_OR_PARTITION),
        ({"metadata": "x" * 5000}, codes.OFFSET_METADATA_TOO_LARGE),
        ({"group": ""}, codes.INVALID_GROUP_ID),
        ({"member_id": "nobody", "generation_id_or_member_epoch": 1}, codes.ILLEGAL_GENERATION),
        ({"metadata": None}, codes.NONE),
    ],
)
def test_commits_that_are_refused(
    wire: Wire, topic: str, group: str, fields: dict[str, Any], error: int
) -> None:
    where = fields.pop("topic", topic)
    who = fields.pop("group", group)
    assert commit(wire, who, where, 3, **fields) == error


def test_only_members_commit_while_there_are_any(wire: Wire, topic: str, group: str) -> None:
    joined = join(wire, group)
    sync(wire, group, joined)
    member = {"member_id": joined.member_id, "generation_id_or_member_epoch": 1}
    assert commit(wire, group, topic, 5) == codes.UNKNOWN_MEMBER_ID
    assert commit(wire, group, topic, 5, **member) == codes.NONE
    member["generation_id_or_member_epoch"] = 2
    assert commit(wire, group, topic, 5, **member) == codes.ILLEGAL_GENERATION


def test_offsets_and_generations_survive_restarts(start_broker: Any) -> None:
    broker = start_broker()
    with Wire(broker.port) as wire:
        wire.create_topic("t")
        joined = join(wire, "g")
        sync(wire, "g", joined, b"mine")
        commit(wire, "g", "t", 41, member_id=joined.member_id, generation_id_or_member_epoch=1)
        commit(wire, "other", "t", 6)
    broker.stop()
    with Wire(start_broker().port) as wire:
        assert committed(wire, "g", "t").committed_offset == 41
        assert committed(wire, "other", "t").committed_offset == 6
        # The member goes on as if nothing had happened.
        beat = HeartbeatRequest(group_id="g", generation_id=1, member_id=joined.member_id)
        assert wire.ask(HEARTBEAT, 4, beat).error_code == codes.NONE
        assert sync(wire, "g", joined).assignment == b"mine"


def test_deleted_topic_takes_its_offsets_along(wire: Wire, topic: str, group: str) -> None:
    from summit.protocol.delete_topics import DELETE_TOPICS, DeleteTopicsRequest

    commit(wire, group, topic, 3)
    wire.ask(DELETE_TOPICS, 5, DeleteTopicsRequest(topic_names=[topic], timeout_ms=0))
    assert committed(wire, group, topic).committed_offset == -1


@pytest.mark.parametrize("version", range(7))
def test_describe_groups(wire: Wire, topic: str, group: str, version: int) -> None:
    joined = join(wire, group)
    sync(wire, group, joined, b"part")
    only_offsets = f"{group}-offsets"
    commit(wire, only_offsets, topic, 3)
    request = DescribeGroupsRequest(groups=[group, only_offsets, "absent"])
    living, empty, absent = wire.ask(DESCRIBE_GROUPS, version, request).groups
    assert (living.group_state, living.protocol_data) == ("Stable", "range")
    (member,) = living.members
    assert (member.member_id, member.client_id) == (joined.member_id, "wire")
    assert (member.member_metadata, member.member_assignment) == (b"meta", b"part")
    assert (empty.group_state, empty.members) == ("Empty", [])
    assert absent.group_state == "Dead"
    assert absent.error_code == (codes.GROUP_ID_NOT_FOUND if version >= 6 else codes.NONE)


@pytest.mark.parametrize("version", range(6))
def test_list_groups(wire: Wire, topic: str, group: str, version: int) -> None:
    sync(wire, group, join(wire, group))
    only_offsets = f"{group}-offsets"
    commit(wire, only_offsets, topic, 3)
    found = wire.ask(LIST_GROUPS, version, ListGroupsRequest()).groups
    assert {group, only_offsets} <= {each.group_id for each in found}
    if version >= 4:
        request = ListGroupsRequest(states_filter=["stable"])
        names = {each.group_id for each in wire.ask(LIST_GROUPS, version, request).groups}
        assert group in names
        assert only_offsets not in names
    if version >= 5:
        request = ListGroupsRequest(types_filter=["consumer"])
        assert wire.ask(LIST_GROUPS, version, request).groups == []


def test_lag_in_the_metrics(broker: BrokerThread, wire: Wire, topic: str, group: str) -> None:
    wire.produce(topic, batch_of(b"a", b"b", b"c"))
    commit(wire, group, topic, 1)
    found = broker.metrics()["groups"][group]
    assert (found["lag"], found["lag_records"]) == ({f"{topic}/0": 2}, 2)
