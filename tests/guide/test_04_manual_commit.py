"""Guide, "Consumer Optimization": poll, process, `commit_offsets()`."""

from __future__ import annotations

import asyncio
from typing import Any

from summit.stream_processing import (
    ConsumerConfig,
    ConsumerRecord,
    MessageBroker,
    StreamConsumer,
    TopicConfig,
)


def test_poll_process_commit(broker_config: dict[str, Any]) -> None:
    processed: list[int] = []

    async def process_messages(messages: list[ConsumerRecord]) -> None:
        processed.extend(int(message.text()) for message in messages)

    async def connected(broker: MessageBroker) -> StreamConsumer:
        consumer_config = ConsumerConfig(
            group_id="high-throughput-consumers",
            client_id="consumer-1",
            bootstrap_servers=["broker1:9092", "broker2:9092", "broker3:9092"],
            max_poll_records=1000,
            max_poll_interval_ms=600000,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=30000,
            heartbeat_interval_ms=3000,
        )
        consumer = StreamConsumer(consumer_config)
        await consumer.connect(broker)
        await consumer.subscribe(["intelligence-events"])
        return consumer

    async def go() -> None:
        async with MessageBroker(broker_config) as broker:
            await broker.create_topic(TopicConfig(name="intelligence-events", partitions=1))
            for n in range(10):
                await broker.produce({"topic": "intelligence-events", "value": f"{n}"})

            consumer = await connected(broker)
            while len(processed) < 10:
                messages = await consumer.poll()
                await process_messages(messages)
                await consumer.commit_offsets()
            await broker.produce({"topic": "intelligence-events", "value": "10"})
            uncommitted = await consumer.poll()
            assert [message.text() for message in uncommitted] == ["10"]
            await consumer.close()

            consumer = await connected(broker)
            await process_messages(await consumer.poll(10_000))
            await consumer.close()

    asyncio.run(go())
    assert processed == list(range(11))
