"""The routes of enrichments, transformations, filters and routes: register, list, get, remove."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from summit.documents import (
    validate_enrichment,
    validate_filter,
    validate_route,
    validate_transformation,
)
from summit.flow.stage_plans import check_circles
from summit.journal.definition_log import Definition
from summit.services.node import Node
from summit.services.patterns import shown, wait_for_workers
from summit.web import Request, Routes


class _Kind(NamedTuple):
    """A kind of definition: its path, the member that lists it, and what checks it."""

    kind: str
    path: str
    listed: str
    validate: Callable[..., Any]


_KINDS: Final = (
    _Kind("enrichment", "/api/enrichment/rules", "rules", validate_enrichment),
    _Kind("transformation", "/api/transformations", "transformations", validate_transformation),
    _Kind("filter", "/api/filters", "filters", validate_filter),
    _Kind("route", "/api/routes", "routes", validate_route),
)


def add_stage_rules(routes: Routes, node: Node) -> None:
    """Add the routes of every kind."""
    for kind in _KINDS:
        _add(routes, node, kind)


def _add(routes: Routes, node: Node, of: _Kind) -> None:
    async def register(request: Request) -> dict[str, Any]:
        document = await request.read_json()
        # Checked as this kind whatever its `kind` says: another one does not belong here.
        of.validate(document)
        return await _register(node, of.kind, document)

    async def listed(_: Request) -> dict[str, Any]:
        found = node.definitions.log.registered(of.kind)
        return {of.listed: [shown(definition) for definition in found], "count": len(found)}

    async def one(request: Request) -> dict[str, Any]:
        return shown(_known(request))

    async def remove(request: Request) -> dict[str, Any]:
        definition = _known(request)
        await node.definitions.delete(of.kind, definition.id)
        return {"status": "removed", "rule": definition.id}

    def _known(request: Request) -> Definition:
        return node.definitions.get(of.kind, request.path_params["id"])

    routes.post(of.path, register)
    routes.get(of.path, listed)
    routes.get(of.path + "/{id}", one)
    routes.delete(of.path + "/{id}", remove)


async def _register(node: Node, kind: str, document: dict[str, Any]) -> dict[str, Any]:
    """Publish a definition and wait until the workers go by it; see `register_pattern`."""
    check_circles({**document, "kind": kind}, node.definitions.log)
    published = await node.definitions.publish({**document, "kind": kind})
    definition = published.definition
    warnings = [*published.warnings, *await wait_for_workers(node, definition.offset)]
    return {
        "status": "registered", "rule": definition.id,
        "version": definition.version, "warnings": warnings,
    }  # fmt: skip
