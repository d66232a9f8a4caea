"""One Sigma value on one field, as an expression.

Sigma compares texts without regard to case unless told otherwise; a number also matches its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from sigma.types import (
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from summit.base.errors import Invalid
from summit.events.expressions import unparse
from summit.events.expressions.ir import Field
from summit.events.fields import parse_path
from summit.events.values import lower_ascii

_SPECIAL: Final = re.compile(r"([.+*?()|\[\]{}^$\\])")
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,17}")  # a number as JSON writes it
_MULTI, _SINGLE = SpecialChars.WILDCARD_MULTI, SpecialChars.WILDCARD_SINGLE
_COMPARES: Final = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=", "NEQ": "!="}
_FLAGS: Final = {"IGNORECASE": "i", "MULTILINE": "m", "DOTALL": "s"}


def field_text(name: str) -> str:
    """A field's name as an expression writes it. Raises: Invalid("path.invalid")."""
    return unparse(Field(parse_path(name)))


def constant(value: Any) -> str:
    """A constant of an expression."""
    return json.dumps(value, ensure_ascii=False)


def any_of(tests: Iterable[str]) -> str:
    """`||` of tests, in brackets; of one, that one."""
    listed = list(tests)
    return listed[0] if len(listed) == 1 else "(" + " || ".join(listed) + ")"


def value_test(name: str, value: Any) -> str:
    """The test that a field has a value.

    Raises: Invalid("sigma.unsupported", "path.invalid").
    """
    field = field_text(name)
    match value:
        case SigmaString():
            return _text_test(field, value)
        case SigmaTimestampPart():
            raise _unsupported("modifier", "parts of timestamps")
        case SigmaNumber():
            return f"{field} in [{constant(value.number)}, {constant(str(value.number))}]"
        case SigmaBool():
            word = "true" if value.boolean else "false"
            return f'{field} in [{word}, "{word}"]'
        case SigmaNull():
            return f"!has({field})"
        case SigmaExists():
            return f"has({field})" if value.exists else f"!has({field})"
        case SigmaRegularExpression():
            return _regex_test(field, value)
        case SigmaCIDRExpression():
            return f"{field}.inNetwork({constant(value.cidr)})"
        case SigmaCompareExpression():
            operator = _COMPARES[value.op.name]
            return f"{field} {operator} {constant(value.number.number)}"
        case SigmaFieldReference():
            return _reference_test(field, value)
        case SigmaExpansion():
            return any_of(value_test(name, each) for each in value.values)
        case _:
            raise _unsupported("value", f"values of the kind {type(value).__name__}")


def _text_test(field: str, value: SigmaString) -> str:
    parts = list(value.s)
    if any(not isinstance(part, str) and part not in (_MULTI, _SINGLE) for part in parts):
        raise _unsupported("placeholder", "a placeholder that no pipeline has replaced")
    cased = isinstance(value, SigmaCasedString)
    match parts:
        case []:
            return f'{field} == ""'
        case [str(text)]:
            return _equals(field, text, cased=cased)
        case [one] if one is _MULTI:
            return f"has({field})"
        case [first, str(text), last] if first is _MULTI and last is _MULTI:
            return _method(field, "contains", text, cased=cased)
        case [str(text), last] if last is _MULTI:
            return _method(field, "startsWith", text, cased=cased)
        case [first, str(text)] if first is _MULTI:
            return _method(field, "endsWith", text, cased=cased)
    pattern = "".join(_pattern(part) for part in parts)
    flags = "s" if cased else "is"
    return f"{field}.matches({constant(f'(?{flags})^{pattern}$')})"


def _equals(field: str, text: str, *, cased: bool) -> str:
    if _WHOLE.fullmatch(text):
        return f"{field} in [{constant(text)}, {text}]"
    lower = text if cased else lower_ascii(text)
    if cased or lower == text.upper():  # it has no letters
        return f"{field} == {constant(text)}"
    return f"{field}.lowerAscii() == {constant(lower)}"


def _method(field: str, method: str, text: str, *, cased: bool) -> str:
    lower = lower_ascii(text)
    if cased or lower == text.upper():  # it has no letters
        return f"{field}.{method}({constant(text)})"
    return f"{field}.lowerAscii().{method}({constant(lower)})"


def _pattern(part: Any) -> str:
    if part is _MULTI:
        return ".*"
    return "." if part is _SINGLE else _SPECIAL.sub(r"\\\1", part)


def _regex_test(field: str, value: SigmaRegularExpression) -> str:
    flags = "".join(sorted(_FLAGS[flag.name] for flag in value.flags))
    pattern = (f"(?{flags})" if flags else "") + str(value.regexp.original)
    return f"{field}.matches({constant(pattern)})"


def _reference_test(field: str, value: SigmaFieldReference) -> str:
    other = field_text(value.field)
    if value.starts_with and value.ends_with:
        return f"{field}.lowerAscii().contains({other}.lowerAscii())"
    if value.starts_with:
        return f"{field}.lowerAscii().startsWith({other}.lowerAscii())"
    if value.ends_with:
        return f"{field}.lowerAscii().endsWith({other}.lowerAscii())"
    return f"{field} == {other}"


def _unsupported(feature: str, what: str) -> Invalid:
    return Invalid("sigma.unsupported", feature=feature, what=what)
