"""Keys of runs: what `groupBy` gives for an event, with their types.

A key of one text is that text. Any other key is a tuple that keeps apart what Python would call
equal: 1 and true are two keys; 1 and 1.0 are one, as in every comparison of the product. Whether
what is missing makes no key, or a key of its own, is for the engine to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

Key = str | tuple[Any, ...]

GLOBAL_KEY: Key = ()
_NULL: Key = (None, "null")

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


def one_key(value: object) -> Key | None:
    """The key for one value; None when it cannot be one (null, list, map)."""
    part = _part(value)
    return part if part is None or type(part) is str else (part,)


def many_key(values: tuple[object, ...]) -> Key | None:
    """The key for several values; None when one of them cannot be part of a key."""
    parts = tuple(map(_part, values))
    return None if None in parts else parts


def make_key(values: Sequence[object]) -> Key | None:
    """The key for the values of `groupBy`; None when one of them cannot be part of a key."""
    if len(values) != 1:
        return many_key(tuple(values))
    return one_key(values[0])


def whole_key(values: Sequence[object]) -> Key:
    """The key for the values of `groupBy`, where null is a value; a list or map is its JSON."""
    parts = tuple(map(_whole_part, values))
    return parts[0] if len(parts) == 1 and type(parts[0]) is str else parts


def key_values(key: Key) -> tuple[Any, ...]:
    """The values of a key, in the order of `groupBy`."""
    if type(key) is str:
        return (key,)
    return tuple(part[0] if type(part) is tuple else part for part in key)


def key_text(key: Key) -> str:
    """The key as text: a JSON list of its values. `parse_key` reads it."""
    return _encode(key_values(key)).decode()


def parse_key(text: str) -> Key:
    """The key of a text that `key_text` wrote."""
    return whole_key(_decode(text))


def _part(value: object) -> Any:
    kind = type(value)
    if kind is str:
        return value
    if kind is int:
        return (value, "number")
    if kind is float:
        assert isinstance(value, float)
        return (int(value) if value.is_integer() else value, "number")
    if kind is bool:
        return (value, "truth")
    return None


def _whole_part(value: object) -> Any:
    part = _part(value)
    if part is not None:
        return part
    return _NULL if value is None else _encode_sorted(value).decode()
