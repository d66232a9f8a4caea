"""The event correlation service (port 3001): patterns, events, alerts, statistics."""

from __future__ import annotations

from typing import Any

from summit.alerts.alert import Alert, alert_dict
from summit.alerts.view import AlertQuery
from summit.base.errors import Invalid
from summit.flow.watching import describe_flow
from summit.services.bounded import BoundedRoutes
from summit.services.correlation_rules import add_correlations
from summit.services.health import add_health
from summit.services.intake import EventIntake
from summit.services.node import Node
from summit.services.parameters import flag_parameter, refuse_unknown, time_parameter
from summit.services.patterns import add_patterns
from summit.web import Request, Response, Routes, int_parameter, json_response

LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000
_ALERT_FILTERS = ("severity", "pattern", "key", "q", "since", "until", "limit", "cursor")


class CorrelationService:
    """Handlers of the service.

    Args:
        node: What it stands on.
        intake: Where posted events go.
    """

    def __init__(self, node: Node, intake: EventIntake) -> None:
        self._node = node
        self._intake = intake

    def routes(self) -> Routes:
        """The table of routes."""
        routes = BoundedRoutes()
        add_health(routes, "event-correlation-service", self._node)
        add_patterns(routes, "/api/patterns", self._node)
        add_correlations(routes, self._node)
        routes.post("/api/events", self._take_event)
        routes.get("/api/alerts", self._list_alerts)
        routes.get("/api/alerts/{id}", self._show_alert)
        routes.get("/api/stats", self._stats)
        routes.get("/api/flow", self._flow)
        return routes

    async def _take_event(self, request: Request) -> Response:
        refuse_unknown(request, "wait")
        wait = flag_parameter(request, "wait", default=True)
        reply = await self._intake.take(await request.read_json(), wait=wait)
        return json_response(reply, status=200 if wait else 202)

    async def _list_alerts(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request, *_ALERT_FILTERS)
        parameters = request.query_params
        severity = parameters.get("severity")
        query = AlertQuery(
            severity=None if severity is None else severity.lower(),
            pattern=parameters.get("pattern"),
            key=parameters.get("key"),
            text=parameters.get("q"),
            since_ms=time_parameter(request, "since"),
            until_ms=time_parameter(request, "until"),
            limit=int_parameter(request, "limit", LIMIT_DEFAULT, least=1, most=LIMIT_MAX),
            before=parameters.get("cursor"),
        )
        page = self._node.alerts.view.query(query)
        reply: dict[str, Any] = {
            "alerts": [alert_dict(alert) for alert in page.alerts],
            "count": len(page.alerts),
        }
        if page.next_cursor is not None:
            reply["nextCursor"] = page.next_cursor
        return reply

    async def _show_alert(self, request: Request) -> dict[str, Any]:
        alert: Alert | None = self._node.alerts.view.get(request.path_params["id"])
        if alert is None:
            raise Invalid("alert.unknown")
        return alert_dict(alert)

    async def _flow(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request)
        node = self._node
        return await describe_flow(node.admin, node.definitions, node.alerts.progress, node.clock)

    async def _stats(self, _: Request) -> dict[str, Any]:
        return {
            **self._node.alerts.view.stats(),
            "correlatedGroups": len(self._node.correlations.view),
            "activeSequences": self._node.alerts.progress.runs,
        }
