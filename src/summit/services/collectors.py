"""The routes of collectors: add (which starts it), list, show, remove; start, stop, pause, resume,
restart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypedDict

from summit.base.errors import Invalid
from summit.ingest.collector import State
from summit.services.document_schemas import COLLECTOR_SCHEMA
from summit.services.node import Node
from summit.web import Handler, Operation, Request, Routes

_Act = Callable[[str], Awaitable[dict[str, Any]]]
_TAG = "collectors"


class CollectorAdded(TypedDict):
    """A collector that runs, unless it was added as one that does not."""

    status: str
    collector: str
    state: State | str
    address: str | None


class CollectorShown(TypedDict):
    """What a collector is doing; more members as `CollectorStatus` has them."""

    name: str
    type: str
    topic: str
    state: str
    address: str | None
    accepted: int
    rejected: int
    lastError: str | None
    details: dict[str, Any]


class CollectorList(TypedDict):
    """All collectors, those that do not run included."""

    collectors: list[CollectorShown]
    count: int


def add_collectors(routes: Routes, node: Node) -> None:
    """Add the routes under `/api/collectors`."""
    watch = node.watch

    async def add(request: Request) -> CollectorAdded:
        body = await request.read_json()
        if not isinstance(body, dict):
            raise Invalid("config.invalid", reason="a collector is a JSON object", pointer="")
        collector = await watch.add(body)
        return {
            "status": "registered", "collector": collector["name"],
            "state": collector["state"], "address": collector["address"],
        }  # fmt: skip

    async def listed(_: Request) -> CollectorList:
        found: Any = watch.statuses()
        return {"collectors": found, "count": len(found)}

    async def one(request: Request) -> CollectorShown:
        name = request.path_params["name"]
        status: Any
        for status in watch.statuses():
            if status["name"] == name:
                return status  # type: ignore[no-any-return]
        raise Invalid("collector.unknown", name=name)

    async def remove(request: Request) -> dict[str, Any]:
        name = request.path_params["name"]
        await watch.remove(name)
        return {"status": "removed", "collector": name}

    routes.post(
        "/api/collectors", add,
        Operation("Add and start a collector", _TAG, body_schema=COLLECTOR_SCHEMA, problems=(409,)),
    )  # fmt: skip
    routes.get("/api/collectors", listed, Operation("List the collectors", _TAG))
    routes.get("/api/collectors/{name}", one, Operation("Show a collector", _TAG))
    routes.delete("/api/collectors/{name}", remove, Operation("Stop and remove a collector", _TAG))
    acts: dict[str, _Act] = {
        "start": watch.turn_on,
        "stop": watch.turn_off,
        "pause": partial(watch.pause, paused=True),
        "resume": partial(watch.pause, paused=False),
        "restart": watch.restart,
    }
    for word, act in acts.items():
        routes.post(
            f"/api/collectors/{{name}}/{word}", _acting(act),
            Operation(f"{word.capitalize()} a collector", _TAG, problems=(409,)),
        )  # fmt: skip


def _acting(act: _Act) -> Handler:
    async def handler(request: Request) -> dict[str, Any]:
        return await act(request.path_params["name"])

    return handler
