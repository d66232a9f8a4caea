"""What is remembered of each connection's fetches without a session.

A consumer without a session names all its partitions in each request, and nearly all in the same
bytes as before. What was found out about a partition is therefore kept by those bytes, its row: a
request is decoded only where it differs from the last one, and in any order, since clients rotate.

    take      at a request; another one of the same connection starts anew meanwhile
    groups    its partitions, from what is known and what is new
    keep      after the answer, unless it had an error; the longest unused gives way
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from summit.base.limits import FETCH_MEMORY_PARTS_MAX
from summit.broker.fetch_wanted import Group, Wanted, find_partition
from summit.broker.topics import Partition, Topic, TopicTable
from summit.protocol.fetch_plain import PlainTopic, read_row

if TYPE_CHECKING:
    from summit.broker.connection import Connection

_SPARE_ROWS = 64  # partitions beside twice those of the last request that may stay known


class _KnownTopic:
    """One topic as a connection asks for it, and its partitions by row and by index."""

    __slots__ = ("by_index", "by_row", "partitions", "row_of", "topic")

    def __init__(self, topic: Topic | None) -> None:
        self.topic = topic
        self.partitions: Sequence[Partition] = () if topic is None else topic.partitions
        self.by_row: dict[bytes, Wanted] = {}
        self.by_index: dict[int, Wanted] = {}
        self.row_of: dict[int, bytes] = {}

    def wanted(self, rows: Sequence[bytes]) -> list[Wanted] | None:
        """The partitions of rows, None if one of these is not known."""
        try:
            return list(map(self.by_row.__getitem__, rows))
        except KeyError:
            return None

    def is_true(self, topic: Topic | None) -> bool:
        """Whether the name or id still stands for the same partitions."""
        return topic is not None and self.partitions is topic.partitions


class Remembered:
    """The fetches of one connection, all of one version and isolation level."""

    __slots__ = ("_topics", "committed", "version")

    def __init__(self, version: int, *, committed: bool) -> None:
        self.version = version
        self.committed = committed
        self._topics: dict[str | bytes, _KnownTopic] = {}

    def __len__(self) -> int:
        """The number of partitions that are known."""
        return sum(len(known.by_row) for known in self._topics.values())

    def groups(self, table: TopicTable, topics: Sequence[PlainTopic]) -> list[Group] | None:
        """The partitions of a request.

        Returns: None when one is named twice, which is a case of its own.
        """
        groups: list[Group] = []
        named: dict[str | bytes, _KnownTopic] = {}
        for key, rows in topics:
            topic = table.keyed(key)
            known = self._topics.get(key)
            if known is None or not known.is_true(topic):
                known = _KnownTopic(topic)
            wanted = known.wanted(rows)
            if wanted is None:
                self._learn(key, known, rows)
                wanted = known.wanted(rows)
            if wanted is None or len(set(wanted)) < len(wanted):
                return None
            if len(known.by_row) > 2 * len(rows) + _SPARE_ROWS:
                known = self._only(known, rows)
            named[key] = known
            groups.append((key, wanted))
        if len(named) < len(topics):
            return None
        self._topics = named
        return groups

    def _learn(self, key: str | bytes, known: _KnownTopic, rows: Sequence[bytes]) -> None:
        """Look into the rows that are not known."""
        for row in rows:
            if row in known.by_row:
                continue
            index, leader_epoch, offset, max_bytes = read_row(self.version, row)
            each = known.by_index.get(index)
            if each is None:
                each = known.by_index[index] = Wanted(key, index, offset, max_bytes)
                each.committed = self.committed
            else:
                del known.by_row[known.row_of[index]]  # an index has one row
                each.offset = offset
                each.max_bytes = max_bytes
            each.leader_epoch = leader_epoch
            known.by_row[row] = each
            known.row_of[index] = row
            find_partition(each, known.topic)

    def _only(self, known: _KnownTopic, rows: Sequence[bytes]) -> _KnownTopic:
        kept = _KnownTopic(known.topic)
        for row in rows:
            each = kept.by_row[row] = known.by_row[row]
            kept.by_index[each.index] = each
            kept.row_of[each.index] = row
        return kept


class FetchMemory:
    """What is remembered of all connections. Loop thread only."""

    def __init__(self, most: int = FETCH_MEMORY_PARTS_MAX) -> None:
        self._most = most
        self._count = 0
        self._kept: OrderedDict[Connection, Remembered] = OrderedDict()

    def __len__(self) -> int:
        """The number of partitions that are remembered."""
        return self._count

    def take(self, connection: Connection, version: int, *, committed: bool) -> Remembered:
        """What is known of a connection; it is the caller's until `keep`."""
        found = self._drop(connection)
        if found is None or (found.version, found.committed) != (version, committed):
            return Remembered(version, committed=committed)
        return found

    def keep(self, connection: Connection, remembered: Remembered) -> None:
        """Remember until the next request of the connection, if there is room."""
        self._drop(connection)
        self._kept[connection] = remembered
        self._count += len(remembered)
        while self._count > self._most:
            self._drop(next(iter(self._kept)))

    def forget(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._drop(connection)

    def _drop(self, connection: Connection) -> Remembered | None:
        found = self._kept.pop(connection, None)
        if found is not None:
            self._count -= len(found)
        return found
