"""The routes of collectors: add (which starts it), list, show, remove."""

from __future__ import annotations

from typing import Any

from summit.base.errors import Invalid
from summit.services.node import Node
from summit.web import Request, Routes


def add_collectors(routes: Routes, node: Node) -> None:
    """Add the routes under `/api/collectors`."""

    async def add(request: Request) -> dict[str, Any]:
        body = await request.read_json()
        if not isinstance(body, dict):
            raise Invalid("config.invalid", reason="a collector is a JSON object", pointer="")
        collector = await node.add_collector(body)
        return {
            "status": "registered", "collector": collector["name"],
            "state": collector["state"], "address": collector["address"],
        }  # fmt: skip

    async def listed(_: Request) -> dict[str, Any]:
        found = node.collector_statuses()
        return {"collectors": found, "count": len(found)}

    async def one(request: Request) -> dict[str, Any]:
        name = request.path_params["name"]
        for status in node.collector_statuses():
            if status["name"] == name:
                return status
        raise Invalid("collector.unknown", name=name)

    async def remove(request: Request) -> dict[str, Any]:
        name = request.path_params["name"]
        await node.remove_collector(name)
        return {"status": "removed", "collector": name}

    routes.post("/api/collectors", add)
    routes.get("/api/collectors", listed)
    routes.get("/api/collectors/{name}", one)
    routes.delete("/api/collectors/{name}", remove)
