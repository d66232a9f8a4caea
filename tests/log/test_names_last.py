"""What is noted as durable has a name that lasts: files whose directory nobody had synced yet."""

from __future__ import annotations

import errno

import pytest
from tests.sim.faulty_files import FaultyFiles
from tests.sim.log_world import TOPIC_ID, a_log, fail_next, open_store, values, write

from summit.base.errors import Corrupt
from summit.log import LogConfig

SMALL = LogConfig(segment_bytes=1000, index_interval_bytes=150)
WRITTEN = [f"{number:090}" for number in range(11)]


def killed_after_rolling() -> FaultyFiles:
    """A segment that begins where the last snapshot of producers was taken; no checkpoint since."""
    files = FaultyFiles(5)
    store, log = a_log(files, config=SMALL)
    for value in WRITTEN[:6]:
        write(store, log, value)
    store.close()
    store = open_store(files, config=SMALL)
    (log,) = store.partitions("t")
    for value in WRITTEN[6:]:
        write(store, log, value)
    assert [segment.base_offset for segment in log.segments] == [0, 6]
    return files.kill()


def test_the_start_after_a_kill_makes_it_last() -> None:
    files = killed_after_rolling()
    open_store(files, config=SMALL)
    store = open_store(files.crash("none"), config=SMALL)
    assert store.report.gaps == {}
    assert values(store.partitions("t")[0]) == WRITTEN


def test_so_does_one_after_a_start_that_was_killed() -> None:
    """It had cut the segment where the write-ahead log goes on, and written nothing yet."""
    files = killed_after_rolling()
    files.open("/data/topics/t-0/00000000000000000006.log").truncate(0)
    open_store(files, config=SMALL)
    store = open_store(files.crash("none"), config=SMALL)
    assert store.report.gaps == {}
    assert values(store.partitions("t")[0]) == WRITTEN


def test_a_segment_that_was_empty_when_the_directory_was_synced() -> None:
    """`roll` closes a segment; the file of the next one is made by the first write."""
    files = FaultyFiles(5)
    store, log = a_log(files)
    write(store, log, "a")
    store.roll(log)
    store.checkpoint()
    write(store, log, "b")
    store.checkpoint()
    store = open_store(files.crash("none"))
    assert store.report.gaps == {}
    assert values(store.partitions("t")[0]) == ["a", "b"]


def test_a_partition_whose_sync_failed_is_written_again() -> None:
    """Its identity stays in the page cache, where no later sync looks for what it has to write."""
    seen = 0
    for seed in range(8):
        files = FaultyFiles(seed)
        store = open_store(files)
        fail_next(files, "datasync", "partition.metadata", errno.EIO)
        with pytest.raises(Corrupt):
            store.create_partition("t", TOPIC_ID, 0)
        files = files.kill()
        store = open_store(files)
        if not store.partitions("t"):
            continue  # it was read from the disk: not there
        seen += 1
        write(store, store.partitions("t")[0], "a")
        store = open_store(files.crash("none"))
        assert values(store.partitions("t")[0]) == ["a"]
    assert seen
