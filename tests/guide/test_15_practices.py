"""Guide, "Best Practices": names, event schema, transactions, lag and in-sync replicas."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.guide.conftest import Services

from summit.stream_processing import (
    MessageBroker,
    ProducerConfig,
    StreamConsumer,
    StreamProducer,
    TopicConfig,
)


def test_hierarchical_names_and_correlation_ids(broker_config: dict[str, Any]) -> None:
    async def go() -> None:
        async with MessageBroker(broker_config) as broker:
            for name in ("intel.entity.created", "intel.entity.deleted"):  # domain.entity.action
                await broker.create_topic(TopicConfig(name=name, partitions=2))
            event = {
                "eventId": "event-1",
                "eventType": "entity.created",
                "timestamp": 1_700_000_000_000,
                "source": "crm",
                "correlationId": "trace-1",
            }
            result = await broker.produce(
                {
                    "topic": "intel.entity.created",
                    "key": "entity-123",
                    "value": json.dumps(event),
                    "headers": {"correlation-id": "trace-1"},
                    "timestamp": event["timestamp"],
                }
            )
            (record,) = await broker.consume(result.topic, result.partition, result.offset)
            assert record.json() == event
            assert record.headers["correlation-id"] == b"trace-1"
            assert record.timestamp == event["timestamp"]

    asyncio.run(go())


def test_lag_and_in_sync_replicas_are_visible(broker_config: dict[str, Any]) -> None:
    async def go() -> None:
        async with MessageBroker(broker_config) as broker:
            await broker.create_topic(TopicConfig(name="watched-events", partitions=1))
            for _ in range(5):
                await broker.produce({"topic": "watched-events", "value": "x"})
            consumer = StreamConsumer({"groupId": "slow-group", "autoOffsetReset": "earliest"})
            await consumer.connect(broker)
            await consumer.subscribe("watched-events")
            assert len(await consumer.poll_batch(2, 5_000)) == 2
            assert await consumer.lag() == {("watched-events", 0): 3}
            (partition,) = await broker.get_topic_partitions("watched-events")
            assert partition.isr == [0]
            await consumer.close()

    asyncio.run(go())


def test_lag_is_visible_over_rest(services: Services) -> None:
    assert "groups" in services.streaming.get("/api/metrics").json()


def test_transactions_over_several_topics(broker_config: dict[str, Any]) -> None:
    async def go() -> None:
        async with MessageBroker(broker_config) as broker:
            for name in ("orders", "payments"):
                await broker.create_topic(TopicConfig(name=name, partitions=1))
            config = ProducerConfig(client_id="shop", transactional_id="shop-1")
            producer = StreamProducer(config)
            await producer.connect(broker)
            for value, end in (("kept", "commit"), ("dropped", "abort")):
                await producer.begin_transaction()
                await producer.send({"topic": "orders", "value": value})
                await producer.send({"topic": "payments", "value": value})
                if end == "commit":
                    await producer.commit_transaction()
                else:
                    await producer.abort_transaction()
            await producer.close()
            for name in ("orders", "payments"):
                consumer = StreamConsumer(
                    {
                        "groupId": f"readers-of-{name}",
                        "autoOffsetReset": "earliest",
                        "isolationLevel": "read_committed",
                    }
                )
                await consumer.connect(broker)
                await consumer.subscribe(name)
                assert [r.text() for r in await consumer.poll(2_000)] == ["kept"]
                await consumer.close()

    asyncio.run(go())
