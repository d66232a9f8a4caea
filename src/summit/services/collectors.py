"""The routes of collectors: add (which starts it), list, show, remove; start, stop, pause, resume,
restart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from summit.base.errors import Invalid
from summit.services.node import Node
from summit.web import Handler, Request, Routes

_Act = Callable[[str], Awaitable[dict[str, Any]]]


def add_collectors(routes: Routes, node: Node) -> None:
    """Add the routes under `/api/collectors`."""
    watch = node.watch

    async def add(request: Request) -> dict[str, Any]:
        body = await request.read_json()
        if not isinstance(body, dict):
            raise Invalid("config.invalid", reason="a collector is a JSON object", pointer="")
        collector = await watch.add(body)
        return {
            "status": "registered", "collector": collector["name"],
            "state": collector["state"], "address": collector["address"],
        }  # fmt: skip

    async def listed(_: Request) -> dict[str, Any]:
        found = watch.statuses()
        return {"collectors": found, "count": len(found)}

    async def one(request: Request) -> dict[str, Any]:
        name = request.path_params["name"]
        for status in watch.statuses():
            if status["name"] == name:
                return status
        raise Invalid("collector.unknown", name=name)

    async def remove(request: Request) -> dict[str, Any]:
        name = request.path_params["name"]
        await watch.remove(name)
        return {"status": "removed", "collector": name}

    routes.post("/api/collectors", add)
    routes.get("/api/collectors", listed)
    routes.get("/api/collectors/{name}", one)
    routes.delete("/api/collectors/{name}", remove)
    acts: dict[str, _Act] = {
        "start": watch.turn_on,
        "stop": watch.turn_off,
        "pause": partial(watch.pause, paused=True),
        "resume": partial(watch.pause, paused=False),
        "restart": watch.restart,
    }
    for word, act in acts.items():
        routes.post(f"/api/collectors/{{name}}/{word}", _acting(act))


def _acting(act: _Act) -> Handler:
    async def handler(request: Request) -> dict[str, Any]:
        return await act(request.path_params["name"])

    return handler
