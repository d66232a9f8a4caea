"""The routes of analytics queries: register, list, get, remove, and their results."""

from __future__ import annotations

from typing import Any, Final

from summit.documents import validate_query
from summit.journal.definition_log import Definition
from summit.services.node import Node
from summit.services.parameters import refuse_unknown
from summit.services.patterns import shown, wait_for_workers
from summit.web import Request, Routes, int_parameter

PATH: Final = "/api/analytics/queries"
HISTORY_MAX: Final = 1_000


def add_queries(routes: Routes, node: Node) -> None:
    """Add the routes."""

    async def register(request: Request) -> dict[str, Any]:
        document = await request.read_json()
        # Checked as a query whatever its `kind` says: another one does not belong here.
        validate_query(document)
        published = await node.definitions.publish({**document, "kind": "query"})
        definition = published.definition
        warnings = [*published.warnings, *await wait_for_workers(node, definition.offset)]
        return {
            "status": "registered", "query": definition.id,
            "version": definition.version, "warnings": warnings,
        }  # fmt: skip

    async def listed(_: Request) -> dict[str, Any]:
        found = node.definitions.log.registered("query")
        return {"queries": [shown(definition) for definition in found], "count": len(found)}

    async def one(request: Request) -> dict[str, Any]:
        return shown(_known(node, request))

    async def remove(request: Request) -> dict[str, Any]:
        definition = _known(node, request)
        await node.definitions.delete("query", definition.id)
        node.results.view.forget(definition.id)
        return {"status": "removed", "query": definition.id}

    async def results(request: Request) -> dict[str, Any]:
        """The last windows, newest first: one, or as many as `history` says."""
        refuse_unknown(request, "history")
        definition = _known(node, request)
        history = int_parameter(request, "history", 1, least=1, most=HISTORY_MAX)
        found = node.results.view.results(definition.id, history)
        return {"queryId": definition.id, "results": found, "count": len(found)}

    routes.post(PATH, register)
    routes.get(PATH, listed)
    routes.get(PATH + "/{id}", one)
    routes.delete(PATH + "/{id}", remove)
    routes.get(PATH + "/{id}/results", results)


def _known(node: Node, request: Request) -> Definition:
    return node.definitions.get("query", request.path_params["id"])
