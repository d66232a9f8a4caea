"""Build comparisons the way the product means them, for expressions and conditions alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from summit.events.expressions.ir import (
    And,
    Compare,
    CompareAs,
    CompareOp,
    Field,
    Literal,
    Node,
    Or,
    Path,
    StepField,
)
from summit.events.severities import SEVERITIES, severity_rank
from summit.events.times import epoch_ms


def comparison(op: CompareOp, left: Node, right: Node) -> Node:
    """A comparison whose order follows from the fields.

    A field whose last part is `severity` compares with a severity's name, or another such field,
    by rank; the event's `timestamp` compares with RFC 3339 text as a time.
    """
    return Compare(op, left, right, _meaning(op, left, right))


def all_of(items: list[Node]) -> Node:
    """`&&` of the items, flat; of one item, that item."""
    flat = [part for item in items for part in (item.items if isinstance(item, And) else (item,))]
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def any_of(items: list[Node]) -> Node:
    """`||` of the items, flat; of one item, that item."""
    flat = [part for item in items for part in (item.items if isinstance(item, Or) else (item,))]
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def map_fields(node: Node, change: Callable[[Path], Path]) -> Node:
    """The same tree with other fields."""
    if isinstance(node, Field):
        return Field(change(node.path))
    changed: dict[str, Any] = {}
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        if isinstance(value, Node):
            changed[name] = map_fields(value, change)
        elif isinstance(value, tuple) and value and all(isinstance(v, Node) for v in value):
            changed[name] = tuple(map_fields(item, change) for item in value)
        else:
            changed[name] = value
    return type(node)(**changed)


def _meaning(op: CompareOp, left: Node, right: Node) -> CompareAs:
    if op not in ("==", "!=") and _severities(left, right):
        return "severity"
    for field, other in ((left, right), (right, left)):
        if (
            _last_part(field) == "timestamp"
            and isinstance(other, Literal)
            and type(other.value) is str
            and epoch_ms(other.value) is not None
        ):
            return "time"
    return "auto"


def _severities(left: Node, right: Node) -> bool:
    named = [_last_part(side) == "severity" for side in (left, right)]
    if all(named):
        return True
    for field, is_severity in zip((right, left), named, strict=True):
        if is_severity and isinstance(field, Literal):
            return severity_rank(field.value) is not None
    return False


def _last_part(node: Node) -> str | None:
    return node.path[-1] if isinstance(node, (Field, StepField)) else None


def comparison_mistake(op: CompareOp, left: Node, right: Node) -> str | None:
    """Why a comparison with a constant can never be true, or None.

    >>> comparison_mistake(">=", Field(("severity",)), Literal("urgent"))
    "'urgent' is no severity; they are info, low, medium, high, critical"
    """
    for field, other in ((left, right), (right, left)):
        if not isinstance(other, Literal) or type(other.value) is not str:
            continue
        if _last_part(field) == "severity" and op not in ("==", "!="):
            if severity_rank(other.value) is None:
                names = ", ".join(SEVERITIES)
                return f"'{other.value}' is no severity; they are {names}"
        elif field == Field(("timestamp",)) and epoch_ms(other.value) is None:
            return f"'{other.value}' is no time; write milliseconds or RFC 3339 text"
    return None
