"""The guide's conditions as predicate trees: one operator per row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast, get_args

from summit.base.config import suggestion
from summit.base.errors import Invalid
from summit.events.expressions.building import all_of, comparison, comparison_mistake
from summit.events.expressions.ir import (
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
    Or,
    Present,
    StartsWith,
    StepField,
)
from summit.events.expressions.parser import parse_expression
from summit.events.fields import parse_path
from summit.events.networks import parse_network
from summit.events.regexes import compile_search

_Build = Callable[[str, Field, Any, CompareAs], Node]
_EVENT_TYPE: Final = Field(("eventType",))
_COMPARE_AS: Final = tuple(value for value in get_args(CompareAs) if value != "auto")


def lower_condition(condition: Mapping[str, Any], *, steps: Sequence[str] = ()) -> Node:
    """The predicate of one condition (field, operator, value, eventType, ref, compareAs).

    Raises: Invalid with the name of the wrong member in `member`.
    """
    items: list[Node] = []
    event_type = condition.get("eventType")
    if event_type is not None:
        if not isinstance(event_type, str) or not event_type:
            raise _invalid("eventType", "eventType must be a text")
        items.append(comparison("==", _EVENT_TYPE, Literal(event_type)))
    if condition.get("field") is None and condition.get("operator") is None and items:
        extra = next((n for n in ("value", "ref", "compareAs") if condition.get(n) is not None), "")
        if extra:
            raise _invalid(extra, f"{extra} needs a field and an operator")
    else:
        test = _test(condition, steps)
        if test not in items:
            items.append(test)
    return all_of(items)


def _test(condition: Mapping[str, Any], steps: Sequence[str]) -> Node:
    name = condition.get("field")
    if not isinstance(name, str) or not name:
        raise _invalid("field", "a condition needs 'field', a field path")
    with _Member("field"):
        field = Field(parse_path(name))
    operator = condition.get("operator")
    if operator not in _OPERATORS:
        if not isinstance(operator, str):
            raise _invalid("operator", "a condition needs 'operator'")
        raise Invalid(
            "condition.unknown_operator",
            name=operator,
            hint=suggestion(operator, _OPERATORS),
            known=", ".join(_OPERATORS),
            member="operator",
        )
    compare_as: Any = condition.get("compareAs") or "auto"
    if compare_as != "auto" and compare_as not in _COMPARE_AS:
        raise _invalid("compareAs", f"compareAs must be one of {', '.join(_COMPARE_AS)}")
    if compare_as != "auto" and operator not in (*_COMPARISONS, "between"):
        raise _invalid("compareAs", f"compareAs does not go with operator '{operator}'")
    if condition.get("ref") is not None:
        value: Any = _reference(condition, operator, steps)
    else:
        value = condition.get("value")
        if value is None and operator != "exists":
            raise _value_error(operator, "needs a value")
    with _Member("value"):
        return _OPERATORS[operator](operator, field, value, compare_as)


def _reference(condition: Mapping[str, Any], operator: str, steps: Sequence[str]) -> Node:
    if "value" in condition:
        raise _invalid("ref", "a condition has either value or ref")
    if operator not in (*_COMPARISONS, *_TEXT_TESTS):
        raise _invalid("ref", f"operator '{operator}' takes no ref")
    ref = condition["ref"]
    with _Member("ref"):
        node = parse_expression(ref, steps=steps) if isinstance(ref, str) else None
    if not isinstance(node, StepField):
        known = ", ".join(steps) or "none"
        reason = f"ref must name a step's field, such as failed.last.user (steps: {known})"
        raise _invalid("ref", reason)
    return node


class _Member:
    """Names the wrong member in errors from below."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Invalid):
            error.details.setdefault("member", self._name)


def _invalid(member: str, reason: str) -> Invalid:
    return Invalid("condition.invalid", reason=reason, member=member)


def _value_error(operator: str, reason: str) -> Invalid:
    return Invalid("condition.value", operator=operator, reason=reason, member="value")


_COMPARISONS: Final[dict[str, CompareOp]] = {
    "eq": "==", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=",
}  # fmt: skip
_TEXT_TESTS: Final = {"contains": Contains, "startsWith": StartsWith, "endsWith": EndsWith}


def _constant(value: Any) -> Node:
    if isinstance(value, Node):
        return value
    if isinstance(value, Mapping):
        return MapOf(tuple((str(name), _constant(item)) for name, item in value.items()))
    if isinstance(value, (list, tuple)):
        return ListOf(tuple(map(_constant, value)))
    return Literal(cast("str | int | float | bool | None", value))


def _compare(operator: str, field: Field, value: Any, compare_as: CompareAs) -> Node:
    op, right = _COMPARISONS[operator], _constant(value)
    mistake = comparison_mistake(op, field, right) if compare_as == "auto" else None
    if mistake is not None:
        raise Invalid("condition.invalid", reason=mistake)
    if op not in ("==", "!=") and isinstance(right, (ListOf, MapOf)):
        raise _value_error(operator, "needs a number, a text or a time")
    if compare_as == "auto":
        node = comparison(op, field, right)
    else:
        node = Compare(op, field, right, compare_as)
    # A missing field is different from every value.
    return Or((Not(Present(field)), node)) if operator == "ne" else node


def _membership(operator: str, field: Field, value: Any, _as: CompareAs) -> Node:
    if not isinstance(value, (list, tuple)) or not value:
        raise _value_error(operator, "needs a list with at least one element")
    node = AnyIn(field, ListOf(tuple(map(_constant, value))))
    return node if operator == "in" else Not(node)


def _text_test(operator: str, field: Field, value: Any, _as: CompareAs) -> Node:
    if operator != "contains" and not isinstance(value, (str, Node)):
        raise _value_error(operator, "needs a text")
    return _TEXT_TESTS[operator](field, _constant(value))


def _regex(operator: str, field: Field, value: Any, _as: CompareAs) -> Node:
    if not isinstance(value, str):
        raise _value_error(operator, "needs a text")
    compile_search(value)
    return Matches(field, value)


def _exists(operator: str, field: Field, value: Any, _as: CompareAs) -> Node:
    if value is not None and not isinstance(value, bool):
        raise _value_error(operator, "takes true or false")
    return Not(Present(field)) if value is False else Present(field)


def _cidr(operator: str, field: Field, value: Any, _as: CompareAs) -> Node:
    texts = value if isinstance(value, (list, tuple)) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise _value_error(operator, "needs a network, or a list of them")
    for text in texts:
        parse_network(text)
    return InNetwork(field, tuple(texts))


def _between(operator: str, field: Field, value: Any, compare_as: CompareAs) -> Node:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise _value_error(operator, "needs a list of the two limits, both included")
    low, high = value
    return all_of(
        [_compare("gte", field, low, compare_as), _compare("lte", field, high, compare_as)]
    )


_OPERATORS: Final[dict[str, _Build]] = {
    **dict.fromkeys(_COMPARISONS, _compare),
    "in": _membership,
    "contains": _text_test,
    "regex": _regex,
    "exists": _exists,
    "startsWith": _text_test,
    "endsWith": _text_test,
    "nin": _membership,
    "cidr": _cidr,
    "between": _between,
}
