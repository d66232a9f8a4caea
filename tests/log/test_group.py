"""Commit groups: order, a full disk, failed writes and syncs, groups behind a failed one."""

from __future__ import annotations

import errno

import pytest
from tests.sim.faulty_files import FaultyFile, FaultyFiles
from tests.sim.log_world import (
    NOW_MS,
    TOPIC_ID,
    a_batch,
    commit,
    fail_next,
    open_store,
    sealed,
    values,
    write,
)

from summit.base.errors import Corrupt, Unavailable
from summit.log import LogConfig, LogStore, PartitionLog
from summit.log.settings import Durability

CONFIG = LogConfig(segment_bytes=1000, index_interval_bytes=150)


def two_logs(
    durability: Durability = "fsync",
) -> tuple[FaultyFiles, LogStore, PartitionLog, PartitionLog]:
    files = FaultyFiles()
    store = open_store(files, durability=durability)
    first, second = store.create_partitions("t", TOPIC_ID, [0, 1], CONFIG)
    write(store, first, "a0")
    write(store, second, "b0")
    return files, store, first, second


def file_sizes(files: FaultyFiles) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for partition in ("t-0", "t-1"):
        for name in files.list_dir(f"/data/topics/{partition}"):
            if name.endswith(".log"):
                path = f"/data/topics/{partition}/{name}"
                sizes[path] = len(files.read_bytes(path))
    return sizes


@pytest.mark.parametrize("suffix", [".log", ".wal"])
def test_a_full_disk_fails_the_group_and_nothing_else(suffix: str) -> None:
    files, store, first, second = two_logs()
    sizes = file_sizes(files)
    for number in range(20):
        first.stage(a_batch(f"{number:0100}"), NOW_MS)  # rolls: new files are made and removed
    second.stage(a_batch("b1"), NOW_MS)
    group = sealed(store)
    fail_next(files, "pwrite", suffix, errno.ENOSPC)
    with pytest.raises(Unavailable) as caught:
        group.persist()
    assert caught.value.code == "disk.full"
    assert caught.value.kafka_code == "KAFKA_STORAGE_ERROR"
    assert group.roll_back() == [first, second]
    assert file_sizes(files) == sizes
    assert (values(first), values(second)) == (["a0"], ["b0"])
    write(store, first, "a1")
    write(store, second, "b1")
    store.close()
    store = open_store(files)
    assert values(store.partitions("t")[0]) == ["a0", "a1"]
    assert values(store.partitions("t")[1]) == ["b0", "b1"]


def test_no_more_open_files_is_waited_out() -> None:
    files, store, first, second = two_logs()
    third = store.create_partition("t", TOPIC_ID, 2, CONFIG)
    third.segments[0].close()
    first.stage(a_batch("a1"), NOW_MS)
    third.stage(a_batch("c0"), NOW_MS)
    plain_open = files.open

    def refuse(path: str, *, create: bool = False) -> FaultyFile:
        raise OSError(errno.EMFILE, "too many open files", path)

    files.open = refuse  # type: ignore[method-assign]
    group = sealed(store)
    with pytest.raises(Unavailable) as caught:
        group.persist()
    assert caught.value.code == "disk.too_many_files"
    assert group.roll_back() == [first, third]
    files.open = plain_open  # type: ignore[method-assign]
    write(store, third, "c0")
    assert (values(first), values(second), values(third)) == (["a0"], ["b0"], ["c0"])


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_a_disk_that_is_really_full_and_then_is_not(durability: Durability) -> None:
    files, store, first, _ = two_logs(durability)
    files.capacity_bytes = files.used_bytes() + 3000
    written = ["a0"]
    failures = 0
    for number in range(100):
        first.stage(a_batch(f"{number:0200}"), NOW_MS)
        group = sealed(store)
        try:
            group.persist()
        except Unavailable:
            group.roll_back()
            failures += 1
            if failures == 5:
                files.capacity_bytes += 100_000
            continue
        group.publish()
        written.append(f"{number:0200}")
    assert failures == 5
    assert values(first) == written
    files.capacity_bytes = None
    store.close()
    assert values(open_store(files).partitions("t")[0]) == written


