"""The routes of collectors: add (which starts it), list, show, replace, change, remove; start, stop
and the like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NotRequired, TypedDict

from summit.base.errors import Invalid
from summit.ingest.collector import State
from summit.journal.definition_log import Definition
from summit.services.definition_grants import require_grants
from summit.services.definition_routes import merge_patch
from summit.services.document_schemas import COLLECTOR_SCHEMA
from summit.services.masking import masked, refuse_masked
from summit.services.node import Node
from summit.services.pages import Page, cut, paged
from summit.web import (
    CONDITIONS_WRITE,
    Handler,
    Operation,
    Request,
    Response,
    Routes,
    check_conditions,
    json_response,
)

_Act = Callable[[str], Awaitable[dict[str, Any]]]
_TAG = "collectors"
_PATH = "/api/collectors"


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
    config: NotRequired[dict[str, Any]]


class CollectorList(TypedDict):
    """All collectors, those that do not run included."""

    collectors: list[CollectorShown]
    count: int
    nextCursor: NotRequired[str]


def add_collectors(routes: Routes, node: Node) -> None:
    """Add the routes under `/api/collectors`."""
    CollectorRoutes(node).add_to(routes)


class CollectorRoutes:
    """Handlers of the routes."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._watch = node.watch

    def add_to(self, routes: Routes) -> None:
        """Put the routes into the table."""
        routes.post(
            _PATH, self.add,
            Operation(
                "Add and start a collector", _TAG, body_schema=COLLECTOR_SCHEMA, problems=(409,)
            ),
        )  # fmt: skip
        routes.get(
            _PATH, self.listed,
            Operation("List the collectors", _TAG, query=Page, reply=CollectorList),
        )  # fmt: skip
        one = _PATH + "/{name}"
        routes.get(one, self.one, Operation("Show a collector", _TAG, reply=CollectorShown))
        for method, handler, text in (
            ("PUT", self.replace, "Add a collector, or have it run in another way"),
            ("PATCH", self.change, "Change members of a collector"),
        ):
            operation = Operation(
                text, _TAG, body_schema={**COLLECTOR_SCHEMA, "required": []},
                body_media=("application/json", "application/merge-patch+json"),
                headers=CONDITIONS_WRITE, problems=(409, 412), reply=CollectorAdded,
            )  # fmt: skip
            routes.add(method, one, handler, operation)
        routes.delete(
            one, self.remove,
            Operation(
                "Stop and remove a collector", _TAG, headers=CONDITIONS_WRITE, problems=(409, 412)
            ),
        )  # fmt: skip
        acts: dict[str, _Act] = {
            "start": self._watch.turn_on,
            "stop": self._watch.turn_off,
            "pause": partial(self._watch.pause, paused=True),
            "resume": partial(self._watch.pause, paused=False),
            "restart": self._watch.restart,
        }
        for word, act in acts.items():
            routes.post(
                f"{one}/{word}", self._acting(act),
                Operation(f"{word.capitalize()} a collector", _TAG, problems=(409,)),
            )  # fmt: skip

    async def add(self, request: Request) -> CollectorAdded:
        body = await _object(request)
        require_grants(request, "collector", body)
        return _added(await self._watch.add(body))

    async def listed(self, request: Request) -> Response:
        found = sorted(self._watch.statuses(), key=_name)
        page = cut(request, found, _name)
        content = {"collectors": page.items, "count": len(found)}
        return paged(request, content, page.next_cursor)

    async def one(self, request: Request) -> Response:
        name = request.path_params["name"]
        status, definition = self._watch.status(name), self._definition(name)
        if definition is None:  # it only runs
            return json_response(status)
        shown = {**status, "config": masked(definition.document)}
        return json_response(shown, headers={"ETag": f'"{_tag(definition)}"'})

    async def replace(self, request: Request) -> Response:
        return await self._put(request, request.path_params["name"], await _object(request))

    async def change(self, request: Request) -> Response:
        name = request.path_params["name"]
        before = self._definition(name)
        if before is None:
            raise Invalid("collector.unknown", name=name)
        return await self._put(request, name, merge_patch(before.document, await _object(request)))

    async def remove(self, request: Request) -> dict[str, Any]:
        name = self._allowed(request)
        check_conditions(request, _tag(self._definition(name)))
        await self._watch.remove(name)
        return {"status": "removed", "collector": name}

    def _acting(self, act: _Act) -> Handler:
        async def handler(request: Request) -> dict[str, Any]:
            return await act(self._allowed(request))

        return handler

    async def _put(self, request: Request, name: str, document: dict[str, Any]) -> Response:
        refuse_masked(document)
        for member in ("name", "id"):
            if document.get(member, name) != name:
                reason = f"the name is '{name}', as the path has it"
                raise Invalid("config.invalid", reason=reason, pointer=f"/{member}")
        self._allowed(request, document)
        before = self._definition(name)
        check_conditions(request, _tag(before))
        wanted = {k: v for k, v in document.items() if k not in ("kind", "id")} | {"name": name}
        change = self._watch.add(wanted) if before is None else self._watch.replace(name, wanted)
        reply = _added(await change)
        return json_response(reply, headers={"ETag": f'"{_tag(self._definition(name))}"'})

    def _definition(self, name: str) -> Definition | None:
        return self._node.definitions.log.get("collector", name)

    def _allowed(self, request: Request, document: dict[str, Any] | None = None) -> str:
        """The name that a request is about, once its sender may do that. Raises Invalid."""
        name: str = request.path_params["name"]
        before = self._definition(name)
        known = None if before is None else before.document
        require_grants(request, "collector", known, document)
        return name


def _added(collector: dict[str, Any]) -> CollectorAdded:
    return {
        "status": "registered", "collector": collector["name"],
        "state": collector["state"], "address": collector["address"],
    }  # fmt: skip


def _tag(definition: Definition | None) -> str | None:
    return None if definition is None else f"d{definition.offset}"


def _name(status: dict[str, Any]) -> str:
    return str(status["name"])


async def _object(request: Request) -> dict[str, Any]:
    body = await request.read_json()
    if not isinstance(body, dict):
        raise Invalid("config.invalid", reason="a collector is a JSON object", pointer="")
    return body
