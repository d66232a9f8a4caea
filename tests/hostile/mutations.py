"""Ways to spoil bytes: turned bits, lying lengths and counts, cuts, repeats and foreign pieces."""

from __future__ import annotations

import random
from collections.abc import Callable

_NUMBERS_16 = [0, 1, -1, -2, 2**15 - 1, -(2**15)]
_NUMBERS_32 = [0, 1, -1, -2, 10, 100_000, 2**31 - 1, -(2**31), 2**31 - 12]
_NUMBERS_64 = [0, -1, -2, 2**63 - 1, -(2**63), 2**62, 2**31, 2**32]
_VARINTS = [
    b"\x00", b"\x01", b"\x7f", b"\xff\x7f", b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x07",
    b"\x80\x80\x80\x80\x00", b"\xff" * 6, b"\x80" * 10, b"\xfe\xff\xff\xff\x1f",
]  # fmt: skip


def _turn_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 1, 2, 8])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set_bytes(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 1, 3])):
        data[chance.randrange(len(data))] = chance.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF])


def _set_number(data: bytearray, chance: random.Random) -> None:
    size = chance.choice([2, 4, 4, 8])
    if len(data) < size:
        return
    at = chance.randrange(len(data) - size + 1)
    numbers = {2: _NUMBERS_16, 4: _NUMBERS_32, 8: _NUMBERS_64}[size]
    data[at : at + size] = chance.choice(numbers).to_bytes(size, "big", signed=True)


def _set_varint(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    new = chance.choice(_VARINTS)
    data[at : at + chance.choice([1, len(new)])] = new


def _cut_off(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _take_out(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.choice([1, 2, 4, 16])]


def _put_in(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.randbytes(chance.choice([1, 2, 4, 16, 300]))


def _repeat(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    piece = bytes(data[at : at + chance.choice([1, 4, 20, 100])])
    data[at:at] = piece * chance.choice([1, 3, 50])


_ALL: list[Callable[[bytearray, random.Random], None]] = [
    _turn_bits, _set_bytes, _set_number, _set_number, _set_varint, _cut_off, _take_out, _put_in,
    _repeat,
]  # fmt: skip


def spoil(data: bytes, chance: random.Random) -> bytes:
    """`data`, spoilt in one way or in a few."""
    spoilt = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        if spoilt:
            chance.choice(_ALL)(spoilt, chance)
    return bytes(spoilt)
