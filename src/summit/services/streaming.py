"""The streaming service (port 3000): topics, records, metrics, patterns, collectors."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from summit.base.errors import Invalid
from summit.base.limits import CONSUME_RECORDS_MAX, CONSUME_WAIT_MS_MAX
from summit.journal.topics import DEFINITIONS_TOPIC
from summit.services.health import add_health
from summit.services.metrics import ServiceMetrics
from summit.services.node import Node
from summit.services.patterns import add_patterns
from summit.services.reading import read_records
from summit.web import Request, Response, Routes, int_parameter, json_response, text_response


class ProduceRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/produce`; a value that is no text is sent as JSON."""

    topic: str
    value: Any = None
    key: str | None = None
    headers: dict[str, str] | None = None
    partition: int | None = None
    timestamp: int | None = None


class StreamingService:
    """Handlers of the service.

    Args:
        node: What it stands on.
        metrics: Where figures come from.
    """

    def __init__(self, node: Node, metrics: ServiceMetrics) -> None:
        self._node = node
        self._metrics = metrics

    def routes(self) -> Routes:
        """The table of routes."""
        routes = Routes()
        add_health(routes, "streaming-service", self._node, self._broker)
        routes.post("/api/topics", self._create_topic)
        routes.get("/api/topics", self._list_topics)
        routes.get("/api/topics/{name}", self._describe_topic)
        routes.delete("/api/topics/{name}", self._delete_topic)
        routes.post("/api/produce", self._produce)
        routes.get("/api/consume/{topic}/{partition}", self._consume)
        routes.get("/api/metrics", self._read_metrics)
        routes.get("/metrics", self._scrape)
        add_patterns(routes, "/api/cep/patterns", self._node)
        routes.post("/api/collectors", self._add_collector)
        routes.get("/api/collectors", self._list_collectors)
        routes.get("/api/collectors/{name}", self._show_collector)
        routes.delete("/api/collectors/{name}", self._remove_collector)
        return routes

    async def _broker(self) -> dict[str, Any]:
        (topic,) = await self._node.admin.describe_topics([DEFINITIONS_TOPIC])
        leader = topic.partitions[0].leader
        return {"brokerId": leader, "isLeader": leader >= 0}

    # ---- topics ----

    async def _create_topic(self, request: Request) -> dict[str, Any]:
        body = await request.read_json()
        if not isinstance(body, dict):
            raise Invalid("config.invalid", reason="a topic is a JSON object", pointer="")
        created = await self._node.admin.create_topic(body)
        return {
            "status": "created", "topic": created.name,
            "partitions": created.partitions, "replicationFactor": created.replication_factor,
            "warnings": created.warnings,
        }  # fmt: skip

    async def _list_topics(self, request: Request) -> dict[str, Any]:
        internal = request.query_params.get("internal") == "true"
        names = [
            name for name in await self._node.admin.list_topics() if internal or name[0] != "_"
        ]
        found = await asyncio.gather(*(self._topic(name) for name in names))
        return {"topics": found, "count": len(found)}

    async def _describe_topic(self, request: Request) -> dict[str, Any]:
        name = request.path_params["name"]
        (topic,) = await self._node.admin.describe_topics([name])
        offsets = await self._node.admin.offsets(name)
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

    async def _delete_topic(self, request: Request) -> dict[str, Any]:
        name = request.path_params["name"]
        await self._node.admin.delete_topic(name)
        return {"status": "deleted", "topic": name}

    async def _topic(self, name: str) -> dict[str, Any]:
        (topic,) = await self._node.admin.describe_topics([name])
        offsets = await self._node.admin.offsets(name)
        return {
            "name": name,
            "partitions": len(topic.partitions),
            "replicationFactor": len(topic.partitions[0].replicas),
            "records": sum(end - start for start, end in offsets.values()),
        }

    # ---- records ----

    async def _produce(self, request: Request) -> dict[str, Any]:
        body = await request.read_json(ProduceRequest)
        if body.topic not in await self._node.admin.list_topics():
            raise Invalid("topic.unknown", topic=body.topic, pointer="/topic")
        value = body.value
        if value is not None and not isinstance(value, str):
            value = msgspec.json.encode(value)
        record = {
            "topic": body.topic, "value": value, "key": body.key, "headers": body.headers,
            "partition": body.partition, "timestamp": body.timestamp,
        }  # fmt: skip
        result = await self._node.producer.send(record)
        return {"status": "produced", "result": result.to_dict()}

    async def _consume(self, request: Request) -> dict[str, Any]:
        text = request.path_params["partition"]
        if not text.isdecimal():
            raise Invalid("partition.unknown", topic=request.path_params["topic"], partition=text)
        return await read_records(
            self._node, request.path_params["topic"], int(text),
            int_parameter(request, "offset", 0),
            count_max=int_parameter(request, "max", 100, least=1, most=CONSUME_RECORDS_MAX),
            wait_ms=int_parameter(request, "maxWaitMs", 0, most=CONSUME_WAIT_MS_MAX),
        )  # fmt: skip

    # ---- metrics ----

    async def _read_metrics(self, request: Request) -> Response:
        accept = request.headers.get("accept", "")
        if "text/plain" in accept or "openmetrics" in accept:
            return await self._scrape(request)
        return json_response(await self._metrics.read())

    async def _scrape(self, _: Request) -> Response:
        text, media = await self._metrics.prometheus()
        return text_response(text, headers={"Content-Type": media})

    # ---- collectors ----

    async def _add_collector(self, request: Request) -> dict[str, Any]:
        body = await request.read_json()
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise Invalid("config.invalid", reason="a collector needs a name", pointer="/name")
        if not isinstance(body.get("topic"), str):
            raise Invalid("config.invalid", reason="a collector needs a topic", pointer="/topic")
        document = {**body, "kind": "collector", "id": body["name"]}
        collector = await self._node.add_collector(document)
        status = collector.status()
        return {
            "status": "registered", "collector": collector.name,
            "state": status.state, "address": status.address,
        }  # fmt: skip

    async def _list_collectors(self, _: Request) -> dict[str, Any]:
        found = [collector.status() for collector in self._node.collectors.list()]
        return {"collectors": found, "count": len(found)}

    async def _show_collector(self, request: Request) -> Any:
        return self._node.collectors.get(request.path_params["name"]).status()

    async def _remove_collector(self, request: Request) -> dict[str, Any]:
        name = request.path_params["name"]
        await self._node.remove_collector(name)
        return {"status": "removed", "collector": name}
