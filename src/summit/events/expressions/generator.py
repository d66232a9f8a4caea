"""Generate Python functions from expression trees.

Every predicate becomes one Python expression. Because only *true* counts at the top, three-valued
logic needs no third value at run time: a node is generated either for "is it true?" or for "is it
false?", and `!` swaps the two; a null makes both false. Value nodes give None for null.

No text of a user ever enters the source: constants, field names and patterns are bound to
generated names, and the source is made of those names and fixed fragments only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from summit.events.expressions.ir import Node, Path, StepAggregate, StepField

Predicate = Callable[[Any], bool]
RunPredicate = Callable[[Any, Any], bool]


class Names:
    """The names that one generated module uses, and the objects bound to them."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}

    def bind(self, value: object, hint: str = "k") -> str:
        """A new name that stands for `value` in the generated code."""
        raise NotImplementedError

    def fresh(self) -> str:
        """A new local name for an assignment expression."""
        raise NotImplementedError


class Layout(Protocol):
    """How generated code reads the event under test (`e`) and the run so far (`r`)."""

    def field_code(self, path: Path, names: Names) -> str:
        """A Python expression over `e` that gives the field's value, None when null."""
        ...

    def reference_code(self, node: StepField | StepAggregate, names: Names) -> str:
        """A Python expression over `r` that gives the value of a step reference, or None."""
        ...


def true_code(node: Node, layout: Layout, names: Names) -> str:
    """A Python expression that is truthy exactly when the node is true."""
    raise NotImplementedError


def false_code(node: Node, layout: Layout, names: Names) -> str:
    """A Python expression that is truthy exactly when the node is false (not unknown)."""
    raise NotImplementedError


def value_code(node: Node, layout: Layout, names: Names) -> str:
    """A Python expression that gives the node's value, None when null or unknown."""
    raise NotImplementedError


def compile_predicate(node: Node, layout: Layout) -> Predicate:
    """A function of one event: true exactly when the node is true. No step references."""
    raise NotImplementedError


def compile_run_predicate(node: Node, layout: Layout) -> RunPredicate:
    """A function of (event, run); the node may hold step references."""
    raise NotImplementedError


def compile_value(node: Node, layout: Layout) -> Callable[[Any, Any], Any]:
    """A function of (event, run) that gives the node's value, None when null."""
    raise NotImplementedError
