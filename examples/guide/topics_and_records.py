"""A topic, a producer and a consumer group.

On a broker in this process, or on the one that SUMMIT_BOOTSTRAP_SERVERS names (`summit broker`, or
an Apache Kafka cluster).
"""

import asyncio
import json
import os
import time

from summit.stream_processing import MessageBroker, StreamConsumer, StreamProducer

servers = os.environ.get("SUMMIT_BOOTSTRAP_SERVERS")


async def main() -> None:
    broker = MessageBroker(bootstrap_servers=servers) if servers else MessageBroker.in_memory()
    async with broker:
        await broker.create_topic(
            {
                "name": "intelligence-events",
                "partitions": 6,
                "replicationFactor": 3,  # one broker: kept as a wish, one copy made
                "retentionMs": 7 * 24 * 60 * 60 * 1000,
                "compressionType": "lz4",
            }
        )
        producer = StreamProducer(
            {
                "clientId": "intel-producer",
                "bootstrapServers": [broker.address],
                "acks": "all",
                "idempotence": True,
                "compressionType": "lz4",
            }
        )
        async with producer:
            event = {
                "eventType": "entity.created",
                "entityId": "entity-123",
                "timestamp": int(time.time() * 1000),
                "data": {},
            }
            record = {"topic": "intelligence-events", "key": "entity-123"}
            result = await producer.send({**record, "value": json.dumps(event)})
            print(f"Message produced to partition {result.partition} at offset {result.offset}")

        consumer = StreamConsumer(
            {
                "groupId": "intel-consumers",
                "clientId": "consumer-1",
                "bootstrapServers": [broker.address],
                "autoOffsetReset": "earliest",
                "enableAutoCommit": True,
            }
        )
        async with consumer:
            await consumer.subscribe(["intelligence-events"])
            seen = asyncio.Event()

            async def handle(record) -> None:
                print(f"Received event: {record.json()['eventType']}")
                seen.set()

            await consumer.start(handle)
            await asyncio.wait_for(seen.wait(), 60)


asyncio.run(main())
