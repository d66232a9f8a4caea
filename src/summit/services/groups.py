"""The routes of consumer groups: list, show with lag, reset offsets, delete; and rebalancing."""

from __future__ import annotations

from typing import TypedDict

import msgspec

from summit.base.errors import Invalid
from summit.client.group_resets import OffsetReset, plan_reset
from summit.client.types import TopicPartition
from summit.flow.settings import WORKERS_GROUP
from summit.notify.notifier import GROUP as NOTIFIER_GROUP
from summit.services.node import Node
from summit.services.pages import Page, cut, paged
from summit.web import Operation, Request, Response, Routes

_TAG = "groups"


class GroupSummary(TypedDict):
    """A group in short; `lag` counts records that it has not committed yet."""

    group: str
    state: str
    members: int
    lag: int


class GroupList(TypedDict):
    """The groups, by name."""

    groups: list[GroupSummary]
    count: int


class GroupOffset(TypedDict):
    """One partition: what is committed, where it ends, and the records between."""

    topic: str
    partition: int
    offset: int
    end: int | None
    lag: int | None


class Member(TypedDict):
    """A member of a group."""

    memberId: str
    clientId: str
    host: str


class GroupShown(TypedDict):
    """A group."""

    group: str
    state: str
    assignor: str
    members: list[Member]
    partitions: list[GroupOffset]


class Reset(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Where a group goes: `earliest`, `latest`, an offset, a shift (`+10`, `-10`), or a time.

    Attributes:
        topics: Whose partitions; all that the group has committed to when none is named.
        dry_run: Only tell what would change.
    """

    to: str
    topics: list[str] = []
    dry_run: bool = False


class ResetDone(TypedDict):
    """What has changed, or would."""

    group: str
    dryRun: bool
    partitions: list[OffsetReset]


class GroupRemoved(TypedDict):
    """A group that is gone."""

    status: str
    group: str


class Rebalanced(TypedDict):
    """Partitions whose leader has changed."""

    status: str
    partitions: list[TopicPartition]


class GroupRoutes:
    """Handlers of the routes."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def listed(self, request: Request) -> Response:
        admin = self._node.admin
        names = await admin.list_groups()
        page = cut(request, names, str)
        rows: list[GroupSummary] = []
        for name in page.items:
            described = await admin.describe_group(name)
            lag = sum(row["lag"] or 0 for row in await self._offsets(name))
            rows.append({
                "group": name, "state": described.state, "members": len(described.members),
                "lag": lag,
            })  # fmt: skip
        return paged(request, {"groups": rows, "count": len(names)}, page.next_cursor)

    async def one(self, request: Request) -> GroupShown:
        name = await self._known(request)
        described = await self._node.admin.describe_group(name)
        return {
            "group": name, "state": described.state, "assignor": described.assignor,
            "members": [
                {"memberId": each.member_id, "clientId": each.client_id, "host": each.host}
                for each in described.members
            ],
            "partitions": await self._offsets(name),
        }  # fmt: skip

    async def reset(self, request: Request) -> ResetDone:
        name = await self._known(request)
        body = await request.read_json(Reset)
        _refuse_own(name)
        plan = await plan_reset(self._node.admin, name, body.to, body.topics)
        if not body.dry_run:
            await self._node.admin.set_group_offsets(
                name, {TopicPartition(each.topic, each.partition): each.after for each in plan}
            )
        return {"group": name, "dryRun": body.dry_run, "partitions": plan}

    async def remove(self, request: Request) -> GroupRemoved:
        name = await self._known(request)
        _refuse_own(name)
        await self._node.admin.delete_group(name)
        return {"status": "deleted", "group": name}

    async def rebalance(self, _: Request) -> Rebalanced:
        cluster = await self._node.admin.describe_cluster()
        # One broker leads all there is, and ours has no elections.
        changed = [] if len(cluster.brokers) == 1 else await self._node.admin.elect_leaders()
        return {"status": "rebalanced", "partitions": changed}

    async def _known(self, request: Request) -> str:
        name: str = request.path_params["group"]
        if name not in await self._node.admin.list_groups():
            raise Invalid("group.unknown", group=name)
        return name

    async def _offsets(self, name: str) -> list[GroupOffset]:
        admin = self._node.admin
        ends: dict[str, dict[int, tuple[int, int]]] = {}
        rows: list[GroupOffset] = []
        for place, offset in sorted((await admin.group_offsets(name)).items()):
            if place.topic not in ends:
                try:
                    ends[place.topic] = await admin.offsets(place.topic)
                except Invalid:  # deleted, with the commits still there
                    ends[place.topic] = {}
            bounds = ends[place.topic].get(place.partition)
            end = None if bounds is None else bounds[1]
            rows.append({
                "topic": place.topic, "partition": place.partition, "offset": offset, "end": end,
                "lag": None if end is None else max(0, end - offset),
            })  # fmt: skip
        return rows


def add_groups(routes: Routes, node: Node) -> None:
    """Add the routes under `/api/groups`, and `/api/rebalance`."""
    of = GroupRoutes(node)
    routes.get(
        "/api/groups", of.listed, Operation("List the groups", _TAG, query=Page, reply=GroupList)
    )
    routes.get("/api/groups/{group}", of.one, Operation("Show a group with its lag", _TAG))
    routes.post(
        "/api/groups/{group}/reset", of.reset,
        Operation("Move a group's offsets", _TAG, body=Reset, problems=(403, 409)),
    )  # fmt: skip
    routes.delete(
        "/api/groups/{group}", of.remove,
        Operation("Delete a group that nobody is in", _TAG, problems=(403, 409)),
    )  # fmt: skip
    routes.post(
        "/api/rebalance", of.rebalance,
        Operation("Let the first replica of each partition lead it", _TAG, problems=(409,)),
    )  # fmt: skip


def _refuse_own(name: str) -> None:
    """The groups of workers and the notifier are theirs. Raises Invalid("group.internal")."""
    if name in (WORKERS_GROUP, NOTIFIER_GROUP):
        raise Invalid("group.internal", group=name)
