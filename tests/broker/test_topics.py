"""ApiVersions, Metadata, CreateTopics, DeleteTopics, ListOffsets, InitProducerId on the wire."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from tests.broker.wire import Wire, batch_of

from summit.broker import BrokerThread
from summit.broker.dispatch import SERVED
from summit.protocol import codes
from summit.protocol.api_versions import API_VERSIONS, ApiVersionsRequest
from summit.protocol.create_topics import (
    CREATE_TOPICS,
    CreatableReplicaAssignment,
    CreatableTopic,
    CreateTopicsRequest,
)
from summit.protocol.delete_topics import DELETE_TOPICS, DeleteTopicsRequest, DeleteTopicState
from summit.protocol.describe_cluster import DESCRIBE_CLUSTER, DescribeClusterRequest
from summit.protocol.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from summit.protocol.find_coordinator import FIND_COORDINATOR, FindCoordinatorRequest
from summit.protocol.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from summit.protocol.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from summit.protocol.metadata import METADATA, MetadataRequest, MetadataRequestTopic
from summit.protocol.primitives import ZERO_UUID


def bits(field: int) -> set[int]:
    return {number for number in range(31) if field >> number & 1}


class TestApiVersions:
    @pytest.mark.parametrize("version", range(6))
    def test_every_version(self, wire: Wire, version: int) -> None:
        answer = wire.ask(API_VERSIONS, version, ApiVersionsRequest())
        ranges = {key.api_key: (key.min_version, key.max_version) for key in answer.api_keys}
        assert answer.error_code == codes.NONE
        assert ranges[0] == (0, 13), "librdkafka needs Produce from 0"
        assert ranges[1] == (4, 18)
        assert ranges[18] == (0, 5)
        assert set(ranges) == SERVED

    def test_the_response_header_has_no_tags(self, wire: Wire) -> None:
        wire.send(API_VERSIONS, 3, ApiVersionsRequest())
        frame = wire.read_frame()
        assert frame[:4] == b"\0\0\0\1"
        assert frame[4:6] == b"\0\0", "the error code follows the correlation id at once"

    def test_too_new_is_answered_in_version_0_with_the_list(self, wire: Wire) -> None:
        wire.send_raw(bytes.fromhex("00000010 0012 0063 00000009 0003 6b6361 00 01 01"))
        answer = wire.receive(API_VERSIONS, 0, 9)
        assert answer.error_code == codes.UNSUPPORTED_VERSION
        assert len(answer.api_keys) == len(SERVED)
        assert wire.ask(API_VERSIONS, 0, ApiVersionsRequest()).error_code == codes.NONE

    @pytest.mark.parametrize(
        ("cluster", "node", "error"),
        [
            (None, -1, codes.NONE),
            ("right", 1, codes.NONE),
            ("right", -1, codes.NONE),
            ("right", 2, codes.REBOOTSTRAP_REQUIRED),
            ("wrong", 1, codes.REBOOTSTRAP_REQUIRED),
            (None, 1, codes.INVALID_REQUEST),
        ],
    )
    def test_a_client_may_name_whom_it_means(
        self, broker: BrokerThread, wire: Wire, cluster: str | None, node: int, error: int
    ) -> None:
        name = broker.cluster_id if cluster == "right" else cluster
        request = ApiVersionsRequest(cluster_id=name, node_id=node)
        assert wire.ask(API_VERSIONS, 5, request).error_code == error


class TestMetadata:
    @pytest.mark.parametrize("version", range(14))
    def test_every_version(
        self, broker: BrokerThread, wire: Wire, topic: str, version: int
    ) -> None:
        answer = wire.metadata(topic, version=version)
        (node,) = answer.brokers
        assert (node.host, node.port) == ("127.0.0.1", broker.port)
        (found,) = answer.topics
        assert (found.error_code, found.name) == (codes.NONE, topic)
        (part,) = found.partitions
        assert (part.leader_id, part.replica_nodes, part.isr_nodes) == (1, [1], [1])
        assert part.leader_epoch == (0 if version >= 7 else -1)
        assert part.offline_replicas == []
        if version >= 1:
            assert answer.controller_id == 1
        if version >= 2:
            assert answer.cluster_id == broker.cluster_id
        if version >= 10:
            assert found.topic_id != ZERO_UUID

    def test_all_topics_and_none(self, wire: Wire, topic: str) -> None:
        everything = wire.ask(METADATA, 0, MetadataRequest(topics=[]))
        names = {each.name for each in everything.topics}
        assert topic in names
        assert "__cluster_metadata" not in names
        everything = wire.ask(METADATA, 9, MetadataRequest(topics=None))
        internal = {each.name for each in everything.topics if each.is_internal}
        assert internal == {"__consumer_offsets", "__transaction_state"}
        assert wire.ask(METADATA, 9, MetadataRequest(topics=[])).topics == []

    @pytest.mark.parametrize("name", [None, ""])
    def test_by_id(self, wire: Wire, topic: str, name: str | None) -> None:
        topic_id = wire.metadata(topic).topics[0].topic_id
        wanted = [
            MetadataRequestTopic(topic_id=topic_id, name=name),
            MetadataRequestTopic(topic_id=uuid.uuid4(), name=name),
        ]
        answer = wire.ask(METADATA, 12, MetadataRequest(topics=wanted))
        assert [each.error_code for each in answer.topics] == [0, codes.UNKNOWN_TOPIC_ID]
        assert answer.topics[0].name == topic
        assert answer.topics[1].name is None

    @pytest.mark.parametrize("version", [10, 11])
    def test_by_id_before_answers_had_null_names(self, wire: Wire, version: int) -> None:
        wanted = [MetadataRequestTopic(topic_id=uuid.uuid4())]
        answer = wire.ask(METADATA, version, MetadataRequest(topics=wanted))
        assert [(each.error_code, each.name) for each in answer.topics] == [
            (codes.UNKNOWN_TOPIC_ID, "")
        ]

    def test_authorized_operations_where_asked(self, wire: Wire, topic: str) -> None:
        """Everybody may do everything; -2^31 says that nobody asked."""
        wanted = [MetadataRequestTopic(name=topic)]
        silent = wire.ask(METADATA, 8, MetadataRequest(topics=wanted))
        assert silent.topics[0].topic_authorized_operations == -(2**31)
        assert silent.cluster_authorized_operations == -(2**31)
        asking = MetadataRequest(
            topics=wanted,
            include_cluster_authorized_operations=True,
            include_topic_authorized_operations=True,
        )
        answer = wire.ask(METADATA, 8, asking)
        assert bits(answer.topics[0].topic_authorized_operations) == {3, 4, 5, 6, 7, 8, 10, 11}
        assert bits(answer.cluster_authorized_operations) == {5, 7, 8, 9, 10, 11, 12}
        cluster = DescribeClusterRequest(include_cluster_authorized_operations=True)
        answer = wire.ask(DESCRIBE_CLUSTER, 1, cluster)
        assert bits(answer.cluster_authorized_operations) == {5, 7, 8, 9, 10, 11, 12}

    @pytest.mark.parametrize("version", [1, 4, 12])
    def test_auto_creation(self, wire: Wire, version: int) -> None:
        name = f"auto-{version}"
        (found,) = wire.metadata(name, version=version).topics
        assert (found.error_code, len(found.partitions)) == (codes.NONE, 4)
        assert wire.produce(name, batch_of(b"x")).error_code == codes.NONE

    def test_auto_creation_may_be_declined(self, wire: Wire) -> None:
        wanted = [MetadataRequestTopic(name="not-wanted")]
        request = MetadataRequest(topics=wanted, allow_auto_topic_creation=False)
        (found,) = wire.ask(METADATA, 8, request).topics
        assert found.error_code == codes.UNKNOWN_TOPIC_OR_PARTITION

    def test_the_same_new_topic_twice_in_one_request(self, wire: Wire) -> None:
        (found,) = wire.metadata("twin", "twin").topics
        assert found.error_code == 0

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "ä", "x" * 250])
    def test_bad_names_are_never_created(self, wire: Wire, name: str) -> None:
        assert wire.metadata(name).topics[0].error_code == codes.INVALID_TOPIC_EXCEPTION

    def test_internal_topics_are_not_for_clients_to_make(self, wire: Wire, topic: str) -> None:
        for name in ("__cluster_metadata",):
            assert wire.metadata(name).topics[0].error_code == codes.TOPIC_ALREADY_EXISTS
        assert wire.create_topic(f"{topic}-after").error_code == codes.NONE, "facts are written"

    def test_a_setting_forbids_auto_creation(self, start_broker: Any) -> None:
        with Wire(start_broker(auto_create_topics=False).port) as wire:
            found = wire.metadata("absent").topics[0]
        assert found.error_code == codes.UNKNOWN_TOPIC_OR_PARTITION

    def test_advertised_address(self, start_broker: Any) -> None:
        broker = start_broker(advertised_host="broker.example", advertised_port=19092)
        with Wire(broker.port) as wire:
            (node,) = wire.metadata().brokers
        assert (node.host, node.port) == ("broker.example", 19092)


def creatable(name: str, partitions: int = 1, replicas: int = 1, **fields: Any) -> CreatableTopic:
    return CreatableTopic(
        name=name, num_partitions=partitions, replication_factor=replicas, **fields
    )


class TestCreateTopics:
    @pytest.mark.parametrize("version", range(2, 8))
    def test_every_version(self, wire: Wire, version: int) -> None:
        name = f"created-v{version}"
        answer = wire.ask(CREATE_TOPICS, version, CreateTopicsRequest(topics=[creatable(name, 3)]))
        (result,) = answer.topics
        assert (result.name, result.error_code) == (name, codes.NONE)
        if version >= 5:
            assert (result.num_partitions, result.replication_factor) == (3, 1)
            configs = {config.name: config.value for config in result.configs}
            assert configs["cleanup.policy"] == "delete"
        if version >= 7:
            assert result.topic_id == wire.metadata(name).topics[0].topic_id

    def test_who_hears_that_a_topic_exists_can_use_it(
        self, start_broker: Callable[..., BrokerThread]
    ) -> None:
        port = start_broker(durability="fsync").port
        with Wire(port) as wire, Wire(port) as other:
            for n in range(10):
                request = CreateTopicsRequest(topics=[creatable(f"raced-{n}", 3)])
                sent = wire.send(CREATE_TOPICS, 7, request)
                (second,) = other.ask(CREATE_TOPICS, 7, request).topics
                (found,) = other.metadata(f"raced-{n}").topics
                (first,) = wire.receive(CREATE_TOPICS, 7, sent).topics
                errors = {first.error_code, second.error_code}
                assert errors == {codes.NONE, codes.TOPIC_ALREADY_EXISTS}
                assert (found.error_code, len(found.partitions)) == (codes.NONE, 3)

    def test_minus_one_means_the_default(self, wire: Wire) -> None:
        request = CreateTopicsRequest(topics=[creatable("defaults", -1, -1)])
        (result,) = wire.ask(CREATE_TOPICS, 7, request).topics
        assert (result.error_code, result.num_partitions) == (codes.NONE, 4)
        assert result.replication_factor == 1

    @pytest.mark.parametrize(
        ("topic", "error"),
        [
            (creatable("rf", 1, 3), codes.INVALID_REPLICATION_FACTOR),
            (creatable("rf", 1, 0), codes.INVALID_REPLICATION_FACTOR),
            (creatable("parts", 0), codes.INVALID_PARTITIONS),
            (creatable("parts", -2), codes.INVALID_PARTITIONS),
            (creatable("parts", 1_000_000), codes.INVALID_PARTITIONS),
            (creatable("a b"), codes.INVALID_TOPIC_EXCEPTION),
            (creatable("__cluster_metadata"), codes.TOPIC_ALREADY_EXISTS),
            (creatable("__consumer_offsets"), codes.TOPIC_ALREADY_EXISTS),
            (creatable("__transaction_state"), codes.TOPIC_ALREADY_EXISTS),
            (
                creatable(
                    "assigned", -1, -1,
                    assignments=[CreatableReplicaAssignment(partition_index=0, broker_ids=[9])],
                ),
                codes.INVALID_REPLICA_ASSIGNMENT,
            ),
            (
                creatable(
                    "assigned", 1, 1,
                    assignments=[CreatableReplicaAssignment(partition_index=0, broker_ids=[1])],
                ),
                codes.INVALID_REQUEST,
            ),
        ],
    )  # fmt: skip
    def test_refusals(self, wire: Wire, topic: CreatableTopic, error: int) -> None:
        (result,) = wire.ask(CREATE_TOPICS, 7, CreateTopicsRequest(topics=[topic])).topics
        assert result.error_code == error
        assert result.error_message

    def test_assignments_to_this_broker(self, wire: Wire) -> None:
        parts = [CreatableReplicaAssignment(partition_index=i, broker_ids=[1]) for i in (1, 0)]
        topic = creatable("by-hand", -1, -1, assignments=parts)
        (result,) = wire.ask(CREATE_TOPICS, 7, CreateTopicsRequest(topics=[topic])).topics
        assert (result.error_code, result.num_partitions) == (codes.NONE, 2)

    def test_twice_the_same_name(self, wire: Wire, topic: str) -> None:
        assert wire.create_topic(topic).error_code == codes.TOPIC_ALREADY_EXISTS
        request = CreateTopicsRequest(topics=[creatable("double"), creatable("double")])
        answer = wire.ask(CREATE_TOPICS, 7, request)
        assert [each.error_code for each in answer.topics] == [codes.INVALID_REQUEST] * 2

    def test_good_and_bad_in_one_request(self, wire: Wire) -> None:
        topics = [creatable("good-1"), creatable("bad", 1, 5), creatable("good-2")]
        answer = wire.ask(CREATE_TOPICS, 7, CreateTopicsRequest(topics=topics))
        assert [each.error_code for each in answer.topics] == [
            0, codes.INVALID_REPLICATION_FACTOR, 0,
        ]  # fmt: skip

    def test_validate_only_makes_nothing(self, wire: Wire) -> None:
        request = CreateTopicsRequest(topics=[creatable("ghost", 2)], validate_only=True)
        (result,) = wire.ask(CREATE_TOPICS, 7, request).topics
        assert (result.error_code, result.num_partitions) == (codes.NONE, 2)
        wanted = MetadataRequest(
            topics=[MetadataRequestTopic(name="ghost")], allow_auto_topic_creation=False
        )
        (found,) = wire.ask(METADATA, 8, wanted).topics
        assert found.error_code == codes.UNKNOWN_TOPIC_OR_PARTITION

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("retention_ms", "soon"),
            ("retention_ms", "-2"),
            ("cleanup_policy", "compress"),
            ("cleanup_policy", "compact,compact"),
            ("min_cleanable_dirty_ratio", "2"),
            ("compression_type", "brotli"),
            ("flush_messages", "0"),
            ("no_such_key", "1"),
            ("segment_bytes", "1"),
        ],
    )
    def test_configs_that_are_refused(self, wire: Wire, key: str, value: str) -> None:
        result = wire.create_topic("configured-badly", **{key: value})
        assert result.error_code == codes.INVALID_CONFIG
        assert key.replace("_", ".") in result.error_message

    def test_configs_are_kept(self, start_broker: Any) -> None:
        broker = start_broker()
        with Wire(broker.port) as wire:
            result = wire.create_topic("kept", retention_ms="5000", max_message_bytes="200")
            assert {c.name: c.config_source for c in result.configs}["retention.ms"] == 1
        broker.stop()
        with Wire(start_broker().port) as wire:
            answer = wire.produce("kept", batch_of(b"x" * 300))
        assert answer.error_code == codes.MESSAGE_TOO_LARGE


class TestDeleteTopics:
    @pytest.mark.parametrize("version", range(1, 7))
    def test_every_version_by_name(self, wire: Wire, version: int) -> None:
        name = f"doomed-v{version}"
        wire.create_topic(name)
        request = DeleteTopicsRequest(
            topic_names=[name], topics=[DeleteTopicState(name=name)], timeout_ms=1000
        )
        (result,) = wire.ask(DELETE_TOPICS, version, request).responses
        assert (result.name, result.error_code) == (name, codes.NONE)
        (again,) = wire.ask(DELETE_TOPICS, version, request).responses
        assert again.error_code == codes.UNKNOWN_TOPIC_OR_PARTITION

    def test_by_id_and_made_again(self, wire: Wire) -> None:
        first = wire.create_topic("phoenix").topic_id
        wire.produce("phoenix", batch_of(b"old"))
        request = DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=first)], timeout_ms=1000)
        (result,) = wire.ask(DELETE_TOPICS, 6, request).responses
        assert (result.name, result.error_code) == ("phoenix", codes.NONE)
        second = wire.create_topic("phoenix").topic_id
        assert second != first
        assert wire.fetch("phoenix", 0).high_watermark == 0
        assert wire.produce(first, batch_of(b"x"), version=13).error_code == codes.UNKNOWN_TOPIC_ID
        assert wire.produce(second, batch_of(b"x"), version=13).base_offset == 0
        (result,) = wire.ask(DELETE_TOPICS, 6, request).responses
        assert result.error_code == codes.UNKNOWN_TOPIC_ID

    def test_internal_topics_stay(self, wire: Wire) -> None:
        request = DeleteTopicsRequest(topic_names=["__consumer_offsets"], timeout_ms=1000)
        (result,) = wire.ask(DELETE_TOPICS, 5, request).responses
        assert result.error_code == codes.INVALID_REQUEST
        assert result.error_message

    def test_a_waiting_fetch_is_told(self, broker: BrokerThread, wire: Wire, topic: str) -> None:
        from tests.broker.wire import fetch_request

        from summit.protocol.fetch import FETCH

        with Wire(broker.port) as reader:
            sent = reader.send(FETCH, 12, fetch_request([(topic, 0, 0)], max_wait_ms=30_000))
            wire.metadata(topic)
            request = DeleteTopicsRequest(topic_names=[topic], timeout_ms=1000)
            wire.ask(DELETE_TOPICS, 5, request)
            part = reader.receive(FETCH, 12, sent).topics[0].partitions[0]
        assert part.error_code == codes.UNKNOWN_TOPIC_OR_PARTITION


class TestListOffsets:
    def find(self, wire: Wire, topic: str, timestamp: int, version: int = 11) -> Any:
        part = ListOffsetsPartition(partition_index=0, timestamp=timestamp)
        request = ListOffsetsRequest(topics=[ListOffsetsTopic(name=topic, partitions=[part])])
        return wire.ask(LIST_OFFSETS, version, request).topics[0].partitions[0]

    @pytest.mark.parametrize("version", range(1, 12))
    def test_every_version(self, wire: Wire, topic: str, version: int) -> None:
        wire.produce(topic, batch_of(b"a", b"b", b"c", first_ms=5000))
        assert self.find(wire, topic, -1, version).offset == 3
        assert self.find(wire, topic, -2, version).offset == 0
        found = self.find(wire, topic, 5001, version)
        assert (found.error_code, found.offset, found.timestamp) == (codes.NONE, 1, 5001)
        assert found.leader_epoch == (0 if version >= 4 else -1)

    @pytest.mark.parametrize(
        ("timestamp", "offset", "found_ms"),
        [
            (0, 0, 5000),
            (5002, 2, 5002),
            (5003, 3, 9000),
            (9001, -1, -1),
            (-1, 5, -1),
            (-2, 0, -1),
            (-3, 3, 9000),
            (-4, 0, -1),
            (-5, -1, -1),
            (-6, -1, -1),
        ],
    )
    def test_special_timestamps(
        self, wire: Wire, topic: str, timestamp: int, offset: int, found_ms: int
    ) -> None:
        wire.produce(topic, batch_of(b"a", b"b", b"c", first_ms=5000))
        wire.produce(topic, batch_of(b"late", first_ms=9000))
        wire.produce(topic, batch_of(b"back in time", first_ms=100))
        found = self.find(wire, topic, timestamp)
        assert (found.error_code, found.offset, found.timestamp) == (codes.NONE, offset, found_ms)

    @pytest.mark.parametrize(
        ("timestamp", "version"), [(-3, 6), (-4, 7), (-5, 8), (-6, 10), (-7, 11)]
    )
    def test_special_timestamps_newer_than_the_version(
        self, wire: Wire, topic: str, timestamp: int, version: int
    ) -> None:
        assert self.find(wire, topic, timestamp, version).error_code == codes.UNSUPPORTED_VERSION

    def test_unknown_topic(self, wire: Wire) -> None:
        found = self.find(wire, "absent-topic", -1)
        assert (found.error_code, found.offset) == (codes.UNKNOWN_TOPIC_OR_PARTITION, -1)


class TestInitProducerId:
    @pytest.mark.parametrize("version", range(6))
    def test_every_version_gives_a_new_id(self, wire: Wire, version: int) -> None:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
        first = wire.ask(INIT_PRODUCER_ID, version, request)
        second = wire.ask(INIT_PRODUCER_ID, version, request)
        assert (first.error_code, first.producer_epoch) == (codes.NONE, 0)
        assert second.producer_id == first.producer_id + 1

    def test_a_producer_without_transactions_always_gets_a_new_id(self, wire: Wire) -> None:
        request = InitProducerIdRequest(
            transactional_id=None, transaction_timeout_ms=0, producer_id=5, producer_epoch=3
        )
        answer = wire.ask(INIT_PRODUCER_ID, 4, request)
        assert answer.producer_id != 5
        assert answer.producer_epoch == 0

    def test_no_id_is_given_twice_over_restarts(self, start_broker: Any) -> None:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
        seen: list[int] = []
        for _ in range(3):
            broker = start_broker()
            with Wire(broker.port) as wire:
                seen += [wire.ask(INIT_PRODUCER_ID, 4, request).producer_id for _ in range(5)]
            broker.stop()
        assert len(set(seen)) == 15


class TestFindCoordinator:
    @pytest.mark.parametrize("version", range(7))
    def test_every_version(self, broker: BrokerThread, wire: Wire, version: int) -> None:
        request = FindCoordinatorRequest(key="g", coordinator_keys=["g", "h"])
        answer = wire.ask(FIND_COORDINATOR, version, request)
        found = answer.coordinators if version >= 4 else [answer]
        assert len(found) == (2 if version >= 4 else 1)
        for each in found:
            assert (each.error_code, each.node_id) == (codes.NONE, 1)
            assert (each.host, each.port) == ("127.0.0.1", broker.port)

    @pytest.mark.parametrize(
        ("key_type", "error", "node"), [(1, codes.NONE, 1), (2, codes.INVALID_REQUEST, -1)]
    )
    def test_transactions_and_what_is_not_served(
        self, wire: Wire, key_type: int, error: int, node: int
    ) -> None:
        request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=["t"])
        (found,) = wire.ask(FIND_COORDINATOR, 6, request).coordinators
        assert (found.error_code, found.node_id) == (error, node)


class TestDescribe:
    @pytest.mark.parametrize("version", range(1, 5))
    def test_topic_configs(self, wire: Wire, version: int) -> None:
        name = f"described-v{version}"
        wire.create_topic(name, retention_ms="5000")
        resource = DescribeConfigsResource(
            resource_type=2, resource_name=name, configuration_keys=None
        )
        request = DescribeConfigsRequest(resources=[resource], include_synonyms=True)
        (result,) = wire.ask(DESCRIBE_CONFIGS, version, request).results
        assert result.error_code == codes.NONE
        configs = {each.name: each for each in result.configs}
        own, default = configs["retention.ms"], configs["segment.bytes"]
        assert (own.value, own.config_source) == ("5000", 1)
        assert [each.name for each in own.synonyms] == ["retention.ms", "log.retention.ms"]
        assert (default.value, default.config_source) == (str(1 << 30), 5)
        resource.configuration_keys = ["segment.ms"]
        (result,) = wire.ask(DESCRIBE_CONFIGS, version, request).results
        assert [each.name for each in result.configs] == ["segment.ms"]

    @pytest.mark.parametrize(
        ("kind", "name", "error"),
        [
            (4, "1", codes.NONE),
            (4, "", codes.NONE),
            (4, "7", codes.INVALID_REQUEST),
            (2, "absent-topic", codes.UNKNOWN_TOPIC_OR_PARTITION),
        ],
    )
    def test_other_resources(self, wire: Wire, kind: int, name: str, error: int) -> None:
        resource = DescribeConfigsResource(
            resource_type=kind, resource_name=name, configuration_keys=None
        )
        request = DescribeConfigsRequest(resources=[resource])
        (result,) = wire.ask(DESCRIBE_CONFIGS, 4, request).results
        assert result.error_code == error
        if error == codes.NONE:
            values = {each.name: each.value for each in result.configs}
            assert values.get("num.partitions") == ("4" if name else None)

    @pytest.mark.parametrize("version", range(3))
    def test_cluster(self, broker: BrokerThread, wire: Wire, version: int) -> None:
        answer = wire.ask(DESCRIBE_CLUSTER, version, DescribeClusterRequest())
        assert (answer.cluster_id, answer.controller_id) == (broker.cluster_id, 1)
        assert [(each.broker_id, each.port) for each in answer.brokers] == [(1, broker.port)]

    def test_cluster_of_controllers(self, wire: Wire) -> None:
        answer = wire.ask(DESCRIBE_CLUSTER, 1, DescribeClusterRequest(endpoint_type=2))
        assert answer.error_code == codes.MISMATCHED_ENDPOINT_TYPE
