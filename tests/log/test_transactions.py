"""Transactions in a partition: last stable offset, aborted transactions, what survives a crash."""

from __future__ import annotations

import pytest
from tests.sim.faulty_files import FaultyFiles
from tests.sim.log_world import NOW_MS, a_log, commit, open_store

from summit.base.errors import Closed, Unavailable
from summit.log import LogConfig, LogStore, PartitionLog
from summit.log.snapshots import decode_snapshot, encode_snapshot
from summit.log.transactions import AbortedTransaction, decode_aborted, encode_aborted
from summit.records import Record, build_batch, parse_header, read_marker
from summit.records.batch import TRANSACTIONAL


def stage(log: PartitionLog, producer: int, sequence: int, count: int = 1, epoch: int = 0) -> int:
    batch = build_batch(
        [Record(0, NOW_MS, None, b"v", ()) for _ in range(count)],
        attributes=TRANSACTIONAL,
        producer_id=producer,
        producer_epoch=epoch,
        base_sequence=sequence,
    )
    return log.stage(batch, NOW_MS).base_offset


def mark(log: PartitionLog, producer: int, *, commits: bool, epoch: int = 0) -> int:
    return log.stage_marker(
        producer, epoch, is_commit=commits, coordinator_epoch=0, now_ms=NOW_MS
    ).base_offset


def offsets_of(data: bytes) -> list[int]:
    found, position = [], 0
    while position < len(data):
        header = parse_header(data, position)
        found.append(header.base_offset)
        position += header.size
    return found


def test_the_last_stable_offset_stops_at_the_oldest_open_transaction() -> None:
    store, log = a_log()
    stage(log, 1, 0, count=2)  # 0 1
    commit(store)
    stage(log, 2, 0)  # 2
    commit(store)
    assert (log.last_stable_offset, log.high_watermark) == (0, 3)
    mark(log, 2, commits=True)  # 3
    commit(store)
    assert log.last_stable_offset == 0, "the older one is open"
    mark(log, 1, commits=True)  # 4
    assert log.last_stable_offset == 0, "a staged marker is not published"
    commit(store)
    assert log.last_stable_offset == log.high_watermark == 5
    assert log.aborted_between(0, 5) == []
    data = log.read(4, 1000)
    assert parse_header(data).is_control
    assert parse_header(data).is_transactional
    assert read_marker(data) == (True, 0)
    store.close()


def test_committed_reads_end_at_the_last_stable_offset() -> None:
    store, log = a_log()
    for sequence in range(3):
        stage(log, 1, sequence)  # 0 1 2
    mark(log, 1, commits=True)  # 3
    stage(log, 1, 3)  # 4
    commit(store)
    assert offsets_of(log.read(0, 10_000)) == [0, 1, 2, 3, 4]
    assert offsets_of(log.read(0, 10_000, committed=True)) == [0, 1, 2, 3]
    assert offsets_of(log.read(0, 1, committed=True)) == [0], "at least one"
    assert log.read(4, 10_000, committed=True) == b""
    store.close()


def test_aborted_transactions_are_listed_where_they_overlap() -> None:
    store, log = a_log()
    stage(log, 1, 0)  # 0
    stage(log, 2, 0)  # 1
    mark(log, 1, commits=False)  # 2
    stage(log, 3, 0)  # 3
    mark(log, 2, commits=True)  # 4
    mark(log, 3, commits=False)  # 5
    commit(store)
    first, second = AbortedTransaction(1, 0, 2, 1), AbortedTransaction(3, 3, 5, 6)
    assert log.aborted_between(0, 6) == [first, second]
    assert log.aborted_between(0, 3) == [first]
    assert log.aborted_between(3, 6) == [second]
    store.close()


def test_a_marker_with_a_new_epoch_fences_the_old_one() -> None:
    store, log = a_log()
    stage(log, 1, 0)
    mark(log, 1, commits=False, epoch=1)
    commit(store)
    with pytest.raises(Closed):
        stage(log, 1, 1)
    with pytest.raises(Closed):
        mark(log, 1, commits=True)
    stage(log, 1, 0, epoch=1)
    store.close()


def test_the_epoch_stays_and_so_does_the_sequence() -> None:
    store, log = a_log()
    stage(log, 1, 0)
    mark(log, 1, commits=True)
    assert stage(log, 1, 1) == 2
    store.close()


