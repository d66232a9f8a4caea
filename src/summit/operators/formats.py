"""Formats: how keys and values are written in topics, and in what operators keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import msgspec.inspect

from summit.base.errors import Invalid

Encode = Callable[[Any], bytes | None]
Decode = Callable[[bytes], Any]

PLAIN: Final = frozenset({dict, list, str, int, float, bool, type(None), bytes})

_json = msgspec.json.Encoder()
_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder()


class Format(NamedTuple):
    """Two functions: value to bytes, bytes to value. None is no value, in both directions.

    Attributes:
        decode: May raise ValueError (also UnicodeDecodeError, msgspec.DecodeError) for bytes that
            are none of its own.
    """

    encode: Encode
    decode: Decode


def json_format(type_: Any = Any) -> Format:
    """JSON, read as a type that msgspec knows: a Struct, a dataclass, a TypedDict, `list[int]`.

    >>> json_format().decode(b'{"a": 1}'), json_format(list[int]).encode([1])
    ({'a': 1}, b'[1]')
    """
    return Format(_json.encode, msgspec.json.Decoder(type_).decode)


def _text_or_json(value: Any) -> bytes | None:
    if type(value) is str:
        return value.encode()
    if value is None or isinstance(value, bytes):
        return value
    return _json.encode(list(value) if isinstance(value, tuple) else value)


JSON: Final = json_format()
BYTES: Final = Format(bytes, bytes)
# Keys as most programs write them: a text as it is, anything else as JSON. Read as text.
TEXT: Final = Format(_text_or_json, bytes.decode)


def key_bytes(key: Any) -> bytes:
    """The bytes of a key that decide on its partition and its place in an order.

    Raises: Invalid("streams.key") for what is no key: text, bytes, a number, a bool, None, or a
        tuple of those.
    """
    try:
        return _text_or_json(key) or b""
    except (TypeError, ValueError) as error:
        raise Invalid("streams.key", key=repr(key)[:100]) from error


class Packing(NamedTuple):
    """How values are kept in state and sent between the parts of an app (MessagePack)."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def packing_of(type_: Any) -> Packing:
    """The packing of values of a type; `Any` takes and gives plain values only.

    Raises: Invalid("streams.type_unknown") for a class that cannot be packed.
    """
    try:
        known = not isinstance(msgspec.inspect.type_info(type_), msgspec.inspect.CustomType)
    except (TypeError, NameError):
        known = False
    if not known:
        raise Invalid("streams.type_unknown", found=getattr(type_, "__name__", repr(type_)))
    decoder = msgspec.msgpack.Decoder(type_)
    return Packing(_pack.encode, decoder.decode)


def check_plain(values: list[Any], where: str) -> None:
    """That values of an unknown type come back as what they are.

    Raises: Invalid("streams.type_needed").
    """
    if set(map(type, values)) <= PLAIN:
        return
    found = next(value for value in values if type(value) not in PLAIN)
    raise Invalid("streams.type_needed", found=type(found).__name__, operator=where)


def pack_id(*parts: Any) -> bytes:
    """The name of something kept, as bytes."""
    return _pack.encode(parts)


def unpack_id(data: bytes) -> tuple[Any, ...]:
    """The same back; lists are tuples, as keys are."""
    return tuple(map(as_key, _unpack.decode(data)))


def as_key(value: Any) -> Any:
    """A key as it was: what was a tuple has become a list on its way."""
    return tuple(map(as_key, value)) if type(value) is list else value
