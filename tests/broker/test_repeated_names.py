"""Requests that name the same thing over and over: it is looked at once."""

from __future__ import annotations

from typing import Any

from tests.broker.transactions import TxnProducer
from tests.broker.wire import Wire, batch_of, fetch_request

from summit.protocol import codes
from summit.protocol.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from summit.protocol.describe_groups import DESCRIBE_GROUPS, DescribeGroupsRequest
from summit.protocol.describe_producers import (
    DESCRIBE_PRODUCERS,
    DescribeProducersRequest,
    DescribeProducersTopic,
)
from summit.protocol.describe_transactions import (
    DESCRIBE_TRANSACTIONS,
    DescribeTransactionsRequest,
)
from summit.protocol.fetch import FETCH
from summit.protocol.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from summit.protocol.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
)

MANY = 200


def test_metadata(wire: Wire, topic: str) -> None:
    answer = wire.metadata(*[topic, "other"] * MANY, version=9)
    assert [each.name for each in answer.topics] == [topic, "other"]


def test_a_fetch_reads_a_partition_once(wire: Wire, topic: str) -> None:
    wire.produce(topic, batch_of(b"x" * 1_000))
    request = fetch_request([(topic, 0, 0)] * MANY)
    answer = wire.ask(FETCH, 12, request)
    parts = [part for each in answer.topics for part in each.partitions]
    assert [len(bytes(part.records)) > 1_000 for part in parts] == [True]


def test_configs(wire: Wire, topic: str) -> None:
    resource = DescribeConfigsResource(
        resource_type=2, resource_name=topic, configuration_keys=["segment.bytes"]
    )
    request = DescribeConfigsRequest(resources=[resource] * MANY)
    (result,) = wire.ask(DESCRIBE_CONFIGS, 4, request).results
    assert [config.name for config in result.configs] == ["segment.bytes"]


def test_groups(wire: Wire) -> None:
    answer = wire.ask(DESCRIBE_GROUPS, 5, DescribeGroupsRequest(groups=["g", "h"] * MANY))
    assert [group.group_id for group in answer.groups] == ["g", "h"]


def test_offsets_of_whole_groups(wire: Wire) -> None:
    groups = [OffsetFetchRequestGroup(group_id="g", topics=None)] * MANY
    answer = wire.ask(OFFSET_FETCH, 8, OffsetFetchRequest(groups=groups))
    assert [group.group_id for group in answer.groups] == ["g"]


def test_transactions_and_producers(wire: Wire, topic: str) -> None:
    producer = TxnProducer(wire, f"p-{topic}")
    assert producer.init() == codes.NONE
    assert producer.send(topic, b"x") == codes.NONE
    ids = DescribeTransactionsRequest(transactional_ids=[producer.name] * MANY)
    states = wire.ask(DESCRIBE_TRANSACTIONS, 0, ids).transaction_states
    assert [state.producer_id for state in states] == [producer.producer_id]
    wanted = DescribeProducersTopic(name=topic, partition_indexes=[0] * MANY)
    answer: Any = wire.ask(DESCRIBE_PRODUCERS, 0, DescribeProducersRequest(topics=[wanted] * 2))
    parts = [part for each in answer.topics for part in each.partitions]
    assert [len(part.active_producers) for part in parts] == [1]


def test_list_offsets_refuses_them_as_kafka_does(wire: Wire, topic: str) -> None:
    parts = [ListOffsetsPartition(partition_index=index, timestamp=-1) for index in (0, 0)]
    other = ListOffsetsTopic(
        name=f"{topic}-other", partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)]
    )
    topics = [ListOffsetsTopic(name=topic, partitions=parts), other]
    answer = wire.ask(LIST_OFFSETS, 6, ListOffsetsRequest(topics=topics))
    errors = [part.error_code for each in answer.topics for part in each.partitions]
    assert errors == [
        codes.INVALID_REQUEST,
        codes.INVALID_REQUEST,
        codes.UNKNOWN_TOPIC_OR_PARTITION,
    ]
