"""What comes near the size of a record is compressed: text, as events are, then fits with room."""

from __future__ import annotations

import zlib
from typing import Final

from summit.base.limits import PACKED_BYTES_MIN, UNPACKED_BYTES_MAX

_FIRST: Final = b"\x78"  # of everything that zlib makes


def pack(data: bytes) -> bytes:
    """The same, or compressed if it is long. `data` must not begin with "x" itself."""
    return data if len(data) < PACKED_BYTES_MIN else zlib.compress(data, 1)


def unpack(data: bytes) -> bytes:
    """What `pack` was given. Raises: ValueError."""
    if data[:1] != _FIRST:
        return data
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(data, UNPACKED_BYTES_MAX)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflater.eof:
        raise ValueError("cut off, or longer than anything that is packed")
    return found
