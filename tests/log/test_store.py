"""The store: partitions, directories, deletion, locks, clean closes."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from aiokafka.record.memory_records import MemoryRecords
from tests.sim.faulty_files import FaultyFiles
from tests.sim.log_world import (
    NOW_MS,
    TOPIC_ID,
    a_batch,
    a_log,
    commit,
    contents,
    open_store,
    sealed,
    values,
    write,
)

from summit.base.clock import SystemClock
from summit.base.errors import Closed, Conflict
from summit.base.files import OsFiles
from summit.log import LogConfig, LogStore
from summit.log.checkpoint import (
    CheckpointFile,
    RecoveryPoint,
    decode_checkpoint,
    encode_checkpoint,
)
from summit.log.layout import (
    encode_partition_metadata,
    parse_offset_name,
    parse_partition_metadata,
    parse_partition_name,
)

OTHER_ID = UUID(int=8)


def test_names() -> None:
    assert parse_partition_name("a-b-12") == ("a-b", 12)
    for name in ("wal", "a-", "-1", "a-x", "a-1.f2_k-delete", "a-²"):
        assert parse_partition_name(name) is None
    assert parse_offset_name("00000000000000000042.log", ".log") == 42
    for name in ("42.log", "00000000000000000042.index", "0000000000000000004x.log"):
        assert parse_offset_name(name, ".log") is None
    assert parse_partition_metadata(encode_partition_metadata(TOPIC_ID)) == TOPIC_ID
    assert parse_partition_metadata(b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABw") == TOPIC_ID
    assert parse_partition_metadata(b"") is None
    assert parse_partition_metadata(b"topic_id: short") is None


def test_checkpoint_file() -> None:
    content = CheckpointFile(3, {(TOPIC_ID, 0): RecoveryPoint(1200, 7)})
    data = encode_checkpoint(content)
    assert data.startswith(b"1\nepoch 3\npartitions 1\n" + b"0" * 31 + b"7 0 1200 7\ncrc32c ")
    assert decode_checkpoint(data) == content
    assert decode_checkpoint(data.replace(b"1200", b"1300")) is None
    assert decode_checkpoint(data[:-3]) is None
    assert decode_checkpoint(b"") is None


def test_kafkas_layout() -> None:
    files = FaultyFiles()
    config = LogConfig(segment_bytes=1000)
    store = open_store(files, config=config)
    log = store.create_partition("a.topic", TOPIC_ID, 3)
    for _ in range(8):
        write(store, log, "x" * 100)
    store.close()
    bases = ("00000000000000000000", "00000000000000000005")
    assert files.list_dir("/data/topics") == [".lock", "a.topic-3"]
    assert files.list_dir("/data/topics/a.topic-3") == sorted(
        [base + suffix for base in bases for suffix in (".index", ".log", ".timeindex")]
        + ["00000000000000000008.snapshot", "leader-epoch-checkpoint", "partition.metadata"]
    )
    log_bytes = files.read_bytes(f"/data/topics/a.topic-3/{bases[0]}.log")
    assert len(log_bytes) == 5 * len(a_batch("x" * 100))
    read_by_others = MemoryRecords(log_bytes)
    offsets: list[int] = []
    while read_by_others.has_next():
        batch = read_by_others.next_batch()
        assert batch.validate_crc()
        offsets += [record.offset for record in batch]
    assert offsets == [0, 1, 2, 3, 4]


def test_partitions() -> None:
    store, log = a_log()
    assert store.partition("t", 0) is log
    assert store.partition("t", 1) is None
    assert store.partition("u", 0) is None
    others = store.create_partitions("u", OTHER_ID, [1, 0])
    assert store.partitions("u") == [others[1], others[0]]
    assert set(store.partitions()) == {log, *others}
    with pytest.raises(Conflict) as caught:
        store.create_partition("t", TOPIC_ID, 0)
    assert caught.value.kafka_code == "TOPIC_ALREADY_EXISTS"
    store.create_partition("t", TOPIC_ID, 1)
    assert [log.index for log in store.partitions("t")] == [0, 1]


def test_partitions_are_spread_over_directories() -> None:
    files = FaultyFiles()
    store = open_store(files, log_dirs=["/one", "/two"])
    logs = store.create_partitions("t", TOPIC_ID, range(4))
    for log in logs:
        write(store, log, log.directory)
    assert files.list_dir("/one") == [".lock", "t-0", "t-2"]
    assert files.list_dir("/two") == [".lock", "t-1", "t-3"]
    store = open_store(files.crash("none"), log_dirs=["/one", "/two"])
    assert [values(log) for log in store.partitions("t")] == [
        ["/one/t-0"], ["/two/t-1"], ["/one/t-2"], ["/two/t-3"]
    ]  # fmt: skip


@pytest.mark.parametrize("is_clean", [True, False])
def test_a_deleted_topic_stays_deleted_and_may_be_made_again(is_clean: bool) -> None:
    files = FaultyFiles()
    store = open_store(files)
    log = store.create_partition("t", TOPIC_ID, 0)
    for number in range(5):
        write(store, log, f"old {number}")
    store.checkpoint()
    write(store, log, "old, and only in the write-ahead log")
    log.stage(a_batch("in flight"), NOW_MS)
    group = sealed(store)
    log.stage(a_batch("open"), NOW_MS)
    assert store.delete_topic("t")
    assert not store.delete_topic("t")
    with pytest.raises(Closed):
        log.stage(a_batch("late"), NOW_MS)
    group.persist()
    assert group.publish() == []
    again = store.create_partition("t", OTHER_ID, 0)
    write(store, again, "new")
    commit(store)
    if is_clean:
        store.close()
        assert not [name for name in files.list_dir("/data/topics") if "delete" in name]
        store = open_store(files)
    else:
        store = open_store(files.crash("none"))
        assert store.report.unknown_entries
    found = store.partition("t", 0)
    assert found is not None
    assert found.topic_id == OTHER_ID
    assert values(found) == ["new"]


def test_a_topic_made_again_does_not_inherit_recovery_points() -> None:
    files = FaultyFiles()
    store = open_store(files)
    log = store.create_partition("t", TOPIC_ID, 0)
    for number in range(50):
        write(store, log, f"old {number}")
    store.checkpoint()
    store.delete_topic("t")
    log = store.create_partition("t", OTHER_ID, 0)
    for number in range(80):
        write(store, log, f"new {number}")
    log = open_store(files.crash("none")).partitions("t")[0]
    assert values(log) == [f"new {number}" for number in range(80)]


def test_a_second_store_is_locked_out() -> None:
    files = FaultyFiles()
    store = open_store(files)
    with pytest.raises(Conflict) as caught:
        open_store(files)
    assert caught.value.code == "disk.locked"
    store.close()
    open_store(files).close()


def test_retention_removes_files_after_the_next_checkpoint() -> None:
    files = FaultyFiles()
    config = LogConfig(segment_bytes=1000, retention_ms=1000)
    store = open_store(files, config=config)
    log = store.create_partition("t", TOPIC_ID, 0, config)
    for _ in range(20):
        write(store, log, "x" * 100)
    write(store, log, "young", now_ms=NOW_MS + 1500)
    assert store.apply_retention(NOW_MS + 2000) == 3
    assert log.start_offset == 15
    assert files.exists("/data/topics/t-0/00000000000000000000.log")
    store.checkpoint()
    assert not files.exists("/data/topics/t-0/00000000000000000000.log")
    assert len(contents(log)) == 6
    for after in (files.crash("none"), files.crash("all")):
        log = open_store(after).partitions("t")[0]
        assert (log.start_offset, log.high_watermark) == (15, 21)


@pytest.mark.parametrize("keep", ["none", "all", "close"])
def test_a_log_that_retention_emptied_goes_on_where_it_was(keep: str) -> None:
    files = FaultyFiles()
    config = LogConfig(retention_ms=1000)
    store, log = a_log(files, config=config)
    write(store, log, "a", "b")
    store.apply_retention(NOW_MS + 2000)
    store.checkpoint()
    assert not [n for n in files.list_dir("/data/topics/t-0") if n.endswith(".log")]
    if keep == "close":
        store.close()
    else:
        files = files.crash(keep)
    store = open_store(files, config=config)
    log = store.partitions("t")[0]
    assert (log.start_offset, log.high_watermark) == (2, 2)
    assert write(store, log, "c") == 2
    assert contents(open_store(files.crash("none")).partitions("t")[0]) == [(2, b"c")]


def test_full_segments_beyond_a_limit_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summit.log.store.OPEN_SEGMENTS_MAX", 2)
    store, log = a_log(config=LogConfig(segment_bytes=200))
    for number in range(10):
        write(store, log, f"{number:0100}")
    store.checkpoint()
    store.checkpoint()
    assert sum(segment.is_open for segment in log.segments) == 3
    assert len(values(log)) == 10


def test_the_start_offset_survives() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    write(store, log, "a", "b", "c", "d")
    log.advance_start(3)
    store.checkpoint()
    log = open_store(files.crash("none")).partitions("t")[0]
    assert log.start_offset == 3
    assert contents(log) == [(3, b"d")]


def test_silent_producers_are_forgotten() -> None:
    store, log = a_log()
    log.stage(a_batch("x", producer=(1, 0, 0)), NOW_MS)
    commit(store)
    store.apply_retention(NOW_MS + 24 * 3600 * 1000)
    assert log.producers.get(1) is not None
    store.apply_retention(NOW_MS + 24 * 3600 * 1000 + 1)
    assert log.producers.get(1) is None


def test_on_a_real_disk(tmp_path: Path) -> None:
    path = str(tmp_path / "data")

    def opened() -> LogStore:
        return LogStore.open(OsFiles(), path, clock=SystemClock())

    store = opened()
    with pytest.raises(Conflict):
        opened()
    log = store.create_partition("t", TOPIC_ID, 0)
    for number in range(100):
        log.stage(a_batch(f"{number}", producer=(1, 0, number)), NOW_MS)
        if number % 10 == 9:
            commit(store)
    store.checkpoint()
    write(store, log, "end")
    store.close()
    assert (tmp_path / "data" / "clean-shutdown").exists()
    store = opened()
    assert store.report.was_clean
    assert not (tmp_path / "data" / "clean-shutdown").exists()
    log = store.partitions("t")[0]
    assert values(log) == [*map(str, range(100)), "end"]
    assert log.stage(a_batch("99", producer=(1, 0, 99)), NOW_MS) == (99, 99, True, -1, True)
    store.delete_topic("t")
    store.close()
    assert sorted(path.name for path in (tmp_path / "data" / "topics").iterdir()) == [".lock"]
