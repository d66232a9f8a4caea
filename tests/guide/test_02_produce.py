"""Guide, "Producing Messages": idempotent, lz4; the result is the true place of the record."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from summit.records import parse_header
from summit.stream_processing import (
    MessageBroker,
    ProducerConfig,
    StreamProducer,
    TopicConfig,
)


def test_produce(
    broker_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def go() -> None:
        brokers = MessageBroker(broker_config)
        await brokers.start()
        await brokers.create_topic(TopicConfig(name="intelligence-events", partitions=6))

        producer_config = ProducerConfig(
            client_id="intel-producer",
            bootstrap_servers=["localhost:9092"],
            acks="all",
            idempotence=True,
            compression_type="lz4",
        )

        producer = StreamProducer(producer_config)
        await producer.connect(brokers)

        for n in range(2):
            value = json.dumps(
                {
                    "eventType": "entity.created",
                    "entityId": "entity-123",
                    "timestamp": int(time.time() * 1000),
                    "data": {"text": "worth compressing " * 20},
                }
            )
            result = await producer.send(
                {"topic": "intelligence-events", "key": "entity-123", "value": value}
            )

            print(f"Message produced to partition {result.partition} at offset {result.offset}")

            # Partition 1 is where every Kafka client puts this key among six.
            assert (result.partition, result.offset) == (1, n)
            (record,) = await brokers.consume("intelligence-events", 1, n)
            assert (record.key, record.value) == (b"entity-123", value.encode())

        await producer.close()
        await brokers.stop()

        path = tmp_path / "stream-logs" / "intelligence-events-1" / f"{0:020}.log"
        header = parse_header(path.read_bytes())
        assert header.codec == 3  # lz4
        assert header.producer_id >= 0  # idempotent
        assert header.base_sequence == 0

    asyncio.run(go())
    assert capsys.readouterr().out.splitlines() == [
        "Message produced to partition 1 at offset 0",
        "Message produced to partition 1 at offset 1",
    ]
