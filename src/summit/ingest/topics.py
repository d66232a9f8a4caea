"""The topics of collectors: made when they are missing, so that the first event finds its place."""

from __future__ import annotations

import re
import zlib
from typing import Final

from summit.client.admin import Admin
from summit.client.settings import AdminConfig
from summit.client.topics import TopicConfig
from summit.ingest.producing import Producer

CONNECT_TIMEOUT_MS: Final = 3_000  # a start that fails should fail soon


def addresses_of(producer: Producer) -> list[str]:
    """The brokers that a producer has dialled; none for one that is no Kafka client."""
    return list(getattr(producer, "addresses", ()))


def admin_config(addresses: list[str]) -> AdminConfig:
    """How collectors dial for anything but producing."""
    return AdminConfig(
        client_id="summit-collector",
        bootstrap_servers=addresses,
        connect_timeout_ms=CONNECT_TIMEOUT_MS,
    )


def own_topic(kind: str, collector: str) -> str:
    """The internal topic that one collector keeps something in."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", collector)[:150]
    if plain != collector:
        plain += f".{zlib.crc32(collector.encode()):08x}"
    return f"_summit.{kind}.{plain}"


async def ensure_topic(addresses: list[str], topic: str) -> int:
    """Make the topic, as the broker makes topics, unless it exists; return its partitions.

    Raises: Unavailable; Invalid("topic.name_invalid").
    """
    config = TopicConfig(name=topic)
    async with Admin(admin_config(addresses)) as admin:
        made = await admin.create_if_missing(config)
        if made is not None:
            return made.partitions
        (found,) = await admin.describe_topics([topic])
        return len(found.partitions)
