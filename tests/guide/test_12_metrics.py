"""Guide, "Monitoring and Metrics": six named figures, and they are true."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from summit.stream_processing import MessageBroker, TopicConfig


def test_six_figures(broker_config: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    async def go() -> None:
        async with MessageBroker(broker_config) as broker:
            await broker.create_topic(
                TopicConfig(name="intelligence-events", partitions=2, replication_factor=3)
            )
            for n in range(50):
                await broker.produce(
                    {"topic": "intelligence-events", "partition": n % 2, "value": "x" * 100}
                )
            assert len(await broker.consume("intelligence-events", 0, 0)) == 25

            metrics = broker.get_metrics()

            print("Messages In/Sec:", metrics.messages_in_per_sec)
            print("Messages Out/Sec:", metrics.messages_out_per_sec)
            print("Bytes In/Sec:", metrics.bytes_in_per_sec)
            print("Bytes Out/Sec:", metrics.bytes_out_per_sec)
            print("Under-replicated Partitions:", metrics.under_replicated_partitions)
            print("Leader Election Rate:", metrics.leader_election_rate)

            assert metrics.messages_in_per_sec > metrics.messages_out_per_sec > 0
            assert metrics.bytes_in_per_sec > 100 * metrics.messages_in_per_sec
            assert metrics.bytes_out_per_sec > 100 * metrics.messages_out_per_sec
            assert metrics.under_replicated_partitions == 2
            assert metrics.leader_election_rate == 0  # one broker elects nobody

    asyncio.run(go())
    assert len(capsys.readouterr().out.splitlines()) == 6
