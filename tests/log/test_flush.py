"""flush.messages, flush.ms and segment.index.bytes of one log."""

from __future__ import annotations

import pytest
from tests.sim.faulty_files import FaultyFiles
from tests.sim.log_world import NOW_MS, a_log, fail_next, open_store, values, write

from summit.base.errors import Corrupt
from summit.log import LogConfig


def test_records_are_synced_by_count_before_they_are_seen() -> None:
    files = FaultyFiles()
    store, log = a_log(files, durability="os", config=LogConfig(flush_messages=3))
    store.checkpoint()
    write(store, log, "a", "b")
    lost = files.crash("none")
    files.has_power = True
    write(store, log, "c")
    kept = files.crash("none")
    for disk, expected in ((lost, []), (kept, ["a", "b", "c"])):
        again = open_store(disk, durability="os").partition("t", 0)
        assert again is not None
        assert values(again) == expected


def test_every_segment_of_them_is_synced() -> None:
    files = FaultyFiles()
    config = LogConfig(flush_messages=9, segment_bytes=200)
    store, log = a_log(files, durability="os", config=config)
    store.checkpoint()
    for number in range(9):
        write(store, log, f"{number:050}")
    assert len(log.segments) > 3
    again = open_store(files.crash("none"), durability="os").partition("t", 0)
    assert again is not None
    assert len(values(again)) == 9


def test_a_failed_sync_by_count_is_final() -> None:
    files = FaultyFiles()
    store, log = a_log(files, durability="os", config=LogConfig(flush_messages=1))
    fail_next(files, "datasync", ".log", 5)
    with pytest.raises(Corrupt):
        write(store, log, "a")
    assert values(log) == []


def test_a_flush_falls_due_by_time() -> None:
    store, log = a_log(durability="os", config=LogConfig(flush_ms=500))
    store.checkpoint()
    write(store, log, "a")
    assert not store.is_flush_due(NOW_MS + 499)
    assert store.is_flush_due(NOW_MS + 500)
    store.checkpoint()
    assert not store.is_flush_due(NOW_MS + 5000)
    write(store, log, "b", now_ms=NOW_MS + 6000)
    assert not store.is_flush_due(NOW_MS + 6100)


def test_under_fsync_nothing_waits() -> None:
    store, log = a_log(config=LogConfig(flush_ms=0))
    write(store, log, "a")
    assert not store.is_flush_due(NOW_MS + 10_000)


def test_segments_roll_when_their_index_is_full() -> None:
    config = LogConfig(index_interval_bytes=0, index_bytes=24)
    store, log = a_log(config=config)
    for number in range(9):
        write(store, log, str(number))
    assert [len(segment.offset_index) for segment in log.segments[:-1]] == [3, 3]
    assert len(values(log)) == 9
