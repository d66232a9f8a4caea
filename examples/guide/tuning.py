"""A producer and a consumer for many records, commits by hand, and the broker's figures.

On a broker in this process, or on the one that SUMMIT_BOOTSTRAP_SERVERS names.
"""

import asyncio
import os

from summit.stream_processing import (
    ConsumerConfig,
    MessageBroker,
    ProducerConfig,
    StreamConsumer,
    StreamProducer,
)

servers = os.environ.get("SUMMIT_BOOTSTRAP_SERVERS")


async def main() -> None:
    broker = MessageBroker(bootstrap_servers=servers) if servers else MessageBroker.in_memory()
    async with broker:
        await broker.create_topic({"name": "tuned-events", "partitions": 3})
        producer_config = ProducerConfig(
            client_id="high-throughput-producer",
            bootstrap_servers=broker.address.split(","),
            # Batching
            batch_size=65536,  # 64 KB
            linger_ms=50,  # wait up to 50 ms to batch
            # Compression
            compression_type="lz4",
            # Reliability
            acks="all",
            retries=5,
            idempotence=True,
            # Performance
            max_in_flight_requests_per_connection=5,
            buffer_memory=128 * 1024 * 1024,  # 128 MB
        )
        async with StreamProducer(producer_config) as producer:
            await producer.send_batch(
                [{"topic": "tuned-events", "key": f"k{n}", "value": f"{n}"} for n in range(5_000)]
            )

        consumer_config = ConsumerConfig(
            group_id="high-throughput-consumers",
            client_id="consumer-1",
            bootstrap_servers=broker.address.split(","),
            # Fetch settings
            max_poll_records=1000,
            max_poll_interval_ms=600000,  # 10 minutes
            # Offset management
            enable_auto_commit=False,  # manual commit for better control
            auto_offset_reset="earliest",
            # Session management
            session_timeout_ms=30000,
            heartbeat_interval_ms=3000,
        )
        processed = 0
        async with StreamConsumer(consumer_config) as consumer:
            await consumer.subscribe(["tuned-events"])
            while processed < 5_000:
                messages = await consumer.poll()
                processed += len(messages)
                await consumer.commit_offsets()
            committed = await consumer.committed()
        print(f"Processed {processed}, committed {sum(o or 0 for o in committed.values())}")

        # Figures are rates of the last seconds; a cluster's begin when two readings are there.
        async with asyncio.timeout(60):
            while (metrics := broker.get_metrics()).messages_in_per_sec is None:
                await asyncio.sleep(0.1)
        print("Messages In/Sec:", metrics.messages_in_per_sec)
        print("Messages Out/Sec:", metrics.messages_out_per_sec)
        print("Bytes In/Sec:", metrics.bytes_in_per_sec)
        print("Bytes Out/Sec:", metrics.bytes_out_per_sec)
        print("Under-replicated Partitions:", metrics.under_replicated_partitions)
        print("Leader Election Rate:", metrics.leader_election_rate)


asyncio.run(main())
