"""The routes of analytics queries: register, list, get, remove; results, live and drawn."""

from __future__ import annotations

from typing import Any, Final

from summit.base.errors import Invalid
from summit.charts import lines_of_results, svg
from summit.documents import validate_query
from summit.services.definition_routes import DefinitionRoutes, add_definition_routes
from summit.services.node import Node
from summit.services.parameters import flag_parameter, refuse_unknown
from summit.services.trials import add_trials
from summit.web import EventStream, Request, Response, Routes, int_parameter, text_response

PATH: Final = "/api/analytics/queries"
HISTORY_MAX: Final = 1_000


_QUERIES: Final = DefinitionRoutes("query", PATH, "query", "queries", validate_query)


def add_queries(routes: Routes, node: Node) -> None:
    """Add the routes."""
    known = add_definition_routes(routes, node, _QUERIES, node.results.view.forget)
    add_trials(routes, _QUERIES.kind, PATH, _QUERIES.named, known)

    async def results(request: Request) -> dict[str, Any]:
        """The last windows, newest first: one, or as many as `history` says."""
        refuse_unknown(request, "history")
        definition = known(request)
        history = int_parameter(request, "history", 1, least=1, most=HISTORY_MAX)
        found = node.results.view.results(definition.id, history)
        return {"queryId": definition.id, "results": found, "count": len(found)}

    async def live(request: Request) -> Response:
        """Results as they come, as server-sent events; resumes behind `Last-Event-ID`."""
        refuse_unknown(request, "history", "early")
        definition = known(request)
        history = int_parameter(request, "history", 0, least=0, most=HISTORY_MAX)
        early = flag_parameter(request, "early", default=True)
        events = await node.live.open(
            definition.id, after=_after(request), history=history, early=early
        )
        return EventStream(events, stalled=node.live.count_cut)

    async def chart(request: Request) -> Response:
        """A picture of the last windows, their anomalies marked."""
        refuse_unknown(request, "history", "metric", "group", "width", "height")
        definition = known(request)
        history = int_parameter(request, "history", 200, least=1, most=HISTORY_MAX)
        width = int_parameter(request, "width", 800, least=160, most=8_000)
        height = int_parameter(request, "height", 280, least=90, most=8_000)
        metric = request.query_params.get("metric")
        names = [each["name"] for each in definition.document["metrics"]]
        if metric is not None and metric not in names:
            raise Invalid(
                "web.parameter", name="metric", text=metric, expected=", ".join(names),
                pointer="metric",
            )  # fmt: skip
        picture = lines_of_results(
            node.results.view.results(definition.id, history), metric=metric,
            group=request.query_params.get("group"),
        )  # fmt: skip
        title = f"{definition.document.get('name') or definition.id}: {picture.title}"
        drawn = svg(picture.lines, title=title, width=width, height=height)
        return text_response(drawn, media="image/svg+xml")

    routes.get(PATH + "/{id}/results", results)
    routes.get(PATH + "/{id}/live", live)
    routes.get(PATH + "/{id}/chart.svg", chart)


def _after(request: Request) -> int | None:
    """The last event that a client has seen; None where it names none."""
    text = request.headers.get("last-event-id", "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
