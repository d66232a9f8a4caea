"""Health of a service: what must hold for it to do its work, asked anew at each request."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

from summit import __version__
from summit.base.errors import SummitError
from summit.services.node import Node
from summit.web import Operation, Request, Response, Routes, json_response

CHECK_TIMEOUT_S = 3.0


class Health(TypedDict):
    """Whether the service does its work; more members tell what it found."""

    status: str
    service: str
    version: str
    checks: dict[str, Any]


class Alive(TypedDict):
    """The process answers."""

    status: str


class Version(TypedDict):
    """What answers."""

    service: str
    version: str


def add_health(routes: Routes, service: str, node: Node, extra: Any = None) -> None:
    """Add `/health`, `/livez`, `/readyz` and `/version`.

    Args:
        service: Its name.
        node: What it stands on.
        extra: An async function that gives more members of `/health`.
    """

    async def health(_: Request) -> Response:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                topics = await node.admin.list_topics()
                more = await extra() if extra is not None else {}
        except (SummitError, TimeoutError) as error:
            reason = str(error) or f"no answer within {CHECK_TIMEOUT_S:.0f} s"
            body = {
                "status": "unhealthy", "service": service, "version": __version__,
                "checks": {"broker": reason}, "error": reason,
            }  # fmt: skip
            return json_response(body, status=503, headers={"Retry-After": "1"})
        checks = {"broker": "ok", "topics": len(topics)}
        body = {
            "status": "healthy", "service": service, "version": __version__,
            **more, "checks": checks,
        }  # fmt: skip
        return json_response(body)

    async def alive(_: Request) -> Alive:
        return {"status": "alive"}

    async def version(_: Request) -> Version:
        return {"service": service, "version": __version__}

    for path in ("/health", "/readyz"):
        routes.get(path, health, Operation("Tell whether it is well", "service", reply=Health))
    routes.get("/livez", alive, Operation("Tell that it lives", "service"))
    routes.get("/version", version, Operation("Tell the version", "service"))
