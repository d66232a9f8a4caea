"""The routes of patterns, the same in both services: register, list, get, remove, test, explain."""

from __future__ import annotations

from summit.base.errors import Invalid
from summit.documents import validate_pattern
from summit.journal.definition_log import Definition
from summit.services.backtests import add_backtests
from summit.services.definition_routes import (
    DefinitionRoutes,
    add_definition_routes,
)
from summit.services.node import Node
from summit.services.trials import add_trials
from summit.web import Routes


def add_patterns(routes: Routes, path: str, node: Node) -> None:
    """Add the routes under `path`."""

    def found(name: str) -> Definition:
        definition = node.definitions.log.get("pattern", name)
        if definition is None:
            raise Invalid("pattern.unknown", id=name)
        return definition

    known = add_definition_routes(
        routes,
        node,
        DefinitionRoutes("pattern", path, "pattern", "patterns", validate_pattern, known=found),
    )
    add_trials(routes, "pattern", path, "pattern", known)
    add_backtests(routes, node, "pattern", path, "pattern", known)
