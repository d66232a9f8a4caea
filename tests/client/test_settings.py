"""What the configuration classes take, default and refuse."""

from __future__ import annotations

from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.client.settings import ConsumerConfig, ProducerConfig
from summit.client.topics import TopicConfig

GUIDE_PRODUCER = {
    "clientId": "high-throughput-producer",
    "bootstrapServers": ["broker1:9092", "broker2:9092", "broker3:9092"],
    "batchSize": 65536,
    "lingerMs": 50,
    "compressionType": "lz4",
    "acks": "all",
    "retries": 5,
    "idempotence": True,
    "maxInFlightRequestsPerConnection": 5,
    "bufferMemory": 128 * 1024 * 1024,
}
GUIDE_CONSUMER = {
    "groupId": "high-throughput-consumers",
    "clientId": "consumer-1",
    "bootstrapServers": ["broker1:9092", "broker2:9092", "broker3:9092"],
    "maxPollRecords": 1000,
    "maxPollIntervalMs": 600000,
    "enableAutoCommit": False,
    "autoOffsetReset": "earliest",
    "sessionTimeoutMs": 30000,
    "heartbeatIntervalMs": 3000,
}


def test_the_guides_tuning_comes_back_as_it_was_given() -> None:
    producer = ProducerConfig.from_dict(GUIDE_PRODUCER).to_dict()
    assert {key: producer[key] for key in GUIDE_PRODUCER} == GUIDE_PRODUCER
    consumer = ConsumerConfig.from_dict(GUIDE_CONSUMER).to_dict()
    assert {key: consumer[key] for key in GUIDE_CONSUMER} == GUIDE_CONSUMER


def test_the_contracts_defaults() -> None:
    producer = ProducerConfig(client_id="c", bootstrap_servers=["a"])
    assert producer.servers == ["a:9092"]
    assert (producer.acks, producer.retries, producer.idempotence) == ("all", 3, True)
    assert (producer.batch_size, producer.linger_ms) == (16_384, 10)
    assert (producer.buffer_memory, producer.compression_type) == (33_554_432, "none")
    assert producer.max_in_flight_requests_per_connection == 5
    consumer = ConsumerConfig(group_id="g", client_id="c", bootstrap_servers="a:1,b:2")
    assert consumer.servers == ["a:1", "b:2"]
    assert (consumer.auto_offset_reset, consumer.enable_auto_commit) == ("latest", True)
    assert (consumer.auto_commit_interval_ms, consumer.max_poll_records) == (5_000, 500)
    assert (consumer.session_timeout_ms, consumer.heartbeat_interval_ms) == (30_000, 3_000)
    assert consumer.max_poll_interval_ms == 300_000
    assert consumer.isolation_level == "read_uncommitted"


@pytest.mark.parametrize(
    ("values", "idempotence"),
    [
        ({}, True),
        ({"acks": -1}, True),
        ({"acks": "1"}, False),
        ({"acks": 0}, False),
        ({"retries": 0}, False),
        ({"maxInFlightRequestsPerConnection": 6}, False),
        ({"idempotence": False}, False),
    ],
)
def test_idempotence_is_on_where_it_can_be(values: dict[str, Any], idempotence: bool) -> None:
    assert ProducerConfig.from_dict(values).idempotence is idempotence


@pytest.mark.parametrize(
    ("values", "code", "text"),
    [
        ({"batchSise": 1}, "config.unknown_key", "did you mean 'batchSize'"),
        ({"acks": "some"}, "config.invalid", "acks: 'some' is not one of all, 0, 1"),
        ({"compressionType": "lzma"}, "config.invalid", "compressionType"),
        ({"retries": -1}, "config.invalid", "retries"),
        ({"lingerMs": 5000, "deliveryTimeoutMs": 5000}, "config.invalid", "lingerMs"),
        ({"bufferMemory": 100}, "config.invalid", "batchSize"),
        ({"idempotence": True, "acks": 1}, "config.invalid", "needs acks=all"),
        ({"idempotence": True, "retries": 0}, "config.invalid", "needs retries"),
        (
            {"idempotence": True, "maxInFlightRequestsPerConnection": 6},
            "config.invalid",
            "keeps order",
        ),
        ({"transactionalId": " "}, "config.invalid", "transactionalId"),
        ({"transactionalId": "t", "acks": 1}, "config.invalid", "needs acks=all"),
        ({"transactionalId": "t", "idempotence": False}, "config.invalid", "needs idempotence"),
        ({"bootstrapServers": ["a:b"]}, "client.address", "a:b"),
        ({"clientId": " "}, "config.invalid", "clientId"),
        ({"batchSize": "many"}, "config.invalid", "batchSize"),
    ],
)
def test_what_a_producer_refuses(values: dict[str, Any], code: str, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        ProducerConfig.from_dict(values)
    assert caught.value.code == code
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "groupId"),
        ({"groupId": ""}, "groupId"),
        ({"groupId": "g", "autoOffsetReset": "first"}, "earliest, latest, none"),
        ({"groupId": "g", "isolationLevel": "serial"}, "read_committed"),
        ({"groupId": "g", "heartbeatIntervalMs": 30000}, "below sessionTimeoutMs"),
        ({"groupId": "g", "maxPollIntervalMs": 1000}, "at least sessionTimeoutMs"),
        ({"groupId": "g", "maxPollRecords": 0}, "maxPollRecords"),
        ({"groupId": "g", "maxConcurrency": 0}, "maxConcurrency"),
        ({"groupId": "g", "fromBeginning": True}, "unknown key 'fromBeginning'"),
    ],
)
def test_what_a_consumer_refuses(values: dict[str, Any], text: str) -> None:
    with pytest.raises(Invalid, match=text):
        ConsumerConfig.from_dict(values)


def test_a_topic_in_kafkas_words() -> None:
    config = TopicConfig.from_dict(
        {
            "name": "intelligence-events",
            "partitions": 6,
            "replicationFactor": 3,
            "retentionMs": 7 * 24 * 60 * 60 * 1000,
            "compressionType": "lz4",
            "minInSyncReplicas": 1,
        }
    )
    assert config.kafka_configs() == {
        "retention.ms": "604800000",
        "compression.type": "lz4",
        "min.insync.replicas": "1",
    }
    assert TopicConfig(name="t", compression_type="none").kafka_configs() == {
        "compression.type": "producer"
    }


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"name": "a b"}, "topic.name_invalid"),
        ({"name": ".."}, "topic.name_invalid"),
        ({"name": "x" * 250}, "topic.name_invalid"),
        ({"name": "t", "partitions": 0}, "config.invalid"),
        ({"name": "t", "retentionMs": -2}, "config.invalid"),
        ({"name": "t", "compressionType": "zip"}, "config.invalid"),
        ({"name": "t", "cleanupPolicy": "shrink"}, "config.invalid"),
        ({"name": "t", "partition": 3}, "config.unknown_key"),
    ],
)
def test_what_a_topic_refuses(values: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        TopicConfig.from_dict(values)
    assert caught.value.code == code
