"""The event correlation service (port 3001): patterns, events, alerts, statistics."""

from __future__ import annotations

from typing import Any

from summit.flow.watching import describe_flow
from summit.services.alert_routes import AlertRoutes
from summit.services.bounded import BoundedRoutes
from summit.services.correlation_rules import add_correlations
from summit.services.health import add_health
from summit.services.intake import EventIntake
from summit.services.keys import add_keys
from summit.services.node import Node
from summit.services.notifications import add_notifications
from summit.services.parameters import flag_parameter, refuse_unknown
from summit.services.patterns import add_patterns
from summit.services.prometheus_text import prometheus_response
from summit.services.queries import add_queries
from summit.services.service_families import NodeFamilies, NodeFigures, Requests
from summit.web import Request, Response, Routes, json_response


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
        add_keys(routes, self._node)
        routes.post("/api/events", self._take_event)
        AlertRoutes(self._node).add_to(routes)
        routes.get("/api/stats", self._stats)
        routes.get("/metrics", self._scrape)
        routes.get("/api/flow", self._flow)
        return routes

    async def _take_event(self, request: Request) -> Response:
        refuse_unknown(request, "wait")
        wait = flag_parameter(request, "wait", default=True)
        reply = await self._intake.take(await request.read_json(), wait=wait)
        return json_response(reply, status=200 if wait else 202)

    async def _flow(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request)
        node = self._node
        return await describe_flow(node.admin, node.definitions, node.alerts.progress, node.clock)

    async def _scrape(self, _: Request) -> Response:
        return prometheus_response(NodeFamilies(NodeFigures.of(self._node)), self.requests)

    async def _stats(self, _: Request) -> dict[str, Any]:
        return {
            **self._node.alerts.view.stats(),
            "alertsBySeverity": self._node.alerts.view.severities(),
            **self._node.desk.desk.figures(),
            "correlatedGroups": len(self._node.correlations.view),
            "liveClients": self._node.live.clients,
            "liveClientsCut": self._node.live.cut,
            "activeSequences": self._node.alerts.progress.runs,
        }
