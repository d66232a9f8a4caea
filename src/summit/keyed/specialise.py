"""What is left of a predicate once the event's type is known.

Most predicates begin with the event type. For one type, that part is a constant: either the
predicate cannot hold, or only the rest of it must be looked at. Only *true* counts here, so a part
that is unknown is as good as false.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from summit.events.expressions.analysis import required_fields
from summit.events.expressions.generator import Names, compile_value
from summit.events.expressions.ir import (
    And,
    Compare,
    Field,
    Literal,
    Node,
    Or,
    Path,
    Quantified,
    StepAggregate,
    StepField,
    Variable,
    walk,
)

_UNBOUND = (StepField, StepAggregate, Variable, Quantified)


def specialise(node: Node, path: Path, value: str) -> Node | bool:
    """The node for events whose field `path` is the text `value`.

    Returns: True or False where that decides it, else a node that is true for exactly the same
        of these events.
    """
    if isinstance(node, And):
        return _joined([specialise(item, path, value) for item in node.items], And)
    if isinstance(node, Or):
        return _joined([specialise(item, path, value) for item in node.items], Or)
    if isinstance(node, Literal):
        return node.value is True
    if isinstance(node, Compare) and _is_plain_equality(node, path):
        assert isinstance(node.right, Literal)
        return node.right.value == value
    decide = _decider(node, path)
    return node if decide is None else decide(value, None) is True


def _joined(parts: list[Node | bool], kind: type[And] | type[Or]) -> Node | bool:
    decisive = kind is Or
    if decisive in parts:
        return decisive
    nodes = tuple(part for part in parts if not isinstance(part, bool))
    if not nodes:
        return not decisive
    return nodes[0] if len(nodes) == 1 else kind(nodes)


def _is_plain_equality(node: Compare, path: Path) -> bool:
    return (
        node.op == "=="
        and node.compare_as == "auto"
        and node.left == Field(path)
        and isinstance(node.right, Literal)
        and isinstance(node.right.value, str)
    )


@lru_cache(maxsize=16_384)
def _decider(node: Node, path: Path) -> Callable[[Any, Any], Any] | None:
    """A function of the field's value that decides the node; None when it needs more."""
    if required_fields(node) != {path} or any(isinstance(n, _UNBOUND) for n in walk(node)):
        return None
    return compile_value(node, ValueLayout())


class ValueLayout:
    """The layout in which the event is the one field's value itself."""

    def field_code(self, _path: Path, _names: Names) -> str:
        """See `generator.Layout`."""
        return "e"

    def reference_code(self, node: StepField | StepAggregate, _names: Names) -> str:
        """There is no run to refer to."""
        raise AssertionError(node)
