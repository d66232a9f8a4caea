"""Conditions: rows of field, operator and value, lowered to expression trees.

One operator, one row of `OPERATORS`. On a missing field every operator is false, but `ne` and
`exists: false`; on a value of another kind it is false too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast
from typing import Literal as OneOf

import msgspec

from summit.base import limits
from summit.base.config import suggestion
from summit.base.errors import Invalid
from summit.events.expressions.building import all_of, comparison, comparison_mistake
from summit.events.expressions.ir import (
    PREVIOUS,
    And,
    AnyIn,
    Compare,
    CompareAs,
    CompareOp,
    Contains,
    EndsWith,
    Field,
    InNetwork,
    ListOf,
    Literal,
    MapOf,
    Matches,
    Node,
    Not,
    NotTrue,
    Or,
    Present,
    StartsWith,
    StepAggregate,
    StepField,
)
from summit.events.expressions.parser import parse_expression
from summit.events.fields import parse_path
from summit.events.networks import parse_network
from summit.events.regexes import compile_search
from summit.events.values import CONVERTERS, order


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One row.

    Attributes:
        field: Dot path; see `fields`.
        operator: A name of `OPERATORS`.
        value: A JSON value; `msgspec.UNSET` = not given.
        event_type: The event must be of this type too.
        ref: In place of a value: a step reference such as `failed.last.user`, or `previous.x`:
            while there is no such value, the condition holds.
        negate: The condition holds exactly when the row does not.
        compare_as: How the two values are meant; None = as they are (severities by rank).
    """

    field: str
    operator: str
    value: Any = msgspec.UNSET
    event_type: str | None = None
    ref: str | None = None
    negate: bool = False
    compare_as: str | None = None


def lower_condition(condition: Condition, *, steps: Sequence[str] = ()) -> Node:
    """The tree of a condition.

    Args:
        steps: Names of the steps to which `ref` may refer.

    Raises: Invalid("condition.unknown_operator", "condition.value", "condition.invalid",
        "path.invalid", "regex.invalid", "network.invalid", or of an expression). The detail
        `pointer` names the member that is wrong, such as `/value`.
    """
    row = OPERATORS.get(condition.operator)
    if row is None:
        raise Invalid(
            "condition.unknown_operator",
            name=condition.operator,
            hint=_operator_hint(condition.operator),
            known=", ".join(OPERATORS),
            pointer="/operator",
        )
    field = Field(_at("/field", parse_path, condition.field))
    reference = _reference(condition, row, steps)
    node = row.build(_Row(condition, field, reference))
    if condition.negate:
        node = NotTrue(node)
    if isinstance(reference, StepField) and reference.step == PREVIOUS:
        node = Or((Not(Present(reference)), node))
    if condition.event_type is None:
        return node
    of_type = comparison("==", Field(("eventType",)), Literal(condition.event_type))
    parts = node.items if isinstance(node, And) else (node,)
    return all_of([of_type, *(part for part in parts if part != of_type)])


