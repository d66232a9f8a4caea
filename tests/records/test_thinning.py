"""Taking records out of batches: offsets, times, producers and horizons."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.base.errors import Corrupt
from summit.records import Record, build_batch, check_crc, iter_records, parse_header
from summit.records.batch import LOG_APPEND_TIME
from summit.records.thinning import (
    DELETE_HORIZON,
    empty_batch,
    raw_records,
    thin_batch,
    unfold,
)

keys = st.none() | st.binary(max_size=200)
some_records = st.lists(
    st.builds(
        Record,
        st.just(0),
        st.integers(0, 2**45),
        keys,
        st.none() | st.binary(max_size=200),
        st.lists(st.tuples(st.text(max_size=5), keys), max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=20,
)


def numbered(records: list[Record], base: int) -> list[Record]:
    return [record._replace(offset=base + i) for i, record in enumerate(records)]


@given(records=some_records, codec=st.integers(0, 4), drop=st.sets(st.integers(0, 19)))
@settings(max_examples=150, deadline=None)
def test_what_is_kept_is_as_it_was(records: list[Record], codec: int, drop: set[int]) -> None:
    batch = build_batch(records, codec=codec, base_offset=100, producer_id=7, producer_epoch=1,
                        base_sequence=30, leader_epoch=2)  # fmt: skip
    header = parse_header(batch)
    raw = list(raw_records(unfold(batch, header), header))
    assert [(r.offset, r.key, r.is_tombstone) for r in raw] == [
        (r.offset, r.key, r.value is None) for r in numbered(records, 100)
    ]
    thin = thin_batch(
        batch, header, lambda r: r.offset - 100 not in drop, now_ms=5000, tombstone_ms=10
    )
    kept = [r for r in numbered(records, 100) if r.offset - 100 not in drop]
    if not kept:
        assert thin is None
        return
    assert thin is not None
    assert list(iter_records(thin)) == kept
    after = parse_header(thin)
    assert check_crc(thin, 0, len(thin))
    assert after[9:12] == header[9:12]
    assert (after.base_offset, after.last_offset_delta) == (100, len(records) - 1)
    assert after.max_timestamp == max(r.timestamp for r in kept)
    has_tombstone = any(r.value is None for r in kept)
    assert bool(after.attributes & DELETE_HORIZON) == has_tombstone
    if has_tombstone:
        assert after.base_timestamp == 5010
        later = thin_batch(thin, after, lambda r: True, now_ms=5010, tombstone_ms=10)
        assert later is thin
        gone = thin_batch(thin, after, lambda r: True, now_ms=5011, tombstone_ms=10)
        values = [r for r in kept if r.value is not None]
        assert (list(iter_records(gone)) if gone is not None else []) == values
    elif len(kept) == len(records):
        assert thin is batch


def test_append_time_stays() -> None:
    records = [Record(0, 5, b"a", None), Record(0, 6, b"b", b"x")]
    batch = build_batch(records, attributes=LOG_APPEND_TIME)
    thin = thin_batch(batch, parse_header(batch), lambda r: r.key == b"a", now_ms=1, tombstone_ms=1)
    assert thin is not None
    assert [(r.offset, r.timestamp) for r in iter_records(thin)] == [(0, 6)]


def test_an_empty_batch_keeps_offsets_and_numbers() -> None:
    records = [Record(0, 5, b"a", b"x")] * 3
    batch = build_batch(
        records, codec=4, base_offset=9, producer_id=1, producer_epoch=2, base_sequence=3
    )
    empty = empty_batch(parse_header(batch))
    header = parse_header(empty)
    assert check_crc(empty, 0, len(empty))
    assert (header.base_offset, header.last_offset, header.record_count) == (9, 11, 0)
    assert (header.base_sequence, header.last_sequence) == (3, 5)
    assert list(iter_records(empty)) == []


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_rubbish_is_told(data: st.DataObject) -> None:
    batch = build_batch([Record(0, 5, b"key", b"value")] * 3)
    header = parse_header(batch)
    body = bytearray(unfold(batch, header))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    try:
        found = list(raw_records(bytes(body[:cut]), header))
    except Corrupt:
        return
    assert len(found) == 3


def test_a_record_that_ends_at_its_timestamp() -> None:
    header = parse_header(build_batch([Record(0, 5, b"k", b"v")]))
    for body in (b"", b"\x02", b"\x02\x00", b"\x04\x00\x00", b"\x06\x00\x00\x00"):
        with pytest.raises(Corrupt):
            list(raw_records(body, header))
