"""What a tree needs and what it promises: fields, references, equalities."""

from __future__ import annotations

from summit.events.expressions.ir import Node, Path, Scalar, StepAggregate, StepField


def required_fields(node: Node) -> frozenset[Path]:
    """The paths of the event under test that the node reads (step references not included)."""
    raise NotImplementedError


def step_references(node: Node) -> frozenset[StepField | StepAggregate]:
    """The references to events that the run has taken."""
    raise NotImplementedError


def equality_constraint(node: Node, path: Path) -> frozenset[Scalar] | None:
    """The values of which the field must equal one for the node to be true; None = any.

    Texts, numbers and booleans. The answer may be wider than the truth, never narrower.
    """
    raise NotImplementedError
