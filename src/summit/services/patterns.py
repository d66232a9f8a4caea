"""The routes of patterns, the same in both services: register, list, get, remove, test, explain."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from summit.base import limits
from summit.base.errors import Invalid
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.flow.explaining import tried_dict
from summit.flow.trying import try_pattern
from summit.journal.definition_log import Definition
from summit.services.definition_routes import (
    DefinitionRoutes,
    add_definition_routes,
)
from summit.services.node import Node
from summit.web import Request, Routes


class Given(msgspec.Struct, forbid_unknown_fields=True):
    """What a registered pattern is tried on: events as it would see them, in order."""

    events: list[msgspec.Raw]


class Trial(Given):
    """The same with the pattern."""

    pattern: dict[str, Any]


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
        DefinitionRoutes(
            "pattern", path, "pattern", "patterns", validate_pattern, in_order=False, known=found
        ),
    )

    async def test(request: Request) -> dict[str, Any]:
        trial = await request.read_json(Trial)
        document = validate_pattern(trial.pattern)
        tried = await _tried(document.plan, trial.events)
        return {"pattern": document.id, "warnings": list(document.warnings), **tried}

    async def explain(request: Request) -> dict[str, Any]:
        definition = known(request)
        given = await request.read_json(Given)
        tried = await _tried(validate_pattern(definition.document).plan, given.events)
        return {"pattern": definition.id, "revision": definition.version, **tried}

    routes.post(path + "/test", test)
    routes.post(path + "/{id}/explain", explain)


async def _tried(plan: PatternPlan, events: list[msgspec.Raw]) -> dict[str, Any]:
    """What the pattern makes of the events; nothing stays of it."""
    if len(events) > limits.EXPLAINED_EVENTS_MAX:
        raise Invalid("pattern.too_many_events", count=len(events), max=limits.EXPLAINED_EVENTS_MAX)
    given = [bytes(event) for event in events]
    return await asyncio.to_thread(lambda: tried_dict(try_pattern(plan, given)))
