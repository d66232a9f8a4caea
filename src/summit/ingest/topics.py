"""The topics of collectors: made when they are missing, so that the first event finds its place."""

from __future__ import annotations

import contextlib

from summit.base.errors import Conflict
from summit.client.admin import Admin
from summit.client.settings import AdminConfig
from summit.client.topics import TopicConfig
from summit.ingest.producing import Producer


def addresses_of(producer: Producer) -> list[str]:
    """The brokers that a producer has dialled; none for one that is no Kafka client."""
    return list(getattr(producer, "addresses", ()))


async def ensure_topic(addresses: list[str], topic: str) -> int:
    """Make the topic, as the broker makes topics, unless it exists; return its partitions.

    Raises: Unavailable; Invalid("topic.name_invalid").
    """
    config = TopicConfig(name=topic)
    async with Admin(
        AdminConfig(client_id="summit-collector", bootstrap_servers=addresses)
    ) as admin:
        if topic not in await admin.list_topics():
            with contextlib.suppress(Conflict):  # somebody else was quicker
                return (await admin.create_topic(config)).partitions
        (found,) = await admin.describe_topics([topic])
        return len(found.partitions)
