"""Formats that need no schema: bytes, text, JSON and msgpack. Each class works both ways.

JSON and msgpack take what msgspec does: mappings, sequences, text, numbers, times, UUIDs, enums,
dataclasses and structs. JSON has no NaN and no Infinity: they are written as null. Given a type
they make and check values of it, else plain ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from summit.serde.protocol import HeaderMap, undeserializable, unserializable

_REFUSED = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)


class BytesSerde:
    """Bytes as they are; anything else is refused."""

    def serialize(self, topic: str, value: Any, headers: HeaderMap) -> bytes:
        """The same bytes. Raises Invalid("record.unserializable")."""
        if isinstance(value, bytes):
            return value
        if isinstance(value, bytearray | memoryview):
            return bytes(value)
        raise unserializable(topic, value, f"it is no bytes but {type(value).__name__}")

    def deserialize(self, topic: str, data: bytes, headers: HeaderMap) -> bytes:
        """The same bytes."""
        return data


class StringSerde:
    """Text in UTF-8."""

    def serialize(self, topic: str, value: Any, headers: HeaderMap) -> bytes:
        """The text in UTF-8. Raises Invalid("record.unserializable")."""
        if not isinstance(value, str):
            raise unserializable(topic, value, f"it is no text but {type(value).__name__}")
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise unserializable(topic, value, str(error)) from error

    def deserialize(self, topic: str, data: bytes, headers: HeaderMap) -> str:
        """The text. Raises Corrupt("record.undeserializable")."""
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise undeserializable(topic, str(error)) from error


class _MsgspecSerde:
    """What JSON and msgpack have in common: msgspec does both."""

    _encode: Callable[[Any], bytes]
    _decode: Callable[[bytes], Any]

    def serialize(self, topic: str, value: Any, headers: HeaderMap) -> bytes:
        """The value's bytes. Raises Invalid("record.unserializable") naming the place."""
        try:
            return self._encode(value)
        except _REFUSED as error:
            path, reason = _first_refused(value, self._encode) or ("", str(error))
            raise unserializable(topic, value, reason, path=path) from error

    def deserialize(self, topic: str, data: bytes, headers: HeaderMap) -> Any:
        """The value. Raises Corrupt("record.undeserializable")."""
        try:
            return self._decode(data)
        except _REFUSED as error:
            raise undeserializable(topic, str(error)) from error


class JsonSerde(_MsgspecSerde):
    """JSON in UTF-8.

    Args:
        type: What to make of it: a struct, dataclass, TypedDict … Default: dicts and lists.
    """

    def __init__(self, type: Any = Any) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(type).decode


class MsgpackSerde(_MsgspecSerde):
    """msgpack.

    Args:
        type: What to make of it: a struct, dataclass, TypedDict … Default: dicts and lists.
    """

    def __init__(self, type: Any = Any) -> None:
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(type).decode


def _first_refused(
    value: Any, encode: Callable[[Any], bytes], path: str = "", depth: int = 0
) -> tuple[str, str] | None:
    """The innermost place that cannot be written, and why. Only after it was refused."""
    try:
        encode(value)
    except RecursionError:
        return "", "it is nested too deeply, or within itself"
    except _REFUSED as error:
        reason = str(error)
    else:
        return None
    if depth < 100:
        for name, item in _items(value):
            found = _first_refused(item, encode, f"{path}/{name}", depth + 1)
            if found is not None:
                return found
    return path, reason


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key).replace("~", "~0").replace("/", "~1"), item
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield str(index), item
