"""JSON texts: one value, or several after one another, each with the line it begins at."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final

from summit.base import limits
from summit.base.errors import Invalid
from summit.documents.plain import kind_fault, size_fault

_SPACE: Final = " \t\r\n"


class _Refused(ValueError):
    """Something JSON's grammar allows and documents do not."""


def read_json(text: str, source: str) -> Iterator[tuple[Any, int]]:
    """The values of a JSON or NDJSON text, each with its line.

    Raises: Invalid("document.syntax") with `source` and `line`; Invalid("document.too_large").
    """
    position = _skip_space(text, 0)
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        try:
            value, end = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            reason = f"{error.msg} (column {error.colno})"
            raise Invalid(
                "document.syntax", source=source, line=error.lineno, reason=reason
            ) from error
        except _Refused as error:
            raise Invalid("document.syntax", source=source, line=line, reason=str(error)) from error
        except RecursionError as error:
            reason = f"more than {limits.DOCUMENT_DEPTH_MAX} nested lists and maps"
            raise Invalid("document.too_large", source=source, reason=reason) from error
        if (fault := size_fault(value)) is not None:
            raise Invalid("document.too_large", source=source, reason=fault)
        if (fault := kind_fault(value)) is not None:
            raise Invalid("document.syntax", source=source, line=line, reason=fault)
        yield value, line
        position = _skip_space(text, end)


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"'{twice}' stands twice in one object")
    return values


def _constant(text: str) -> Any:
    raise _Refused(f"{text} is not a number of JSON")


def _int(text: str) -> int:
    if len(text) > 20:
        raise _Refused(f"the number {text[:40]}… is too large")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused(f"the number {text[:40]} is too large")
    return number


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_int, parse_float=_float
)
