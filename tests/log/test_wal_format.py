"""The write-ahead log's bytes: round trips, torn ends, old records of a reused file."""

from __future__ import annotations

import struct

import pytest

from summit.log.wal_format import (
    RECORDS_START,
    WalEntry,
    WalRecord,
    decode_file_header,
    decode_records,
    encode_file_header,
    encode_record,
    record_size,
)

TOPIC = bytes(range(16))
GROUPS = [
    [WalEntry(TOPIC, 0, 0, b"first")],
    [WalEntry(TOPIC, 0, 5, b"second"), WalEntry(TOPIC, 1, 0, b"x" * 700)],
    [WalEntry(TOPIC, 1, 9, b"")],
]


def a_file(groups: list[list[WalEntry]], number: int = 1, salt: bytes = b"saltsalt") -> bytes:
    header, crc = encode_file_header(number, salt)
    parts = [header.ljust(RECORDS_START, b"\x00")]
    for record_number, entries in enumerate(groups, 1):
        buffers, crc = encode_record(record_number, entries, crc)
        record = b"".join(buffers)
        assert len(record) == record_size(entries)
        parts.append(record)
    return b"".join(parts)


def read(data: bytes, number: int = 1) -> list[WalRecord]:
    seed = decode_file_header(data, number)
    return [] if seed is None else list(decode_records(data, seed, None))


def test_round_trip() -> None:
    records = read(a_file(GROUPS) + bytes(500))
    assert [record.number for record in records] == [1, 2, 3]
    assert [record.entries for record in records] == GROUPS


def test_every_torn_end_gives_a_prefix() -> None:
    data = a_file(GROUPS)
    ends = [record.end for record in read(data)]
    for size in range(RECORDS_START, len(data)):
        assert len(read(data[:size] + b"\xaa" * 64)) == sum(end <= size for end in ends)


def test_every_damaged_byte_ends_the_file_before_it() -> None:
    data = a_file(GROUPS)
    ends = [record.end for record in read(data)]
    for position in range(RECORDS_START, len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1
        assert len(read(bytes(damaged))) == sum(end <= position for end in ends)


def test_old_records_of_a_reused_file_do_not_count() -> None:
    old = a_file(GROUPS * 3)
    header, _ = encode_file_header(1, b"newsalt!")
    assert read(header + old[len(header) :]) == []
    new = a_file(GROUPS[:1], salt=b"newsalt!")
    # The new record is as long as the old one was, so old records stand right behind it.
    assert len(read(new + old[len(new) :])) == 1


def test_a_record_behind_one_that_was_written_again_does_not_count() -> None:
    # Group 2 was written and failed, then another group 2 of the same size took its place.
    failed = a_file([GROUPS[0], GROUPS[0], GROUPS[1]])
    again = a_file([GROUPS[0], [WalEntry(TOPIC, 0, 0, b"other")]])
    assert len(again) == read(failed)[1].end
    assert [r.entries[0].data for r in read(again + failed[len(again) :])] == [b"first", b"other"]


def test_the_file_number_is_part_of_it() -> None:
    data = a_file(GROUPS, number=6)
    assert decode_file_header(data, 6) is not None
    assert decode_file_header(data, 7) is None
    assert decode_file_header(data[:20], 6) is None
    assert decode_file_header(bytes(4096), 0) is None


@pytest.mark.parametrize("size", [0, 19, 20, 2**31, 2**32 - 1])
def test_sizes_that_are_none(size: int) -> None:
    data = bytearray(a_file(GROUPS[:1]))
    struct.pack_into(">I", data, RECORDS_START, size)
    assert read(bytes(data)) == []


def test_the_first_number_can_be_asked_for() -> None:
    data = a_file(GROUPS)
    seed = decode_file_header(data, 1)
    assert seed is not None
    assert len(list(decode_records(data, seed, 1))) == 3
    assert list(decode_records(data, seed, 2)) == []
