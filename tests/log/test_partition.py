"""One partition's log: offsets, rolling, reading at both ends and in the middle, rolling back."""

from __future__ import annotations

import pytest
from tests.sim.log_world import (
    NOW_MS,
    a_batch,
    a_log,
    commit,
    contents,
    sealed,
    values,
    write,
)

from summit.base.errors import Closed, Conflict, Invalid
from summit.log import LogConfig, PartitionLog
from summit.records import parse_header, validate_batch

SMALL = LogConfig(segment_bytes=1000, index_interval_bytes=150)


def names(log: PartitionLog) -> list[int]:
    return [segment.base_offset for segment in log.segments]


def test_offsets_are_given_and_nothing_is_seen_before_publish() -> None:
    store, log = a_log()
    first = log.stage(a_batch("a", "b"), NOW_MS)
    second = log.stage(a_batch("c"), NOW_MS)
    assert (first.base_offset, first.last_offset) == (0, 1)
    assert (second.base_offset, second.last_offset) == (2, 2)
    assert (log.end_offset, log.high_watermark) == (3, 0)
    assert log.read(0, 1000) == b""
    group = sealed(store)
    group.persist()
    assert log.read(0, 1000) == b""
    assert group.publish() == [log]
    assert log.high_watermark == 3
    assert contents(log) == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert store.seal() is None


def test_the_batch_is_patched_in_place_and_a_read_only_one_copied() -> None:
    store, log = a_log()
    write(store, log, "before")
    log.leader_epoch = 4
    batch = a_batch("x")
    log.stage(batch, NOW_MS)
    assert parse_header(batch)[:3:2] == (1, 4)
    sent = bytes(a_batch("y"))
    assert log.stage(sent, NOW_MS).base_offset == 2
    assert log.stage(memoryview(sent), NOW_MS, validate_batch(sent)).base_offset == 3
    assert parse_header(sent).base_offset == 0
    commit(store)
    assert values(log) == ["before", "x", "y", "y"]


def test_a_batch_that_is_too_large() -> None:
    _, log = a_log(config=LogConfig(max_message_bytes=100))
    with pytest.raises(Invalid) as caught:
        log.stage(a_batch("x" * 50), NOW_MS)
    assert caught.value.kafka_code == "MESSAGE_TOO_LARGE"
    assert log.end_offset == 0


def test_append_time() -> None:
    store, log = a_log(config=LogConfig(log_append_time=True))
    result = log.stage(a_batch("x", timestamp=5), NOW_MS)
    commit(store)
    assert result.log_append_time == NOW_MS
    assert contents(log) == [(0, b"x")]
    assert log.offset_for_timestamp(6) == (0, NOW_MS)


def test_segments_roll_by_size_and_age() -> None:
    store, log = a_log(config=SMALL)
    for number in range(20):
        write(store, log, f"{number:0100}")
    assert names(log) == [0, 5, 10, 15]
    assert values(log) == [f"{number:0100}" for number in range(20)]
    log.config = LogConfig(segment_ms=1000)
    write(store, log, "still young", now_ms=NOW_MS + 1000)
    write(store, log, "old", now_ms=NOW_MS + 1001)
    write(store, log, "young", now_ms=NOW_MS + 1500)
    assert names(log) == [0, 5, 10, 15, 21]


def test_segments_roll_inside_a_group() -> None:
    store, log = a_log(config=SMALL)
    for number in range(20):
        log.stage(a_batch(f"{number:0100}"), NOW_MS)
    assert commit(store) == [log] * 4
    assert names(log) == [0, 5, 10, 15]
    assert values(log) == [f"{number:0100}" for number in range(20)]


def test_a_batch_larger_than_a_segment_has_one_of_its_own() -> None:
    store, log = a_log(config=SMALL)
    for size in (10, 5000, 10):
        write(store, log, "x" * size)
    assert names(log) == [0, 1, 2]
    assert [len(value) for value in values(log)] == [10, 5000, 10]


@pytest.mark.parametrize("max_bytes", [1, 100, 170, 500, 5000])
def test_reading_from_every_offset(max_bytes: int) -> None:
    store, log = a_log(config=SMALL)
    for number in range(0, 60, 3):
        log.stage(a_batch(*(f"{number + i:040}" for i in range(3))), NOW_MS)
        if number % 4 == 0:
            commit(store)
    commit(store)
    for offset in range(60):
        data = log.read(offset, max_bytes)
        first = parse_header(data)
        assert first.base_offset <= offset <= first.last_offset
        assert len(data) <= max(max_bytes, first.size)
        again = log.read(offset, max_bytes)
        assert again == data
    everything = [(number, f"{number:040}".encode()) for number in range(60)]
    assert contents(log, max_bytes) == everything
    log._hints.clear()
    assert contents(log, max_bytes) == everything


