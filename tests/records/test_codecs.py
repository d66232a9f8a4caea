"""The five compressions: round trips, other writers' framings, bombs and garbage."""

from __future__ import annotations

import contextlib
import gzip
import random
import struct

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.base.errors import Corrupt, Invalid
from summit.records.codecs import CODEC_NUMBERS, CODECS, compress, decompress

MEBIBYTE = 1 << 20
PACKED = [number for name, number in CODEC_NUMBERS.items() if name != "none"]


def test_wire_numbers() -> None:
    assert CODEC_NUMBERS == {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


@pytest.mark.parametrize("codec", range(5))
@pytest.mark.parametrize("data", [b"", b"x", b"abc" * 50_000, bytes(range(256)) * 300])
def test_round_trip(codec: int, data: bytes) -> None:
    assert decompress(codec, compress(codec, data), MEBIBYTE) == data
    assert decompress(codec, memoryview(compress(codec, memoryview(data))), MEBIBYTE) == data


@given(st.integers(0, 4), st.binary(max_size=3000))
def test_any_bytes_round_trip(codec: int, data: bytes) -> None:
    assert decompress(codec, compress(codec, data), len(data)) == data


@pytest.mark.parametrize("codec", range(5))
def test_a_bound_is_kept(codec: int) -> None:
    bomb = compress(codec, bytes(8 * MEBIBYTE))
    with pytest.raises(Invalid) as caught:
        decompress(codec, bomb, MEBIBYTE)
    assert caught.value.code == "batch.unfolds_too_large"
    assert len(decompress(codec, bomb, 8 * MEBIBYTE)) == 8 * MEBIBYTE


@pytest.mark.parametrize("data", [b"", b"x", b"abc" * 50_000, random.Random(1).randbytes(150_000)])
def test_lz4_blocks_stand_alone_and_other_readers_agree(data: bytes) -> None:
    # Java reads no frame whose blocks refer to one another; the checks are optional.
    packed = compress(CODEC_NUMBERS["lz4"], data)
    flags = packed[4]
    assert (flags >> 6, flags >> 5 & 1, flags & 0b11101) == (1, 1, 0)
    assert len(packed) <= len(data) + 4 * (len(data) // 65_536 + 4)
    assert bytes(cramjam.lz4.decompress(packed)) == data


def test_a_snappy_length_that_lies_allocates_nothing() -> None:
    # A raw snappy block starts with its plain length: here 4 GiB - 1 and no data.
    for packed in (b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x0f" + b"\x00" * 20):
        with pytest.raises((Invalid, Corrupt)):
            decompress(CODEC_NUMBERS["snappy"], packed, MEBIBYTE)


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("garbage", [b"", b"\x00" * 64, b"\xff" * 64, b"garbage " * 20])
def test_garbage_is_refused(codec: int, garbage: bytes) -> None:
    with contextlib.suppress(Corrupt):  # nothing may be taken for the plain form of nothing
        assert decompress(codec, garbage, MEBIBYTE) == b""


@pytest.mark.parametrize("codec", PACKED)
def test_a_cut_tail_is_refused(codec: int) -> None:
    packed = compress(codec, b"the quick brown fox " * 500)
    with pytest.raises(Corrupt):
        decompress(codec, packed[:-3], MEBIBYTE)


def test_gzip_members_may_follow_one_another() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    assert decompress(CODEC_NUMBERS["gzip"], packed, 100) == b"one two"


def test_plain_snappy_without_blocks_is_read() -> None:
    packed = bytes(cramjam.snappy.compress_raw(b"plain " * 100))
    assert decompress(CODEC_NUMBERS["snappy"], packed, 1000) == b"plain " * 100


@pytest.mark.parametrize("length", [-1, 5, 2**31 - 1])
def test_a_snappy_block_that_is_cut_off_is_refused(length: int) -> None:
    packed = compress(CODEC_NUMBERS["snappy"], b"")[:16] + struct.pack(">i", length) + b"abc"
    with pytest.raises(Corrupt):
        decompress(CODEC_NUMBERS["snappy"], packed, MEBIBYTE)


@pytest.mark.parametrize("codec", [-1, 5, 7])
def test_an_unknown_codec_is_refused(codec: int) -> None:
    for call in (lambda: compress(codec, b""), lambda: decompress(codec, b"", 10)):
        with pytest.raises(Invalid) as caught:
            call()
        assert caught.value.code == "batch.codec_unknown"
        assert caught.value.kafka_code == "UNSUPPORTED_COMPRESSION_TYPE"


def test_every_codec_has_a_name() -> None:
    assert [codec.name for codec in CODECS] == list(CODEC_NUMBERS)
