"""The routes that definitions of every kind of rule have: register, list, get, remove."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from summit.base.errors import Unavailable
from summit.flow.kinds import RULE_KINDS, rule_id
from summit.flow.registering import doubts_of
from summit.journal.definition_log import Definition
from summit.services.masking import masked, refuse_masked
from summit.services.node import Node
from summit.services.parameters import refuse_unknown, time_parameter
from summit.web import Request, Routes

ACTIVE_TIMEOUT_MS = 5_000


class DefinitionRoutes(NamedTuple):
    """What differs from kind to kind.

    Attributes:
        named: The member of an answer that holds a definition's id.
        listed: The member that holds the definitions in a list.
        validate: Checks a document of the kind. Raises Invalid with pointers.
        in_order: Whether a list is in the order in which definitions were first registered, which
            is the order in which they act; else in that of their latest versions.
        known: Gives the definition that a request asks for. Raises Invalid for an unknown id;
            None = the usual way.
    """

    kind: str
    path: str
    named: str
    listed: str
    validate: Callable[[Any], Any]
    in_order: bool = True
    known: Callable[[str], Definition] | None = None


def add_definition_routes(
    routes: Routes, node: Node, of: DefinitionRoutes, removed: Callable[[str], None] | None = None
) -> Callable[[Request], Definition]:
    """Add the routes of one kind.

    Args:
        removed: Called with the id of a definition that was removed.
    Returns: What gives the definition that a request asks for, for further routes of the kind.
    """
    definitions = node.definitions

    def known(request: Request) -> Definition:
        name = request.path_params["id"]
        return definitions.get(of.kind, name) if of.known is None else of.known(name)

    async def register(request: Request) -> dict[str, Any]:
        refuse_unknown(request, *(["since"] if of.kind in RULE_KINDS else []))
        since = _since(request)
        return await _register(node, of, await request.read_json(), since)

    async def listed(request: Request) -> dict[str, Any]:
        refuse_unknown(request)
        log = definitions.log
        found = log.registered(of.kind) if of.in_order else log.current(of.kind)
        return {of.listed: [_shown(definition) for definition in found], "count": len(found)}

    async def one(request: Request) -> dict[str, Any]:
        refuse_unknown(request)
        return _shown(known(request))

    async def remove(request: Request) -> dict[str, Any]:
        definition = known(request)
        await definitions.delete(of.kind, definition.id)
        if removed is not None:
            removed(definition.id)
        return {"status": "removed", of.named: definition.id}

    routes.post(of.path, register)
    routes.get(of.path, listed)
    routes.get(of.path + "/{id}", one)
    routes.delete(of.path + "/{id}", remove)
    return known


def _since(request: Request) -> int | str | None:
    """Where a rule begins: a moment, `earliest`, or with what comes from now on (None)."""
    text = request.query_params.get("since")
    return text if text == "earliest" else time_parameter(request, "since")


async def _register(
    node: Node, of: DefinitionRoutes, document: Any, since: int | str | None
) -> dict[str, Any]:
    """Publish a definition and wait until the workers go by it.

    Without a worker it is registered all the same, with a warning that says so. A rule with a
    `since` first reads the past; the answer does not wait for that.

    Raises: Invalid with a pointer for what is no document of the kind.
    """
    refuse_masked(document)
    # Checked as this kind whatever its `kind` says: another one does not belong here.
    checked = of.validate(document)
    if since is not None:
        name = rule_id(of.kind, checked.id)
        await node.definitions.publish({"kind": "backfill", "id": name, "since": since})
    published = await node.definitions.publish({**document, "kind": of.kind})
    definition = published.definition
    warnings = [
        *published.warnings,
        *await doubts_of(definition.document, node.definitions.log, node.servers, node.clock),
        *await _wait_for_workers(node, definition.offset),
    ]
    return {
        "status": "registered", of.named: definition.id,
        "version": definition.version, "warnings": warnings,
    }  # fmt: skip


def _shown(definition: Definition) -> dict[str, Any]:
    """A definition as it is read: the document, and what became of it."""
    return {
        **masked(definition.document),
        "registeredAt": definition.timestamp_ms,
        "revision": definition.version,
    }


async def _wait_for_workers(node: Node, offset: int) -> list[str]:
    """Wait until the workers go by the definition at `offset`; a warning where none does."""
    try:
        await node.alerts.wait_active(offset, ACTIVE_TIMEOUT_MS)
    except Unavailable:
        text = f"no worker has taken it over within {ACTIVE_TIMEOUT_MS} ms; it acts when one runs"
        return [text]
    return []
