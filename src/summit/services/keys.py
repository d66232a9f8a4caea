"""The routes of API keys: make (which tells the key, once), list, show, revoke; and who one is."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.base.units import parse_duration_ms
from summit.events.times import epoch_ms
from summit.services.node import Node
from summit.services.permission import principal_of
from summit.web import Operation, Request, Response, Routes, json_response

PATH: Final = "/api/keys"
_TAG: Final = "keys"


class KeyRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The body of `POST /api/keys`.

    Attributes:
        name: Whose the key is, or what for.
        grants: `action:prefix`; what is missing = what the role brings.
        expires_in: As `90d`; or `expires_at`, a time.
    """

    name: str
    role: str = "viewer"
    grants: list[str] | None = None
    expires_in: str | int | None = None
    expires_at: str | int | None = None


def add_keys(routes: Routes, node: Node) -> None:
    """Add the routes."""
    keys = node.keys

    async def create(request: Request) -> Response:
        body = await request.read_json(KeyRequest)
        text, key = await keys.create(
            name=body.name, role=body.role, grants=body.grants, by=principal_of(request).name,
            expires_ms=expiry_ms(body.expires_in, body.expires_at, node.clock.now_ms()),
        )  # fmt: skip
        content = {"key": text, **key.shown(node.clock.now_ms())}
        return json_response(content, status=201, headers={"Cache-Control": "no-store"})

    async def listed(request: Request) -> dict[str, Any]:
        found = [key.shown(node.clock.now_ms()) for key in keys.ring.listed()]
        return {"keys": found, "count": len(found)}

    async def one(request: Request) -> dict[str, Any]:
        return keys.ring.get(request.path_params["id"]).shown(node.clock.now_ms())

    async def revoke(request: Request) -> dict[str, Any]:
        key = await keys.revoke(request.path_params["id"], principal_of(request).name)
        return {"status": "revoked", **key.shown(node.clock.now_ms())}

    async def whoami(request: Request) -> dict[str, Any]:
        return principal_of(request).to_dict()

    routes.post(
        PATH, create,
        Operation(
            "Make an API key", _TAG, "The answer tells the key; nothing tells it again.",
            body=KeyRequest, status=201, reply=dict[str, Any],
        ),
    )  # fmt: skip
    routes.get(PATH, listed, Operation("List the API keys", _TAG))
    routes.get(PATH + "/{id}", one, Operation("Show an API key", _TAG))
    routes.delete(PATH + "/{id}", revoke, Operation("Revoke an API key", _TAG))
    routes.get("/api/whoami", whoami, Operation("Say who asks, and what they may", _TAG))


def expiry_ms(
    expires_in: str | int | None, expires_at: str | int | None, now_ms: int
) -> int | None:
    """When a key is to expire, milliseconds since 1970 UTC; None = never. Raises Invalid."""
    if expires_in is not None and expires_at is not None:
        reason = "give either expiresIn or expiresAt"
        raise Invalid("key.invalid", reason=reason, pointer="/expiresIn")
    if expires_in is not None:
        return now_ms + parse_duration_ms(expires_in)
    if expires_at is None:
        return None
    at = epoch_ms(expires_at)
    if at is None:
        reason = "expiresAt is epoch milliseconds or RFC 3339 text"
        raise Invalid("key.invalid", reason=reason, pointer="/expiresAt")
    return at
