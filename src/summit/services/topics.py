"""The routes of topics: create, list, describe, delete."""

from __future__ import annotations

import asyncio
from typing import TypedDict

import msgspec

from summit.base.errors import Invalid
from summit.client.topics import TopicConfig
from summit.services.internal_topics import refuse_internal
from summit.services.node import Node
from summit.services.parameters import Flag
from summit.services.permission import readable, require_topic
from summit.web import Operation, Request, Routes

_TAG = "topics"


class TopicFilter(msgspec.Struct, frozen=True):
    """Which topics: with `internal` also those whose names begin with an underscore."""

    internal: Flag = False


class TopicMade(TypedDict):
    """A topic that was created, as it is; what is not as it was asked for is a warning."""

    status: str
    topic: str
    partitions: int
    replicationFactor: int
    warnings: list[str]


class TopicSummary(TypedDict):
    """A topic in short; its offsets are the records and the transactions' markers, and hold what
    compaction took out."""

    name: str
    partitions: int
    replicationFactor: int
    offsets: int


class TopicList(TypedDict):
    """The topics."""

    topics: list[TopicSummary]
    count: int


class PartitionShown(TypedDict):
    """A partition: who has it, and which offsets it holds."""

    partition: int
    leader: int
    replicas: list[int]
    isr: list[int]
    logStartOffset: int
    highWaterMark: int


class TopicShown(TypedDict):
    """A topic."""

    name: str
    topicId: str | None
    partitions: list[PartitionShown]


class TopicRemoved(TypedDict):
    """A topic that is gone."""

    status: str
    topic: str


def add_topics(routes: Routes, node: Node) -> None:
    """Add the routes under `/api/topics`."""

    async def create(request: Request) -> TopicMade:
        body = await request.read_json()
        if not isinstance(body, dict):
            raise Invalid("config.invalid", reason="a topic is a JSON object", pointer="")
        require_topic(request, "admin", body.get("name"))
        refuse_internal(body.get("name"), "/name")
        created = await node.admin.create_topic(body)
        return {
            "status": "created", "topic": created.name,
            "partitions": created.partitions, "replicationFactor": created.replication_factor,
            "warnings": created.warnings,
        }  # fmt: skip

    async def listed(request: Request) -> TopicList:
        internal = request.query_as(TopicFilter).internal
        known = readable(request, await node.admin.list_topics())
        names = [name for name in known if internal or name[0] != "_"]
        found = await asyncio.gather(*(_summary(node, name) for name in names))
        topics = [topic for topic in found if topic is not None]
        return {"topics": topics, "count": len(topics)}

    async def one(request: Request) -> TopicShown:
        name = request.path_params["name"]
        (topic,) = await node.admin.describe_topics([name])
        offsets = await node.admin.offsets(name)
        return {
            "name": name,
            "topicId": topic.topic_id,
            "partitions": [
                {
                    "partition": p.partition, "leader": p.leader, "replicas": p.replicas,
                    "isr": p.isr, "logStartOffset": offsets[p.partition][0],
                    "highWaterMark": offsets[p.partition][1],
                }
                for p in topic.partitions
            ],
        }  # fmt: skip

    async def remove(request: Request) -> TopicRemoved:
        name = request.path_params["name"]
        refuse_internal(name)
        await node.admin.delete_topic(name)
        return {"status": "deleted", "topic": name}

    routes.post(
        "/api/topics", create,
        Operation("Create a topic", _TAG, body=TopicConfig, problems=(403, 409)),
    )  # fmt: skip
    routes.get("/api/topics", listed, Operation("List the topics", _TAG, query=TopicFilter))
    routes.get("/api/topics/{name}", one, Operation("Show a topic", _TAG))
    routes.delete("/api/topics/{name}", remove, Operation("Delete a topic", _TAG, problems=(403,)))


async def _summary(node: Node, name: str) -> TopicSummary | None:
    """One topic in short; None when it was deleted meanwhile."""
    try:
        (topic,) = await node.admin.describe_topics([name])
        offsets = await node.admin.offsets(name)
    except Invalid:
        return None
    return {
        "name": name,
        "partitions": len(topic.partitions),
        "replicationFactor": len(topic.partitions[0].replicas),
        "offsets": sum(end - start for start, end in offsets.values()),
    }
