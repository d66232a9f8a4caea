"""One partition of a fetch: what is asked, where it is, and what was found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from summit.broker.epochs import UNKNOWN_EPOCH, epoch_error
from summit.broker.topics import Partition, Topic
from summit.protocol import codes


class Wanted:
    """One partition of a fetch: what is asked, and what was found."""

    __slots__ = (
        "committed",
        "count",
        "data",
        "error",
        "index",
        "key",
        "leader_epoch",
        "mark",
        "max_bytes",
        "offset",
        "part",
        "part_high",
        "part_stable",
        "part_start",
        "partition",
        "told",
    )  # fmt: skip

    def __init__(self, key: str | bytes, index: int, offset: int, max_bytes: int) -> None:
        self.key = key  # the topic's name, or its id from v13
        self.index = index
        self.offset = offset
        self.max_bytes = max_bytes
        self.leader_epoch = -1  # that the client believes to be current
        self.told: tuple[int, int, int] | None = None  # offsets last said in a session
        self.committed = False  # read no further than the last stable offset
        self.partition: Partition | None = None
        self.error = codes.NONE  # never that without a partition
        self.data = b""
        self.count = 0  # records in `data` at or after `offset`
        self.mark = 0  # the partition's `bytes_in` when the wait began
        # The last answer without records, to be given again while it is true.
        self.part = b""
        self.part_high = self.part_stable = self.part_start = -1


# The partitions of a topic that stand together in a request.
Group: TypeAlias = tuple[str | bytes, list[Wanted]]


def find_partition(each: Wanted, topic: Topic | None) -> None:
    """Set the partition, or the error of having none or another leader epoch."""
    each.partition = None
    if topic is None:
        by_id = isinstance(each.key, bytes)
        each.error = codes.UNKNOWN_TOPIC_ID if by_id else codes.UNKNOWN_TOPIC_OR_PARTITION
    elif not 0 <= each.index < len(topic.partitions):
        each.error = codes.UNKNOWN_TOPIC_OR_PARTITION
    else:
        each.partition = partition = topic.partitions[each.index]
        # Nearly every client sends -1 or what it was told: no call for those.
        each.error = (
            codes.NONE
            if each.leader_epoch == UNKNOWN_EPOCH
            else epoch_error(partition.log, each.leader_epoch)
        )


def by_topic(wanted: Iterable[Wanted]) -> list[Group]:
    """Partitions as they stand together in an answer."""
    groups: list[Group] = []
    last: str | bytes | None = None
    for each in wanted:
        if each.key != last:
            last = each.key
            groups.append((last, []))
        groups[-1][1].append(each)
    return groups
