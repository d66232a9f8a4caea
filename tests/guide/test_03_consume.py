"""Guide, "Consuming Messages": a group, earliest, an async handler, dashes in every name."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.guide.conftest import until

from summit.stream_processing import (
    ConsumerConfig,
    ConsumerRecord,
    MessageBroker,
    StreamConsumer,
    TopicConfig,
)


async def produce(broker: MessageBroker, first: int, count: int) -> None:
    for n in range(first, first + count):
        value = json.dumps({"eventType": "entity.created", "n": n})
        await broker.produce({"topic": "intelligence-events", "key": f"entity-{n}", "value": value})


async def consume(brokers: MessageBroker, count: int) -> list[int]:
    """The guide's own lines; ends after `count` events."""
    received: list[int] = []

    async def process_intelligence_event(event: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        received.append(event["n"])

    consumer_config = ConsumerConfig(
        group_id="intel-consumers",
        client_id="consumer-1",
        bootstrap_servers=["localhost:9092"],
        auto_offset_reset="earliest",
        enable_auto_commit=True,
    )

    consumer = StreamConsumer(consumer_config)
    await consumer.connect(brokers)
    await consumer.subscribe(["intelligence-events"])

    async def handler(record: ConsumerRecord) -> None:
        event = json.loads(record.value or b"")
        print(f"Received event: {event['eventType']}")

        # Process event
        await process_intelligence_event(event)

    await consumer.start(handler)
    await until(lambda: len(received) >= count)
    await consumer.close()
    return sorted(received)


def test_a_restart_goes_on_after_the_last_commit(broker_config: dict[str, Any]) -> None:
    async def go() -> None:
        async with MessageBroker(broker_config) as broker:
            await broker.create_topic(TopicConfig(name="intelligence-events", partitions=6))
            await produce(broker, 0, 20)
            assert await consume(broker, 20) == list(range(20))
            await produce(broker, 20, 5)
            assert await consume(broker, 5) == list(range(20, 25))
        async with MessageBroker(broker_config) as broker:  # the broker may restart too
            await produce(broker, 25, 5)
            assert await consume(broker, 5) == list(range(25, 30))

    asyncio.run(go())


def test_a_crash_repeats_and_loses_nothing(broker_config: dict[str, Any]) -> None:
    """The commit follows the handler: what was in hand when it died comes again."""

    async def go() -> None:
        async with MessageBroker(broker_config) as broker:
            await broker.create_topic(TopicConfig(name="intelligence-events", partitions=1))
            await produce(broker, 0, 10)
            config = {
                "groupId": "intel-consumers",
                "clientId": "consumer-1",
                "autoOffsetReset": "earliest",
                "autoCommitIntervalMs": 10,
                "sessionTimeoutMs": 1_000,
                "heartbeatIntervalMs": 100,
            }
            consumer = StreamConsumer(config)
            await consumer.connect(broker)
            await consumer.subscribe(["intelligence-events"])
            stuck = asyncio.Event()

            async def handler(record: ConsumerRecord) -> None:
                if record.offset == 4:
                    stuck.set()
                    await asyncio.Event().wait()  # dies here

            run = asyncio.create_task(consumer.run(handler))
            await stuck.wait()
            await asyncio.sleep(0.05)
            assert await consumer.committed() == {("intelligence-events", 0): 4}
            assert consumer._worker is not None
            consumer._worker.cancel()
            await asyncio.wait([run])
            await consumer.close()
            assert await consume(broker, 6) == [4, 5, 6, 7, 8, 9]

    asyncio.run(go())
