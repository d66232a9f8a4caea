"""Opening after a close and after a crash: what is cut, what is played back, what is rebuilt."""

from __future__ import annotations

import errno
from uuid import UUID

import pytest
from tests.sim.faulty_files import FaultyFiles, PowerCut
from tests.sim.log_world import (
    NOW_MS,
    TOPIC_ID,
    a_batch,
    a_log,
    commit,
    contents,
    fail_next,
    open_store,
    values,
    write,
)

from summit.base.errors import Corrupt, Unavailable
from summit.log import LogConfig, LogStore, PartitionLog
from summit.log.checkpoint import DEEP_BYTES
from summit.log.settings import Durability

LOG_FILE = "/data/topics/t-0/00000000000000000000.log"
SMALL = LogConfig(segment_bytes=1000, index_interval_bytes=150)


def reopened(files: FaultyFiles, **options: object) -> tuple[LogStore, PartitionLog]:
    store = open_store(files, **options)  # type: ignore[arg-type]
    return store, store.partitions("t")[0]


def patch(files: FaultyFiles, path: str, position: int, data: bytes) -> None:
    """Damage a file."""
    file = files.open(path)
    file.pwrite(data, position)
    file.datasync()


def indexes(log: PartitionLog) -> list[tuple[list[int], list[int], list[int], list[int]]]:
    for segment in log.segments:
        segment.ensure_indexes()
    return [
        (
            list(s.offset_index.offsets),
            list(s.offset_index.positions),
            list(s.time_index.timestamps),
            list(s.time_index.offsets),
        )
        for s in log.segments
    ]


def test_a_clean_close_is_believed() -> None:
    files = FaultyFiles()
    store, log = a_log(files, config=SMALL)
    for number in range(30):
        batch = a_batch(f"{number:090}", producer=(1, 0, number), timestamp=NOW_MS + number)
        log.stage(batch, NOW_MS)
        commit(store)
    before = indexes(log)
    store.close()
    store, log = reopened(files, config=SMALL)
    assert store.report.was_clean
    assert store.report.scanned_bytes == 0
    assert log.leader_epoch == 0
    assert log.max_timestamp() == (29, NOW_MS + 29)
    after = indexes(log)
    assert after[:-1] == before[:-1]
    assert after[-1][:2] == before[-1][:2]
    assert values(log) == [f"{number:090}" for number in range(30)]
    write(store, log, "next")
    assert contents(log)[-1] == (30, b"next")
    assert log.stage(a_batch(f"{29:090}", producer=(1, 0, 29)), NOW_MS).duplicate


@pytest.mark.parametrize("keep", ["none", "all", "prefix", "subset"])
def test_a_crash_under_fsync_loses_nothing(keep: str) -> None:
    files = FaultyFiles(5)
    store, log = a_log(files, config=SMALL)
    for number in range(30):
        batch = a_batch(f"{number:090}", producer=(1, 0, number), timestamp=NOW_MS + number)
        log.stage(batch, NOW_MS)
        commit(store)
    before = indexes(log)
    store, log = reopened(files.crash(keep), config=SMALL)
    assert not store.report.was_clean
    assert log.leader_epoch == 1
    assert values(log) == [f"{number:090}" for number in range(30)]
    assert [entry[0] for entry in indexes(log)] == [entry[0] for entry in before]
    assert log.max_timestamp() == (29, NOW_MS + 29)
    for number in range(25, 30):
        again = log.stage(a_batch(f"{number:090}", producer=(1, 0, number)), NOW_MS)
        assert again == (number, number, True, -1, True)


@pytest.mark.parametrize("durability", ["os", "interval"])
def test_a_killed_process_keeps_the_page_cache(durability: Durability) -> None:
    files = FaultyFiles()
    store, log = a_log(files, durability=durability, config=SMALL)
    for number in range(30):
        log.stage(a_batch(f"{number:090}", producer=(1, 0, number)), NOW_MS)
        commit(store)
    store, log = reopened(files.crash("all"), durability=durability, config=SMALL)
    assert values(log) == [f"{number:090}" for number in range(30)]
    assert log.stage(a_batch(f"{29:090}", producer=(1, 0, 29)), NOW_MS).duplicate


