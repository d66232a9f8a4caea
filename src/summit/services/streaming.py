"""The streaming service (port 3000): topics, records, metrics, rules of all kinds, collectors."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import msgspec

from summit.base.errors import Invalid
from summit.base.limits import CONSUME_RECORDS_MAX, CONSUME_WAIT_MS_MAX
from summit.journal.topics import DEFINITIONS_TOPIC
from summit.services.bounded import ANSWER_S, BoundedRoutes, answer_within
from summit.services.collectors import add_collectors
from summit.services.description import add_description
from summit.services.figure_stream import add_figure_stream
from summit.services.groups import add_groups
from summit.services.health import add_health
from summit.services.keys import add_keys
from summit.services.metrics import ServiceMetrics
from summit.services.node import Node
from summit.services.patterns import add_patterns
from summit.services.producing import add_producing
from summit.services.reading import read_records
from summit.services.service_families import Requests
from summit.services.stage_rules import add_stage_rules
from summit.services.topic_tail import add_topic_tail
from summit.services.topics import add_topics
from summit.web import Operation, Request, Response, Routes, json_response


class Stretch(msgspec.Struct, frozen=True, rename="camel"):
    """Which records of a partition, and how long to wait for the first."""

    offset: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    max: Annotated[int, msgspec.Meta(ge=1, le=CONSUME_RECORDS_MAX)] = 100
    max_wait_ms: Annotated[int, msgspec.Meta(ge=0, le=CONSUME_WAIT_MS_MAX)] = 0


class Consumed(TypedDict):
    """Records; values that are no text are base64, and marked."""

    messages: list[dict[str, Any]]
    count: int
    nextOffset: int
    highWatermark: int
    logStartOffset: int


_ABOUT = "Topics, records, figures, collectors and the rules before the rules."


class StreamingService:
    """Handlers of the service.

    Args:
        node: What it stands on.
        metrics: Where figures come from.
    """

    def __init__(self, node: Node, metrics: ServiceMetrics) -> None:
        self.requests = Requests("streaming")
        self._node = node
        self._metrics = metrics

    def routes(self) -> Routes:
        """The table of routes."""
        routes = BoundedRoutes()
        add_health(routes, "streaming-service", self._node, self._broker)
        add_topics(routes, self._node)
        add_topic_tail(routes, self._node)
        add_groups(routes, self._node)
        add_producing(routes, self._node)
        routes.add_patient(
            "GET", "/api/consume/{topic}/{partition}", self._consume,
            Operation(
                "Read records of a partition", "records", query=Stretch, reply=Consumed,
                path={"partition": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}},
            ),
        )  # fmt: skip
        routes.get(
            "/api/metrics", self._read_metrics,
            Operation("Show the figures", "metrics", media=("application/json", "text/plain"),
                      reply=dict[str, Any]),
        )  # fmt: skip
        add_figure_stream(routes, self._node, "/api/metrics/stream", self._figures, "metrics")
        routes.get("/metrics", self._scrape, Operation("Scrape", "metrics", media=("text/plain",)))
        add_patterns(routes, "/api/cep/patterns", self._node)
        add_stage_rules(routes, self._node)
        add_collectors(routes, self._node)
        add_keys(routes, self._node)
        add_description(routes, "Summit streaming service", _ABOUT)
        return routes

    async def _broker(self) -> dict[str, Any]:
        (topic,) = await self._node.admin.describe_topics([DEFINITIONS_TOPIC])
        leader = topic.partitions[0].leader
        return {"brokerId": leader, "isLeader": leader >= 0}

    async def _consume(self, request: Request) -> dict[str, Any]:
        query = request.query_as(Stretch)
        topic, text = request.path_params["topic"], request.path_params["partition"]
        if not (text.isascii() and text.isdecimal()):
            raise Invalid("partition.unknown", topic=topic, partition=text, pointer="partition")
        async with answer_within(ANSWER_S + query.max_wait_ms / 1000):
            return await read_records(
                self._node, topic, int(text), query.offset, count_max=query.max,
                wait_ms=query.max_wait_ms,
            )  # fmt: skip

    # ---- metrics ----

    async def _read_metrics(self, request: Request) -> Response:
        accept = request.headers.get("accept", "")
        if "text/plain" in accept or "openmetrics" in accept:
            return await self._scrape(request)
        return json_response(await self._metrics.read())

    async def _figures(self) -> dict[str, Any]:
        return await self._metrics.read()

    async def _scrape(self, _: Request) -> Response:
        return await self._metrics.prometheus(self.requests)
