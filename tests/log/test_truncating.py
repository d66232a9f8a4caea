"""Cutting the end off a partition of a closed store, also when the power goes in between."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from tests.sim.faulty_files import FaultyFiles, PowerCut

from summit.base.clock import ManualClock
from summit.base.errors import Conflict
from summit.base.files import Files
from summit.base.memory_files import MemoryFiles
from summit.log import LogConfig, LogStore, PartitionLog, StoreSettings, truncate_closed
from summit.records import Record, build_batch, iter_records, split_batches

CLOCK = ManualClock()
TOPIC = "a-b"
DIRECTORY = f"d/topics/{TOPIC}-0"


def open_store(files: Files) -> LogStore:
    settings = StoreSettings(wal_file_bytes=64 << 10, defaults=LogConfig(segment_bytes=1_024))
    return LogStore.open(files, "d", settings=settings, clock=CLOCK)


def write(store: LogStore, log: PartitionLog, batches: list[int]) -> None:
    """Append batches of so many records; a record's value is its offset."""
    for count in batches:
        first = log.end_offset
        records = [Record(0, 1, b"k", b"%d" % (first + n)) for n in range(count)]
        log.stage(build_batch(records, producer_id=7, producer_epoch=0, base_sequence=first), 1)
        group = store.seal()
        assert group is not None
        group.persist()
        group.publish()


def offsets(log: PartitionLog) -> list[int]:
    found: list[int] = []
    at = log.start_offset
    while data := log.read(at, 1 << 20):
        for position, size in split_batches(data):
            for record in iter_records(data[position : position + size]):
                assert record.value == b"%d" % record.offset
                found.append(record.offset)
        at = found[-1] + 1
    return found


def filled(files: Files, batches: list[int]) -> int:
    """A closed store with a partition of these batches. Returns its end."""
    store = open_store(files)
    log = store.create_partition(TOPIC, uuid.UUID(int=5), 0)
    other = store.create_partition("other", uuid.UUID(int=6), 0)
    write(store, log, batches)
    write(store, other, [3])
    end = log.high_watermark
    store.close()
    return end


def reopened(files: Files) -> tuple[LogStore, PartitionLog]:
    store = open_store(files)
    log, other = store.partition(TOPIC, 0), store.partition("other", 0)
    assert log is not None
    assert other is not None
    assert offsets(other) == [0, 1, 2]
    return store, log


@pytest.mark.parametrize("offset", range(0, 31, 3))
def test_what_is_left_and_what_comes_after(offset: int) -> None:
    files = MemoryFiles()
    assert filled(files, [1] * 30) == 30
    assert truncate_closed(files, "d", DIRECTORY, 0, offset) == offset
    store, log = reopened(files)
    assert offsets(log) == list(range(offset))
    assert (log.high_watermark, store.report.gaps, store.report.cut) == (offset, {}, {})
    write(store, log, [1] * 20)
    store.close()
    store, log = reopened(files)
    assert store.report.was_clean
    assert offsets(log) == list(range(offset + 20))
    store.close()


def test_a_batch_goes_whole() -> None:
    files = MemoryFiles()
    filled(files, [4, 4, 4])
    assert truncate_closed(files, "d", DIRECTORY, 0, 6) == 4
    store, log = reopened(files)
    assert offsets(log) == [0, 1, 2, 3]
    store.close()


def test_producers_go_on_from_what_is_left() -> None:
    files = MemoryFiles()
    filled(files, [1] * 10)
    truncate_closed(files, "d", DIRECTORY, 0, 4)
    store, log = reopened(files)
    entry = log.producers.get(7)
    assert entry is not None
    assert entry.batches[-1].last_offset == 3
    write(store, log, [1])  # its sequence follows on the one that was kept
    assert offsets(log) == [0, 1, 2, 3, 4]
    store.close()


def test_an_open_store_and_one_that_crashed_are_left_alone() -> None:
    files = MemoryFiles()
    filled(files, [1] * 5)
    store = open_store(files)
    with pytest.raises(Conflict) as caught:
        truncate_closed(files, "d", DIRECTORY, 0, 2)
    assert caught.value.code == "disk.locked"
    store.close()
    files.remove("d/clean-shutdown")
    with pytest.raises(Conflict) as caught:
        truncate_closed(files, "d", DIRECTORY, 0, 2)
    assert caught.value.code == "disk.not_closed"
    store, log = reopened(files)
    assert offsets(log) == list(range(5))
    store.close()


def counted(action: Any) -> int:
    files = FaultyFiles()
    filled(files, [1] * 30)
    before = files.calls
    action(files)
    return files.calls - before


def cut(files: FaultyFiles) -> None:
    truncate_closed(files, "d", DIRECTORY, 0, 7)


@pytest.mark.parametrize("seed", range(3))
def test_a_power_cut_at_any_call_leaves_a_log_without_holes(seed: int) -> None:
    for call in range(1, counted(cut) + 1):
        files = FaultyFiles(seed=seed)
        filled(files, [1] * 30)
        files.fault_at[files.calls + call] = -1
        with pytest.raises(PowerCut):
            cut(files)
        after = files.crash()
        store, log = reopened(after)
        kept = offsets(log)
        assert kept == list(range(log.high_watermark)), f"call {call}"
        assert 7 <= len(kept) <= 30
        assert store.report.gaps == {}, f"call {call}"
        write(store, log, [1])
        assert offsets(log)[-1] == len(kept)
        store.close()
