"""The topics of the target: made for copying, and given their own settings afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from summit.base.errors import Conflict
from summit.client import ClusterAdmin, TopicConfig
from summit.migration.plan import TopicMove

_TIME_ANY: Final = str(2**63 - 1)
# While records are copied none may be deleted or folded, and each keeps its own time.
_WHILE_COPYING: Final = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": _TIME_ANY,
    "message.timestamp.after.max.ms": _TIME_ANY,
    "compression.type": "producer",
}
_BATCH_LIMIT: Final = "max.message.bytes"
_BATCH_ROOM: Final = 2  # a batch of one record is larger than the record


async def ready_for_copy(
    target: ClusterAdmin,
    move: TopicMove,
    largest_bytes: int,
    has_begun: Callable[[str, str], bool],
) -> tuple[str, list[str]]:
    """Make a topic of the target, or take up one that a migration before has begun.

    Args:
        largest_bytes: Of a batch of the source.
        has_begun: Whether a migration has begun to fill a topic (name and id of the target's).
    Returns: The id of the target's topic, and warnings.
    Raises: Conflict("migrate.topic_exists") for a topic that is somebody else's.
    """
    warnings: list[str] = []
    if move.name in await target.list_topics():
        (topic,) = await target.describe_topics([move.name])
        begun = has_begun(move.name, topic.topic_id or move.name)
        ends = (await target.offsets(move.name)).values()
        if not begun and any(end for _, end in ends):
            raise Conflict("migrate.topic_exists", topic=move.name)
        if len(topic.partitions) > move.partitions:
            raise Conflict("migrate.topic_exists", topic=move.name)
        if len(topic.partitions) < move.partitions:  # the source has grown meanwhile
            await target.create_partitions(move.name, move.partitions)
    else:
        created = await target.create_topic(
            TopicConfig(
                name=move.name,
                partitions=move.partitions,
                replication_factor=move.replication_factor,
            )
        )
        warnings += created.warnings
    known = await target.topic_configs(move.name)
    changes = {name: value for name, value in _WHILE_COPYING.items() if name in known}
    changes[_BATCH_LIMIT] = str(min(2**31 - 1, _BATCH_ROOM * largest_bytes))
    await target.alter_topic(move.name, changes)
    (topic,) = await target.describe_topics([move.name])
    return topic.topic_id or move.name, warnings


async def settle(target: ClusterAdmin, move: TopicMove) -> list[str]:
    """Give a copied topic the settings of its source; what the target does not know is told."""
    known = await target.topic_configs(move.name)
    warnings = [
        f"{move.name}: {name}={value} is unknown to the target"
        for name, value in move.configs.items()
        if name not in known
    ]
    wanted = {name: value for name, value in move.configs.items() if name in known}
    back: dict[str, str | None] = {
        name: None
        for name in (*_WHILE_COPYING, _BATCH_LIMIT)
        if name in known and name not in wanted
    }
    await target.alter_topic(move.name, {**back, **wanted})
    return warnings
