"""The routes of enrichments, transformations, filters and routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from summit.documents import (
    RouteDocument,
    validate_enrichment,
    validate_filter,
    validate_route,
    validate_transformation,
)
from summit.flow.stage_plans import check_circles
from summit.services.definition_routes import DefinitionRoutes, add_definition_routes
from summit.services.node import Node
from summit.web import Routes

# The kind, its path, the member that lists it, and what checks it.
_KINDS: Final[tuple[tuple[str, str, str, Callable[..., Any]], ...]] = (
    ("enrichment", "/api/enrichment/rules", "rules", validate_enrichment),
    ("transformation", "/api/transformations", "transformations", validate_transformation),
    ("filter", "/api/filters", "filters", validate_filter),
)


def add_stage_rules(routes: Routes, node: Node) -> None:
    """Add the routes of every kind."""

    def validate(document: Any) -> RouteDocument:
        checked = validate_route(document)
        check_circles({**document, "kind": "route"}, node.definitions.log)
        return checked

    for kind, path, listed, check in (*_KINDS, ("route", "/api/routes", "routes", validate)):
        add_definition_routes(routes, node, DefinitionRoutes(kind, path, "rule", listed, check))
