"""Records inside a batch: round trips, other implementations as oracles, damage inside."""

from __future__ import annotations

import contextlib
import struct
import warnings
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatch as AioBatch
from aiokafka.record.default_records import DefaultRecordBatchBuilder as AioBuilder
from hypothesis import given
from hypothesis import strategies as st

from summit.base.errors import Corrupt, Invalid
from summit.records import (
    CODEC_NUMBERS,
    HEADER_BYTES,
    Record,
    build_batch,
    compress,
    iter_records,
    validate_batch,
)
from summit.records.varints import encode_varint

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # kafka-python's way to load its schemas
    from kafka import codec as kp_codec
    from kafka.record.default_records import DefaultRecordBatch as KpBatch
    from kafka.record.default_records import DefaultRecordBatchBuilder as KpBuilder

SAMPLE = [
    Record(0, 1_700_000_000_000, b"key", b"value" * 30, (("a", b"1"), ("a", None), ("é", b""))),
    Record(1, 1_699_999_999_000, None, b"older than the first"),
    Record(2, 1_700_000_005_000, b"", None),
    Record(3, 1_700_000_000_001, b"\x00\xff" * 400, b"x" * 20_000),
]

# aiokafka brings all codecs; kafka-python has those whose libraries are installed.
KP_CODECS = [0] + [
    number
    for name, number in CODEC_NUMBERS.items()
    if name != "none" and getattr(kp_codec, f"has_{name}")()
]
READERS = [(AioBatch, codec) for codec in range(5)] + [(KpBatch, codec) for codec in KP_CODECS]
MAKERS = [(AioBuilder, codec) for codec in range(5)] + [(KpBuilder, codec) for codec in KP_CODECS]

records = st.builds(
    Record,
    st.just(0),
    st.integers(-1, 2**45),
    st.none() | st.binary(max_size=40),
    st.none() | st.binary(max_size=200),
    st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=9)), max_size=3).map(
        tuple
    ),
)


def at(base_offset: int, items: list[Record]) -> list[Record]:
    return [record._replace(offset=base_offset + i) for i, record in enumerate(items)]


