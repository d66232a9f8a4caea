"""Configs: of topics and of brokers, read and changed, in Kafka's words."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Final

import msgspec

from summit.client.admin.connection import Connection
from summit.client.wire import fault
from summit.protocol import codes
from summit.protocol.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResult,
)

_TOPIC: Final = 2  # kinds of resources, on the wire
_BROKER: Final = 4
_SOURCES: Final = {
    1: "topic", 2: "broker", 3: "cluster", 4: "file", 5: "default", 6: "logger", 8: "group",
}  # fmt: skip


class ConfigValue(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One config of a topic or a broker; `name` is Kafka's.

    `source` is where the value was set: on the `topic` or the `broker` itself, for the whole
    `cluster`, in a broker's `file`, or nowhere (`default`). `is_default` says that it was not set
    on the topic or broker asked for. The value of a secret is None.
    """

    name: str
    value: str | None
    is_default: bool
    is_read_only: bool
    source: str = "default"


class Configs(Connection):
    """The configs of topics and brokers."""

    async def topic_configs(self, topic: str) -> dict[str, ConfigValue]:
        """Every config of a topic with its value and where that is from.

        Raises: Invalid("topic.unknown").
        """
        result = await self._configs(_TOPIC, topic, None)
        if result.error_code != codes.NONE:
            raise fault(result.error_code, topic=topic, reason=result.error_message)
        return _values(result, "topic")

    async def broker_configs(self, broker_id: int) -> dict[str, ConfigValue]:
        """Every config of a broker, as it holds now.

        Raises: Unavailable("client.no_brokers") when it does not live.
        """
        result = await self._configs(_BROKER, str(broker_id), broker_id)
        if result.error_code != codes.NONE:
            raise fault(result.error_code, reason=result.error_message)
        return _values(result, "broker")

    async def alter_topic(self, topic: str, changes: Mapping[str, str | None]) -> None:
        """Set some configs of a topic, in Kafka's words; None means back to the default.

        They hold at once. Raises: Invalid("topic.unknown"); Invalid for a refused value, nothing
        changed.
        """
        if not changes:
            return
        await self._alter("TOPIC", topic, changes)

        async def has_changed(node: int) -> bool:
            found = _values(await self._configs(_TOPIC, topic, node), "topic")
            return all(_holds(found.get(name), value) for name, value in changes.items())

        await self._settle(has_changed)

    async def alter_broker(self, broker_id: int, changes: Mapping[str, str | None]) -> None:
        """Set some configs of a running broker; None means back to what it was started with.

        Raises: Invalid for a config that needs a restart, or a refused value; nothing changed.
        """
        if not changes:
            return
        await self._alter("BROKER", str(broker_id), changes)

        async def has_changed(node: int) -> bool:
            if node != broker_id:
                return True
            found = _values(await self._configs(_BROKER, str(broker_id), node), "broker")
            return all(_holds(found.get(name), value) for name, value in changes.items())

        await self._settle(has_changed)

    async def _alter(self, kind: str, name: str, changes: Mapping[str, str | None]) -> None:
        def act() -> Future[None]:
            library = self._library
            operations = library.AlterConfigOpType
            entries = [
                library.ConfigEntry(
                    name,
                    value,
                    incremental_operation=operations.DELETE if value is None else operations.SET,
                )
                for name, value in changes.items()
            ]
            resource = library.ConfigResource(
                library.ResourceType[kind], name, incremental_configs=entries
            )
            futures = self._handle.incremental_alter_configs(
                [resource], request_timeout=self._timeout_s
            )
            (changed,) = futures.values()
            return changed  # type: ignore[no-any-return]

        await self._answer(act, topic=name)

    async def _configs(self, kind: int, name: str, node: int | None) -> DescribeConfigsResult:
        resource = DescribeConfigsResource(
            resource_type=kind, resource_name=name, configuration_keys=None
        )
        request = DescribeConfigsRequest(resources=[resource])
        answer = await self._asking().ask(DESCRIBE_CONFIGS, request, node=node)
        return answer.results[0]


def _values(result: DescribeConfigsResult, own: str) -> dict[str, ConfigValue]:
    found = {}
    for each in sorted(result.configs, key=lambda each: each.name):
        source = _SOURCES.get(each.config_source, "default")
        found[each.name] = ConfigValue(
            name=each.name,
            value=each.value,
            is_default=source != own,
            is_read_only=each.read_only,
            source=source,
        )
    return found


def _holds(found: ConfigValue | None, wanted: str | None) -> bool:
    """Whether a config is as it was asked for; spaces in lists do not matter."""
    if wanted is None:
        return found is None or found.is_default
    return found is not None and (found.value or "").replace(" ", "") == wanted.replace(" ", "")
