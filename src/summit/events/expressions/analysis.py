"""What a tree needs and what it promises: fields, references, equalities, depth."""

from __future__ import annotations

from summit.events.expressions.ir import (
    And,
    AnyIn,
    Compare,
    Field,
    In,
    ListOf,
    Literal,
    MapOf,
    Node,
    Or,
    Path,
    Scalar,
    StepAggregate,
    StepField,
    walk,
)


def required_fields(node: Node) -> frozenset[Path]:
    """The paths of the event under test that the node reads (step references not included)."""
    return frozenset(found.path for found in walk(node) if isinstance(found, Field))


def step_references(node: Node) -> frozenset[StepField | StepAggregate]:
    """The references to events that the run has taken."""
    return frozenset(found for found in walk(node) if isinstance(found, (StepField, StepAggregate)))


def reference_fields(node: Node) -> frozenset[Path]:
    """The paths that the node reads from events that the run has taken."""
    return frozenset(found.path for found in step_references(node) if found.path is not None)


def equality_constraint(node: Node, path: Path) -> frozenset[Scalar] | None:
    """The values of which the field must equal one for the node to be true; None = any.

    The answer may be wider than the truth, never narrower: an index may skip the node for every
    event whose field holds a text, number, boolean or null that is not one of the values. An
    event whose field holds a list or a map must be put to the node itself (`in` looks inside).

    Cost: one walk over the node's `&&` and `||`.
    """
    if isinstance(node, Compare):
        return _of_compare(node, path)
    if isinstance(node, (In, AnyIn)):
        return _of_membership(node, path)
    if isinstance(node, And):
        found = [values for item in node.items if (values := equality_constraint(item, path))
                 is not None]  # fmt: skip
        return frozenset.intersection(*found) if found else None
    if isinstance(node, Or):
        union: set[Scalar] = set()
        for item in node.items:
            part = equality_constraint(item, path)
            if part is None:
                return None
            union |= part
        return frozenset(union)
    if isinstance(node, Literal) and node.value is False:
        return frozenset()
    return None


def depth(node: Node) -> int:
    """How many nodes stand above each other at most."""
    return 1 + max((depth(child) for child in node.children()), default=0)


def free_of_runs(node: Node) -> bool:
    """Whether the node can be decided by the event alone."""
    return not any(isinstance(found, (StepField, StepAggregate)) for found in walk(node))


def _of_compare(node: Compare, path: Path) -> frozenset[Scalar] | None:
    if node.op != "==" or node.compare_as != "auto":
        return None
    for field, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(field, Field) and field.path == path and isinstance(other, Literal):
            return None if other.value is None else frozenset((other.value,))
    return None


def _of_membership(node: In | AnyIn, path: Path) -> frozenset[Scalar] | None:
    if not isinstance(node.item, Field) or node.item.path != path:
        return None
    if not isinstance(node.container, ListOf):
        return None
    values: set[Scalar] = set()
    for item in node.container.items:
        if not isinstance(item, (Literal, ListOf, MapOf)):
            return None
        if isinstance(item, Literal) and item.value is not None:
            values.add(item.value)
    return frozenset(values)
