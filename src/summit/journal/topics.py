"""The topics Summit keeps for itself: their names, their settings, and making them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from summit.base.errors import Conflict
from summit.client.admin import Admin
from summit.client.types import TopicMetadata

DEFINITIONS_TOPIC: Final = "_summit.definitions"
PROGRESS_TOPIC: Final = "_summit.progress"
ALERTS_TOPIC: Final = "alerts"
EVENTS_TOPIC: Final = "events"


class OwnTopic(NamedTuple):
    """A topic that Summit makes where it is missing."""

    name: str
    partitions: int
    configs: dict[str, str]


DEFINITIONS: Final = OwnTopic(DEFINITIONS_TOPIC, 1, {"retention.ms": "-1"})
ALERTS: Final = OwnTopic(ALERTS_TOPIC, 1, {"retention.ms": "-1"})
# Every record repeats all that the one before says: a day of them is more than anyone reads.
PROGRESS: Final = OwnTopic(
    PROGRESS_TOPIC, 1, {"retention.ms": "86400000", "segment.bytes": str(16 << 20)}
)


async def ensure_topics(admin: Admin, topics: Iterable[OwnTopic]) -> dict[str, TopicMetadata]:
    """Make the topics that are missing; returns how each stands now, by name.

    Raises: whatever the cluster answers to a topic that it will not make.
    """
    wanted = list(topics)
    known = {topic.name for topic in await admin.list_topics()}
    for topic in wanted:
        if topic.name in known:
            continue
        try:
            await admin.create_topic(topic.name, partitions=topic.partitions, configs=topic.configs)
        except Conflict:
            continue  # somebody else made it meanwhile
    described = await admin.describe_topics([topic.name for topic in wanted])
    return {topic.name: topic for topic in described}
