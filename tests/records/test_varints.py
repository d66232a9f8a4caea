"""Variable-length integers: known bytes, both ends of the range, and what is not one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.base.errors import Corrupt
from summit.records.varints import decode_varint, encode_varint

KNOWN = [
    (0, "00"),
    (-1, "01"),
    (1, "02"),
    (63, "7e"),
    (-64, "7f"),
    (64, "8001"),
    (300, "d804"),
    (2**31 - 1, "feffffff0f"),
    (-(2**31), "ffffffff0f"),
    (2**63 - 1, "feffffffffffffffff01"),
    (-(2**63), "ffffffffffffffffff01"),
]


@pytest.mark.parametrize(("number", "wire"), KNOWN)
def test_known_bytes(number: int, wire: str) -> None:
    assert encode_varint(number).hex() == wire
    assert decode_varint(bytes.fromhex(wire), 0) == (number, len(wire) // 2)


@given(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=3))
def test_round_trip(number: int, before: bytes) -> None:
    wire = encode_varint(number)
    assert decode_varint(before + wire + b"\xff", len(before)) == (number, len(before) + len(wire))


@pytest.mark.parametrize("wire", ["", "80", "ffffff", "ff" * 10, "80" * 40])
def test_what_is_not_a_number_is_refused(wire: str) -> None:
    with pytest.raises(Corrupt) as caught:
        decode_varint(bytes.fromhex(wire), 0)
    assert caught.value.code == "batch.unreadable"
