"""What may be part of a document at all: values of JSON, not too many, not too deep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from summit.base import limits

_NUMBER_MAX: Final = 1 << 64


def size_fault(value: Any) -> str | None:
    """Why a value is too large, or None. Any nesting is taken; nothing here is recursive."""
    count, depth = 0, 0
    level: list[Any] = [value]
    while level:
        count += len(level)
        if count > limits.DOCUMENT_NODES_MAX:
            return f"more than {limits.DOCUMENT_NODES_MAX} values"
        inner: list[Any] = []
        for item in level:
            if isinstance(item, Mapping):
                inner.extend(item.values())
            elif isinstance(item, (list, tuple)):
                inner.extend(item)
        level = inner
        depth += 1
        if depth > limits.DOCUMENT_DEPTH_MAX + 1:
            return f"more than {limits.DOCUMENT_DEPTH_MAX} nested lists and maps"
    return None


def kind_fault(value: Any) -> str | None:
    """Why a value, which is not too large, is none of JSON's; None when it is one."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if not isinstance(name, str):
                return f"a field's name must be a text, not {type(name).__name__}"
            fault = kind_fault(name) or kind_fault(item)
            if fault is not None:
                return fault
        return None
    if isinstance(value, (list, tuple)):
        return next((fault for item in value if (fault := kind_fault(item)) is not None), None)
    if isinstance(value, str):
        return _text_fault(value)
    if isinstance(value, int):  # booleans too
        return None if -_NUMBER_MAX < value < _NUMBER_MAX else "a number is too large"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not a number of JSON"
    return None if value is None else f"a {type(value).__name__} is not a value of JSON"


def _text_fault(text: str) -> str | None:
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "a text holds half a surrogate pair"
    return None
