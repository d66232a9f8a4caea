"""The plan of an app: its parts, its topics, and which slot reads and runs what. Pure.

Work is shared out in slots: slot n reads partition n of every topic (of a topic with more
partitions than there are slots also n + slots, ...), and runs one task of every part. Who has a
partition of `_<app>-tasks`, which holds no records, has its slot. So what must be together stays
together however topics come and go, and one answer of the coordinator settles it.
"""

from __future__ import annotations

from collections.abc import Iterable

from summit.base.errors import Conflict
from summit.client.types import TopicPartition
from summit.operators.graph import Graph, Part, Repartition, Source, check_partitions


class Plan:
    """See the module.

    Args:
        counts: Number of partitions by topic that is read.
        slots: Number of slots.
    Raises: Invalid("streams.empty"), Invalid("streams.not_copartitioned");
        Conflict("streams.topic_grown").
    """

    def __init__(self, app_id: str, graph: Graph, counts: dict[str, int], slots: int) -> None:
        self.app_id = app_id
        self.slots = slots
        self.parts = graph.parts()
        self.counts = dict(counts)
        self.writers: dict[str, Part] = {}
        self.readers: dict[str, Part] = {}
        for part in self.parts:
            self.writers.update({n.name: part for n in part.nodes if isinstance(n, Repartition)})
            sent = [entry.name for entry in part.entries if isinstance(entry, Repartition)]
            self.readers.update(dict.fromkeys(sent, part))
            # What travels goes where the part's topics have the same keys.
            fixed = max((counts[topic] for topic in part.topics), default=slots)
            if part.keeps and fixed > slots:
                topic = next(name for name in part.topics if counts[name] > slots)
                raise Conflict("streams.topic_grown", topic=topic, found=fixed, slots=slots)
            self.counts.update(dict.fromkeys(sent, fixed if part.keeps else slots))
            check_partitions(part, self.counts)
        self.repartitions = {r.name: r for r in graph.repartitions() if r.name in self.readers}
        self._depths: dict[str, int] = {}
        for name, writer in ((name, self.writers[name]) for name in self.repartitions):
            above = [self._depths.get(entry.name, 0) for entry in writer.entries]
            self._depths[name] = max(above) + 1
        self.by_topic = {repartition_topic(app_id, name): name for name in self.repartitions}

    def inputs(self, slot: int) -> list[TopicPartition]:
        """Partitions of topics from outside that a slot reads."""
        topics = sorted({topic for part in self.parts for topic in part.topics})
        return [place for topic in topics for place in self._partitions(topic, slot)]

    def sent(self, slot: int) -> list[TopicPartition]:
        """Partitions of repartition topics that a slot reads."""
        return [
            TopicPartition(topic, slot)
            for topic, name in sorted(self.by_topic.items())
            if slot < self.counts[name]
        ]

    def before_inputs(self, slots: Iterable[int]) -> list[list[TopicPartition]]:
        """What who takes over slots must read to its end, one list after the other, before inputs.

        Frames were sent before anything that comes of inputs from now on, and those of the last
        key_by before anything that comes of the frames of the first. Then tables.
        """
        places = [place for slot in slots for place in self.sent(slot)]
        by_depth: dict[int, list[TopicPartition]] = {}
        for place in places:
            by_depth.setdefault(self._depths[self.by_topic[place.topic]], []).append(place)
        tables = self.tables()
        last = [place for slot in slots for place in self.inputs(slot) if place.topic in tables]
        return [*(by_depth[depth] for depth in sorted(by_depth, reverse=True)), last]

    def tables(self) -> set[str]:
        """Topics that are read as tables only."""
        entries = [entry for part in self.parts for entry in part.entries]
        sources = [entry for entry in entries if isinstance(entry, Source)]
        streams = {source.topic for source in sources if not source.is_table}
        return {source.topic for source in sources} - streams

    def entries(self, part: Part, slot: int) -> list[tuple[str, int]]:
        """Inputs that hold back event time in a part's task: entry and partition or sender."""
        found: list[tuple[str, int]] = []
        for entry in part.entries:
            if isinstance(entry, Repartition):
                writer = self.writers[entry.name]
                found += [(entry.name, n) for n in range(self.slots) if self.exists(writer, n)]
            elif not entry.is_table:
                found += [(entry.name, p.partition) for p in self._partitions(entry.topic, slot)]
        return found

    def exists(self, part: Part, slot: int) -> bool:
        """Whether a part has anything to read in a slot."""
        return any(
            self.counts[entry.name if isinstance(entry, Repartition) else entry.topic] > slot
            for entry in part.entries
        )

    def slot_of(self, partition: int) -> int:
        """Which slot reads a partition."""
        return partition % self.slots

    def _partitions(self, topic: str, slot: int) -> list[TopicPartition]:
        return [TopicPartition(topic, n) for n in range(slot, self.counts[topic], self.slots)]


def tasks_topic(app_id: str) -> str:
    """The topic that shares out the slots."""
    return f"_{app_id}-tasks"


def changelog_topic(app_id: str) -> str:
    """Where the state of all operators stands, by slot."""
    return f"_{app_id}-changelog"


def repartition_topic(app_id: str, name: str) -> str:
    """What carries records to the tasks of their keys."""
    return f"_{app_id}-{name}-repartition"
