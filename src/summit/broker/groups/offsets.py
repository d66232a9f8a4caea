"""Committed offsets of all groups, as the loop sees them. Filled from `__consumer_offsets`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Committed(NamedTuple):
    """One committed offset: the next record to read."""

    offset: int
    leader_epoch: int
    metadata: str
    commit_ms: int


TopicPartition = tuple[str, int]


def dated(
    offsets: dict[str, dict[TopicPartition, Committed]], commit_ms: int
) -> dict[str, dict[TopicPartition, Committed]]:
    """The same commits by group, as of another moment."""
    return {
        group_id: {
            where: committed._replace(commit_ms=commit_ms) for where, committed in commits.items()
        }
        for group_id, commits in offsets.items()
    }


class OffsetTable:
    """Offsets by group, topic and partition. Loop thread only."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[TopicPartition, Committed]] = {}

    def put(self, group_id: str, where: TopicPartition, committed: Committed) -> None:
        """Remember a commit that is durable."""
        self._groups.setdefault(group_id, {})[where] = committed

    def get(self, group_id: str, where: TopicPartition) -> Committed | None:
        """The last durable commit."""
        group = self._groups.get(group_id)
        return None if group is None else group.get(where)

    def of_group(self, group_id: str) -> dict[TopicPartition, Committed]:
        """Everything a group has committed."""
        return self._groups.get(group_id, {})

    def remove(self, group_id: str, where: TopicPartition) -> None:
        """Forget one commit."""
        group = self._groups.get(group_id)
        if group is not None and group.pop(where, None) is not None and not group:
            del self._groups[group_id]

    def groups(self) -> Iterator[str]:
        """Every group that has a committed offset."""
        return iter(list(self._groups))

    def of_topic(self, topic: str) -> list[tuple[str, TopicPartition]]:
        """Every commit to partitions of a topic, as (group, partition)."""
        return [
            (group_id, where)
            for group_id, group in self._groups.items()
            for where in group
            if where[0] == topic
        ]

    def committed_before(self, commit_ms: int) -> list[tuple[str, TopicPartition]]:
        """Every commit older than a moment."""
        return [
            (group_id, where)
            for group_id, group in self._groups.items()
            for where, committed in group.items()
            if committed.commit_ms < commit_ms
        ]
