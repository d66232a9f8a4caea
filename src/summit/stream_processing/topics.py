"""`TopicManager`: the guide's topics, as the broker or the cluster keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from summit.base.config import field_names, suggestion
from summit.base.errors import Invalid
from summit.base.limits import TOPIC_UNKNOWN_AFTER_MS
from summit.client import Admin, TopicConfig, TopicCreated, look_pauses_s
from summit.stream_processing.dialled import Dialled

_WISH: Final = "summit.replication.factor"  # of our broker: the copies that were asked for


class TopicManager(Dialled):
    """Creates, changes and describes topics. Nothing is kept here: the cluster is asked each time.

    Example:
        async with TopicManager("localhost:9092") as topics:
            await topics.create_topic({"name": "intelligence-events", "partitions": 6})
    """

    _role: ClassVar[str] = "topic manager"

    async def create_topic(self, config: TopicConfig | Mapping[str, Any]) -> TopicCreated:
        """Create a topic; returns when it is durable. `warnings` say where it is not as asked for.

        Raises: Conflict("topic.exists"); Invalid.
        """
        return await self._admin.create_topic(config)

    async def delete_topic(self, name: str) -> None:
        """Delete a topic and its records. Raises Invalid("topic.unknown")."""
        await self._admin.delete_topic(name)

    async def topic_exists(self, name: str) -> bool:
        """Whether there is such a topic; asking makes none."""
        try:
            await self._admin.partitions(name)
        except Invalid as error:
            if error.code == "topic.unknown":
                return False
            raise
        return True

    async def get_topic_config(self, name: str) -> TopicConfig:
        """A topic's settings, defaults filled in. Raises Invalid("topic.unknown")."""
        return await read_topic_config(self._admin, name)

    async def update_topic_config(
        self, name: str, changes: TopicConfig | Mapping[str, Any]
    ) -> TopicConfig:
        """Change some settings of a topic; see `change_topic`. Returns all of them as they are."""
        return await change_topic(self._admin, name, changes)

    async def list_topics(self, *, internal: bool = False) -> list[str]:
        """The names of all topics, sorted; those of the platform (`_…`) only if asked for."""
        names = await self._admin.list_topics()
        return [name for name in names if internal or not name.startswith("_")]

    async def get_all_topic_configs(self, *, internal: bool = False) -> dict[str, TopicConfig]:
        """Every topic's settings by name; topics as in `list_topics`."""
        names = await self.list_topics(internal=internal)
        found = await asyncio.gather(
            *(self.get_topic_config(name) for name in names), return_exceptions=True
        )
        configs: dict[str, TopicConfig] = {}
        for name, config in zip(names, found, strict=True):
            if isinstance(config, TopicConfig):
                configs[name] = config
            elif not (isinstance(config, Invalid) and config.code == "topic.unknown"):
                raise config  # deleted meanwhile is no error, all else is
        return configs


async def read_topic_config(admin: Admin, name: str) -> TopicConfig:
    """A topic's settings, defaults filled in; the replication factor is the one wished for.

    Raises: Invalid("topic.unknown").
    """
    partitions = await admin.partitions(name)
    configs = {key: entry.value for key, entry in (await admin.topic_configs(name)).items()}
    copies = len(partitions[0].replicas) if partitions else 1
    wish = int(configs.get(_WISH) or 1)
    return TopicConfig.of_topic(name, len(partitions), max(copies, wish), configs)


async def change_topic(
    admin: Admin, name: str, changes: TopicConfig | Mapping[str, Any]
) -> TopicConfig:
    """Change some settings of a topic; they hold at once.

    Args:
        changes: A mapping of what shall be different, where None means the broker's default; or a
            `TopicConfig`, whose fields that are None stay as they are. More partitions may be
            asked for, never fewer; the number of copies is fixed when a topic is made.
    Returns: The settings as they are now.
    Raises: Invalid("topic.unknown" | "topic.not_grown" | "topic.copies_fixed"), Invalid for what
        is no setting or no value of it. Nothing has changed then.
    """
    wanted = _changes(name, changes)
    before = await read_topic_config(admin, name)
    copies = wanted.pop("replication_factor", None) or before.replication_factor
    if copies != before.replication_factor:
        raise Invalid("topic.copies_fixed", topic=name, current=before.replication_factor)
    current = before.partitions or 0
    partitions = wanted.pop("partitions", None) or current
    if partitions < current:
        raise Invalid("topic.not_grown", topic=name, current=current, partitions=partitions)
    if partitions > current:
        await admin.create_partitions(name, partitions, validate_only=True)
    settings: dict[str, str | None] = dict(TopicConfig(name=name, **wanted).kafka_configs())
    settings |= {TopicConfig.kafka_name(key): None for key in wanted if wanted[key] is None}
    await admin.alter_topic(name, settings)
    if partitions > current:
        await admin.create_partitions(name, partitions)
    for pause_s in look_pauses_s(TOPIC_UNKNOWN_AFTER_MS / 1000):
        after = await read_topic_config(admin, name)
        if after.partitions == partitions and _holds(after, settings):
            break
        await asyncio.sleep(pause_s)  # the broker that was asked has not heard of it yet
    return after


def _holds(config: TopicConfig, settings: Mapping[str, str | None]) -> bool:
    now = config.kafka_configs()
    return all(now.get(name) == value for name, value in settings.items() if value is not None)


def _changes(name: str, changes: TopicConfig | Mapping[str, Any]) -> dict[str, Any]:
    """What is to change, by field, checked. Raises Invalid."""
    if isinstance(changes, TopicConfig):
        fields = {field: getattr(changes, field) for field in changes.__struct_fields__}
        wanted = {field: value for field, value in fields.items() if value is not None}
    else:
        names = field_names(TopicConfig)
        for key in changes:
            if key not in names:
                raise Invalid(
                    "config.unknown_key", key=key, where="TopicConfig",
                    hint=suggestion(key, names), pointer=f"/{key}",
                )  # fmt: skip
        checked = TopicConfig.from_dict({"name": name, **changes})
        wanted = {names[key]: getattr(checked, names[key]) for key in changes}
    if wanted.pop("name", name) != name:
        raise Invalid("config.invalid", reason="a topic cannot be renamed", pointer="/name")
    return wanted