@pytest.mark.parametrize("seed", range(10))
def test_a_power_cut_without_fsync_keeps_what_was_flushed_and_a_prefix(seed: int) -> None:
    files = FaultyFiles(seed)
    store, log = a_log(files, durability="interval", config=SMALL)
    for number in range(30):
        write(store, log, f"{number:090}")
        if number == 17:
            store.flush()
    store, log = reopened(files.crash(), durability="interval", config=SMALL)
    found = values(log)
    assert len(found) >= 18
    assert found == [f"{number:090}" for number in range(len(found))]
    assert log.leader_epoch == 1


def test_the_write_ahead_log_is_played_back_in_another_mode() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    write(store, log, "acknowledged")
    files = files.crash("none")
    store, log = reopened(files, durability="os")
    assert values(log) == ["acknowledged"]
    assert files.list_dir("/data/wal") == []
    store, log = reopened(files.crash("none"), durability="os")
    assert values(log) == ["acknowledged"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda files, size: patch(files, LOG_FILE, size - 1, b"\xff"),
        lambda files, size: patch(files, LOG_FILE, size, b"\x00" * 500),
        lambda files, size: patch(files, LOG_FILE, size, b"garbage" * 30),
        lambda files, size: files.open(LOG_FILE).truncate(size - 5),
        lambda files, size: patch(files, LOG_FILE, size, bytes(a_batch("not at 10"))[:40]),
    ],
)
def test_a_log_is_cut_at_the_first_bad_batch(damage: object) -> None:
    files = FaultyFiles()
    store, log = a_log(files, durability="os")
    for number in range(10):
        write(store, log, f"{number}")
    size = len(files.read_bytes(LOG_FILE))
    damage(files, size)  # type: ignore[operator]
    store, log = reopened(files.crash("all"), durability="os")
    found = values(log)
    assert found == [f"{number}" for number in range(len(found))]
    assert len(found) in (9, 10)
    assert store.report.cut.keys() == {"t-0"}
    assert write(store, log, "next") == len(found)


def test_a_batch_whose_first_sector_never_came_hides_nothing_before_it() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    write(store, log, "a", "b")
    store.close()  # a snapshot at the end: recovery goes from there
    store, log = reopened(files)
    write(store, log, "c")
    path = log.segments[-1].path(".log")
    patch(files, path, log.segments[-1].size - len(a_batch("c")), bytes(8))
    again, log = reopened(files.crash("all"))
    assert again.report.gaps == {}
    assert values(log) == ["a", "b", "c"]


def test_damage_in_the_middle_ends_the_log_there() -> None:
    files = FaultyFiles()
    store, log = a_log(files, durability="os", config=SMALL)
    for number in range(30):
        write(store, log, f"{number:090}")
    patch(files, "/data/topics/t-0/00000000000000000012.log", 500, b"\x00")
    files = files.crash("all")
    store, log = reopened(files, durability="os", config=SMALL)
    assert values(log) == [f"{number:090}" for number in range(15)]
    assert [s.base_offset for s in log.segments] == [0, 6, 12]
    names = files.list_dir("/data/topics/t-0")
    assert [name for name in names if name.endswith(".log")][-1] == "00000000000000000012.log"


def test_a_torn_end_of_the_write_ahead_log_ends_playing_back() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    for number in range(10):
        write(store, log, f"{number}")
    files = files.crash("none")
    wal_file = "/data/wal/00000000000000000001.wal"
    data = files.read_bytes(wal_file)
    last = data.rindex(b"9")
    patch(files, wal_file, last, b"X")
    store, log = reopened(files)
    assert values(log) == [f"{number}" for number in range(9)]
    assert write(store, log, "next") == 9


@pytest.mark.parametrize("keep", ["all", "none"])
@pytest.mark.parametrize("has_checkpoint", [True, False])
def test_a_group_is_whole_or_not_there(keep: str, has_checkpoint: bool) -> None:
    """Its segments were written and the write-ahead log was not: nobody was answered."""
    files = FaultyFiles()
    store, log = a_log(files)
    other = store.create_partition("u", UUID(int=8), 0)
    for each in (log, other):
        write(store, each, "before")
    if has_checkpoint:
        store.checkpoint()
    write(store, other, "behind")
    for each in (log, other):
        each.stage(a_batch("half"), NOW_MS)
    fail_next(files, "pwrite", ".wal", -1)
    with pytest.raises(PowerCut):
        commit(store)
    store, log = reopened(files.crash(keep))
    assert values(log) == ["before"]
    other_log = store.partition("u", 0)
    assert other_log is not None
    assert values(other_log) == ["before", "behind"]
    assert write(store, log, "next") == 1