def test_batches_staged_behind_a_failed_group_fail_with_it() -> None:
    files, store, first, second = two_logs()
    first.stage(a_batch("lost", producer=(1, 0, 0)), NOW_MS)
    failed = sealed(store)
    first.stage(a_batch("behind", producer=(1, 0, 1)), NOW_MS)
    second.stage(a_batch("other"), NOW_MS)
    behind = sealed(store)
    first.stage(a_batch("open", producer=(1, 0, 2)), NOW_MS)
    second.stage(a_batch("other open"), NOW_MS)
    fail_next(files, "pwrite", ".wal", errno.ENOSPC)
    with pytest.raises(Unavailable):
        failed.persist()
    # Nothing behind it may be written before the loop has taken it back.
    with pytest.raises(Unavailable):
        behind.persist()
    assert failed.roll_back() == [first]
    assert first.end_offset == 1
    behind.persist()
    assert behind.publish() == [second]
    assert values(second) == ["b0", "other"]
    assert first.stage(a_batch("lost", producer=(1, 0, 0)), NOW_MS).base_offset == 1
    assert set(commit(store)) == {first, second}
    assert values(first) == ["a0", "lost"]
    assert values(second) == ["b0", "other", "other open"]


@pytest.mark.parametrize(
    ("operation", "suffix", "code"),
    [("datasync", ".wal", "disk.sync_failed"), ("pwrite", ".log", "disk.write_failed"),
     ("pwrite", ".wal", "disk.write_failed")],
)  # fmt: skip
def test_other_failures_are_for_good(operation: str, suffix: str, code: str) -> None:
    files, store, first, second = two_logs()
    first.stage(a_batch("unknown"), NOW_MS)
    group = sealed(store)
    second.stage(a_batch("later"), NOW_MS)
    fail_next(files, operation, suffix, errno.EIO)
    calls_before = files.history.count(("datasync", "/data/wal/00000000000000000001.wal"))
    with pytest.raises(Corrupt) as caught:
        group.persist()
    assert caught.value.code == code
    later = sealed(store)
    for attempt in (later.persist, group.persist, store.checkpoint):
        with pytest.raises(Corrupt):
            attempt()
    calls = files.history.count(("datasync", "/data/wal/00000000000000000001.wal"))
    assert calls - calls_before <= 1, "a failed sync was tried again"
    store.close()
    assert not files.exists("/data/clean-shutdown")
    store = open_store(files)
    assert not store.report.was_clean
    assert values(store.partitions("t")[0]) in (["a0"], ["a0", "unknown"])
    assert values(store.partitions("t")[1]) == ["b0"]


def test_one_sync_and_one_write_per_partition_and_group() -> None:
    files = FaultyFiles()
    store = open_store(files, wal_file_bytes=1 << 20)
    logs = store.create_partitions("t", TOPIC_ID, range(10))
    files.history.clear()
    for number in range(100):
        logs[number % 10].stage(a_batch(f"{number}"), NOW_MS)
    commit(store)
    operations = [operation for operation, _ in files.history]
    assert sorted(operations) == ["datasync"] + ["pwrite"] * 11
    assert operations[-1] == "datasync"


@pytest.mark.parametrize("durability", ["interval", "os"])
def test_without_fsync_there_is_no_sync_and_no_write_ahead_log(durability: Durability) -> None:
    files, store, first, _ = two_logs(durability)
    files.history.clear()
    for number in range(10):
        write(store, first, f"{number}")
    assert {operation for operation, _ in files.history} == {"pwrite"}
    assert files.list_dir("/data/wal") == []
    store.flush()
    assert ("datasync", "/data/topics/t-0/00000000000000000000.log") in files.history


def test_publishing_out_of_order_is_a_mistake() -> None:
    _, store, first, _ = two_logs()
    groups = []
    for value in ("one", "two"):
        first.stage(a_batch(value), NOW_MS)
        groups.append(sealed(store))
    groups[0].persist()
    groups[1].persist()
    with pytest.raises(AssertionError):
        groups[1].publish()
