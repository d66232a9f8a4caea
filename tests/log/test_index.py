"""Sparse indexes: look-ups, file bytes, and what a crash may leave in the files."""

from __future__ import annotations

from summit.log.index import OffsetIndex, TimeIndex


def an_index() -> OffsetIndex:
    index = OffsetIndex()
    for relative, position in ((5, 0), (9, 4100), (20, 8300)):
        index.append(relative, position)
    return index


def test_floor_is_at_or_before_the_offset() -> None:
    index = an_index()
    expected = {0: 0, 4: 0, 5: 0, 8: 0, 9: 4100, 19: 4100, 20: 8300, 2**32 - 1: 8300}
    assert {offset: index.floor(offset) for offset in expected} == expected
    assert OffsetIndex().floor(7) == 0


def test_position_floor() -> None:
    index = an_index()
    expected = {0: 0, 4099: 0, 4100: 4100, 8299: 4100, 10**6: 8300}
    assert {position: index.position_floor(position) for position in expected} == expected


def test_file_bytes_of_offsets() -> None:
    index = an_index()
    data = index.encode(0, 3)
    assert data.hex() == "0000000500000000" + "0000000900001004" + "000000140000206c"
    assert index.encode(1, 2) == data[8:16]
    again = OffsetIndex()
    again.load(data, 100, 10_000)
    assert (again.offsets, again.positions) == (index.offsets, index.positions)
    assert again.flushed_count == 3


def test_loading_stops_where_a_crash_left_nonsense() -> None:
    data = an_index().encode(0, 3)
    for damaged, stop_relative, stop_position, count in (
        (data + bytes(80), 100, 10_000, 3),  # preallocated zeros
        (data[:20], 100, 10_000, 2),  # cut in an entry
        (data[8:] + data[:8], 100, 10_000, 2),  # old entries behind new ones
        (data, 20, 10_000, 2),  # beyond the offset up to which it may be believed
        (data, 100, 8300, 2),  # beyond the end of the log file
        (b"", 100, 100, 0),
    ):
        index = OffsetIndex()
        index.load(damaged, stop_relative, stop_position)
        assert len(index) == index.flushed_count == count


def test_truncate_and_count_below() -> None:
    index = an_index()
    index.flushed_count = 3
    assert [index.count_below(offset) for offset in (5, 6, 10, 99)] == [0, 1, 2, 3]
    index.truncate(1)
    assert (len(index), index.flushed_count) == (1, 1)


def test_time_index_keeps_only_growing_times() -> None:
    index = TimeIndex()
    for timestamp, relative in ((100, 1), (90, 4), (100, 6), (150, 9)):
        index.append(timestamp, relative)
    assert list(index.timestamps) == [100, 150]
    assert [index.floor(t) for t in (0, 100, 101, 150, 151)] == [0, 0, 1, 1, 9]
    data = index.encode(0, 2)
    assert data.hex() == "000000000000006400000001" + "000000000000009600000009"
    again = TimeIndex()
    again.load(data + bytes(24), 100)
    assert (again.timestamps, again.offsets) == (index.timestamps, index.offsets)
    bounded = TimeIndex()
    bounded.load(data, 9)
    assert len(bounded) == 1
    assert index.count_below(9) == 1
    index.truncate(0)
    assert len(index) == 0
