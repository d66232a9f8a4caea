"""Compiles a message table into encode and decode functions, one pair per version.

Called by `Api` at the first use of a version (about a millisecond each), so that importing the
tables stays cheap. `decoder_source` and `encoder_source` show what is executed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from summit.base.limits import REQUEST_ITEMS_MAX, TAGS_MAX
from summit.protocol import primitives
from summit.protocol.compile_decode import DecodeWriter
from summit.protocol.compile_encode import EncodeWriter
from summit.protocol.message import Message

M = TypeVar("M", bound=Message)

Decoder: TypeAlias = Callable[[memoryview, int], tuple[M, int]]
Encoder: TypeAlias = Callable[[M, Callable[[Any], None]], None]

_DECODE_SPACE: dict[str, Any] = {
    "ITEMS_MAX": REQUEST_ITEMS_MAX,
    "TAGS_MAX": TAGS_MAX,
    "bad_tag": primitives.bad_tag,
    "bad_text": primitives.bad_text,
    "new": object.__new__,
    "not_nullable": primitives.not_nullable,
    "skip_tags": primitives.skip_tags,
    "struct_error": struct.error,
    "too_many": primitives.too_many,
    "too_many_tags": primitives.too_many_tags,
    "truncated": primitives.truncated,
    "unpack_from": struct.unpack_from,
    "uuid_of": primitives.uuid_of,
    "uvarint": primitives.read_uvarint,
}

_ENCODE_SPACE: dict[str, Any] = {
    "LISTS": (list, tuple),
    "MISTAKES": (AttributeError, TypeError, ValueError, OverflowError, struct.error),
    "SMALL": primitives.UVARINT_SMALL,
    "cannot_encode": primitives.cannot_encode,
    "pack": struct.pack,
    "uvarint": primitives.write_uvarint,
}


def decoder_source(message: type[Message], version: int, *, flexible: bool) -> str:
    """The Python source of the decode function, for reading and for tests."""
    return DecodeWriter(version, flexible=flexible).source(message)


def encoder_source(message: type[Message], version: int, *, flexible: bool) -> str:
    """The Python source of the encode function, for reading and for tests."""
    return EncodeWriter(version, flexible=flexible).source(message)


def compile_decoder(message: type[M], version: int, *, flexible: bool) -> Decoder[M]:
    """Make `decode(buf, position) -> (message, end)` for one version.

    The function takes a memoryview and raises Invalid("protocol.truncated" | "protocol.malformed"
    | "protocol.too_many_items"); records are views into `buf`, everything else is copied.
    """
    writer = DecodeWriter(version, flexible=flexible)
    source = writer.source(message)
    space = {**_DECODE_SPACE, **writer.space, "WHAT": f"{message.__name__} v{version}"}
    function: Decoder[M] = _execute(source, space, message, version)["decode"]
    return function


def compile_encoder(message: type[M], version: int, *, flexible: bool) -> Encoder[M]:
    """Make `encode(message, append)` for one version; it appends buffers in wire order."""
    writer = EncodeWriter(version, flexible=flexible)
    source = writer.source(message)
    space = {**_ENCODE_SPACE, **writer.space, "WHAT": f"{message.__name__} v{version}"}
    function: Encoder[M] = _execute(source, space, message, version)["encode"]
    return function


def _execute(
    source: str, space: dict[str, Any], message: type[Message], version: int
) -> dict[str, Any]:
    code = compile(source, f"<{message.__name__} v{version}>", "exec")
    exec(code, space)  # noqa: S102 - the source is made of our own tables, never of input
    return space
