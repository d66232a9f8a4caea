"""What is promised to users, in librdkafka's words; and that librdkafka takes it."""

from __future__ import annotations

from typing import Any

import confluent_kafka
import pytest
from tests.client.test_settings import GUIDE_CONSUMER, GUIDE_PRODUCER

from summit.base.logs import configure
from summit.client.librdkafka import Log, consumer_settings, producer_settings
from summit.client.settings import ConsumerConfig, ProducerConfig


def ignore(error: Any) -> None:
    """An error callback."""


def test_the_guides_producer() -> None:
    config = ProducerConfig.from_dict(GUIDE_PRODUCER)
    settings = producer_settings(config, config.servers, ignore)
    expected = {
        "bootstrap.servers": "broker1:9092,broker2:9092,broker3:9092",
        "client.id": "high-throughput-producer",
        "batch.size": 65536,
        "linger.ms": 50,
        "compression.codec": "lz4",
        "acks": "all",
        "retries": 5,
        "enable.idempotence": True,
        "max.in.flight.requests.per.connection": 5,
        "partitioner": "murmur2_random",
    }
    assert {key: settings[key] for key in expected} == expected
    # bufferMemory is ours to count: librdkafka's own limits lie beyond it.
    assert settings["queue.buffering.max.messages"] == 0
    assert settings["queue.buffering.max.kbytes"] * 1024 > config.buffer_memory


def test_the_guides_consumer() -> None:
    config = ConsumerConfig.from_dict(GUIDE_CONSUMER)
    settings = consumer_settings(config, config.servers, ignore)
    expected = {
        "group.id": "high-throughput-consumers",
        "client.id": "consumer-1",
        "max.poll.interval.ms": 600000,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 30000,
        "heartbeat.interval.ms": 3000,
        "isolation.level": "read_uncommitted",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
    }
    assert {key: settings[key] for key in expected} == expected


@pytest.mark.parametrize(
    "values",
    [
        {},
        GUIDE_PRODUCER | {"bootstrapServers": "127.0.0.1:1"},
        {"acks": 0, "retries": 0, "lingerMs": 0, "batchSize": 0},
        {"acks": 1, "maxInFlightRequestsPerConnection": 1_000, "compressionType": "zstd"},
        {"bufferMemory": 2**33, "maxRequestSize": 10_000_000, "batchSize": 5_000_000},
        {"retryBackoffMs": 5_000, "deliveryTimeoutMs": 1_000, "requestTimeoutMs": 300_000},
        {"lingerMs": 900_000, "deliveryTimeoutMs": 2**31 - 1, "retries": 2**31 - 1},
    ],
)
def test_librdkafka_takes_what_we_take_for_a_producer(values: dict[str, Any]) -> None:
    config = ProducerConfig.from_dict({"bootstrapServers": "127.0.0.1:1", **values})
    producer = confluent_kafka.Producer(producer_settings(config, config.servers, ignore))
    producer.flush(0)


@pytest.mark.parametrize(
    "values",
    [
        {"groupId": "g"},
        GUIDE_CONSUMER | {"bootstrapServers": "127.0.0.1:1"},
        {"groupId": "g", "autoOffsetReset": "none", "isolationLevel": "read_committed"},
        {"groupId": "g", "sessionTimeoutMs": 2, "heartbeatIntervalMs": 1, "maxPollIntervalMs": 2},
        {"groupId": "g", "fetchMaxWaitMs": 0, "metadataMaxAgeMs": 10},
        {"groupId": "g", "sessionTimeoutMs": 3_600_000, "maxPollIntervalMs": 86_400_000},
    ],
)
def test_librdkafka_takes_what_we_take_for_a_consumer(values: dict[str, Any]) -> None:
    config = ConsumerConfig.from_dict({"bootstrapServers": "127.0.0.1:1", **values})
    confluent_kafka.Consumer(consumer_settings(config, config.servers, ignore)).close()


def test_lost_connections_are_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning")  # others of this process may have asked for less
    log = Log("c")
    log.log(40, "%s [%s] %s", "FAIL", "summit#consumer-2", "Connection refused")
    log.log(20, "%s [%s] %s", "REQUEST", "summit#consumer-2", "an information")
    assert capsys.readouterr().err == ""
    log.log(40, "%s [%s] %s", "FETCH", "summit#consumer-2", "something broke")
    log.log(30, "%s [%s] %s", "OFFSET", "summit#consumer-2", "100% reset")
    told = capsys.readouterr().err
    assert "something broke" in told
    assert "100% reset" in told
