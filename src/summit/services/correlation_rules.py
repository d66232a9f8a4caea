"""The routes of correlation rules, and of the groups that they have told."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from summit.documents import validate_correlation
from summit.services.node import Node
from summit.services.parameters import refuse_unknown
from summit.services.patterns import shown, wait_for_workers
from summit.web import Request, Routes, int_parameter

_PATH: Final = "/api/correlation/rules"
_LIMIT_DEFAULT, _LIMIT_MAX = 100, 1_000
_EVENTS_SHOWN: Final = 10


def add_correlations(routes: Routes, node: Node) -> None:
    """Add the routes."""

    async def register(request: Request) -> dict[str, Any]:
        document = await request.read_json()
        # Checked as this kind whatever its `kind` says: another one does not belong here.
        validate_correlation(document)
        published = await node.definitions.publish({**document, "kind": "correlation"})
        definition = published.definition
        warnings = [*published.warnings, *await wait_for_workers(node, definition.offset)]
        return {
            "status": "registered", "rule": definition.id,
            "version": definition.version, "warnings": warnings,
        }  # fmt: skip

    async def listed(_: Request) -> dict[str, Any]:
        found = node.definitions.current("correlation")
        return {"rules": [shown(definition) for definition in found], "count": len(found)}

    async def one(request: Request) -> dict[str, Any]:
        return shown(node.definitions.get("correlation", request.path_params["id"]))

    async def remove(request: Request) -> dict[str, Any]:
        definition = node.definitions.get("correlation", request.path_params["id"])
        await node.definitions.delete("correlation", definition.id)
        return {"status": "removed", "rule": definition.id}

    async def groups(request: Request) -> dict[str, Any]:
        refuse_unknown(request, "limit", "rule")
        limit = int_parameter(request, "limit", _LIMIT_DEFAULT, least=1, most=_LIMIT_MAX)
        found = node.correlations.view.latest(limit, request.query_params.get("rule"))
        return {"groups": [_shown(group) for group in found], "total": len(node.correlations.view)}

    routes.post(_PATH, register)
    routes.get(_PATH, listed)
    routes.get(_PATH + "/{id}", one)
    routes.delete(_PATH + "/{id}", remove)
    routes.get("/api/correlation/events", groups)


def _shown(group: Any) -> dict[str, Any]:
    """A group by the names of the wire: its key as one text, and its last events."""
    told: dict[str, Any] = msgspec.to_builtins(group)
    key = group.key[0] if len(group.key) == 1 else None
    return {
        **told,
        "key": key if isinstance(key, str) else msgspec.json.encode(group.key).decode(),
        "keyValues": group.key,
        "events": told["events"][-_EVENTS_SHOWN:],
    }
