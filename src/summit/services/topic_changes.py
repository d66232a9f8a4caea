"""The routes that change a topic: its settings and how many partitions it has.

PUT says all that a topic is to be: what it leaves out goes back to the broker's defaults. PATCH
says what changes: null goes back to the default. Partitions only grow, replicas stay.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from summit.base.errors import Conflict, Invalid
from summit.client.topics import TopicConfig
from summit.services.internal_topics import refuse_internal
from summit.services.node import Node
from summit.services.topic_reading import TopicShown, described, tag_of
from summit.web import (
    CONDITIONS_WRITE,
    Operation,
    Request,
    Response,
    Routes,
    check_conditions,
    json_response,
)

_FIXED: Final = ("name", "partitions", "replicationFactor")
_SETTINGS: Final = {
    field.encode_name: field.name
    for field in msgspec.structs.fields(TopicConfig)
    if field.encode_name not in _FIXED
}
_MERGE: Final = ("application/json", "application/merge-patch+json")
_TAG: Final = "topics"


def _schema() -> dict[str, Any]:
    (whole,), parts = msgspec.json.schema_components([TopicConfig])
    name = whole["$ref"].rpartition("/")[2]
    return {**parts[name], "required": [], "title": "topic", "additionalProperties": False}


class TopicChanges:
    """Handlers of the routes."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._turn = asyncio.Lock()  # what is compared is what is changed

    def add_to(self, routes: Routes) -> None:
        """Put the routes into the table."""
        path = "/api/topics/{name}"
        for add, handler, text, media in (
            (routes.put, self._replace, "Create a topic, or set all that it is", _MERGE[:1]),
            (routes.patch, self._change, "Change settings of a topic", _MERGE),
        ):
            operation = Operation(
                text, _TAG, body_schema=_schema(), body_media=media, reply=TopicShown,
                headers=CONDITIONS_WRITE, problems=(403, 409, 412),
            )  # fmt: skip
            add(path, handler, operation)

    async def _replace(self, request: Request) -> Response:
        wanted = _read(await request.read_json(), request.path_params["name"])
        refuse_internal(wanted.name)
        async with self._turn:
            if wanted.name not in await self._node.admin.list_topics():
                check_conditions(request, None)
                await self._node.admin.create_topic(wanted)
                return await self._shown(wanted.name)
            before = await self._before(request, wanted.name)
            configs = wanted.kafka_configs()
            changes: dict[str, str | None] = {
                kafka: configs.get(kafka)
                for kafka in map(TopicConfig.kafka_name, _SETTINGS.values())
            }
            return await self._alter(before, wanted, changes)

    async def _change(self, request: Request) -> Response:
        name = request.path_params["name"]
        body = _object(await request.read_json())
        wanted = _read({k: v for k, v in body.items() if v is not None}, name)
        refuse_internal(name)
        unknown = [k for k, v in body.items() if v is None and k not in _SETTINGS]
        if unknown:
            reason = f"{unknown[0]} has no default that it could go back to"
            raise Invalid("config.invalid", reason=reason, pointer=f"/{unknown[0]}")
        async with self._turn:
            before = await self._before(request, name)
            changes: dict[str, str | None] = {**wanted.kafka_configs()}
            for member, value in body.items():
                if value is None:
                    changes[TopicConfig.kafka_name(_SETTINGS[member])] = None
            return await self._alter(before, wanted, changes)

    async def _before(self, request: Request, name: str) -> TopicShown:
        before = await described(self._node.admin, name)
        check_conditions(request, tag_of(before))
        return before

    async def _alter(
        self, before: TopicShown, wanted: TopicConfig, changes: dict[str, str | None]
    ) -> Response:
        name, admin = before["name"], self._node.admin
        count = len(before["partitions"])
        if wanted.partitions is not None and wanted.partitions < count:
            raise Conflict("topic.shrinks", topic=name, count=count, wanted=wanted.partitions)
        copies = before["replicationFactor"]
        if wanted.replication_factor not in (None, copies):
            reason = f"'{name}' has {copies} replicas; moving them is the cluster's work"
            raise Invalid("config.invalid", reason=reason, pointer="/replicationFactor")
        known = await admin.topic_configs(name)
        told = {
            kafka: value
            for kafka, value in changes.items()
            if (known[kafka].value if kafka in known and known[kafka].source == "topic" else None)
            != value
        }
        await admin.alter_topic(name, told)
        if wanted.partitions is not None and wanted.partitions > count:
            await admin.create_partitions(name, wanted.partitions)
        return await self._shown(name)

    async def _shown(self, name: str) -> Response:
        shown = await described(self._node.admin, name)
        return json_response(shown, headers={"ETag": f'"{tag_of(shown)}"'})


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Invalid("config.invalid", reason="a topic is a JSON object", pointer="")
    return body


def _read(body: Any, name: str) -> TopicConfig:
    """The settings of a body; its name is that of the path. Raises Invalid."""
    values = _object(body)
    if values.get("name", name) != name:
        reason = f"the name is '{name}', as the path has it"
        raise Invalid("config.invalid", reason=reason, pointer="/name")
    return TopicConfig.from_dict({**values, "name": name})
