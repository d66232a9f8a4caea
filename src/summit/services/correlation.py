"""The event correlation service (port 3001): patterns, events, alerts, statistics."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

import msgspec

from summit.flow.watching import describe_flow
from summit.services.alert_routes import AlertRoutes
from summit.services.bounded import BoundedRoutes
from summit.services.correlation_rules import add_correlations
from summit.services.description import add_description
from summit.services.figure_stream import add_figure_stream
from summit.services.health import add_health
from summit.services.intake import EventIntake
from summit.services.keys import add_keys
from summit.services.node import Node
from summit.services.notifications import add_notifications
from summit.services.parameters import Flag
from summit.services.patterns import add_patterns
from summit.services.prometheus_text import prometheus_response
from summit.services.queries import add_queries
from summit.services.service_families import NodeFamilies, NodeFigures, Requests
from summit.services.trace_headers import context_headers
from summit.web import Operation, Request, Response, Routes, json_response


class EventWait(msgspec.Struct, frozen=True):
    """Whether the answer waits until the event is matched and its alerts can be read."""

    wait: Flag = True


class EventTaken(TypedDict):
    """An event that was written; `duplicate` when its id had been before."""

    status: str
    eventId: str
    topic: str
    partition: int
    offset: int
    duplicate: NotRequired[bool]


class Stats(TypedDict):
    """Counts of what the service knows; `null` where nobody tells."""

    totalAlerts: int
    criticalAlerts: int
    highAlerts: int
    openAlerts: int
    duplicateAlerts: int
    suppressedAlerts: int
    silences: int
    openCases: int
    correlatedGroups: int
    liveClients: int
    liveClientsCut: int
    activeSequences: int | None


_ABOUT = "Patterns, correlations, queries and alerts over the events of a broker."
_EVENT_SCHEMA = {
    "type": "object", "title": "event", "required": ["eventType"],
    "properties": {
        "eventType": {"type": "string", "minLength": 1},
        "eventId": {"type": ["string", "null"], "minLength": 1, "maxLength": 1024},
        "timestamp": {"description": "Epoch milliseconds or RFC 3339 text; now, where missing."},
    },
}  # fmt: skip


class CorrelationService:
    """Handlers of the service.

    Args:
        node: What it stands on.
        intake: Where posted events go.
    """

    def __init__(self, node: Node, intake: EventIntake) -> None:
        self.requests = Requests("correlation")
        self._node = node
        self._intake = intake

    def routes(self) -> Routes:
        """The table of routes."""
        routes = BoundedRoutes()
        add_health(routes, "event-correlation-service", self._node)
        add_patterns(routes, "/api/patterns", self._node)
        add_correlations(routes, self._node)
        add_queries(routes, self._node)
        add_notifications(routes, self._node)
        routes.post(
            "/api/events", self._take_event,
            Operation(
                "Take an event", "events", "A repeated eventId is not processed twice.",
                query=EventWait, body_schema=_EVENT_SCHEMA, reply=EventTaken,
                statuses={202: "Accepted: it is durable, and not waited for"}, problems=(409,),
            ),
        )  # fmt: skip
        add_keys(routes, self._node)
        AlertRoutes(self._node).add_to(routes)
        routes.get("/api/stats", self._stats, Operation("Count what there is", "service"))
        add_figure_stream(routes, self._node, "/api/stats/stream", self._figures, "service")
        routes.get("/metrics", self._scrape, Operation("Scrape", "metrics", media=("text/plain",)))
        routes.get("/api/flow", self._flow, Operation("Show the flow graph", "flow"))
        add_description(routes, "Summit event correlation service", _ABOUT)
        return routes

    async def _take_event(self, request: Request) -> Response:
        wait = request.query_as(EventWait).wait
        body = await request.read_json()
        reply = await self._intake.take(body, wait=wait, context=context_headers(request))
        return json_response(reply, status=200 if wait else 202)

    async def _flow(self, _: Request) -> dict[str, Any]:
        node = self._node
        return await describe_flow(node.admin, node.definitions, node.alerts.progress, node.clock)

    async def _scrape(self, _: Request) -> Response:
        return prometheus_response(NodeFamilies(NodeFigures.of(self._node)), self.requests)

    async def _stats(self, _: Request) -> Stats:
        return await self._figures()

    async def _figures(self) -> Stats:
        found: Any = {  # which names the views count by is theirs
            **self._node.index.stats(),
            "alertsBySeverity": self._node.index.severities(),
            **self._node.desk.desk.figures(),
            "correlatedGroups": len(self._node.correlations.view),
            "liveClients": self._node.streams.clients,
            "liveClientsCut": self._node.streams.cut,
            "activeSequences": self._node.alerts.progress.runs,
        }
        stats: Stats = found
        return stats
