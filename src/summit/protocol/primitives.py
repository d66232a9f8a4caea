"""Primitives that generated code and the fast paths share: varints, UUIDs, error makers.

Everything here works on a buffer and a position; nothing here keeps state except a bounded
memo of decoded UUIDs. Lengths are checked before anything is allocated.
"""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import Final, TypeAlias

from summit.base.errors import Internal, Invalid
from summit.base.limits import REQUEST_ITEMS_MAX, TAGS_MAX

Buffer: TypeAlias = bytes | bytearray | memoryview

ZERO_UUID: Final = uuid.UUID(int=0)

# One-byte varints, which nearly all compact lengths are.
UVARINT_SMALL: Final = tuple(bytes((value,)) for value in range(128))

UVARINT_BYTES_MAX: Final = 5  # lengths and tags are 32 bits


def read_uvarint(buf: memoryview, position: int) -> tuple[int, int]:
    """Read an unsigned varint.

    Returns: The value and the position after it.
    Raises: IndexError when the buffer ends first (the caller turns it into a truncation);
        Invalid("protocol.malformed") when it is longer than five bytes.
    """
    byte = buf[position]
    if byte < 128:
        return byte, position + 1
    value = byte & 0x7F
    for index in range(1, UVARINT_BYTES_MAX):
        byte = buf[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 128:
            return value, position + index + 1
    raise Invalid("protocol.malformed", reason=f"varint at byte {position} is too long")


def write_uvarint(value: int) -> bytes:
    """Encode an unsigned varint of at most 32 bits."""
    if value < 128:
        return UVARINT_SMALL[value]
    out = bytearray()
    while value >= 128:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def skip_tags(buf: memoryview, position: int) -> int:
    """Pass over a tag buffer and return the position after it.

    Raises: IndexError or Invalid as `read_uvarint`; Invalid("protocol.truncated") when a tag's
        size goes beyond the buffer; Invalid("protocol.malformed") for more than `TAGS_MAX`.
    Cost: one step per tag present; a lying count ends at the end of the buffer.
    """
    end = len(buf)
    count, position = read_uvarint(buf, position)
    if count > TAGS_MAX:
        raise too_many_tags("tagged fields")
    for _ in range(count):
        _, position = read_uvarint(buf, position)
        size, position = read_uvarint(buf, position)
        position += size
        if position > end:
            raise Invalid("protocol.truncated", what="tagged field")
    return position


@lru_cache(maxsize=4096)
def uuid_of(raw: bytes) -> uuid.UUID:
    """Make a UUID of its 16 bytes; remembered, because the same topics come again and again."""
    return uuid.UUID(bytes=raw)


def truncated(what: str) -> Invalid:
    """The error for a message that ends too early or promises more than it holds."""
    return Invalid("protocol.truncated", what=what)


def too_many(what: str) -> Invalid:
    """The error for a message whose arrays have too many entries altogether."""
    return Invalid("protocol.too_many_items", what=what, most=REQUEST_ITEMS_MAX)


def too_many_tags(what: str) -> Invalid:
    """The error for more tagged fields in one place than anybody sends."""
    return Invalid("protocol.malformed", reason=f"{what}: more than {TAGS_MAX} of them")


def not_nullable(what: str) -> Invalid:
    """The error for a null, or a negative length, where the version allows none."""
    return Invalid("protocol.malformed", reason=f"{what} must not be null")


def bad_tag(what: str) -> Invalid:
    """The error for a tagged field whose content does not fill its stated size."""
    return Invalid("protocol.malformed", reason=f"tagged {what} does not have its stated size")


def bad_text(what: str) -> Invalid:
    """The error for a string that is not UTF-8."""
    return Invalid("protocol.malformed", reason=f"{what} holds a string that is not UTF-8")


def cannot_encode(what: str, cause: Exception) -> Internal:
    """The error for a message of ours that its version cannot express."""
    return Internal("protocol.encode", what=what, reason=f"{type(cause).__name__}: {cause}")
