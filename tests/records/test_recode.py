"""Recoding: every codec to every codec, same records, right CRC, bombs refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.base.errors import Corrupt, Invalid
from summit.records import CODECS, Record, build_batch, check_crc, iter_records, parse_header
from summit.records.recode import pack_batch, recode_batch

RECORDS = [
    Record(i, 5000 + i, b"k%d" % i, b"compressible " * 20, (("h", b"v"), ("n", None)))
    for i in range(7)
]


@pytest.mark.parametrize("source", range(len(CODECS)))
@pytest.mark.parametrize("target", range(len(CODECS)))
def test_the_records_stay_the_same(source: int, target: int) -> None:
    batch = build_batch(
        RECORDS, codec=source, producer_id=9, producer_epoch=2, base_sequence=40, leader_epoch=3
    )
    before = bytes(batch)
    recoded = recode_batch(batch, parse_header(batch), target)
    header = parse_header(recoded)
    assert header.codec == target
    assert header.size == len(recoded)
    assert check_crc(recoded, 0, len(recoded))
    assert list(iter_records(recoded)) == list(iter_records(batch))
    assert header[5:] == (target, *parse_header(batch)[6:])
    assert bytes(batch) == before


@given(values=st.lists(st.binary(max_size=200), min_size=1, max_size=20), codec=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_there_and_back(values: list[bytes], codec: int) -> None:
    batch = build_batch([Record(i, i, None, value) for i, value in enumerate(values)])
    there = recode_batch(batch, parse_header(batch), codec)
    assert recode_batch(there, parse_header(there), 0) == batch


def test_a_bomb_and_rubbish() -> None:
    bomb = CODECS[4].compress(bytes(65 << 20))
    header = parse_header(build_batch(RECORDS))
    batch = pack_batch(header, bomb, 4)
    with pytest.raises(Invalid, match="unfold"):
        recode_batch(batch, parse_header(batch), 0)
    batch = pack_batch(header, b"rubbish", 3)
    with pytest.raises(Corrupt):
        recode_batch(batch, parse_header(batch), 0)
    batch = pack_batch(header._replace(record_count=2**30), CODECS[1].compress(b"short"), 1)
    with pytest.raises(Corrupt):
        recode_batch(batch, parse_header(batch), 0)
