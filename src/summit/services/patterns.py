"""The routes of patterns, the same in both services: register, list, get, remove, test, explain."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from summit.base import limits
from summit.base.errors import Invalid, Unavailable
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.flow.explaining import tried_dict
from summit.flow.trying import try_pattern
from summit.journal.definition_log import Definition
from summit.services.node import Node
from summit.web import Request, Routes

ACTIVE_TIMEOUT_MS = 5_000


class Given(msgspec.Struct, forbid_unknown_fields=True):
    """What a registered pattern is tried on: events as it would see them, in order."""

    events: list[msgspec.Raw]


class Trial(Given):
    """The same with the pattern."""

    pattern: dict[str, Any]


def add_patterns(routes: Routes, path: str, node: Node) -> None:
    """Add the routes under `path`."""

    async def register(request: Request) -> dict[str, Any]:
        return await register_pattern(node, await request.read_json())

    async def listed(_: Request) -> dict[str, Any]:
        found = node.definitions.current("pattern")
        return {"patterns": [shown(definition) for definition in found], "count": len(found)}

    async def one(request: Request) -> dict[str, Any]:
        return shown(_known(node, request.path_params["id"]))

    async def remove(request: Request) -> dict[str, Any]:
        definition = _known(node, request.path_params["id"])
        await node.definitions.delete("pattern", definition.id)
        return {"status": "removed", "pattern": definition.id}

    async def test(request: Request) -> dict[str, Any]:
        trial = await request.read_json(Trial)
        document = validate_pattern(trial.pattern)
        found = await _tried(document.plan, trial.events)
        return {"pattern": document.id, "warnings": list(document.warnings), **found}

    async def explain(request: Request) -> dict[str, Any]:
        definition = _known(node, request.path_params["id"])
        given = await request.read_json(Given)
        found = await _tried(validate_pattern(definition.document).plan, given.events)
        return {"pattern": definition.id, "revision": definition.version, **found}

    routes.post(path, register)
    routes.post(path + "/test", test)
    routes.post(path + "/{id}/explain", explain)
    routes.get(path, listed)
    routes.get(path + "/{id}", one)
    routes.delete(path + "/{id}", remove)


async def register_pattern(node: Node, document: Any) -> dict[str, Any]:
    """Publish a pattern and wait until the worker goes by it.

    Without a worker it is registered all the same, with a warning that says so.

    Raises: Invalid with a pointer for what is no pattern.
    """
    # Checked as a pattern whatever its `kind` says: another kind does not belong here.
    validate_pattern(document)
    published = await node.definitions.publish({**document, "kind": "pattern"})
    definition = published.definition
    warnings = [*published.warnings, *await wait_for_workers(node, definition.offset)]
    return {
        "status": "registered", "pattern": definition.id,
        "version": definition.version, "warnings": warnings,
    }  # fmt: skip


async def wait_for_workers(node: Node, offset: int) -> list[str]:
    """Wait until the workers go by the definition at `offset`; a warning where none does."""
    try:
        await node.alerts.wait_active(offset, ACTIVE_TIMEOUT_MS)
    except Unavailable:
        text = f"no worker has taken it over within {ACTIVE_TIMEOUT_MS} ms; it acts when one runs"
        return [text]
    return []


async def _tried(plan: PatternPlan, events: list[msgspec.Raw]) -> dict[str, Any]:
    """What the pattern makes of the events; nothing stays of it."""
    if len(events) > limits.EXPLAINED_EVENTS_MAX:
        raise Invalid("pattern.too_many_events", count=len(events), max=limits.EXPLAINED_EVENTS_MAX)
    given = [bytes(event) for event in events]
    return await asyncio.to_thread(lambda: tried_dict(try_pattern(plan, given)))


def _known(node: Node, pattern_id: str) -> Definition:
    definition = node.definitions.log.get("pattern", pattern_id)
    if definition is None:
        raise Invalid("pattern.unknown", id=pattern_id)
    return definition


def shown(definition: Definition) -> dict[str, Any]:
    """A definition as it is read: the document, and what became of it."""
    return {
        **definition.document,
        "registeredAt": definition.timestamp_ms,
        "revision": definition.version,
    }
