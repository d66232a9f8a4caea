"""The routes of analytics queries: register, list, get, remove; results, live and drawn."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypedDict

import msgspec

from summit.base.errors import Invalid
from summit.charts import lines_of_results, svg
from summit.documents import validate_query
from summit.services.definition_routes import DefinitionRoutes, add_definition_routes
from summit.services.node import Node
from summit.services.parameters import Flag
from summit.services.streams import (
    LAST_EVENT_ID,
    STREAM_TEXT,
    StreamCursor,
    cursor_of,
    place_of,
)
from summit.services.trials import add_trials
from summit.web import Operation, Request, Response, Routes, text_response

PATH: Final = "/api/analytics/queries"
HISTORY_MAX: Final = 1_000


_QUERIES: Final = DefinitionRoutes("query", PATH, "query", "queries", validate_query)


class Windows(msgspec.Struct, frozen=True):
    """How many windows: the last ones."""

    history: Annotated[int, msgspec.Meta(ge=1, le=HISTORY_MAX)] = 1


class LiveFilter(msgspec.Struct, frozen=True):
    """What a client wants to see."""

    history: Annotated[int, msgspec.Meta(ge=0, le=HISTORY_MAX)] = 0
    early: Flag = True
    cursor: StreamCursor | None = None


class ChartFilter(msgspec.Struct, frozen=True):
    """What is drawn, and how large."""

    history: Annotated[int, msgspec.Meta(ge=1, le=HISTORY_MAX)] = 200
    metric: str | None = None
    group: str | None = None
    width: Annotated[int, msgspec.Meta(ge=160, le=8_000)] = 800
    height: Annotated[int, msgspec.Meta(ge=90, le=8_000)] = 280


class Results(TypedDict):
    """The last windows, newest first."""

    queryId: str
    results: list[dict[str, Any]]
    count: int


def add_queries(routes: Routes, node: Node) -> None:
    """Add the routes."""
    known = add_definition_routes(routes, node, _QUERIES, node.results.view.forget)
    add_trials(routes, _QUERIES.kind, PATH, _QUERIES.named, known)

    async def results(request: Request) -> Results:
        """The last windows, newest first: one, or as many as `history` says."""
        definition = known(request)
        history = request.query_as(Windows).history
        found = node.results.view.results(definition.id, history)
        return {"queryId": definition.id, "results": found, "count": len(found)}

    async def live(request: Request) -> Response:
        """Results as they come, as a stream."""
        definition = known(request)
        query = request.query_as(LiveFilter)
        events = await node.live_results.open(
            definition.id, after=cursor_of(request, place_of), history=query.history,
            early=query.early,
        )  # fmt: skip
        return node.streams.answer(request, events)

    async def chart(request: Request) -> Response:
        """A picture of the last windows, their anomalies marked."""
        definition = known(request)
        query = request.query_as(ChartFilter)
        metric = query.metric
        names = [each["name"] for each in definition.document["metrics"]]
        if metric is not None and metric not in names:
            raise Invalid(
                "web.parameter", name="metric", text=metric, expected=", ".join(names),
                pointer="metric",
            )  # fmt: skip
        picture = lines_of_results(
            node.results.view.results(definition.id, query.history), metric=metric,
            group=query.group,
        )  # fmt: skip
        title = f"{definition.document.get('name') or definition.id}: {picture.title}"
        drawn = svg(picture.lines, title=title, width=query.width, height=query.height)
        return text_response(drawn, media="image/svg+xml")

    tag = _QUERIES.tag
    routes.get(
        PATH + "/{id}/results", results, Operation("List the last windows", tag, query=Windows)
    )
    routes.get(
        PATH + "/{id}/live", live,
        Operation(
            "Follow results", tag, STREAM_TEXT, query=LiveFilter, media=("text/event-stream",),
            headers=LAST_EVENT_ID,
        ),
    )  # fmt: skip
    routes.get(
        PATH + "/{id}/chart.svg", chart,
        Operation("Draw the last windows", tag, query=ChartFilter, media=("image/svg+xml",)),
    )  # fmt: skip
