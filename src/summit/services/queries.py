"""The routes of analytics queries: register, list, get, remove, and their results."""

from __future__ import annotations

from typing import Any, Final

from summit.documents import validate_query
from summit.services.definition_routes import DefinitionRoutes, add_definition_routes
from summit.services.node import Node
from summit.services.parameters import refuse_unknown
from summit.web import Request, Routes, int_parameter

PATH: Final = "/api/analytics/queries"
HISTORY_MAX: Final = 1_000


_QUERIES: Final = DefinitionRoutes("query", PATH, "query", "queries", validate_query)


def add_queries(routes: Routes, node: Node) -> None:
    """Add the routes."""
    known = add_definition_routes(routes, node, _QUERIES, node.results.view.forget)

    async def results(request: Request) -> dict[str, Any]:
        """The last windows, newest first: one, or as many as `history` says."""
        refuse_unknown(request, "history")
        definition = known(request)
        history = int_parameter(request, "history", 1, least=1, most=HISTORY_MAX)
        found = node.results.view.results(definition.id, history)
        return {"queryId": definition.id, "results": found, "count": len(found)}

    routes.get(PATH + "/{id}/results", results)
