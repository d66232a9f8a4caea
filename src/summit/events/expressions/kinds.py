"""What kind of value a node gives, as far as the text alone tells."""

from __future__ import annotations

from typing import Literal as OneOf

from summit.events.expressions.ir import (
    Arithmetic,
    Choose,
    Field,
    Index,
    ListOf,
    Literal,
    Lower,
    MapOf,
    Negate,
    Node,
    Size,
    StepAggregate,
    StepField,
    Variable,
)

Kind = OneOf["any", "boolean", "number", "text", "list", "map", "null"]


def kind_of(node: Node) -> Kind:
    """The kind of the node's value; `any` where only the event tells."""
    match node:
        case Field() | StepField() | Variable() | Index():
            return "any"
        case Literal(value):
            return _kind_of_constant(value)
        case ListOf():
            return "list"
        case MapOf():
            return "map"
        case Size() | Negate() | StepAggregate():
            return "number"
        case Lower():
            return "text"
        case Arithmetic(op, left, right):
            return _kind_of_sum(left, right) if op == "+" else "number"
        case Choose(_, then, otherwise):
            one, two = kind_of(then), kind_of(otherwise)
            return one if one == two else "any"
        case _:
            return "boolean"


def comparable(left: Kind, right: Kind, op: str) -> bool:
    """Whether a comparison of the two can ever be true."""
    if op in ("==", "!="):
        return left == right or "any" in (left, right) or "null" in (left, right)
    allowed = ("any", "number", "text")
    return left in allowed and right in allowed and (left == right or "any" in (left, right))


def _kind_of_constant(value: object) -> Kind:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def _kind_of_sum(left: Node, right: Node) -> Kind:
    one, two = kind_of(left), kind_of(right)
    if one == "any":
        return two if two in ("text", "list", "number") else "any"
    return one if one in ("text", "list", "number") else "any"