@dataclass(frozen=True, slots=True)
class _Row:
    """What the builder of an operator gets."""

    condition: Condition
    field: Field
    reference: Node | None

    @property
    def value(self) -> Any:
        """The value, which must be there."""
        if self.condition.value is msgspec.UNSET:
            self.refuse("needs a value", "")
        return self.condition.value

    def refuse(self, reason: str, pointer: str = "/value") -> NoReturn:
        """The value does not fit the operator."""
        raise Invalid(
            "condition.value", operator=self.condition.operator, reason=reason, pointer=pointer
        )

    def text(self) -> str:
        """The value, which must be a text."""
        if type(self.value) is not str:
            self.refuse("needs a text as its value")
        text: str = self.value
        return text

    def compare(self, op: CompareOp, right: Node) -> Compare:
        """The field compared, as `compareAs` says."""
        if self.condition.compare_as is None:
            mistake = comparison_mistake(op, self.field, right)
            if mistake is not None:
                self.refuse(f"cannot hold: {mistake}")
            return cast(Compare, comparison(op, self.field, right))
        name = self.condition.compare_as
        if isinstance(right, Literal) and CONVERTERS[name](right.value) is None:
            self.refuse(f"has a value that is no {name}")
        return Compare(op, self.field, right, cast(CompareAs, name))


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    Attributes:
        compares: Whether `ref` and `compareAs` are for it.
    """

    name: str
    build: Callable[[_Row], Node]
    compares: bool = False


def _eq(row: _Row) -> Node:
    if row.reference is None and row.value is None:
        return Not(Present(row.field))
    return row.compare("==", row.reference or _constant(row, row.value))


def _ne(row: _Row) -> Node:
    if row.reference is not None:
        differs = row.compare("!=", row.reference)
        return Or((Not(Present(row.field)), Not(Present(row.reference)), differs))
    if row.value is None:
        return Present(row.field)
    return Or((Not(Present(row.field)), row.compare("!=", _constant(row, row.value))))


def _ordering(op: CompareOp) -> Callable[[_Row], Node]:
    def build(row: _Row) -> Node:
        return row.compare(op, row.reference or _bound(row, row.value))

    return build


def _in(row: _Row) -> Node:
    if type(row.value) is not list:
        row.refuse("needs a list as its value")
    return AnyIn(row.field, cast(ListOf, _constant(row, row.value)))


def _nin(row: _Row) -> Node:
    return Not(_in(row))


def _contains(row: _Row) -> Node:
    if type(row.value) in (list, dict) or row.value is None:
        row.refuse("needs a text, a number or a boolean as its value")
    return Contains(row.field, _constant(row, row.value))


def _starts_with(row: _Row) -> Node:
    return StartsWith(row.field, Literal(row.text()))


def _ends_with(row: _Row) -> Node:
    return EndsWith(row.field, Literal(row.text()))


def _regex(row: _Row) -> Node:
    pattern = row.text()
    _at("/value", compile_search, pattern)
    return Matches(row.field, pattern)


def _exists(row: _Row) -> Node:
    value = row.condition.value
    if value is not msgspec.UNSET and type(value) is not bool:
        row.refuse("takes true, false or no value")
    return Not(Present(row.field)) if value is False else Present(row.field)


def _between(row: _Row) -> Node:
    if type(row.value) is not list or len(row.value) != 2:
        row.refuse("needs a list of two values, both inclusive")
    low, high = (_bound(row, value) for value in row.value)
    least, most = row.compare(">=", low), row.compare("<=", high)
    read = CONVERTERS.get(least.compare_as, lambda value: value)
    if order(read(low.value), read(high.value)) == 1:
        row.refuse("cannot hold: the lower value comes first")
    return And((least, most))


def _cidr(row: _Row) -> Node:
    networks = row.value if type(row.value) is list else [row.value]
    if not networks or not all(type(text) is str for text in networks):
        row.refuse("needs a network such as '10.0.0.0/8', or a list of them")
    for text in networks:
        _at("/value", parse_network, text)
    return InNetwork(row.field, tuple(networks))


OPERATORS: Final[dict[str, Operator]] = {
    row.name: row
    for row in (
        Operator("eq", _eq, compares=True),
        Operator("ne", _ne, compares=True),
        Operator("gt", _ordering(">"), compares=True),
        Operator("gte", _ordering(">="), compares=True),
        Operator("lt", _ordering("<"), compares=True),
        Operator("lte", _ordering("<="), compares=True),
        Operator("in", _in),
        Operator("nin", _nin),
        Operator("contains", _contains),
        Operator("startsWith", _starts_with),
        Operator("endsWith", _ends_with),
        Operator("regex", _regex),
        Operator("exists", _exists),
        Operator("between", _between, compares=True),
        Operator("cidr", _cidr),
    )
}
_OTHER_NAMES: Final = {
    "==": "eq", "=": "eq", "equals": "eq", "equal": "eq", "is": "eq", "!=": "ne", "neq": "ne",
    "notEquals": "ne", ">": "gt", ">=": "gte", "ge": "gte", "<": "lt", "<=": "lte", "le": "lte",
    "notIn": "nin", "not_in": "nin", "matches": "regex", "like": "contains", "prefix": "startsWith",
    "suffix": "endsWith", "range": "between", "has": "exists", "present": "exists",
}  # fmt: skip


def constant_node(value: Any) -> Node:
    """The node of a JSON value.

    Raises: ValueError when it is no JSON value, or too large.
    """
    budget = [limits.CONDITION_VALUES_MAX]
    return _constant_node(value, budget, 0)


def _constant_node(value: Any, budget: list[int], level: int) -> Node:
    budget[0] -= 1
    if budget[0] < 0 or level > 8:
        raise ValueError("is too large")
    kind = type(value)
    if kind is str and len(value) > limits.CONDITION_TEXT_CHARS_MAX:
        raise ValueError("is too long a text")
    if kind is float and not math.isfinite(value):
        raise ValueError("is not a finite number")
    if value is None or kind in (str, int, float, bool):
        return Literal(value)
    if kind is list:
        return ListOf(tuple(_constant_node(item, budget, level + 1) for item in value))
    if kind is dict and all(type(name) is str for name in value):
        return MapOf(
            tuple((name, _constant_node(item, budget, level + 1)) for name, item in value.items())
        )
    raise ValueError("is not a JSON value")


def _constant(row: _Row, value: Any) -> Node:
    try:
        return constant_node(value)
    except ValueError as error:
        row.refuse(f"has a value that {error}")


def _bound(row: _Row, value: Any) -> Literal:
    if type(value) not in (str, int, float):
        row.refuse("needs a number or a text as its value")
    return cast(Literal, _constant(row, value))


def _reference(condition: Condition, row: Operator, steps: Sequence[str]) -> Node | None:
    if condition.compare_as is not None:
        if condition.compare_as not in CONVERTERS:
            near = suggestion(condition.compare_as, CONVERTERS)
            reason = f"unknown compareAs '{condition.compare_as}'{near}"
            raise Invalid("condition.invalid", reason=reason, pointer="/compareAs")
        if not row.compares:
            reason = f"compareAs is not for the operator '{row.name}'"
            raise Invalid("condition.invalid", reason=reason, pointer="/compareAs")
    if condition.ref is None:
        return None
    if condition.value is not msgspec.UNSET:
        raise Invalid("condition.invalid", reason="give value or ref, not both", pointer="/ref")
    if not row.compares or row.name == "between":
        reason = f"ref is not for the operator '{row.name}'"
        raise Invalid("condition.invalid", reason=reason, pointer="/ref")
    if condition.ref.startswith(f"{PREVIOUS}."):
        path = _at("/ref", parse_path, condition.ref.removeprefix(f"{PREVIOUS}."))
        return StepField(PREVIOUS, "last", path)
    node = _at("/ref", lambda text: parse_expression(text, steps=steps), condition.ref)
    if not isinstance(node, (StepField, StepAggregate)):
        known = ", ".join(steps) or "none here"
        reason = f"'{condition.ref}' is no reference to an earlier step (steps: {known})"
        raise Invalid("condition.invalid", reason=reason, pointer="/ref")
    return node


def _at(pointer: OneOf["/field", "/value", "/ref"], function: Callable[[str], Any], text: str
        ) -> Any:  # fmt: skip
    """Call the function; what it refuses is at the pointer."""
    try:
        return function(text)
    except Invalid as error:
        error.details.setdefault("pointer", pointer)
        raise


def _operator_hint(name: str) -> str:
    other = _OTHER_NAMES.get(name)
    return f" (did you mean '{other}'?)" if other else suggestion(name, OPERATORS)
