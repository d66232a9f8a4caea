"""Administrative APIs on the wire, in every version: groups, epochs, directories, listings."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from tests.broker.test_groups_on_the_wire import commit, committed, join, sync
from tests.broker.wire import Wire, batch_of, fetch_request

from summit.broker import BrokerThread
from summit.protocol import codes
from summit.protocol.delete_groups import DELETE_GROUPS, DeleteGroupsRequest
from summit.protocol.describe_groups import DESCRIBE_GROUPS, DescribeGroupsRequest
from summit.protocol.describe_log_dirs import (
    DESCRIBE_LOG_DIRS,
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
)
from summit.protocol.describe_topic_partitions import (
    DESCRIBE_TOPIC_PARTITIONS,
    Cursor,
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from summit.protocol.fetch import FETCH
from summit.protocol.leave_group import LEAVE_GROUP, LeaveGroupRequest, MemberIdentity
from summit.protocol.list_config_resources import (
    LIST_CONFIG_RESOURCES,
    ListConfigResourcesRequest,
)
from summit.protocol.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from summit.protocol.offset_delete import (
    OFFSET_DELETE,
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from summit.protocol.offset_for_leader_epoch import (
    OFFSET_FOR_LEADER_EPOCH,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)

# The consumer protocol's subscription to `t`, version 0.
SUBSCRIBED_TO_T = b"\0\0" + b"\0\0\0\1" + b"\0\1t" + b"\xff\xff\xff\xff"


@pytest.fixture
def group() -> str:
    return f"group-{uuid.uuid4().hex[:8]}"


def leave(wire: Wire, group: str, joined: Any) -> None:
    members = [MemberIdentity(member_id=joined.member_id)]
    request = LeaveGroupRequest(group_id=group, member_id=joined.member_id, members=members)
    assert wire.ask(LEAVE_GROUP, 5, request).error_code == codes.NONE


class TestDeleteGroups:
    @staticmethod
    def delete(wire: Wire, *groups: str, version: int = 2) -> list[int]:
        answer = wire.ask(DELETE_GROUPS, version, DeleteGroupsRequest(groups_names=list(groups)))
        assert [each.group_id for each in answer.results] == list(groups)
        return [each.error_code for each in answer.results]

    @pytest.mark.parametrize("version", range(3))
    def test_every_version(self, wire: Wire, topic: str, group: str, version: int) -> None:
        assert commit(wire, group, topic, 7) == codes.NONE
        assert self.delete(wire, group, "nobody", "", version=version) == [
            codes.NONE, codes.GROUP_ID_NOT_FOUND, codes.INVALID_GROUP_ID,
        ]  # fmt: skip
        assert committed(wire, group, topic).committed_offset == -1
        assert self.delete(wire, group) == [codes.GROUP_ID_NOT_FOUND]

    def test_a_group_with_members_stays(self, wire: Wire, topic: str, group: str) -> None:
        joined = join(wire, group)
        sync(wire, group, joined)
        asking = DescribeGroupsRequest(groups=[group], include_authorized_operations=True)
        described = wire.ask(DESCRIBE_GROUPS, 6, asking).groups[0]
        assert described.authorized_operations == 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11
        assert self.delete(wire, group) == [codes.NON_EMPTY_GROUP]
        leave(wire, group, joined)
        assert self.delete(wire, group) == [codes.NONE]
        described = wire.ask(DESCRIBE_GROUPS, 6, DescribeGroupsRequest(groups=[group])).groups[0]
        assert (described.error_code, described.group_state) == (codes.GROUP_ID_NOT_FOUND, "Dead")
        assert join(wire, group).generation_id == 1, "the group begins anew"

    def test_nothing_asked_nothing_answered(self, wire: Wire) -> None:
        assert self.delete(wire) == []

    def test_it_stays_deleted(self, start_broker: Callable[..., BrokerThread]) -> None:
        broker = start_broker()
        with Wire(broker.port) as wire:
            wire.create_topic("t")
            joined = join(wire, "g")
            sync(wire, "g", joined)
            leave(wire, "g", joined)
            assert commit(wire, "g", "t", 7) == codes.NONE
            assert commit(wire, "kept", "t", 8) == codes.NONE
            assert self.delete(wire, "g") == [codes.NONE]
        broker.stop()
        with Wire(start_broker().port) as wire:
            assert self.delete(wire, "g") == [codes.GROUP_ID_NOT_FOUND]
            assert committed(wire, "kept", "t").committed_offset == 8


class TestOffsetDelete:
    @staticmethod
    def delete(wire: Wire, group: str, topic: str, *indexes: int) -> Any:
        wanted = OffsetDeleteRequestTopic(
            name=topic,
            partitions=[OffsetDeleteRequestPartition(partition_index=index) for index in indexes],
        )
        request = OffsetDeleteRequest(group_id=group, topics=[wanted])
        return wire.ask(OFFSET_DELETE, 0, request)

    def test_of_an_empty_group(self, wire: Wire, topic: str, group: str) -> None:
        assert commit(wire, group, topic, 7) == codes.NONE
        answer = self.delete(wire, group, topic, 0, 9)
        assert answer.error_code == codes.NONE
        assert [(p.partition_index, p.error_code) for p in answer.topics[0].partitions] == [
            (0, codes.NONE), (9, codes.UNKNOWN_TOPIC_OR_PARTITION),
        ]  # fmt: skip
        assert committed(wire, group, topic).committed_offset == -1

    def test_no_such_group(self, wire: Wire, topic: str) -> None:
        assert self.delete(wire, "nobody", topic, 0).error_code == codes.GROUP_ID_NOT_FOUND
        assert self.delete(wire, "", topic, 0).error_code == codes.INVALID_GROUP_ID

    def test_a_topic_that_is_read_keeps_its_commits(self, wire: Wire, group: str) -> None:
        from summit.protocol.join_group import JoinGroupRequestProtocol

        wire.create_topic("t")
        wire.create_topic("other")
        protocol = JoinGroupRequestProtocol(name="range", metadata=SUBSCRIBED_TO_T)
        joined = join(wire, group, protocols=[protocol])
        sync(wire, group, joined)
        assert self.delete(wire, group, "t", 0).topics[0].partitions[0].error_code == (
            codes.GROUP_SUBSCRIBED_TO_TOPIC
        )
        assert self.delete(wire, group, "other", 0).topics[0].partitions[0].error_code == codes.NONE

    def test_of_a_group_that_is_not_of_consumers(self, wire: Wire, topic: str, group: str) -> None:
        joined = join(wire, group, protocol_type="connect")
        sync(wire, group, joined)
        assert self.delete(wire, group, topic, 0).error_code == codes.NON_EMPTY_GROUP


class TestLeaderEpochs:
    @staticmethod
    def ask(wire: Wire, topic: str, epoch: int, *, current: int = -1, version: int = 4) -> Any:
        part = OffsetForLeaderPartition(
            partition=0, current_leader_epoch=current, leader_epoch=epoch
        )
        request = OffsetForLeaderEpochRequest(
            topics=[OffsetForLeaderTopic(topic=topic, partitions=[part])]
        )
        return wire.ask(OFFSET_FOR_LEADER_EPOCH, version, request).topics[0].partitions[0]

    @pytest.mark.parametrize("version", [2, 3, 4])
    def test_every_version(self, wire: Wire, topic: str, version: int) -> None:
        wire.produce(topic, batch_of(b"a", b"b"))
        epoch = wire.metadata(topic).topics[0].partitions[0].leader_epoch
        assert epoch >= 0
        answer = self.ask(wire, topic, epoch, current=epoch, version=version)
        assert (answer.error_code, answer.leader_epoch, answer.end_offset) == (0, epoch, 2)
        answer = self.ask(wire, topic, epoch + 1, version=version)
        assert (answer.error_code, answer.leader_epoch, answer.end_offset) == (0, -1, -1)
        assert self.ask(wire, topic, 0, current=epoch + 1).error_code == codes.UNKNOWN_LEADER_EPOCH
        assert self.ask(wire, "none", 0).error_code == codes.UNKNOWN_TOPIC_OR_PARTITION

    def test_fetch_and_list_offsets_check_the_epoch(self, wire: Wire, topic: str) -> None:
        wire.produce(topic, batch_of(b"a"))
        epoch = wire.metadata(topic).topics[0].partitions[0].leader_epoch
        for given, error in ((epoch, 0), (-1, 0), (epoch + 1, codes.UNKNOWN_LEADER_EPOCH)):
            request = fetch_request([(topic, 0, 0)])
            request.topics[0].partitions[0].current_leader_epoch = given
            assert wire.ask(FETCH, 12, request).topics[0].partitions[0].error_code == error
            part = ListOffsetsPartition(partition_index=0, current_leader_epoch=given, timestamp=-1)
            asked = ListOffsetsTopic(name=topic, partitions=[part])
            answer = wire.ask(LIST_OFFSETS, 7, ListOffsetsRequest(topics=[asked]))
            found = answer.topics[0].partitions[0]
            assert found.error_code == error
            assert found.leader_epoch == (-1 if error else epoch)


class TestDescribeLogDirs:
    @pytest.mark.parametrize("version", range(1, 6))
    def test_every_version(self, wire: Wire, topic: str, version: int) -> None:
        batch = batch_of(b"a" * 100)
        wire.produce(topic, batch)
        asked = [DescribableLogDirTopic(topic=topic, partitions=[0, 7])]
        answer = wire.ask(DESCRIBE_LOG_DIRS, version, DescribeLogDirsRequest(topics=asked))
        (found,) = answer.results
        assert found.error_code == codes.NONE
        assert os.path.isabs(found.log_dir)
        (described,) = found.topics
        (part,) = described.partitions
        assert (described.name, part.partition_index, part.partition_size) == (topic, 0, len(batch))
        assert (part.offset_lag, part.is_future_key) == (0, False)
        if version >= 4:
            assert found.total_bytes > found.usable_bytes > 0

    def test_null_asks_for_everything(self, wire: Wire, topic: str) -> None:
        (found,) = wire.ask(DESCRIBE_LOG_DIRS, 4, DescribeLogDirsRequest(topics=None)).results
        names = {each.name for each in found.topics}
        assert {topic, "__consumer_offsets"} <= names
        assert "__cluster_metadata" not in names

    def test_several_directories(
        self, start_broker: Callable[..., BrokerThread], tmp_path: Any
    ) -> None:
        dirs = (str(tmp_path / "one"), str(tmp_path / "two"))
        with Wire(start_broker(log_dirs=dirs).port) as wire:
            wire.create_topic("t", 4)
            results = wire.ask(DESCRIBE_LOG_DIRS, 4, DescribeLogDirsRequest(topics=None)).results
            assert [each.log_dir for each in results] == list(dirs)
            held = [
                {p.partition_index for t in each.topics if t.name == "t" for p in t.partitions}
                for each in results
            ]
            assert held[0] | held[1] == {0, 1, 2, 3}
            assert not held[0] & held[1]


class TestDescribeTopicPartitions:
    @staticmethod
    def ask(wire: Wire, *names: str, limit: int = 2000, cursor: Cursor | None = None) -> Any:
        request = DescribeTopicPartitionsRequest(
            topics=[TopicRequest(name=name) for name in names],
            response_partition_limit=limit,
            cursor=cursor,
        )
        return wire.ask(DESCRIBE_TOPIC_PARTITIONS, 0, request)

    def test_pages_follow_the_cursor(self, wire: Wire) -> None:
        names = [f"page-{uuid.uuid4().hex[:6]}-{letter}" for letter in "abc"]
        for name in names:
            wire.create_topic(name, 3)
        names.sort()
        found: list[tuple[str, int]] = []
        cursor = None
        pages = 0
        while True:
            answer = self.ask(wire, *reversed(names), limit=4, cursor=cursor)
            pages += 1
            found += [(t.name, p.partition_index) for t in answer.topics for p in t.partitions]
            cursor = answer.next_cursor
            if cursor is None:
                break
        assert found == [(name, index) for name in names for index in range(3)]
        assert pages == 3

    def test_what_it_says_of_a_partition(self, wire: Wire, topic: str) -> None:
        answer = self.ask(wire, topic)
        (described,) = answer.topics
        assert described.topic_id == wire.metadata(topic).topics[0].topic_id
        (part,) = described.partitions
        assert (part.leader_id, part.replica_nodes, part.isr_nodes) == (1, [1], [1])
        assert part.leader_epoch >= 0
        assert answer.next_cursor is None

    def test_unknown_topics_are_not_made(self, wire: Wire) -> None:
        answer = self.ask(wire, "never-made", "not/legal")
        assert [(t.name, t.error_code) for t in answer.topics] == [
            ("never-made", codes.UNKNOWN_TOPIC_OR_PARTITION),
            ("not/legal", codes.INVALID_TOPIC_EXCEPTION),
        ]
        assert "never-made" not in {each.name for each in self.ask(wire).topics}


class TestListConfigResources:
    def test_version_0_asks_for_client_metrics(self, wire: Wire, topic: str) -> None:
        answer = wire.ask(LIST_CONFIG_RESOURCES, 0, ListConfigResourcesRequest())
        assert (answer.error_code, answer.config_resources) == (codes.NONE, [])

    def test_by_type(self, wire: Wire, topic: str) -> None:
        def ask(*types: int) -> Any:
            request = ListConfigResourcesRequest(resource_types=list(types))
            return wire.ask(LIST_CONFIG_RESOURCES, 1, request)

        def pairs(answer: Any) -> set[tuple[int, str]]:
            return {(each.resource_type, each.resource_name) for each in answer.config_resources}

        assert (2, topic) in pairs(ask())
        assert {(4, "1"), (8, "1")} <= pairs(ask())
        assert pairs(ask(4)) == {(4, "1")}
        assert ask(77).error_code == codes.UNSUPPORTED_VERSION
