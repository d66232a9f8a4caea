"""The routes of correlation rules, and of the groups that they have told."""

from __future__ import annotations

from typing import Any, Final, TypedDict

import msgspec

from summit.documents import validate_correlation
from summit.journal.correlation_log import CorrelatedGroup
from summit.services.backtests import add_backtests
from summit.services.definition_routes import DefinitionRoutes, add_definition_routes
from summit.services.node import Node
from summit.services.pages import LIMIT_DEFAULT, Limit
from summit.services.trials import add_trials
from summit.web import Operation, Request, Routes

_EVENTS_SHOWN: Final = 10


_RULES: Final = DefinitionRoutes(
    "correlation", "/api/correlation/rules", "rule", "rules", validate_correlation
)


class GroupFilter(msgspec.Struct, frozen=True):
    """Which groups."""

    limit: Limit = LIMIT_DEFAULT
    rule: str | None = None


class Groups(TypedDict):
    """The latest groups; the key of each as one text, and its last events."""

    groups: list[dict[str, Any]]
    total: int


def add_correlations(routes: Routes, node: Node) -> None:
    """Add the routes."""
    known = add_definition_routes(routes, node, _RULES)
    add_trials(routes, _RULES.kind, _RULES.path, _RULES.named, known)
    add_backtests(routes, node, _RULES.kind, _RULES.path, _RULES.named, known)

    async def groups(request: Request) -> Groups:
        query = request.query_as(GroupFilter)
        found = node.correlations.view.latest(query.limit, query.rule)
        return {"groups": [_shown(group) for group in found], "total": len(node.correlations.view)}

    routes.get(
        "/api/correlation/events", groups,
        Operation("List correlated groups", _RULES.tag, query=GroupFilter),
    )  # fmt: skip


def _shown(group: CorrelatedGroup) -> dict[str, Any]:
    """A group by the names of the wire: its key as one text, and its last events."""
    told: dict[str, Any] = msgspec.to_builtins(group)
    return {
        **told,
        "key": _key_text(group),
        "keyValues": group.key,
        "events": told["events"][-_EVENTS_SHOWN:],
    }


def _key_text(group: CorrelatedGroup) -> str:
    """Of a linked group what its first event names first, as `user=alice`."""
    if group.entities:
        first = group.entities[0]
        return "/".join([*map(str, group.key), f"{first.type}={first.value}"])
    key = group.key[0] if len(group.key) == 1 else None
    return key if isinstance(key, str) else msgspec.json.encode(group.key).decode()
