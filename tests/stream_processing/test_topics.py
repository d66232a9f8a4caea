"""`TopicManager`: every method, over a broker of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from summit.base.errors import Conflict, Invalid, Unavailable
from summit.stream_processing import (
    EmbeddedBroker,
    MessageBroker,
    TopicConfig,
    TopicManager,
)

Work = Callable[[TopicManager, EmbeddedBroker], Awaitable[None]]
DAY_MS = 86_400_000


def over_a_broker(work: Work, **fields: Any) -> None:
    async def go() -> None:
        with EmbeddedBroker.in_memory(**fields) as broker:
            async with TopicManager(broker) as topics:
                await work(topics, broker)

    asyncio.run(go())


def test_creating_listing_and_deleting() -> None:
    async def work(topics: TopicManager, broker: EmbeddedBroker) -> None:
        made = await topics.create_topic({"name": "a-b.c", "partitions": 3, "replicationFactor": 3})
        assert (made.name, made.partitions, made.replication_factor) == ("a-b.c", 3, 1)
        assert "under-replicated" in made.warnings[0]
        with pytest.raises(Conflict, match=r"Topic a-b\.c already exists"):
            await topics.create_topic(TopicConfig(name="a-b.c"))
        assert await topics.list_topics() == ["a-b.c"]
        assert "__consumer_offsets" in await topics.list_topics(internal=True)
        assert await topics.topic_exists("a-b.c")
        assert not await topics.topic_exists("a-b")
        assert not await topics.topic_exists("no topic's name")
        await topics.delete_topic("a-b.c")
        assert not await topics.topic_exists("a-b.c")
        with pytest.raises(Invalid, match=r"Topic a-b\.c does not exist"):
            await topics.delete_topic("a-b.c")

    over_a_broker(work)


def test_asking_makes_no_topic() -> None:
    async def work(topics: TopicManager, broker: EmbeddedBroker) -> None:
        assert not await topics.topic_exists("a-b")
        with pytest.raises(Invalid, match="does not exist"):
            await topics.get_topic_config("a-b")
        with pytest.raises(Invalid, match="does not exist"):
            await topics.update_topic_config("a-b", {"retentionMs": 5})
        assert await topics.list_topics() == []

    over_a_broker(work, auto_create_topics=True)


def test_a_topics_settings_with_defaults_filled_in() -> None:
    async def work(topics: TopicManager, broker: EmbeddedBroker) -> None:
        wanted = TopicConfig(
            name="a-b", partitions=6, replication_factor=3, retention_ms=DAY_MS,
            retention_bytes=5_000_000, segment_ms=60_000, segment_bytes=1_000_000,
            compression_type="lz4", min_in_sync_replicas=1, cleanup_policy="compact,delete",
            max_message_bytes=2_000_000,
        )  # fmt: skip
        await topics.create_topic(wanted)
        assert await topics.get_topic_config("a-b") == wanted
        await topics.create_topic({"name": "plain"})
        assert (await topics.get_topic_config("plain")).to_dict() == {
            "name": "plain", "partitions": 3, "replicationFactor": 1, "retentionMs": 7 * DAY_MS,
            "retentionBytes": -1, "segmentMs": 7 * DAY_MS, "segmentBytes": 1 << 30,
            "compressionType": "none", "minInSyncReplicas": 1, "cleanupPolicy": "delete",
            "maxMessageBytes": 1_048_588,
        }  # fmt: skip
        every = await topics.get_all_topic_configs()
        assert sorted(every) == ["a-b", "plain"]
        assert every["a-b"] == wanted
        internal = await topics.get_all_topic_configs(internal=True)
        assert internal["__consumer_offsets"].cleanup_policy == "compact"

    over_a_broker(work)


def test_values_that_only_kafka_takes_are_shown_as_they_are() -> None:
    async def work(topics: TopicManager, broker: EmbeddedBroker) -> None:
        admin = AdminClient({"bootstrap.servers": broker.address})
        settings = {"retention.ms": "0", "compression.type": "uncompressed"}
        future = admin.create_topics([NewTopic("odd", 1, 1, config=settings)])["odd"]
        await asyncio.to_thread(future.result)
        config = await topics.get_topic_config("odd")
        assert (config.retention_ms, config.compression_type) == (0, "uncompressed")
        assert "odd" in await topics.get_all_topic_configs()

    over_a_broker(work)


def test_changing_some_settings_leaves_the_others() -> None:
    async def work(topics: TopicManager, broker: EmbeddedBroker) -> None:
        await topics.create_topic(
            {"name": "a-b", "partitions": 2, "retentionMs": 5_000, "compressionType": "gzip"}
        )
        changed = await topics.update_topic_config(
            "a-b", {"retention_ms": 9_000, "cleanupPolicy": "compact", "partitions": 5}
        )
        assert (changed.retention_ms, changed.cleanup_policy) == (9_000, "compact")
        assert (changed.partitions, changed.compression_type) == (5, "gzip")
        assert await topics.get_topic_config("a-b") == changed
        back = await topics.update_topic_config("a-b", {"retentionMs": None})
        assert back == changed.replace(retention_ms=7 * DAY_MS)
        by_config = TopicConfig(name="a-b", compression_type="none")
        none = await topics.update_topic_config("a-b", by_config)
        assert none == back.replace(compression_type="none")
        assert await topics.update_topic_config("a-b", {}) == none
        assert await topics.update_topic_config("a-b", none) == none

    over_a_broker(work)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"partitions": 1}, "topic.not_grown"),
        ({"partitions": 1_000_000}, None),
        ({"replicationFactor": 2}, "topic.copies_fixed"),
        ({"name": "c"}, None),
        ({"retentionHours": 1}, "config.unknown_key"),
        ({"retentionMs": 0}, "config.invalid"),
        ({"compressionType": "brotli"}, "config.invalid"),
        ({"segmentBytes": 5, "partitions": 9}, "client.refused"),
        ({"retentionMs": 1_000, "partitions": 1_000_000}, None),
    ],
)
def test_what_is_refused_changes_nothing(changes: dict[str, Any], code: str | None) -> None:
    async def work(topics: TopicManager, broker: EmbeddedBroker) -> None:
        await topics.create_topic({"name": "a-b", "partitions": 2})
        before = await topics.get_topic_config("a-b")
        with pytest.raises(Invalid) as caught:
            await topics.update_topic_config("a-b", changes)
        assert code in (None, caught.value.code)
        assert await topics.get_topic_config("a-b") == before

    over_a_broker(work)


def test_topics_and_settings_outlive_the_broker(tmp_path: Path) -> None:
    async def go() -> None:
        broker = MessageBroker(port=0, data_dir=str(tmp_path))
        async with broker, TopicManager(broker) as topics:
            await topics.create_topic({"name": "a-b", "partitions": 2, "replicationFactor": 2})
            await topics.update_topic_config("a-b", {"retentionMs": 5_000, "partitions": 3})
            kept = await topics.get_topic_config("a-b")
        other = MessageBroker(port=0, data_dir=str(tmp_path))
        async with other, TopicManager(other) as topics:
            assert await topics.get_all_topic_configs() == {"a-b": kept}
        assert (kept.partitions, kept.retention_ms, kept.replication_factor) == (3, 5_000, 2)

    asyncio.run(go())


def test_connecting() -> None:
    async def go() -> None:
        topics = TopicManager()
        with pytest.raises(Invalid, match="topic manager is not connected"):
            await topics.list_topics()
        with pytest.raises(Unavailable, match="no address"):
            await topics.connect()
        config = {"bootstrapServers": "127.0.0.1:1", "connectTimeoutMs": 200}
        with pytest.raises(Unavailable):
            await TopicManager(config=config).connect()
        with EmbeddedBroker.in_memory() as broker:
            await topics.connect(broker)
            with pytest.raises(Conflict, match="connected already"):
                await topics.connect(broker)
            assert await topics.list_topics() == []
            await topics.close()
            await topics.close()
            async with TopicManager(config={"bootstrapServers": [broker.address]}) as other:
                assert await other.list_topics() == []

    asyncio.run(go())
