"""Changing what exists, on the wire and over restarts: partitions, records, configs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from tests.broker.wire import Wire, batch_of

from summit.broker import BrokerThread
from summit.protocol import codes
from summit.protocol.alter_configs import (
    ALTER_CONFIGS,
    AlterableConfig,
    AlterConfigsRequest,
    AlterConfigsResource,
)
from summit.protocol.create_partitions import (
    CREATE_PARTITIONS,
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from summit.protocol.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from summit.protocol.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from summit.protocol.incremental_alter_configs import (
    INCREMENTAL_ALTER_CONFIGS,
    IncrementalAlterConfigsRequest,
)
from summit.protocol.incremental_alter_configs import AlterableConfig as Change
from summit.protocol.incremental_alter_configs import AlterConfigsResource as ChangedResource
from summit.protocol.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)

TOPIC, BROKER = 2, 4
SET, DELETE, APPEND, SUBTRACT = range(4)

Start = Callable[..., BrokerThread]


@pytest.fixture
def name() -> str:
    return f"alter-{uuid.uuid4().hex[:8]}"


# ---- asking ----


def grow(
    wire: Wire, topic: str, count: int, *, version: int = 3, brokers: Any = None, **fields: Any
) -> Any:
    assignments = brokers and [CreatePartitionsAssignment(broker_ids=each) for each in brokers]
    wanted = CreatePartitionsTopic(name=topic, count=count, assignments=assignments)
    request = CreatePartitionsRequest(topics=[wanted], timeout_ms=10_000, **fields)
    return wire.ask(CREATE_PARTITIONS, version, request).results[0]


def delete_records(wire: Wire, topic: str, offset: int, *, index: int = 0, version: int = 2) -> Any:
    part = DeleteRecordsPartition(partition_index=index, offset=offset)
    request = DeleteRecordsRequest(
        topics=[DeleteRecordsTopic(name=topic, partitions=[part])], timeout_ms=10_000
    )
    return wire.ask(DELETE_RECORDS, version, request).topics[0].partitions[0]


def alter(
    wire: Wire, kind: int, name: str, *, version: int = 2, dry: bool = False, **configs: Any
) -> Any:
    resource = AlterConfigsResource(
        resource_type=kind,
        resource_name=name,
        configs=[AlterableConfig(name=k.replace("_", "."), value=v) for k, v in configs.items()],
    )
    request = AlterConfigsRequest(resources=[resource], validate_only=dry)
    return wire.ask(ALTER_CONFIGS, version, request).responses[0]


def change(
    wire: Wire, kind: int, name: str, *changes: tuple[str, int, str | None],
    version: int = 1, dry: bool = False,
) -> Any:  # fmt: skip
    resource = ChangedResource(
        resource_type=kind,
        resource_name=name,
        configs=[Change(name=k, config_operation=op, value=v) for k, op, v in changes],
    )
    request = IncrementalAlterConfigsRequest(resources=[resource], validate_only=dry)
    return wire.ask(INCREMENTAL_ALTER_CONFIGS, version, request).responses[0]


def configs(wire: Wire, kind: int, name: str) -> dict[str, Any]:
    resource = DescribeConfigsResource(
        resource_type=kind, resource_name=name, configuration_keys=None
    )
    request = DescribeConfigsRequest(resources=[resource], include_synonyms=True)
    (result,) = wire.ask(DESCRIBE_CONFIGS, 4, request).results
    assert result.error_code == codes.NONE
    return {each.name: each for each in result.configs}


def count_of(wire: Wire, topic: str) -> int:
    return len(wire.metadata(topic).topics[0].partitions)


# ---- the tests ----


class TestCreatePartitions:
    @pytest.mark.parametrize("version", range(4))
    def test_every_version(self, wire: Wire, name: str, version: int) -> None:
        wire.create_topic(name, 2)
        wire.produce(name, batch_of(b"before"), index=1)
        assert grow(wire, name, 5, version=version).error_code == codes.NONE
        assert count_of(wire, name) == 5
        assert wire.produce(name, batch_of(b"new"), index=4).error_code == codes.NONE
        assert wire.ask_values(name, 1) == [b"before"]
        assert wire.ask_values(name, 4) == [b"new"]

    @pytest.mark.parametrize(
        ("count", "error"),
        [(2, codes.INVALID_PARTITIONS), (1, codes.INVALID_PARTITIONS),
         (0, codes.INVALID_PARTITIONS), (100_000, codes.INVALID_PARTITIONS)],
    )  # fmt: skip
    def test_topics_only_grow(self, wire: Wire, name: str, count: int, error: int) -> None:
        wire.create_topic(name, 2)
        result = grow(wire, name, count)
        assert result.error_code == error
        assert result.error_message
        assert count_of(wire, name) == 2

    def test_what_is_refused(self, wire: Wire, name: str) -> None:
        wire.create_topic(name, 2)
        assert grow(wire, "none", 2).error_code == codes.UNKNOWN_TOPIC_OR_PARTITION
        assert grow(wire, "__consumer_offsets", 9).error_code == codes.INVALID_REQUEST
        for brokers in ([[1]], [[1], [2]], [[1], [1], [1]]):
            result = grow(wire, name, 4, brokers=brokers)
            assert result.error_code == codes.INVALID_REPLICA_ASSIGNMENT
        assert grow(wire, name, 4, brokers=[[1], [1]], validate_only=True).error_code == codes.NONE
        assert count_of(wire, name) == 2
        twice = [CreatePartitionsTopic(name=name, count=3)] * 2
        answer = wire.ask(CREATE_PARTITIONS, 3, CreatePartitionsRequest(topics=twice, timeout_ms=1))
        assert {each.error_code for each in answer.results} == {codes.INVALID_REQUEST}

    def test_several_requests_at_once(self, wire: Wire, name: str) -> None:
        wire.create_topic(name, 1)
        sent = []
        for count in (3, 6):
            wanted = CreatePartitionsTopic(name=name, count=count)
            request = CreatePartitionsRequest(topics=[wanted], timeout_ms=1)
            sent.append(wire.send(CREATE_PARTITIONS, 3, request))
        first, second = [wire.receive(CREATE_PARTITIONS, 3, each).results[0] for each in sent]
        assert first.error_code == codes.NONE
        assert second.error_code in (codes.NONE, codes.REQUEST_TIMED_OUT)
        assert count_of(wire, name) == (6 if second.error_code == codes.NONE else 3)

    @pytest.mark.parametrize("durability", ["fsync", "os"])
    def test_they_outlive_a_restart(self, start_broker: Start, durability: str) -> None:
        broker = start_broker(durability=durability)
        with Wire(broker.port) as wire:
            wire.create_topic("t", 1)
            assert grow(wire, "t", 3).error_code == codes.NONE
            wire.produce("t", batch_of(b"x"), index=2)
        broker.stop()
        with Wire(start_broker(durability=durability).port) as wire:
            assert count_of(wire, "t") == 3
            assert wire.ask_values("t", 2) == [b"x"]
            assert grow(wire, "t", 4).error_code == codes.NONE


class TestDeleteRecords:
    @pytest.mark.parametrize("version", range(3))
    def test_every_version(self, wire: Wire, topic: str, version: int) -> None:
        wire.produce(topic, batch_of(b"a", b"b", b"c"))
        result = delete_records(wire, topic, 2, version=version)
        assert (result.error_code, result.low_watermark) == (codes.NONE, 2)
        assert wire.fetch(topic, 1).error_code == codes.OFFSET_OUT_OF_RANGE
        assert wire.fetch(topic, 2).log_start_offset == 2
        assert wire.fetch_values(topic, 2) == [b"c"]

    def test_up_to_the_end_and_on(self, wire: Wire, topic: str) -> None:
        wire.produce(topic, batch_of(b"a", b"b"))
        assert delete_records(wire, topic, -1).low_watermark == 2
        assert delete_records(wire, topic, 1).low_watermark == 2, "it never goes back"
        assert wire.produce(topic, batch_of(b"c")).base_offset == 2
        assert wire.fetch_values(topic, 2) == [b"c"]

    @pytest.mark.parametrize(
        ("offset", "index", "error"),
        [(3, 0, codes.OFFSET_OUT_OF_RANGE), (-2, 0, codes.OFFSET_OUT_OF_RANGE),
         (1, 7, codes.UNKNOWN_TOPIC_OR_PARTITION)],
    )  # fmt: skip
    def test_refused(self, wire: Wire, topic: str, offset: int, index: int, error: int) -> None:
        wire.produce(topic, batch_of(b"a", b"b"))
        result = delete_records(wire, topic, offset, index=index)
        assert (result.error_code, result.low_watermark) == (error, -1)

    def test_what_the_connection_asks_next_sees_it(self, start_broker: Start) -> None:
        """Requests sent one after the other, answers not awaited: however slow the disk."""
        with Wire(start_broker(durability="fsync").port) as wire:
            wire.create_topic("t")
            wire.produce("t", batch_of(*[b"x"] * 30))
            for offset in range(1, 21):
                part = DeleteRecordsPartition(partition_index=0, offset=offset)
                topics = [DeleteRecordsTopic(name="t", partitions=[part])]
                request = DeleteRecordsRequest(topics=topics, timeout_ms=10_000)
                earliest = ListOffsetsPartition(partition_index=0, timestamp=-2)
                listing = ListOffsetsRequest(
                    topics=[ListOffsetsTopic(name="t", partitions=[earliest])], replica_id=-1
                )
                wire.send(DELETE_RECORDS, 2, request)
                wire.send(LIST_OFFSETS, 7, listing)
                wire.receive(DELETE_RECORDS, 2)
                answer = wire.receive(LIST_OFFSETS, 7)
                assert answer.topics[0].partitions[0].offset == offset

    def test_internal_topics_are_kept(self, wire: Wire) -> None:
        result = delete_records(wire, "__consumer_offsets", 0)
        assert result.error_code == codes.INVALID_TOPIC_EXCEPTION

    def test_nothing_asked_nothing_answered(self, wire: Wire) -> None:
        request = DeleteRecordsRequest(topics=[], timeout_ms=1)
        assert wire.ask(DELETE_RECORDS, 2, request).topics == []

    @pytest.mark.parametrize("durability", ["fsync", "os"])
    def test_they_stay_deleted(self, start_broker: Start, durability: str) -> None:
        broker = start_broker(durability=durability)
        with Wire(broker.port) as wire:
            wire.create_topic("t", 2)
            wire.produce("t", batch_of(b"a", b"b", b"c"))
            assert delete_records(wire, "t", 2).low_watermark == 2
        broker.stop()
        with Wire(start_broker(durability=durability).port) as wire:
            assert wire.fetch("t", 0).error_code == codes.OFFSET_OUT_OF_RANGE
            assert wire.fetch_values("t", 2) == [b"c"]
            wire.produce("t", batch_of(b"d"))
            assert wire.fetch_values("t", 3) == [b"d"]


class TestTopicConfigs:
    @pytest.mark.parametrize("version", range(3))
    def test_alter_replaces_everything(self, wire: Wire, topic: str, version: int) -> None:
        result = alter(wire, TOPIC, topic, version=version, retention_ms="5", segment_ms="7")
        assert (result.error_code, result.resource_type, result.resource_name) == (0, TOPIC, topic)
        result = alter(wire, TOPIC, topic, version=version, segment_ms="8")
        assert result.error_code == codes.NONE
        found = configs(wire, TOPIC, topic)
        assert (found["segment.ms"].value, found["segment.ms"].config_source) == ("8", 1)
        assert (found["retention.ms"].value, found["retention.ms"].config_source) == (
            str(7 * 86_400_000), 5,
        )  # fmt: skip

    @pytest.mark.parametrize("version", range(2))
    def test_changes_leave_the_rest(self, wire: Wire, topic: str, version: int) -> None:
        change(wire, TOPIC, topic, ("retention.ms", SET, "5"), ("segment.ms", SET, "7"))
        result = change(wire, TOPIC, topic, ("retention.ms", DELETE, None), version=version)
        assert result.error_code == codes.NONE
        found = configs(wire, TOPIC, topic)
        assert found["segment.ms"].value == "7"
        assert found["retention.ms"].config_source == 5

    def test_they_act_at_once(self, wire: Wire, topic: str) -> None:
        assert wire.produce(topic, batch_of(b"x" * 500)).error_code == codes.NONE
        change(wire, TOPIC, topic, ("max.message.bytes", SET, "200"))
        assert wire.produce(topic, batch_of(b"x" * 500)).error_code == codes.MESSAGE_TOO_LARGE
        change(wire, TOPIC, topic, ("max.message.bytes", DELETE, None))
        assert wire.produce(topic, batch_of(b"x" * 500)).error_code == codes.NONE

    def test_validate_only_changes_nothing(self, wire: Wire, topic: str) -> None:
        assert alter(wire, TOPIC, topic, dry=True, retention_ms="5").error_code == codes.NONE
        assert change(wire, TOPIC, topic, ("retention.ms", SET, "5"), dry=True).error_code == 0
        bad = change(wire, TOPIC, topic, ("retention.ms", SET, "x"), dry=True)
        assert bad.error_code == codes.INVALID_CONFIG
        assert configs(wire, TOPIC, topic)["retention.ms"].config_source == 5

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ([("retention.ms", SET, "soon")], codes.INVALID_CONFIG),
            ([("no.such.key", SET, "1")], codes.INVALID_CONFIG),
            ([("no.such.key", DELETE, None)], codes.INVALID_CONFIG),
            ([("retention.ms", APPEND, "1")], codes.INVALID_CONFIG),
            ([("cleanup.policy", SET, "delete,delete")], codes.INVALID_CONFIG),
            ([("unclean.leader.election.enable", SET, "true")], codes.INVALID_CONFIG),
            ([("retention.ms", SET, None)], codes.INVALID_REQUEST),
            ([("retention.ms", 9, "1")], codes.INVALID_REQUEST),
            ([("retention.ms", SET, "1"), ("retention.ms", DELETE, None)], codes.INVALID_REQUEST),
        ],
    )
    def test_refused(self, wire: Wire, topic: str, changes: Any, error: int) -> None:
        result = change(wire, TOPIC, topic, *changes)
        assert result.error_code == error, result.error_message
        assert result.error_message
        assert all(each.config_source == 5 for each in configs(wire, TOPIC, topic).values())

    def test_lists(self, wire: Wire, topic: str) -> None:
        appended = change(wire, TOPIC, topic, ("cleanup.policy", APPEND, "delete"))
        assert appended.error_code == codes.NONE
        assert configs(wire, TOPIC, topic)["cleanup.policy"].value == "delete"
        assert configs(wire, TOPIC, topic)["cleanup.policy"].config_type == 7
        change(wire, TOPIC, topic, ("cleanup.policy", SUBTRACT, "delete"))
        found = configs(wire, TOPIC, topic)["cleanup.policy"]
        assert (found.value, found.config_source) == ("", 1), "neither deletes nor compacts"
        assert delete_records(wire, topic, 0).error_code == codes.POLICY_VIOLATION
        change(wire, TOPIC, topic, ("cleanup.policy", DELETE, None))
        assert configs(wire, TOPIC, topic)["cleanup.policy"].value == "delete"

    def test_what_makes_no_difference_may_be_set(self, wire: Wire, topic: str) -> None:
        """Clients send these; what they ask for is what happens anyway."""
        settings = {
            "file.delete.delay.ms": "1000",
            "preallocate": "false",
            "segment.jitter.ms": "0",
            "unclean.leader.election.enable": "false",
        }
        for key, value in settings.items():
            assert change(wire, TOPIC, topic, (key, SET, value)).error_code == codes.NONE
            assert configs(wire, TOPIC, topic)[key].value == value

    def test_resources_that_are_refused(self, wire: Wire, topic: str) -> None:
        assert alter(wire, TOPIC, "none").error_code == codes.UNKNOWN_TOPIC_OR_PARTITION
        assert alter(wire, TOPIC, "__consumer_offsets").error_code == codes.INVALID_REQUEST
        assert alter(wire, BROKER, "7").error_code == codes.INVALID_REQUEST
        assert alter(wire, 32, "group").error_code == codes.INVALID_REQUEST
        assert alter(wire, TOPIC, topic, retention_ms=None).error_code == codes.INVALID_REQUEST
        resource = AlterConfigsResource(resource_type=TOPIC, resource_name=topic, configs=[])
        answer = wire.ask(ALTER_CONFIGS, 2, AlterConfigsRequest(resources=[resource, resource]))
        assert [each.error_code for each in answer.responses] == [codes.INVALID_REQUEST] * 2
        assert wire.ask(ALTER_CONFIGS, 2, AlterConfigsRequest(resources=[])).responses == []

    def test_they_outlive_a_restart(self, start_broker: Start) -> None:
        broker = start_broker()
        with Wire(broker.port) as wire:
            wire.create_topic("t", 1, retention_ms="77")
            change(wire, TOPIC, "t", ("segment.ms", SET, "99"), ("retention.ms", DELETE, None))
            grow(wire, "t", 2)
            change(wire, TOPIC, "t", ("max.message.bytes", SET, "200"))
        broker.stop()
        with Wire(start_broker().port) as wire:
            found = configs(wire, TOPIC, "t")
            assert (found["segment.ms"].value, found["max.message.bytes"].value) == ("99", "200")
            assert found["retention.ms"].config_source == 5
            assert count_of(wire, "t") == 2
            big = batch_of(b"x" * 500)
            assert wire.produce("t", big, index=1).error_code == codes.MESSAGE_TOO_LARGE


class TestBrokerConfigs:
    def test_defaults_of_topics(self, start_broker: Start) -> None:
        broker = start_broker(log_retention_ms=1_000_000)
        with Wire(broker.port) as wire:
            wire.create_topic("t")
            wire.create_topic("own", retention_ms="9")
            assert configs(wire, BROKER, "1")["log.retention.ms"].config_source == 4
            assert change(wire, BROKER, "", ("log.retention.ms", SET, "2000000")).error_code == 0
            assert alter(wire, BROKER, "1", log_retention_ms="3000000").error_code == codes.NONE
            found = configs(wire, TOPIC, "t")["retention.ms"]
            assert (found.value, found.config_source) == ("3000000", 2)
            assert [(each.value, each.source) for each in found.synonyms] == [
                ("3000000", 2), ("2000000", 3), ("1000000", 4), (str(7 * 86_400_000), 5),
            ]  # fmt: skip
            assert configs(wire, TOPIC, "own")["retention.ms"].value == "9"
            assert list(configs(wire, BROKER, "")) == ["log.retention.ms"]
        broker.stop()
        broker = start_broker(log_retention_ms=1_000_000)
        with Wire(broker.port) as wire:
            assert configs(wire, TOPIC, "t")["retention.ms"].value == "3000000"
            alter(wire, BROKER, "1")
            found = configs(wire, TOPIC, "t")["retention.ms"]
            assert (found.value, found.config_source) == ("2000000", 3)
            assert change(wire, BROKER, "", ("log.retention.ms", DELETE, None)).error_code == 0
            assert configs(wire, TOPIC, "t")["retention.ms"].value == "1000000"

    def test_they_act_at_once(self, start_broker: Start) -> None:
        with Wire(start_broker().port) as wire:
            wire.create_topic("t")
            change(wire, BROKER, "1", ("message.max.bytes", SET, "200"))
            assert wire.produce("t", batch_of(b"x" * 500)).error_code == codes.MESSAGE_TOO_LARGE
            wire.create_topic("later")
            assert wire.produce("later", batch_of(b"x" * 500)).error_code == codes.MESSAGE_TOO_LARGE

    @pytest.mark.parametrize(
        ("key", "value"), [("num.partitions", "3"), ("log.retention.ms", "x"), ("none", "1")]
    )
    def test_refused(self, wire: Wire, key: str, value: str) -> None:
        result = change(wire, BROKER, "1", (key, SET, value))
        assert result.error_code == codes.INVALID_REQUEST
        assert key in result.error_message


def test_every_change_outlives_the_rewriting_of_the_facts(start_broker: Start) -> None:
    broker = start_broker()
    housekeeping = broker._broker._housekeeping
    assert housekeeping is not None
    with Wire(broker.port) as wire:
        wire.create_topic("t", 1)
        wire.produce("t", batch_of(b"a", b"b", b"c"))
        assert delete_records(wire, "t", 2).low_watermark == 2
        for step in range(30):
            change(wire, TOPIC, "t", ("segment.ms", SET, str(100 + step)))
        assert grow(wire, "t", 3).error_code == codes.NONE
        change(wire, BROKER, "", ("log.retention.ms", SET, "2000000"))
        housekeeping.rewriter.records_min = 10
        broker._call(housekeeping.rewrite)
        wire.produce("t", batch_of(b"d"))
    log = housekeeping.rewriter._log
    assert log.high_watermark - log.start_offset < 10
    broker.stop()
    with Wire(start_broker().port) as wire:
        found = configs(wire, TOPIC, "t")
        assert (found["segment.ms"].value, found["retention.ms"].value) == ("129", "2000000")
        assert count_of(wire, "t") == 3
        assert wire.fetch("t", 1).error_code == codes.OFFSET_OUT_OF_RANGE
        assert wire.fetch_values("t", 2)[0] == b"c"
