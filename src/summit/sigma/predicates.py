"""Sigma's detections and their condition as expressions.

Sigma has two values: what is not there does not match. So under a `not` a test that cannot be
decided counts as false: `!holds(…)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)

from summit.base.errors import Invalid
from summit.sigma.values import any_of, value_test


def conjuncts(tree: Any, keyword_fields: Sequence[str]) -> list[str]:
    """The expressions that must all be true for a condition's tree.

    Args:
        keyword_fields: Where words without a field are looked for.
    Raises: Invalid("sigma.unsupported", "path.invalid").
    """
    if isinstance(tree, ConditionAND):
        return [text for item in tree.args for text in conjuncts(item, keyword_fields)]
    return [_text(tree, keyword_fields)]


def _text(tree: Any, keyword_fields: Sequence[str]) -> str:
    match tree:
        case ConditionAND():
            return "(" + " && ".join(_text(item, keyword_fields) for item in tree.args) + ")"
        case ConditionOR():
            return any_of(dict.fromkeys(_text(item, keyword_fields) for item in tree.args))
        case ConditionNOT():
            return f"!holds({_text(tree.args[0], keyword_fields)})"
        case ConditionFieldEqualsValueExpression():
            return value_test(tree.field, tree.value)
        case ConditionValueExpression():
            return _keyword(tree.value, keyword_fields)
        case _:
            what = f"conditions of the kind {type(tree).__name__}"
            raise Invalid("sigma.unsupported", feature="condition", what=what)


def _keyword(value: Any, fields: Sequence[str]) -> str:
    """A word anywhere in one of the fields."""
    from sigma.types import SigmaNumber, SigmaString, SpecialChars

    if isinstance(value, SigmaNumber):
        value = SigmaString(str(value.number))
    if isinstance(value, SigmaString):
        anything = SpecialChars.WILDCARD_MULTI
        if not value.s or value.s[0] is not anything:
            value = anything + value
        if value.s[-1] is not anything:
            value += anything
    return any_of(value_test(name, value) for name in fields)