def test_less_than_one_batch() -> None:
    store, log = a_log()
    write(store, log, "x" * 500)
    assert len(log.read(0, 10)) > 500
    assert log.read(0, 10, at_least_one=False) == b""


def test_reading_at_the_ends() -> None:
    store, log = a_log()
    write(store, log, "a")
    log.stage(a_batch("b"), NOW_MS)
    assert log.read(1, 100) == b""
    assert log.read(2, 100) == b""
    for offset in (-1, 3, 2**40):
        with pytest.raises(Invalid) as caught:
            log.read(offset, 100)
        assert caught.value.kafka_code == "OFFSET_OUT_OF_RANGE"


def test_a_read_at_the_tail_searches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store, log = a_log()
    for number in range(50):
        write(store, log, f"{number}")
    monkeypatch.setattr(PartitionLog, "_locate", None)
    assert log.read(49, 1000)
    write(store, log, "x", "y")
    assert log.read(50, 1000)


def test_a_consumer_that_reads_on_searches_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store, log = a_log(config=LogConfig(index_interval_bytes=300))
    for number in range(400):
        log.stage(a_batch(f"{number:030}"), NOW_MS)
    commit(store)
    monkeypatch.setattr(PartitionLog, "_locate", None)
    assert len(contents(log, 1000)) == 400


def test_rolling_back_gives_the_same_offsets_again() -> None:
    store, log = a_log(config=SMALL)
    write(store, log, "x" * 100, "kept")
    before = [getattr(log, name) for name in ("_tail_position", "_unindexed_bytes", "_tail_offset")]
    for number in range(12):
        log.stage(a_batch(f"{number:0100}", producer=(5, 0, number)), NOW_MS + number)
        if number == 6:
            sealed(store)
    assert len(log._unpublished) == 4
    assert log.roll_back()
    assert not log.roll_back()
    after = [getattr(log, name) for name in ("_tail_position", "_unindexed_bytes", "_tail_offset")]
    assert before == after
    assert log.producers.get(5) is None
    assert log.max_timestamp() == (1, NOW_MS + 1)
    result = log.stage(a_batch("again", producer=(5, 0, 0)), NOW_MS)
    assert (result.base_offset, result.duplicate) == (2, False)
    log.stage(a_batch("other"), NOW_MS)
    assert log.roll_back()
    assert log.stage(a_batch("last", producer=(5, 0, 0)), NOW_MS).base_offset == 2


def test_duplicates() -> None:
    store, log = a_log()
    batch = a_batch("a", "b", producer=(7, 0, 0))
    assert log.stage(bytearray(batch), NOW_MS) == (0, 1, False, -1, False)
    # Sent again while the first is in flight: answered with it, and there is a group to wait for.
    assert log.stage(bytearray(batch), NOW_MS) == (0, 1, True, -1, False)
    first = sealed(store)
    assert log.stage(bytearray(batch), NOW_MS) == (0, 1, True, -1, False)
    second = sealed(store)
    for group in (first, second):
        group.persist()
        assert group.publish() == [log]
    assert log.stage(bytearray(batch), NOW_MS) == (0, 1, True, -1, True)
    assert store.seal() is None
    assert values(log) == ["a", "b"]


def test_a_write_may_follow_a_repeated_batch_in_its_group() -> None:
    store, log = a_log()
    log.stage(a_batch("a", producer=(7, 0, 0)), NOW_MS)
    first = sealed(store)
    log.stage(a_batch("a", producer=(7, 0, 0)), NOW_MS)
    log.stage(a_batch("b", producer=(7, 0, 1)), NOW_MS)
    first.persist()
    first.publish()
    commit(store)
    assert values(log) == ["a", "b"]
    assert log.epochs.entries == [(0, 0)]


def test_sequences_are_checked_against_what_is_staged() -> None:
    _, log = a_log()
    log.stage(a_batch("a", producer=(7, 1, 0)), NOW_MS)
    with pytest.raises(Conflict):
        log.stage(a_batch("c", producer=(7, 1, 2)), NOW_MS)
    with pytest.raises(Closed):
        log.stage(a_batch("b", producer=(7, 0, 1)), NOW_MS)
    assert log.end_offset == 1


def test_leader_epochs() -> None:
    store, log = a_log()
    write(store, log, "a", "b")
    log.leader_epoch = 3
    assert log.end_offset_for_epoch(0) == (0, 2)
    assert log.end_offset_for_epoch(3) == (3, 2)
    write(store, log, "c")
    assert log.end_offset_for_epoch(0) == (0, 2)
    assert log.end_offset_for_epoch(2) == (0, 2)
    assert log.end_offset_for_epoch(3) == (3, 3)
    assert log.end_offset_for_epoch(4) == (-1, -1)