def foreign(batch: Any) -> list[Record]:
    """What another implementation reads."""
    assert batch.validate_crc()
    return [Record(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in batch]


@pytest.mark.parametrize("codec", range(5))
@pytest.mark.parametrize("base_offset", [0, 1, 2**40])
def test_round_trip(codec: int, base_offset: int) -> None:
    batch = build_batch(SAMPLE, codec=codec, base_offset=base_offset)
    validate_batch(batch)
    assert list(iter_records(batch)) == at(base_offset, SAMPLE)
    assert list(iter_records(bytes(batch) + b"what follows")) == at(base_offset, SAMPLE)


@given(st.lists(records, min_size=1, max_size=8), st.integers(0, 4), st.integers(0, 2**62))
def test_any_records_round_trip(items: list[Record], codec: int, base_offset: int) -> None:
    batch = build_batch(items, codec=codec, base_offset=base_offset)
    assert list(iter_records(batch)) == at(base_offset, items)


@pytest.mark.parametrize(("reader", "codec"), READERS)
def test_others_read_ours(reader: Any, codec: int) -> None:
    batch = bytes(build_batch(SAMPLE, codec=codec, base_offset=77))
    assert foreign(reader(batch)) == at(77, SAMPLE)


@given(st.lists(records, min_size=1, max_size=5))
def test_others_read_any_of_ours(items: list[Record]) -> None:
    batch = bytes(build_batch(items))
    assert foreign(AioBatch(batch)) == foreign(KpBatch(batch)) == at(0, items)


@pytest.mark.parametrize(("maker", "codec"), MAKERS)
def test_we_read_others(maker: Any, codec: int) -> None:
    builder = maker(
        magic=2, compression_type=codec, is_transactional=False,
        producer_id=12, producer_epoch=1, base_sequence=5, batch_size=1 << 20,
    )  # fmt: skip
    for i, record in enumerate(SAMPLE):
        builder.append(
            i, timestamp=record.timestamp, key=record.key, value=record.value,
            headers=list(record.headers),
        )  # fmt: skip
    batch = bytes(builder.build())
    header = validate_batch(batch)
    assert list(iter_records(batch)) == SAMPLE
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (12, 1, 5)
    assert header.max_timestamp == 1_700_000_005_000
    if codec == 0:  # uncompressed bytes have one form: ours must be the same
        ours = build_batch(
            SAMPLE, producer_id=12, producer_epoch=1, base_sequence=5, leader_epoch=header[2]
        )
        assert bytes(ours) == batch


def test_no_records_make_no_batch() -> None:
    with pytest.raises(Invalid):
        build_batch([])


def with_body(body: bytes, count: int, codec: int = 0) -> bytes:
    """A batch whose header is right and whose record bytes are `body`."""
    batch = build_batch([Record(0, 0, None, b"")])[:HEADER_BYTES]
    packed = compress(codec, body)
    struct.pack_into(">i", batch, 8, HEADER_BYTES - 12 + len(packed))
    struct.pack_into(">h", batch, 21, codec)
    struct.pack_into(">i", batch, 57, count)
    return bytes(batch) + packed


def a_record(**parts: bytes) -> bytes:
    """One record's bytes with parts replaced: delta, offset, key, value, headers, tail."""
    order = {
        "attributes": b"\x00", "time": b"\x00", "offset": b"\x00", "key": b"\x01",
        "value": b"\x02v", "headers": b"\x00", "tail": b"",
    }  # fmt: skip
    body = b"".join({**order, **parts}.values())
    return encode_varint(len(body)) + body


HUGE = encode_varint(2**62)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (bytes(50), 1),
        (bytes(700), 100),
        (b"\xff" * 50, 1),
        (b"", 1),
        (a_record(), 2),
        (a_record(), -1),
        (a_record(), 2**31 - 1),
        (a_record()[:-1], 1),
        (HUGE + bytes(20), 1),
        (encode_varint(-5) + bytes(20), 1),
        (a_record(key=HUGE), 1),
        (a_record(key=encode_varint(-2)), 1),
        (a_record(value=encode_varint(3) + b"v"), 1),
        (a_record(headers=HUGE), 1),
        (a_record(headers=encode_varint(-1)), 1),
        (a_record(headers=encode_varint(3) + b"\x00\x01"), 1),
        (a_record(headers=b"\x02\x01\x01"), 1),
        (a_record(headers=b"\x02\x02\xff\x01"), 1),
        (a_record(tail=b"more"), 1),
        (a_record(time=b"\x80" * 12), 1),
    ],
)
@pytest.mark.parametrize("codec", [0, CODEC_NUMBERS["zstd"]])
def test_damage_inside_is_refused(body: bytes, count: int, codec: int) -> None:
    with pytest.raises(Corrupt) as caught:
        list(iter_records(with_body(body, count, codec)))
    assert caught.value.code == "batch.unreadable"


def test_records_before_the_damage_are_given() -> None:
    batch = with_body(a_record() + a_record(key=HUGE), 2)
    found = iter_records(batch)
    assert next(found).value == b"v"
    with pytest.raises(Corrupt):
        next(found)


@given(st.binary(max_size=120), st.integers(-1, 5), st.integers(0, 4))
def test_any_body_ends_in_records_or_an_error(body: bytes, count: int, codec: int) -> None:
    with contextlib.suppress(Corrupt):
        assert len(list(iter_records(with_body(body, count, codec)))) == count


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_a_bomb_is_bounded(codec: int) -> None:
    bomb = with_body(bytes(4 << 20), 1, codec)
    assert len(bomb) < 1 << 19
    with pytest.raises(Invalid) as caught:
        list(iter_records(bomb, max_bytes=1 << 20))
    assert caught.value.code == "batch.unfolds_too_large"


@pytest.mark.parametrize("length", [0, 40, 10_000])
def test_a_batch_that_is_not_all_there(length: int) -> None:
    batch = build_batch(SAMPLE[:1])
    struct.pack_into(">i", batch, 8, length)
    with pytest.raises(Corrupt):
        list(iter_records(batch))
