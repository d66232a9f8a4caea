"""The routes that definitions of every kind of rule have: register, list, get, replace, change,
remove. The entity tag of a definition is its place in the log, so no change is lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, Literal, NamedTuple

import msgspec

from summit.base.errors import Conflict, Invalid, Unavailable
from summit.flow.kinds import RULE_KINDS, rule_id
from summit.flow.registering import doubts_of
from summit.journal.definition_log import ABSENT_OFFSET, Definition
from summit.services.definition_grants import require_grants
from summit.services.document_schemas import document_schema
from summit.services.masking import masked, refuse_masked
from summit.services.node import Node
from summit.services.pages import Page, cut, paged
from summit.services.parameters import TimeText, time_parameter
from summit.web import (
    CONDITIONS_READ,
    CONDITIONS_WRITE,
    NoQuery,
    Operation,
    Request,
    Response,
    Routes,
    check_conditions,
    failed,
    is_conditional,
    json_response,
    tagged_response,
)

ACTIVE_TIMEOUT_MS = 5_000
_MERGE: Final = ("application/json", "application/merge-patch+json")


class Since(msgspec.Struct, frozen=True):
    """Where a rule begins: a moment, `earliest`, or with what comes from now on."""

    since: TimeText | None = None


class Shown(msgspec.Struct, rename="camel"):
    """A definition: its document's members, and what became of it."""

    id: str
    kind: str
    registered_at: int
    revision: int


class DefinitionRoutes(NamedTuple):
    """What differs from kind to kind.

    Attributes:
        named: The member of an answer that holds a definition's id.
        listed: The member that holds the definitions in a list.
        validate: The checked document of the kind, which has an `id`. Raises Invalid with pointers.
        known: Gives the definition that a request asks for. Raises Invalid for an unknown id;
            None = the usual way.
    """

    kind: str
    path: str
    named: str
    listed: str
    validate: Callable[[Any], Any]
    known: Callable[[str], Definition] | None = None

    @property
    def tag(self) -> str:
        """The group of its routes in the API's description."""
        return f"{self.kind}s".replace("querys", "queries")


def add_definition_routes(
    routes: Routes, node: Node, of: DefinitionRoutes, removed: Callable[[str], None] | None = None
) -> Callable[[Request], Definition]:
    """Add the routes of one kind.

    Args:
        removed: Called with the id of a definition that was removed.
    Returns: What gives the definition that a request asks for, for further routes of the kind.
    """
    handlers = _Handlers(node, of, removed)
    register = handlers.operation(f"Register a {of.kind}", Since if handlers.may_begin else None)
    one = of.path + "/{id}"
    routes.post(of.path, handlers.register, register)
    routes.get(
        of.path, handlers.listed,
        Operation(f"List the {of.tag}", of.tag, query=Page, reply=_list_type(of)),
    )  # fmt: skip
    routes.get(
        one, handlers.one,
        Operation(
            f"Show a {of.kind}", of.tag, reply=Shown, headers=CONDITIONS_READ,
            statuses={304: "What the caller has is still true"},
        ),
    )  # fmt: skip
    routes.put(
        one, handlers.replace, handlers.operation(f"Register or replace a {of.kind}", whole=False)
    )
    routes.patch(
        one, handlers.change, handlers.operation(f"Change members of a {of.kind}", patch=True)
    )
    routes.delete(
        one, handlers.remove,
        Operation(
            f"Remove a {of.kind}", of.tag, reply=_removed_type(of), headers=CONDITIONS_WRITE,
            problems=(409, 412),
        ),
    )  # fmt: skip
    return handlers.known