def filled(config: LogConfig = SMALL) -> PartitionLog:
    """20 records of 1 s distance in four segments that start at 0, 5, 10 and 15."""
    store, log = a_log(config=config)
    for number in range(20):
        write(store, log, f"{number:0100}", now_ms=NOW_MS + number * 1000)
    return log


def test_retention_by_time() -> None:
    log = filled(LogConfig(segment_bytes=1000, retention_ms=10_000))
    assert log.expire(NOW_MS + 14_000) == []
    assert [segment.base_offset for segment in log.expire(NOW_MS + 14_001)] == [0]
    assert (log.start_offset, names(log)) == (5, [5, 10, 15])
    assert [offset for offset, _ in contents(log)] == list(range(5, 20))
    with pytest.raises(Invalid):
        log.read(4, 100)


def test_retention_empties_a_log_that_nobody_writes_to() -> None:
    store, log = a_log(config=LogConfig(retention_ms=1000))
    write(store, log, "a", "b")
    log.stage(a_batch("staged"), NOW_MS)
    assert log.expire(NOW_MS + 5000) == []
    commit(store)
    assert [segment.base_offset for segment in log.expire(NOW_MS + 5000)] == [0]
    assert (log.start_offset, log.high_watermark, names(log)) == (3, 3, [3])
    assert log.read(3, 100) == b""
    assert log.expire(NOW_MS + 9000) == []
    assert write(store, log, "c", now_ms=NOW_MS + 9000) == 3
    assert contents(log) == [(3, b"c")]


def test_retention_by_size() -> None:
    log = filled(LogConfig(segment_bytes=1000, retention_bytes=2000, retention_ms=-1))
    size = log.segments[0].size
    assert log.size_bytes == 4 * size
    assert [segment.base_offset for segment in log.expire(NOW_MS)] == [0]
    assert log.expire(NOW_MS) == []
    log.config = LogConfig(retention_bytes=0, retention_ms=-1)
    assert len(log.expire(NOW_MS)) == 2
    assert names(log) == [15]


def test_retention_only_where_the_policy_is_delete() -> None:
    log = filled(LogConfig(segment_bytes=1000, retention_bytes=0, retention_ms=1, delete=False))
    assert log.expire(NOW_MS + 10**9) == []


def test_records_before_an_offset_are_hidden() -> None:
    log = filled()
    log.advance_start(7)
    assert [offset for offset, _ in contents(log)] == list(range(7, 20))
    assert [segment.base_offset for segment in log.expire(NOW_MS)] == [0]
    assert log.start_offset == 7
    log.advance_start(3)
    assert log.start_offset == 7
    log.advance_start(20)
    assert contents(log) == []
    with pytest.raises(Invalid):
        log.advance_start(21)


def test_offset_for_timestamp() -> None:
    log = filled()
    assert log.offset_for_timestamp(0) == (0, NOW_MS)
    for number in range(20):
        assert log.offset_for_timestamp(NOW_MS + number * 1000) == (number, NOW_MS + number * 1000)
        if number:
            earlier = NOW_MS + number * 1000 - 999
            assert log.offset_for_timestamp(earlier) == (number, NOW_MS + number * 1000)
    assert log.offset_for_timestamp(NOW_MS + 19_001) is None
    log.advance_start(7)
    assert log.offset_for_timestamp(0) == (7, NOW_MS + 7000)


def test_offset_for_timestamp_inside_a_batch_and_out_of_order() -> None:
    store, log = a_log(config=SMALL)
    write(store, log, *"abcdef", now_ms=1000)
    write(store, log, "late", now_ms=10)
    write(store, log, "next", now_ms=2000)
    log.stage(a_batch("staged", timestamp=9000), NOW_MS)
    assert log.offset_for_timestamp(5) == (0, 1000)
    assert log.offset_for_timestamp(1003) == (3, 1003)
    assert log.offset_for_timestamp(1006) == (7, 2000)
    assert log.offset_for_timestamp(2001) is None


def test_max_timestamp() -> None:
    store, log = a_log(config=SMALL)
    assert log.max_timestamp() is None
    write(store, log, "a", "b", "c", now_ms=500)
    assert log.max_timestamp() == (2, 502)
    write(store, log, "late", now_ms=10)
    log.stage(a_batch("staged", timestamp=9000), NOW_MS)
    assert log.max_timestamp() == (2, 502)
    commit(store)
    assert log.max_timestamp() == (4, 9000)
    for _ in range(20):
        write(store, log, "x" * 100, now_ms=700)
    assert len(names(log)) > 2
    assert log.max_timestamp() == (4, 9000)
