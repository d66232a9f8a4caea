"""Variable-length integers of the record format: zigzag, seven bits a byte, low bits first.

A record's lengths and deltas are signed; zigzag maps 0, -1, 1, -2 … to 0, 1, 2, 3 … so that small
numbers of either sign take one byte. 32-bit numbers take at most 5 bytes, 64-bit ones 10.

>>> encode_varint(300).hex()
'd804'
>>> decode_varint(bytes.fromhex("d804"), 0)
(300, 2)
"""

from __future__ import annotations

from summit.base.errors import Corrupt
from summit.base.files import Buffer

VARINT_BYTES_MAX = 10


def encode_varint(number: int) -> bytes:
    """The bytes of one signed number of at most 64 bits."""
    rest = (number << 1) ^ (number >> 63)
    if rest < 0x80:
        return _ONE_BYTE[rest]
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def decode_varint(buf: Buffer, position: int) -> tuple[int, int]:
    """One signed number and the position after it.

    Raises: Corrupt("batch.unreadable") when it does not end within 10 bytes or the buffer.
    """
    try:
        byte = buf[position]
        if byte < 0x80:
            return (byte >> 1) ^ -(byte & 1), position + 1
        rest = byte & 0x7F
        shift = 7
        for here in range(position + 1, position + VARINT_BYTES_MAX):
            byte = buf[here]
            rest |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (rest >> 1) ^ -(rest & 1), here + 1
            shift += 7
    except IndexError:
        raise Corrupt("batch.unreadable", reason="a number is cut off") from None
    raise Corrupt("batch.unreadable", reason="a number is longer than 10 bytes")


_ONE_BYTE = [bytes([number]) for number in range(0x80)]