class _Handlers:
    """The handlers of one kind."""

    def __init__(
        self, node: Node, of: DefinitionRoutes, removed: Callable[[str], None] | None
    ) -> None:
        self._node = node
        self._of = of
        self._removed = removed
        self.may_begin = of.kind in RULE_KINDS

    def operation(
        self, summary: str, query: type[msgspec.Struct] | None = None, *, whole: bool = True,
        patch: bool = False,
    ) -> Operation:  # fmt: skip
        """The operation of a change: with a whole document, one without id, or some members."""
        schema = document_schema(self._of.kind, id_needed=whole and not patch)
        if patch:
            schema = {**schema, "required": [], "description": "RFC 7396: null takes a member out."}
        return Operation(
            summary, self._of.tag, body_schema=schema, reply=_registered_type(self._of),
            body_media=_MERGE if patch else _MERGE[:1], headers=CONDITIONS_WRITE,
            problems=(409, 412), query=query or NoQuery,
        )  # fmt: skip

    def known(self, request: Request) -> Definition:
        """The definition that a request asks for. Raises Invalid."""
        name = request.path_params["id"]
        if self._of.known is not None:
            return self._of.known(name)
        return self._node.definitions.get(self._of.kind, name)

    async def listed(self, request: Request) -> Response:
        log = self._node.definitions.log
        found = log.registered(self._of.kind)
        page = cut(request, found, log.first_offset)
        shown = [_shown(definition) for definition in page.items]
        return paged(request, {self._of.listed: shown, "count": len(found)}, page.next_cursor)

    async def one(self, request: Request) -> Response:
        definition = self.known(request)
        return tagged_response(request, _shown(definition), _tag(definition))

    async def register(self, request: Request) -> Response:
        since = _since(request) if self.may_begin else None
        return await self._publish(request, await request.read_json(), since)

    async def replace(self, request: Request) -> Response:
        document = _object(await request.read_json())
        name = request.path_params["id"]
        if document.setdefault("id", name) != name:
            reason = f"the id is '{name}', as the path has it"
            raise Invalid("web.json_invalid", reason=reason, pointer="/id")
        return await self._publish(request, document)

    async def change(self, request: Request) -> Response:
        definition = self.known(request)
        document = dict(definition.document)
        changes = _object(await request.read_json())
        if changes.get("id", definition.id) != definition.id:
            raise Invalid("web.json_invalid", reason="an id does not change", pointer="/id")
        merged = merge_patch(document, changes)
        merged["id"] = definition.id
        if merged == document:  # nothing changes, so there is no new version
            check_conditions(request, _tag(definition))
            return self._registered(definition, [])
        return await self._publish(request, merged, expected=definition.offset)

    async def remove(self, request: Request) -> dict[str, Any]:
        definition = self.known(request)
        require_grants(request, self._of.kind, definition.document)
        check_conditions(request, _tag(definition))
        expected = definition.offset if is_conditional(request) else None
        try:
            await self._node.definitions.delete(
                self._of.kind, definition.id, expected_offset=expected
            )
        except Conflict as error:
            raise _lost(request, error) from error
        if self._removed is not None:
            self._removed(definition.id)
        return {"status": "removed", self._of.named: definition.id}

    async def _publish(
        self, request: Request, document: dict[str, Any], since: int | str | None = None,
        expected: int | None = None,
    ) -> Response:  # fmt: skip
        """Publish a definition and wait until the workers go by it.

        Without a worker it is registered all the same, with a warning that says so. A rule with a
        `since` first reads the past; the answer does not wait for that.

        Raises: Invalid with a pointer for what is no document of the kind.
        """
        node, of = self._node, self._of
        refuse_masked(document)
        # Checked as this kind whatever its `kind` says: another one does not belong here.
        checked = of.validate(document)
        current = node.definitions.log.get(of.kind, checked.id)
        before = None if current is None else current.document
        require_grants(request, of.kind, document, before)
        check_conditions(request, None if current is None else _tag(current))
        if is_conditional(request):
            expected = ABSENT_OFFSET if current is None else current.offset
        if since is not None:
            name = rule_id(of.kind, checked.id)
            await node.definitions.publish({"kind": "backfill", "id": name, "since": since})
        try:
            published = await node.definitions.publish(
                {**document, "kind": of.kind}, expected_offset=expected
            )
        except Conflict as error:
            raise _lost(request, error) from error
        definition = published.definition
        warnings = [
            *published.warnings,
            *await doubts_of(definition.document, node.definitions.log, node.servers, node.clock),
            *await _wait_for_workers(node, definition.offset),
        ]
        return self._registered(definition, warnings)

    def _registered(self, definition: Definition, warnings: list[str]) -> Response:
        reply = {
            "status": "registered", self._of.named: definition.id,
            "version": definition.version, "warnings": warnings,
        }  # fmt: skip
        return json_response(reply, headers={"ETag": f'"{_tag(definition)}"'})


def merge_patch(target: Any, patch: Any) -> Any:
    """A JSON merge patch applied (RFC 7396).

    >>> merge_patch({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": 3}})
    {'b': {'c': 2, 'd': 3}}
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise Invalid("web.json_invalid", reason="expected an object", pointer="")
    return document


def _tag(definition: Definition) -> str:
    return f"d{definition.offset}"


def _lost(request: Request, error: Conflict) -> Invalid | Conflict:
    """Somebody else came first: a condition that does not hold, or a conflict without one."""
    if not is_conditional(request):
        return error
    header = "if-match" if "if-match" in request.headers else "if-none-match"
    offset = error.details.get("current_offset")
    return failed(header, None if offset in (None, ABSENT_OFFSET) else f"d{offset}")


def _since(request: Request) -> int | str | None:
    """Where a rule begins: a moment, `earliest`, or with what comes from now on (None)."""
    text = request.query_params.get("since")
    return text if text == "earliest" else time_parameter(request, "since")


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


@cache
def _registered_type(of: DefinitionRoutes) -> Any:
    return msgspec.defstruct(
        f"{of.kind.capitalize()}Registered",
        [
            ("status", Literal["registered"]), (of.named, str), ("version", int),
            ("warnings", list[str]),
        ],
    )  # fmt: skip


def _removed_type(of: DefinitionRoutes) -> Any:
    members: list[tuple[str, Any]] = [("status", Literal["removed"]), (of.named, str)]
    return msgspec.defstruct(f"{of.kind.capitalize()}Removed", members)


def _list_type(of: DefinitionRoutes) -> Any:
    members: list[Any] = [(of.listed, list[Shown]), ("count", int), ("nextCursor", str, "")]
    return msgspec.defstruct(f"{of.kind.capitalize()}List", members)
