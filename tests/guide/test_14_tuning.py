"""Guide, "Performance Tuning": both configurations are accepted, and honoured."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from summit.stream_processing import (
    ConsumerConfig,
    MessageBroker,
    ProducerConfig,
    StreamConsumer,
    StreamProducer,
    TopicConfig,
)

PRODUCER = {
    "clientId": "high-throughput-producer",
    "bootstrapServers": ["broker1:9092", "broker2:9092", "broker3:9092"],
    # Batching
    "batchSize": 65536,  # 64KB
    "lingerMs": 50,  # Wait up to 50ms to batch
    # Compression
    "compressionType": "lz4",
    # Reliability
    "acks": "all",
    "retries": 5,
    "idempotence": True,
    # Performance
    "maxInFlightRequestsPerConnection": 5,
    "bufferMemory": 128 * 1024 * 1024,  # 128MB
}
CONSUMER = {
    "groupId": "high-throughput-consumers",
    "clientId": "consumer-1",
    "bootstrapServers": ["broker1:9092", "broker2:9092", "broker3:9092"],
    # Fetch settings
    "maxPollRecords": 1000,
    "maxPollIntervalMs": 600000,  # 10 minutes
    # Offset management
    "enableAutoCommit": False,  # Manual commit for better control
    "autoOffsetReset": "earliest",
    # Session management
    "sessionTimeoutMs": 30000,
    "heartbeatIntervalMs": 3000,
}


def test_what_is_given_is_kept() -> None:
    producer, consumer = ProducerConfig.from_dict(PRODUCER), ConsumerConfig.from_dict(CONSUMER)
    assert PRODUCER.items() <= producer.to_dict().items()
    assert CONSUMER.items() <= consumer.to_dict().items()


def test_what_is_given_is_honoured(broker_config: dict[str, Any]) -> None:
    async def go() -> None:
        async with MessageBroker(broker_config) as broker:
            await broker.create_topic(TopicConfig(name="tuned-events", partitions=1))
            producer = StreamProducer(PRODUCER)
            await producer.connect(broker)
            await producer.send({"topic": "tuned-events", "value": "the first takes its id"})
            start = time.perf_counter()
            futures = [producer.send_nowait("tuned-events", f"{n}" * 30) for n in range(2_500)]
            await asyncio.gather(*futures)
            assert time.perf_counter() - start < 10
            lone = time.perf_counter()
            await producer.send({"topic": "tuned-events", "value": "alone"})
            assert time.perf_counter() - lone > 0.04  # it lingered for company
            await producer.close()

            # 64 KB batches: 2,500 records of about 100 bytes come in a few of them.
            records = await broker.consume("tuned-events", 0, 1, 2_500)
            batches = {record.checksum for record in records}
            assert len(records) == 2_500
            assert len(batches) < 20

            consumer = StreamConsumer(CONSUMER)
            await consumer.connect(broker)
            await consumer.subscribe(["tuned-events"])
            sizes: list[int] = []
            while sum(sizes) < 2_502:
                sizes.append(len(await consumer.poll(5_000)))
            assert max(sizes) <= 1_000
            assert await consumer.committed() == {("tuned-events", 0): None}  # manual means manual
            await consumer.close()

    asyncio.run(go())
