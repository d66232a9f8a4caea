"""Formats: how keys and values are written in topics, and in what operators keep."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
import msgspec.inspect

from summit.base.errors import Invalid
from summit.serde import Part, deserializer_of, serializer_of, undeserializable

Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]

PLAIN: Final = frozenset({dict, list, str, int, float, bool, type(None), bytes})

_json = msgspec.json.Encoder()
_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder()


def json_decoder(type_: Any) -> Decode:
    """Reads JSON as a type that msgspec knows: a Struct, a dataclass, a TypedDict, `list[int]`.

    >>> json_decoder(Any)(b'{"a": 1}')
    {'a': 1}
    """
    decode: Decode = msgspec.json.Decoder(type_).decode
    return decode


def json_encode(value: Any) -> bytes:
    """A value as JSON."""
    return _json.encode(value)


def text_encode(value: Any) -> bytes:
    """Keys as most programs write them: text as it is, and bytes; anything else as JSON."""
    if type(value) is str:
        return value.encode()
    if isinstance(value, bytes):
        return value
    return _json.encode(list(value) if isinstance(value, tuple) else value)


def decoder_of(given: Any, part: Part, topic: str) -> Decode:
    """What a user gave to read keys or values of a topic with: see `serde.deserializer_of`.

    Raises: Invalid("serde.unknown").
    """
    deserialize = deserializer_of(given, part).deserialize
    return lambda data: _at_once(deserialize(topic, data, {}), topic)


def encoder_of(given: Any, part: Part, topic: str) -> Encode:
    """What a user gave to write keys or values of a topic with: see `serde.serializer_of`.

    Raises: Invalid("serde.unknown").
    """
    serialize = serializer_of(given, part).serialize
    return lambda value: _at_once(serialize(topic, value, {}), topic)


def _at_once(found: Any, topic: str) -> Any:
    if isinstance(found, Awaitable):
        reason = "it has to be waited for, which operators cannot"
        raise undeserializable(topic, reason)
    return found


def key_bytes(key: Any) -> bytes:
    """The bytes of a key that decide on its partition and its place in an order.

    Raises: Invalid("streams.key") for what is no key: text, bytes, a number, a bool, None, or a
        tuple of those.
    """
    try:
        return b"" if key is None else text_encode(key)
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
