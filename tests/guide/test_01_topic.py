"""Guide, "Creating a Topic": 6 partitions, replication factor 3, 7 days, lz4, on one broker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, ConfigResource

from summit.records import parse_header
from summit.stream_processing import (
    MessageBroker,
    ProducerConfig,
    StreamProducer,
    TopicConfig,
)


async def create(config: dict[str, Any]) -> MessageBroker:
    """The guide's own lines."""
    broker = MessageBroker(config)

    await broker.start()

    topic_config = TopicConfig(
        name="intelligence-events",
        partitions=6,
        replication_factor=3,
        retention_ms=7 * 24 * 60 * 60 * 1000,  # 7 days
        compression_type="lz4",
    )

    await broker.create_topic(topic_config)
    return broker


def test_the_topic_is_created_without_error(broker_config: dict[str, Any]) -> None:
    async def go() -> None:
        broker = await create(broker_config)
        try:
            partitions = await broker.get_topic_partitions("intelligence-events")
            assert [p.partition for p in partitions] == [0, 1, 2, 3, 4, 5]
            assert all(p.leader == 0 and p.replicas == p.isr == [0] for p in partitions)
            # The wish for three copies is kept, told, and counted: never pretended.
            assert broker.get_metrics().under_replicated_partitions == 6
        finally:
            await broker.stop()

    asyncio.run(go())


def test_seven_days_are_what_the_broker_keeps_to(broker_config: dict[str, Any]) -> None:
    async def go() -> None:
        broker = await create(broker_config)
        try:
            client = AdminClient({"bootstrap.servers": broker.address})
            resource = ConfigResource("topic", "intelligence-events")
            future = client.describe_configs([resource])[resource]
            configs = await asyncio.to_thread(future.result)
            assert configs["retention.ms"].value == "604800000"
        finally:
            await broker.stop()

    asyncio.run(go())


def test_the_topics_codec_is_what_stands_on_the_disk(
    broker_config: dict[str, Any], tmp_path: Path
) -> None:
    async def go() -> None:
        broker = await create(broker_config)
        try:
            producer = StreamProducer(ProducerConfig(client_id="plain", compression_type="none"))
            await producer.connect(broker)
            result = await producer.send(
                {"topic": "intelligence-events", "value": "compressible " * 100}
            )
            await producer.close()
        finally:
            await broker.stop()
        place = f"intelligence-events-{result.partition}"
        log = (tmp_path / "stream-logs" / place / f"{0:020}.log").read_bytes()
        assert parse_header(log).codec == 3  # lz4

    asyncio.run(go())
