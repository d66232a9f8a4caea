"""What is to be moved, found out before anything is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from summit.base.errors import Invalid
from summit.client import ClusterAdmin, Commit, TopicPartition
from summit.journal.topics import (
    ACTIVATIONS_TOPIC,
    ALERTS_TOPIC,
    BACKFILLS_TOPIC,
    CORRELATIONS_TOPIC,
    ENRICHMENTS_TOPIC,
    EXCHANGE_TOPIC,
    PROGRESS_TOPIC,
    STATE_TOPIC,
    TIME_TOPIC,
)
from summit.migration.ledger import LEDGER_TOPIC

COPIES: Final = 3  # where so many brokers live and the source had only one
_WISH: Final = "summit.replication.factor"
_LEAST: Final = "min.insync.replicas"
# Written anew by whoever has something to say, or translated at the end.
NAMING_PLACES: Final = (
    EXCHANGE_TOPIC, STATE_TOPIC, ACTIVATIONS_TOPIC, ENRICHMENTS_TOPIC, TIME_TOPIC, BACKFILLS_TOPIC,
)  # fmt: skip
"""Topics of workers whose records name places in other topics."""
_LEFT: Final = ("_summit.metrics", PROGRESS_TOPIC, LEDGER_TOPIC)


class TopicMove(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A topic and what it will be.

    Attributes:
        records: At most so many; what transactions aborted does not come along.
        replication_factor: Copies to ask for; where fewer brokers live there will be fewer.
        configs: Those that are set on the topic itself, in Kafka's words.
    """

    name: str
    topic_id: str
    partitions: int
    records: int
    replication_factor: int
    configs: dict[str, str]


class GroupMove(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A group and its commits, in offsets of the source."""

    group: str
    members: int
    commits: dict[TopicPartition, Commit]


class MigrationPlan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is to be moved, and what a person should know of it before."""

    source: str
    target: str
    topics: list[TopicMove]
    groups: list[GroupMove]
    warnings: list[str]

    @property
    def records(self) -> int:
        """At most so many."""
        return sum(topic.records for topic in self.topics)


async def make_plan(
    source: ClusterAdmin,
    target: ClusterAdmin,
    names: Collection[str] = (),
) -> MigrationPlan:
    """Look at both sides; nothing is changed.

    Args:
        names: Only these topics, and what groups have committed to them.
    Raises: Invalid("topic.unknown"); Invalid("migrate.same_cluster"); Unavailable.
    """
    begin, end = await source.describe_cluster(), await target.describe_cluster()
    if begin.cluster_id == end.cluster_id:
        raise Invalid("migrate.same_cluster", cluster_id=begin.cluster_id)
    known = await source.list_topics()
    for name in names:
        if name not in known:
            raise Invalid("topic.unknown", topic=name)
    wanted = [n for n in known if n not in _LEFT and not n.startswith("__")]
    wanted = [name for name in wanted if not names or name in names]
    warnings: list[str] = []
    topics = []
    for described in await source.describe_topics(wanted):
        offsets = await source.offsets(described.name, committed=True)
        configs = await _configs(source, described.name)
        wish = int(configs.pop(_WISH, 1))
        had, live = len(described.partitions[0].replicas), len(end.live)
        asked = had if had > 1 else max(wish, min(COPIES, live))
        copies = min(asked, live)
        if copies >= COPIES and had == 1:
            configs.setdefault(_LEAST, str(COPIES - 1))
        if int(configs.get(_LEAST, "1")) > copies:
            warnings.append(f"{described.name}: {_LEAST} lowered to {copies}")
            configs[_LEAST] = str(copies)
        topics.append(
            TopicMove(
                name=described.name,
                topic_id=described.topic_id or described.name,
                partitions=len(described.partitions),
                records=sum(last - first for first, last in offsets.values()),
                replication_factor=asked,
                configs=configs,
            )
        )
    # These name places in the other topics, so they come when those are known; backfills' marks
    # name places in the alerts too.
    topics.sort(key=lambda topic: (_floor(topic.name), topic.name))
    groups = await _groups(source, {topic.name for topic in topics})
    warnings += [
        f"group {group.group} has members: stop them, and migrate once more to take over the rest"
        for group in groups
        if group.members
    ]
    return MigrationPlan(
        source=begin.cluster_id, target=end.cluster_id, topics=topics, groups=groups,
        warnings=warnings,
    )  # fmt: skip


async def _configs(source: ClusterAdmin, topic: str) -> dict[str, str]:
    """What is set on the topic itself."""
    configs = (await source.topic_configs(topic)).values()
    return {c.name: c.value for c in configs if not c.is_default and c.value is not None}


def _floor(topic: str) -> int:
    if topic in NAMING_PLACES:
        return 2
    return topic in (ALERTS_TOPIC, CORRELATIONS_TOPIC)


async def _groups(source: ClusterAdmin, topics: Collection[str]) -> list[GroupMove]:
    found = []
    for group in await source.list_groups():
        commits: Mapping[TopicPartition, Commit] = await source.group_commits(group)
        mine = {where: commit for where, commit in commits.items() if where.topic in topics}
        if mine:
            members = len((await source.describe_group(group)).members)
            found.append(GroupMove(group=group, members=members, commits=mine))
    return found
