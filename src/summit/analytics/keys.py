"""Keys of groups: the values of `groupBy` with their types, null among them.

They look as the keys of all keyed rules do: one text is itself, other keys are tuples in which
what Python would call equal is kept apart; 1 and 1.0 are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

GroupKey = str | tuple[Any, ...]

NO_VALUE: Final = (None, "null")
_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


def group_key(values: Sequence[Any]) -> GroupKey:
    """The key of some values; a list or a map in it counts as its JSON text."""
    parts = tuple(map(_part, values))
    return parts[0] if len(parts) == 1 and type(parts[0]) is str else parts


def group_values(key: GroupKey) -> tuple[Any, ...]:
    """The values of a key, in the order of `groupBy`."""
    if type(key) is str:
        return (key,)
    return tuple(part[0] if type(part) is tuple else part for part in key)


def group_text(key: GroupKey) -> str:
    """The key as a JSON list of its values; also the order in which groups are told."""
    return _encode(group_values(key)).decode()


def _part(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return value
    if kind is int:
        return (value, "number")
    if kind is float:
        return (int(value) if value.is_integer() else value, "number")
    if kind is bool:
        return (value, "truth")
    return NO_VALUE if value is None else _encode(value).decode()
