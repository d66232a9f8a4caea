"""The batch header: bytes, checks before staging, in-place patches, splitting."""

from __future__ import annotations

import struct

import crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.base.errors import Corrupt, Invalid, SummitError
from summit.records import (
    HEADER_BYTES,
    Record,
    assign_offsets,
    build_batch,
    check_crc,
    iter_records,
    parse_header,
    split_batches,
    stamp_append_time,
    validate_batch,
)
from summit.records.batch import CONTROL, HEADER, LOG_APPEND_TIME, TRANSACTIONAL

ONE = [Record(0, 1_700_000_000_000, None, b"12345678")]
THREE = [Record(i, 1_700_000_000_000 + i, b"k%d" % i, b"v", (("h", None),)) for i in range(3)]


def patched(batch: bytearray, position: int, form: str, value: int) -> bytearray:
    """`batch` with one field changed and the CRC mended."""
    struct.pack_into(form, batch, position, value)
    struct.pack_into(">I", batch, 17, crc32c.crc32c(memoryview(batch)[21:]))
    return batch


def refusal(batch: bytes | bytearray) -> str:
    with pytest.raises(SummitError) as caught:
        validate_batch(batch)
    return caught.value.code


def test_header_is_61_bytes() -> None:
    assert HEADER.size == HEADER_BYTES == 61


def test_the_worked_number_of_the_docstring() -> None:
    batch = build_batch(ONE)
    assert len(batch) == 61 + 15
    assert parse_header(batch).batch_length == 64


def test_fields_and_properties() -> None:
    batch = build_batch(
        THREE, codec=4, base_offset=40, producer_id=9, producer_epoch=2, base_sequence=7
    )
    header = validate_batch(batch)
    assert header == parse_header(b"xx" + batch, 2)
    assert header.base_offset == 40
    assert header.last_offset == 42
    assert header.last_sequence == 9
    assert header.size == len(batch)
    assert header.codec == 4
    assert header.record_count == 3
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (9, 2, 7)
    assert (header.base_timestamp, header.max_timestamp) == (1_700_000_000_000, 1_700_000_000_002)
    assert not header.is_control
    assert not header.is_transactional
    assert not header.is_log_append_time


def test_sequences_go_on_at_zero() -> None:
    batch = build_batch(THREE, producer_id=1, producer_epoch=0, base_sequence=2**31 - 2)
    assert parse_header(batch).last_sequence == 0
    assert parse_header(build_batch(THREE)).last_sequence == -1


@pytest.mark.parametrize("size", [0, 1, 16, 17, 60])
def test_too_short(size: int) -> None:
    assert refusal(bytes(build_batch(ONE)[:size])) == "batch.bad_format"


@pytest.mark.parametrize("magic", [0, 1, 3])
def test_other_formats(magic: int) -> None:
    assert refusal(patched(build_batch(ONE), 16, ">b", magic)) == "batch.magic_unsupported"


@pytest.mark.parametrize(
    ("position", "form", "value", "code"),
    [
        (16, ">b", -1, "batch.bad_format"),
        (8, ">i", 63, "batch.bad_format"),
        (8, ">i", 65, "batch.bad_format"),
        (8, ">i", -1, "batch.bad_format"),
        (8, ">i", 2**31 - 1, "batch.bad_format"),
        (21, ">h", 5, "batch.codec_unknown"),
        (21, ">h", 7, "batch.codec_unknown"),
        (21, ">h", CONTROL, "batch.bad_format"),
        (21, ">h", TRANSACTIONAL, "batch.transactional"),
        (21, ">h", LOG_APPEND_TIME, "batch.bad_timestamp"),
        (57, ">i", 0, "batch.bad_format"),
        (57, ">i", -1, "batch.bad_format"),
        (57, ">i", 2, "batch.bad_format"),
        (57, ">i", 2**31 - 1, "batch.bad_format"),
        (23, ">i", 1, "batch.bad_format"),
        (43, ">q", 5, "batch.bad_format"),
    ],
)
def test_fields_that_contradict(position: int, form: str, value: int, code: str) -> None:
    assert refusal(patched(build_batch(ONE), position, form, value)) == code


def test_more_records_than_bytes() -> None:
    batch = build_batch(ONE)
    struct.pack_into(">i", batch, 23, 2**31 - 2)
    assert refusal(patched(batch, 57, ">i", 2**31 - 1)) == "batch.bad_format"


def test_trailing_bytes_and_two_batches_are_refused() -> None:
    assert refusal(build_batch(ONE) + b"\x00") == "batch.bad_format"
    assert refusal(build_batch(ONE) + build_batch(ONE)) == "batch.bad_format"


@pytest.mark.parametrize("position", [21, 30, 44, 60, 61, 75])
def test_a_flipped_bit(position: int) -> None:
    batch = build_batch(ONE)
    batch[position] ^= 0x10
    assert not check_crc(batch, 0, len(batch))
    with pytest.raises(Corrupt) as caught:
        validate_batch(batch)
    assert caught.value.code == "batch.crc_mismatch"
    assert caught.value.kafka_code == "CORRUPT_MESSAGE"


def test_all_zero_bytes_are_not_a_batch() -> None:
    assert refusal(bytes(100)) == "batch.magic_unsupported"


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    with pytest.raises((Invalid, Corrupt)):
        validate_batch(data)


@given(st.integers(0, 75), st.integers(0, 255))
def test_any_damaged_byte_gets_an_answer(position: int, value: int) -> None:
    batch = build_batch(ONE)
    if position < 8 or 12 <= position < 16 or batch[position] == value:
        return  # outside the CRC, or no damage
    batch[position] = value
    with pytest.raises((Invalid, Corrupt)):
        validate_batch(batch)


def test_offsets_are_assigned_in_place() -> None:
    batch = build_batch(THREE, codec=1)
    before = bytes(batch)
    assign_offsets(batch, 0, 123_456_789_012, 7)
    header = validate_batch(batch)
    assert (header.base_offset, header.leader_epoch) == (123_456_789_012, 7)
    assert batch[8:12] == before[8:12]
    assert batch[16:] == before[16:]
    both = before + before
    view = memoryview(bytearray(both))
    assign_offsets(view, len(before), 5, 1)
    assert view[: len(before)] == before
    assert [record.offset for record in iter_records(view[len(before) :])] == [5, 6, 7]


def test_append_time_replaces_the_records_times() -> None:
    batch = build_batch(THREE, codec=3)
    stamp_append_time(batch, 0, len(batch), 1_800_000_000_000)
    header = parse_header(batch)
    assert check_crc(batch, 0, len(batch))
    assert header.is_log_append_time
    assert header.codec == 3
    assert header.max_timestamp == 1_800_000_000_000
    assert {record.timestamp for record in iter_records(batch)} == {1_800_000_000_000}


def test_batches_are_split_and_a_partial_one_left_out() -> None:
    first, second = build_batch(ONE), build_batch(THREE, codec=2)
    both = bytes(first + second)
    expected = [(0, len(first)), (len(first), len(second))]
    assert split_batches(both) == expected
    assert split_batches(both + first[:-1]) == expected
    assert split_batches(both + first[:40]) == expected
    assert split_batches(b"") == []


@pytest.mark.parametrize("length", [-1, 0, 48, -(2**31)])
def test_a_length_that_is_none(length: int) -> None:
    with pytest.raises(Corrupt):
        split_batches(bytes(8) + struct.pack(">i", length) + bytes(100))