def test_a_marker_that_cannot_be_written_leaves_the_transaction_open() -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    stage(log, 1, 0)
    commit(store)
    mark(log, 1, commits=True)
    group = store.seal()
    assert group is not None
    files.capacity_bytes = 0
    with pytest.raises(Unavailable):
        group.persist()
    group.roll_back()
    entry = log.producers.get(1)
    assert entry is not None
    assert entry.open_offset == 0
    assert log.last_stable_offset == 0
    files.capacity_bytes = None
    mark(log, 1, commits=True)
    commit(store)
    assert log.last_stable_offset == 2


def reopened(files: FaultyFiles, store: LogStore, *, how: str) -> PartitionLog:
    if how == "close":
        store.close()
    elif how == "checkpoint":
        store.checkpoint()
    if how != "close":
        files = files.crash()
    log = open_store(files, config=LogConfig(segment_bytes=400)).partition("t", 0)
    assert log is not None
    return log


@pytest.mark.parametrize("how", ["close", "cut", "checkpoint"])
def test_everything_comes_back(how: str) -> None:
    files = FaultyFiles()
    store, log = a_log(files)
    log.config = LogConfig(segment_bytes=400)
    for round_ in range(6):
        stage(log, 1, round_)
        stage(log, 2, round_)
        mark(log, 1, commits=bool(round_ % 2))
        mark(log, 2, commits=not round_ % 2)
        commit(store)
    store.checkpoint()
    opened = stage(log, 1, 6)
    stage(log, 2, 6)
    mark(log, 2, commits=False)
    commit(store)
    aborted = log.aborted_between(0, log.high_watermark)
    assert len(aborted) == 7
    again = reopened(files, store, how=how)
    assert again.high_watermark == log.high_watermark
    assert again.last_stable_offset == opened
    assert again.aborted_between(0, again.high_watermark) == aborted
    assert again.open_transactions.items() == [(1, opened)]
    assert again.producers.get(1)._replace(written_ms=0) == log.producers.get(1)._replace(  # type: ignore[union-attr]
        written_ms=0
    )


def test_what_a_full_disk_delays_does_not_undo_what_came_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("summit.log.checkpoint.DEEP_BYTES", 0)
    for seed in range(6):  # the files of a checkpoint are written in any order
        files = FaultyFiles(seed)
        store, log = a_log(files)
        log.config = LogConfig(index_interval_bytes=1)
        for round_ in range(6):
            stage(log, 1, round_)
            mark(log, 1, commits=False)
            commit(store)
            if round_ in (1, 3):
                files.capacity_bytes = files.used_bytes()
                store.checkpoint()  # nothing of it fits
                files.capacity_bytes = None
                log.leader_epoch += 1
        aborted = log.aborted_between(0, log.high_watermark)
        (segment,) = log.segments
        before = [list(segment.offset_index.offsets), segment.time_index.timestamps[:5]]
        epochs = log.epochs.entries
        store.close()
        again = open_store(files).partition("t", 0)
        assert again is not None
        assert len(aborted) == 6
        assert again.aborted_between(0, again.high_watermark) == aborted
        (segment,) = again.segments
        assert [list(segment.offset_index.offsets), segment.time_index.timestamps[:5]] == before
        assert again.epochs.entries == epochs


def test_silent_producers_with_an_open_transaction_are_kept() -> None:
    store, log = a_log()
    stage(log, 1, 0)
    stage(log, 2, 0)
    mark(log, 2, commits=True)
    commit(store)
    assert log.producers.expire(NOW_MS + 1) == 1
    assert log.producers.get(1) is not None
    store.close()


def test_snapshots_hold_the_open_transaction() -> None:
    store, log = a_log()
    stage(log, 1, 0)
    stage(log, 2, 0)
    mark(log, 2, commits=True, epoch=4)
    commit(store)
    entries = log.producers.entries()
    assert entries[1].open_offset == 0
    assert entries[2].batches == ()
    assert decode_snapshot(encode_snapshot(entries)) == entries
    store.close()


def test_the_index_file_is_kafkas() -> None:
    entries = [AbortedTransaction(7, 3, 9, 10), AbortedTransaction(8, 4, 12, 4)]
    data = encode_aborted(entries)
    assert len(data) == 68
    assert data[:10] == b"\0\0" + (7).to_bytes(8, "big")
    assert decode_aborted(data, 100) == entries
    assert decode_aborted(data, 12) == entries[:1], "the log ends before the second marker"
    assert decode_aborted(data[:60], 100) == entries[:1]
    assert decode_aborted(bytes(68), 100) == []
