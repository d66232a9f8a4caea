"""What a topic is: its partitions, its settings, and the entity tag of both."""

from __future__ import annotations

from typing import Any, TypedDict

from summit.client.admin import Admin
from summit.client.topics import TopicConfig
from summit.web import content_tag


class PartitionShown(TypedDict):
    """A partition: who has it, and which offsets it holds."""

    partition: int
    leader: int
    replicas: list[int]
    isr: list[int]
    logStartOffset: int
    highWaterMark: int


class TopicShown(TypedDict):
    """A topic; its settings as `POST /api/topics` takes them, whoever has set them."""

    name: str
    topicId: str | None
    replicationFactor: int
    partitions: list[PartitionShown]
    config: dict[str, Any]


async def described(admin: Admin, name: str) -> TopicShown:
    """A topic. Raises Invalid("topic.unknown"); Unavailable."""
    (topic,) = await admin.describe_topics([name])
    offsets = await admin.offsets(name)
    configs = await admin.topic_configs(name)
    copies = len(topic.partitions[0].replicas) if topic.partitions else 1
    known = TopicConfig.of_topic(
        name, len(topic.partitions), copies, {key: each.value for key, each in configs.items()}
    )
    config = {
        key: value
        for key, value in known.to_dict().items()
        if value is not None and key not in ("name", "partitions", "replicationFactor")
    }
    return {
        "name": name,
        "topicId": topic.topic_id,
        "replicationFactor": copies,
        "partitions": [
            {
                "partition": p.partition, "leader": p.leader, "replicas": p.replicas,
                "isr": p.isr, "logStartOffset": offsets[p.partition][0],
                "highWaterMark": offsets[p.partition][1],
            }
            for p in topic.partitions
        ],
        "config": config,
    }  # fmt: skip


def tag_of(topic: TopicShown) -> str:
    """The entity tag: of what can be changed, not of what is written to it."""
    return content_tag([topic["topicId"], len(topic["partitions"]), topic["config"]])