def test_a_restart_reads_only_what_came_after_the_checkpoint() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    value = b"x" * 100_000
    for _ in range(DEEP_BYTES // len(value) + 5):
        write(store, log, value)
    store.checkpoint()
    assert log.snapshot_offset == log.high_watermark
    for _ in range(3):
        write(store, log, value)
    store.checkpoint()
    write(store, log, value)
    count = log.high_watermark
    store, log = reopened(files.crash("none"))
    assert log.high_watermark == count
    assert store.report.scanned_bytes < 5 * len(value)


def test_the_write_ahead_log_is_trimmed_by_checkpoints() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    checkpoints = 0
    for number in range(300):
        write(store, log, f"{number:01000}")
        if store.maintenance_due:
            store.checkpoint()
            checkpoints += 1
            assert len(files.list_dir("/data/wal")) <= 2
    assert 5 < checkpoints < 40
    files = files.crash("none")
    store, log = reopened(files)
    assert len(values(log)) == 300
    assert len(files.list_dir("/data/wal")) == 1


def test_a_partition_half_made_is_removed() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    write(store, log, "x")
    files.make_dirs("/data/topics/half-0")
    files.open("/data/topics/half-0/00000000000000000000.log", create=True)
    files.make_dirs("/data/topics/not a partition")
    files.make_dirs("/data/topics/gone-0.AAAA-delete")
    files = files.crash("all")
    reopened(files)
    assert files.list_dir("/data/topics") == [".lock", "not a partition", "t-0"]


def test_a_directory_that_was_copied_here_is_taken() -> None:
    """Without checkpoint, snapshots and indexes: as another broker's, or from a backup."""
    files = FaultyFiles()
    store, log = a_log(files, config=SMALL)
    for number in range(30):
        log.stage(a_batch(f"{number:090}", producer=(1, 0, number)), NOW_MS)
        commit(store)
    store.close()
    for name in files.list_dir("/data/topics/t-0"):
        if not name.endswith((".log", ".metadata")):
            files.remove(f"/data/topics/t-0/{name}")
    files.remove("/data/checkpoint")
    store, log = reopened(files, config=SMALL)
    assert values(log) == [f"{number:090}" for number in range(30)]
    assert log.stage(a_batch(f"{29:090}", producer=(1, 0, 29)), NOW_MS).duplicate
    assert log.epochs.entries == [(0, 0)]


def test_a_log_whose_files_are_gone_does_not_use_offsets_again() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    for number in range(10):
        write(store, log, f"{number}")
    store.close()
    for name in files.list_dir("/data/topics/t-0"):
        if name.endswith(".log"):
            files.remove(f"/data/topics/t-0/{name}")
    store, log = reopened(files)
    assert (log.start_offset, log.high_watermark) == (10, 10)
    assert write(store, log, "next") == 10
    store.close()
    store, log = reopened(files)
    assert contents(log) == [(10, b"next")]


def test_lost_segments_before_the_write_ahead_log_are_reported() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    for number in range(10):
        write(store, log, f"{number}")
    store.checkpoint()
    write(store, log, "10")
    files = files.crash("none")
    files.open(LOG_FILE).truncate(300)
    store, log = reopened(files)
    (first, stop) = store.report.gaps["t-0"]
    assert (first < 10, stop) == (True, 10)
    assert contents(log)[-1] == (10, b"10")
    assert log.read(first, 1000)
    assert write(store, log, "11") == 11


def test_every_crash_starts_a_new_epoch() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    write(store, log, "a")
    for crash in (1, 2):
        files = files.crash()
        store, log = reopened(files)
        assert log.leader_epoch == crash
        assert store.create_partition(f"new{crash}", TOPIC_ID, 0).leader_epoch == crash
        write(store, log, f"after {crash}")
    store.close()
    store, log = reopened(files)
    assert log.leader_epoch == 2
    assert log.epochs.entries == [(0, 0), (1, 1), (2, 2)]
    assert log.end_offset_for_epoch(0) == (0, 1)


def test_staged_and_never_sealed_is_not_there_after_a_close() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    write(store, log, "a")
    log.stage(a_batch("b"), NOW_MS)
    store.close()
    store, log = reopened(files)
    assert store.report.was_clean
    assert values(log) == ["a"]


def test_a_damaged_checkpoint_is_not_guessed_at() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    write(store, log, "a")
    store.close()
    patch(files, "/data/checkpoint", 3, b"#")
    with pytest.raises(Corrupt) as caught:
        open_store(files)
    assert caught.value.code == "disk.file_damaged"


def test_damaged_snapshots_and_indexes_only_cost_time() -> None:
    files = FaultyFiles()
    store, log = a_log(files, config=SMALL)
    for number in range(30):
        log.stage(a_batch(f"{number:090}", producer=(1, 0, number)), NOW_MS)
        commit(store)
        if number == 20:
            store.checkpoint()
    files = files.crash("none")
    for name in files.list_dir("/data/topics/t-0"):
        if name.endswith((".snapshot", "epoch-checkpoint")):
            patch(files, f"/data/topics/t-0/{name}", 3, b"\xff\xff")
    store, log = reopened(files, config=SMALL)
    assert values(log) == [f"{number:090}" for number in range(30)]
    assert log.stage(a_batch(f"{29:090}", producer=(1, 0, 29)), NOW_MS).duplicate


def test_a_checkpoint_that_met_a_full_disk_is_made_up_for() -> None:
    for call in range(1, 12):
        files = FaultyFiles(call)
        store, log = a_log(files, config=SMALL)
        for number in range(12):
            write(store, log, f"{number:090}")
        files.fault_at = {files.calls + call: errno.ENOSPC}
        try:
            store.checkpoint()
            write(store, log, "after")
            store.checkpoint()
        except (Corrupt, Unavailable):
            continue  # the fault met a sync, or a group
        files.fault_at = {}
        store, log = reopened(files.crash("none"), config=SMALL)
        assert values(log) == [*(f"{number:090}" for number in range(12)), "after"]


def test_recovery_that_meets_a_full_disk_fails_and_can_be_tried_again() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    for number in range(10):
        write(store, log, f"{number:0200}")
    files = files.crash("none")
    files.capacity_bytes = files.used_bytes() + 500
    with pytest.raises(Unavailable):
        open_store(files)
    files.capacity_bytes = None
    files = files.crash()
    store, log = reopened(files)
    assert values(log) == [f"{number:0200}" for number in range(10)]


def test_what_came_after_a_checkpoint_was_begun_is_not_trimmed() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    write(store, log, "before")
    checkpoint = store.begin_checkpoint()
    for number in range(60):
        write(store, log, f"{number:01000}")
    checkpoint.run()
    assert len(files.list_dir("/data/wal")) > 2
    store, log = reopened(files.crash("none"))
    assert values(log) == ["before", *(f"{number:01000}" for number in range(60))]


def test_a_snapshot_knows_only_what_was_published() -> None:
    files = FaultyFiles()
    store, log = a_log(files, config=SMALL)
    for number in range(8):  # far enough to roll, so that the checkpoint writes a snapshot
        log.stage(a_batch(f"{number:0200}", producer=(1, 0, number)), NOW_MS)
        commit(store)
    log.stage(a_batch("staged", producer=(1, 0, 8)), NOW_MS)
    store.checkpoint()
    assert log.snapshot_offset == 8
    store, log = reopened(files.crash("none"), config=SMALL)
    again = log.stage(a_batch(f"{7:0200}", producer=(1, 0, 7)), NOW_MS)
    assert again == (7, 7, True, -1, True)
    assert log.stage(a_batch("staged", producer=(1, 0, 8)), NOW_MS).base_offset == 8


@pytest.mark.parametrize("seed", range(20))
def test_what_was_taken_back_does_not_come_back(seed: int) -> None:
    files = FaultyFiles(seed)
    store, log = a_log(files, config=SMALL)
    write(store, log, "first")
    store.checkpoint()
    for number in range(12):  # three segments
        log.stage(a_batch(f"taken back {number:0100}"), NOW_MS)
    group = store.seal()
    assert group is not None
    fail_next(files, "pwrite", ".wal", errno.ENOSPC)
    with pytest.raises(Unavailable):
        group.persist()
    group.roll_back()
    # The same sizes again up to where the second segment began: an old file there would fit.
    for number in range(5):
        write(store, log, f"instead of {number:0100}")
    assert len(log.segments) == 1
    store.checkpoint()
    store, log = reopened(files.crash("prefix"), config=SMALL)
    assert values(log) == ["first", *(f"instead of {number:0100}" for number in range(5))]
