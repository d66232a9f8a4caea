"""The typed tree that conditions and expressions lower to.

Nodes are immutable, comparable and hashable; they hold no code. One rule runs through all of
them: a missing field, a JSON null and a value that cannot be computed (a wrong kind, a division
by zero, an overflow) are the same thing, `null`. A comparison with null is *unknown*, and
`&&`, `||`, `!` follow three-valued logic (`false && unknown` = false, `true || unknown` = true).
A predicate holds only if it is true; unknown at the top counts as "does not hold".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final
from typing import Literal as OneOf

Path = tuple[str, ...]
Scalar = str | int | float | bool | None
CompareOp = OneOf["==", "!=", "<", "<=", ">", ">="]
CompareAs = OneOf["auto", "severity", "number", "string", "time", "ip", "version"]
ArithmeticOp = OneOf["+", "-", "*", "/", "%"]
Aggregate = OneOf["count", "sum", "min", "max", "avg", "distinct"]
PREVIOUS: Final = "previous"  # in place of a step: the last earlier event with the same key
AGGREGATES: Final[tuple[Aggregate, ...]] = ("count", "sum", "min", "max", "avg", "distinct")


@dataclass(frozen=True, slots=True)
class Node:
    """What every node is."""

    def children(self) -> Iterator[Node]:
        """The nodes directly below this one, left to right."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Node):
                yield value
            elif isinstance(value, tuple):
                for item in value:
                    if isinstance(item, Node):
                        yield item
                    elif isinstance(item, tuple):
                        yield from (part for part in item if isinstance(part, Node))


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant of the text."""

    value: Scalar

    def __eq__(self, other: object) -> bool:
        # 1, 1.0 and true are three different constants, though Python calls them equal.
        return (
            isinstance(other, Literal)
            and type(self.value) is type(other.value)
            and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value).__name__, self.value))


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """A list written in the text."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf(Node):
    """A map written in the text; keys are text."""

    items: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Field(Node):
    """A field of the event under test, found as `fields.candidates` says."""

    path: Path


@dataclass(frozen=True, slots=True)
class StepField(Node):
    """`step.first.x`, `step.last.x`: a field of an event that this run has taken."""

    step: str
    which: OneOf["first", "last"]
    path: Path


@dataclass(frozen=True, slots=True)
class StepAggregate(Node):
    """`count(step)`, `sum(step.x)` …: over the events this run has taken, the current one not.

    With nothing taken, count, sum and distinct are 0; min, max and avg are null. Null and
    non-numbers do not enter sum, min, max and avg; null does not enter distinct.
    """

    function: Aggregate
    step: str
    path: Path | None


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """The element that `exists` or `all` looks at."""

    name: str


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """A comparison; `compare_as` says how the order of the two values is meant."""

    op: CompareOp
    left: Node
    right: Node
    compare_as: CompareAs = "auto"


@dataclass(frozen=True, slots=True)
class And(Node):
    """All of them."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """At least one of them."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """The opposite; of unknown, unknown."""

    item: Node


@dataclass(frozen=True, slots=True)
class NotTrue(Node):
    """False when the item is true, else true: also where the item is unknown."""

    item: Node


@dataclass(frozen=True, slots=True)
class Present(Node):
    """`has(x)`: there, and not null. Never unknown."""

    item: Node


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """Numbers; `+` also joins two texts or two lists."""

    op: ArithmeticOp
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Negate(Node):
    """Minus a number."""

    item: Node


@dataclass(frozen=True, slots=True)
class Choose(Node):
    """`test ? then : otherwise`; null when the test is unknown."""

    test: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`item[index]`, `item.name`: a member of a map, an element of a list (from 0)."""

    item: Node
    index: Node


@dataclass(frozen=True, slots=True)
class In(Node):
    """`item in container`: an element of a list, a key of a map."""

    item: Node
    container: Node


@dataclass(frozen=True, slots=True)
class AnyIn(Node):
    """The operator `in` of a condition: the item, or any element of it, is in the list."""

    item: Node
    container: ListOf


@dataclass(frozen=True, slots=True)
class Contains(Node):
    """Part of a text, element of a list, key of a map."""

    item: Node
    part: Node


@dataclass(frozen=True, slots=True)
class StartsWith(Node):
    """A text begins with another."""

    item: Node
    part: Node


@dataclass(frozen=True, slots=True)
class EndsWith(Node):
    """A text ends with another."""

    item: Node
    part: Node


@dataclass(frozen=True, slots=True)
class Matches(Node):
    """A regular expression of linear time is found somewhere in the text."""

    item: Node
    pattern: str


@dataclass(frozen=True, slots=True)
class InNetwork(Node):
    """An IP address lies in one of the networks (CIDR texts)."""

    item: Node
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lower(Node):
    """A text with its ASCII letters in lower case."""

    item: Node


@dataclass(frozen=True, slots=True)
class Size(Node):
    """Characters of a text, elements of a list, members of a map."""

    item: Node


@dataclass(frozen=True, slots=True)
class Quantified(Node):
    """`list.exists(v, body)`, `list.all(v, body)`; over a map, its keys."""

    kind: OneOf["exists", "all"]
    variable: str
    source: Node
    body: Node


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, parents first."""
    yield node
    for child in node.children():
        yield from walk(child)
