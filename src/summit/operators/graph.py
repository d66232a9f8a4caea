"""The graph of an app as it was declared, and its parts: what runs without a topic in between.

A part begins at topics and at `key_by`s, whose records travel through a topic of their own to the
task that has their key, and ends at topics and `key_by`s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from summit.base.errors import Conflict, Invalid
from summit.operators.batch import Batch
from summit.operators.formats import Decode, Encode, Packing
from summit.operators.operator import Keeper, Operator

TimeOf = Callable[[Any], int]


class Node:
    """One node of a graph.

    Attributes:
        name: Unique within the graph; state and topics are found again by it.
        kind: For people: what it does.
        inputs: Where its records come from, by port.
    """

    def __init__(self, name: str, kind: str, inputs: tuple[Node, ...] = ()) -> None:
        self.name = name
        self.kind = kind
        self.inputs = inputs

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Source(Node):
    """A topic that is read.

    Args:
        time_of: The event time of a value; None = the record's own time.
        delay_ms: How much later than its successors an event may come without being late.
        is_table: Its records are the last word about their keys; they do not move event time.
    """

    def __init__(
        self,
        name: str,
        topic: str,
        key: Decode,
        value: Decode,
        *,
        time_of: TimeOf | None = None,
        delay_ms: int = 0,
        is_table: bool = False,
    ) -> None:
        super().__init__(name, "table" if is_table else "stream")
        self.topic = topic
        self.key = key
        self.value = value
        self.time_of = time_of
        self.delay_ms = delay_ms
        self.is_table = is_table


class Step(Node):
    """An operator.

    Args:
        make: Makes one, for a task.
        keeps: Whether it is a `Keeper`.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        inputs: tuple[Node, ...],
        make: Callable[[], Operator | Keeper],
        *,
        keeps: bool = False,
    ) -> None:
        super().__init__(name, kind, inputs)
        self.make = make
        self.keeps = keeps


class Repartition(Node):
    """New keys: records travel to the task of their key.

    Args:
        rekey: Gives a batch its new keys.
        packing: How values travel.
        is_any: The type of the values is not known.
    """

    def __init__(
        self, name: str, source: Node, rekey: Callable[[Batch], Batch], packing: Packing,
        *, is_any: bool,
    ) -> None:  # fmt: skip
        super().__init__(name, "key_by", (source,))
        self.rekey = rekey
        self.packing = packing
        self.is_any = is_any


class Late(Node):
    """What an operator has put aside, as a stream of its own."""

    def __init__(self, name: str, of: Step) -> None:
        super().__init__(name, "late", (of,))


class Sink(Node):
    """A topic that is written."""

    def __init__(self, name: str, source: Node, topic: str, key: Encode, value: Encode) -> None:
        super().__init__(name, "to", (source,))
        self.topic = topic
        self.key = key
        self.value = value


class Part:
    """Nodes that run in one task per slot, in an order in which records come before their use.

    Attributes:
        entries: Sources, and repartitions that it reads.
        nodes: All others; repartitions among them are those that it writes.
        one_by_one: Records meet whose order would else depend on how they were cut into batches.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.entries: list[Source | Repartition] = []
        self.nodes: list[Node] = []
        self.one_by_one = False

    @property
    def name(self) -> str:
        """What its own times are found again by: the name of its first entry."""
        return self.entries[0].name

    @property
    def topics(self) -> list[str]:
        """Topics that it reads from outside."""
        return sorted({entry.topic for entry in self.entries if isinstance(entry, Source)})

    @property
    def keeps(self) -> bool:
        """Whether some operator of it keeps state."""
        return any(isinstance(node, Step) and node.keeps for node in self.nodes)


class Graph:
    """Nodes, in the order of their making, which is one in which inputs come first."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._names: set[str] = set()

    def name(self, kind: str, given: str | None) -> str:
        """A name for a node: the given one, or its kind and a number.

        Raises: Conflict("streams.name_taken"); Invalid("streams.name").
        """
        if given is None:
            number = sum(1 for node in self.nodes if node.kind == kind) + 1
            given = f"{kind}-{number}"
        if not given or not all(c.isalnum() or c in "._-" for c in given):
            raise Invalid("streams.name", name=given)
        if given in self._names:
            raise Conflict("streams.name_taken", name=given)
        return given

    def add(self, node: Node) -> None:
        """Take a node in; its name comes from `name`."""
        self._names.add(node.name)
        self.nodes.append(node)

    def sources(self) -> Iterator[Source]:
        """All topics that are read."""
        return (node for node in self.nodes if isinstance(node, Source))

    def sinks(self) -> Iterator[Sink]:
        """All topics that are written."""
        return (node for node in self.nodes if isinstance(node, Sink))

    def repartitions(self) -> Iterator[Repartition]:
        """All that travels between tasks."""
        return (node for node in self.nodes if isinstance(node, Repartition))

    def parts(self) -> list[Part]:
        """The graph cut at its repartitions, in the order of their first nodes.

        Raises: Invalid("streams.empty") for a graph that leads nowhere.
        """
        if not self.nodes:
            raise Invalid("streams.empty")
        # A repartition is written in the part of its input and read in the part of its users.
        group: dict[tuple[Node, bool], tuple[Node, bool]] = {}

        def find(item: tuple[Node, bool]) -> tuple[Node, bool]:
            root = group.setdefault(item, item)
            while root != group[root]:
                root = group[root]
            group[item] = root
            return root

        for node in self.nodes:
            mine = (node, False)
            find(mine)
            for source in node.inputs:
                group[find(mine)] = find((source, isinstance(source, Repartition)))
        parts: dict[tuple[Node, bool], Part] = {}
        for node in self.nodes:
            part = parts.setdefault(find((node, False)), Part(len(parts)))
            if isinstance(node, Source):
                part.entries.append(node)
            else:
                part.nodes.append(node)
            if isinstance(node, Repartition) and (node, True) in group:
                part = parts.setdefault(find((node, True)), Part(len(parts)))
                part.entries.append(node)
        found = list(parts.values())
        for part in found:
            part.one_by_one = self._must_go_one_by_one(part)
        return found

    def _must_go_one_by_one(self, part: Part) -> bool:
        """Whether records meet that have come by several ways, or behind what fires by itself."""
        above: dict[Node, set[str]] = {}
        for entry in part.entries:
            if not (isinstance(entry, Source) and entry.is_table):
                above[entry] = {
                    f"topic {entry.topic}" if isinstance(entry, Source) else f"key {entry.name}"
                }
        for node in part.nodes:
            sets = [above[source] for source in node.inputs if source in above]
            together: set[str] = set().union(*sets)
            if len(sets) > 1 and (
                len(together) < sum(map(len, sets)) or any("keeper" in one for one in sets)
            ):
                return True
            if isinstance(node, Step) and node.keeps:
                together = together | {"keeper"}
            if not isinstance(node, Repartition):
                above[node] = together
        return False


def check_partitions(part: Part, counts: dict[str, int]) -> None:
    """That equal keys meet: where a part keeps state, its topics must have equal partitions.

    Args:
        counts: Number of partitions by topic; those of repartitions under the name of the node.
    Raises: Invalid("streams.not_copartitioned").
    """
    if not part.keeps:
        return
    names = [
        (entry.topic, counts[entry.topic]) if isinstance(entry, Source)
        else (entry.name, counts[entry.name])
        for entry in part.entries
    ]  # fmt: skip
    if len({count for _, count in names}) > 1:
        shown = ", ".join(f"{name} ({count})" for name, count in sorted(names))
        raise Invalid("streams.not_copartitioned", topics=shown)
