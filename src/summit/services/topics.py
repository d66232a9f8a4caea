"""The routes of topics: create, list, describe, delete."""

from __future__ import annotations

import asyncio
from typing import Any

from summit.base.errors import Invalid
from summit.services.internal_topics import refuse_internal
from summit.services.node import Node
from summit.services.parameters import refuse_unknown
from summit.services.permission import readable, require_topic
from summit.web import Request, Routes


def add_topics(routes: Routes, node: Node) -> None:
    """Add the routes under `/api/topics`."""

    async def create(request: Request) -> dict[str, Any]:
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

    async def listed(request: Request) -> dict[str, Any]:
        refuse_unknown(request, "internal")
        internal = request.query_params.get("internal") == "true"
        known = readable(request, await node.admin.list_topics())
        names = [name for name in known if internal or name[0] != "_"]
        found = await asyncio.gather(*(_summary(node, name) for name in names))
        topics = [topic for topic in found if topic is not None]
        return {"topics": topics, "count": len(topics)}

    async def one(request: Request) -> dict[str, Any]:
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

    async def remove(request: Request) -> dict[str, Any]:
        name = request.path_params["name"]
        refuse_internal(name)
        await node.admin.delete_topic(name)
        return {"status": "deleted", "topic": name}

    routes.post("/api/topics", create)
    routes.get("/api/topics", listed)
    routes.get("/api/topics/{name}", one)
    routes.delete("/api/topics/{name}", remove)


async def _summary(node: Node, name: str) -> dict[str, Any] | None:
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
        "records": sum(end - start for start, end in offsets.values()),
    }
