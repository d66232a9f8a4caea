"""Compaction of a log against a dict, and each of its promises by itself."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.log.compacted import COMPACTED, clean, keyed, no_breath, put, records, table
from tests.sim.faulty_files import FaultyFiles
from tests.sim.log_world import NOW_MS, a_log, commit, fail_next, open_store, write

from summit.base.errors import Unavailable
from summit.log import LogConfig, LogStore, PartitionLog
from summit.records import parse_header, split_batches
from summit.records.batch import TRANSACTIONAL


def config(**fields: object) -> LogConfig:
    return dataclasses.replace(COMPACTED, **fields)  # type: ignore[arg-type]


def world(files: FaultyFiles | None = None, **fields: object) -> tuple[LogStore, PartitionLog]:
    return a_log(files, config=config(**fields))


def fill(store: LogStore, log: PartitionLog, count: int, keys: int, *, prefix: str = "v") -> None:
    for number in range(count):
        put(store, log, (f"k{number % keys}", f"{prefix}{number}" + "." * 60))


def offsets(log: PartitionLog) -> list[int]:
    return [record.offset for record in records(log)]


def test_of_every_key_the_last_record_stays_at_its_offset() -> None:
    store, log = world()
    fill(store, log, 40, 4)
    before, end = table(log), log.high_watermark
    closed_to = log.segments[-1].base_offset
    run = clean(store)
    assert run is not None
    assert run.bytes_after < run.bytes_before
    left = records(log)
    assert [r.offset for r in left if r.offset < closed_to] == list(range(closed_to - 4, closed_to))
    assert all(r.value is not None and r.value.startswith(b"v%d." % r.offset) for r in left)
    assert all(r.headers == (("h", b"1"),) and r.timestamp == NOW_MS for r in left)
    assert table(log) == before
    assert (log.high_watermark, log.start_offset) == (end, 0)
    assert clean(store) is None, "nothing is dirty now"


def test_a_second_cleaning_takes_out_what_is_new() -> None:
    store, log = world()
    for turn in range(4):
        fill(store, log, 20, 5, prefix=f"t{turn}-")
        clean(store)
    assert len(offsets(log)) < 5 + 20
    assert set(table(log)) == {f"k{n}" for n in range(5)}
    assert len(log.segments) < 12, "small segments are merged"


def test_every_offset_can_still_be_asked_for() -> None:
    store, log = world()
    fill(store, log, 60, 3)
    clean(store)
    present = offsets(log)
    for offset in range(log.start_offset, log.high_watermark):
        data = log.read(offset, 10_000)
        following = [o for o in present if o >= offset]
        first = parse_header(data)
        assert first.last_offset >= offset
        assert following[0] >= first.base_offset
    assert log.offset_for_timestamp(NOW_MS) == (present[0], NOW_MS)


@pytest.mark.parametrize("codec", range(5))
def test_batches_of_every_codec(codec: int) -> None:
    store, log = world()
    for number in range(12):
        pairs = [(f"k{(number + i) % 7}", f"{number}.{i}" * 5) for i in range(5)]
        put(store, log, *pairs, codec=codec)
    before = table(log)
    clean(store)
    assert table(log) == before
    first = parse_header(log.read(0, 1))
    assert first.codec == codec
    assert first.last_offset_delta == 4


def test_tombstones_stay_for_their_time_and_take_the_key_with_them() -> None:
    store, log = world()
    put(store, log, ("a", "1"), ("b", "1"))
    put(store, log, ("a", None), ("c", "1"))
    fill(store, log, 10, 2)
    clean(store, NOW_MS)
    assert [(r.key, r.value) for r in records(log)][:3] == [
        (b"b", b"1"),
        (b"a", None),
        (b"c", b"1"),
    ]
    times = {r.key: r.timestamp for r in records(log)}
    assert (times[b"a"], times[b"c"]) == (NOW_MS, NOW_MS + 1), "the horizon changes no time"
    fill(store, log, 10, 2)
    clean(store, NOW_MS + 1000)
    assert b"a" in {r.key for r in records(log)}, "not older than a second"
    fill(store, log, 10, 2)
    clean(store, NOW_MS + 1001)
    assert b"a" not in {r.key for r in records(log)}
    assert table(log)["c"] == "1"


def test_a_producers_last_batch_stays_though_empty() -> None:
    store, log = world()
    log.stage(keyed(("a", "old"), producer=(7, 0, 0)), NOW_MS)
    log.stage(keyed(("a", "mine"), ("b", "mine"), producer=(7, 0, 1)), NOW_MS)
    commit(store)
    put(store, log, ("a", "newer"), ("b", "newer"))
    fill(store, log, 10, 2)
    clean(store)
    headers = [parse_header(data) for data in batches(log)]
    (mine,) = [header for header in headers if header.producer_id == 7]
    assert (mine.record_count, mine.base_sequence, mine.last_sequence) == (0, 1, 2)
    assert (mine.base_offset, mine.last_offset) == (1, 2)
    again = log.stage(keyed(("a", "mine"), ("b", "mine"), producer=(7, 0, 1)), NOW_MS)
    assert again.duplicate
    assert again.base_offset == 1
    fill(store, log, 10, 2)
    clean(store)  # over an empty batch
    assert 7 in {parse_header(data).producer_id for data in batches(log)}


def batches(log: PartitionLog) -> list[bytes]:
    found: list[bytes] = []
    offset = 0
    while offset < log.high_watermark:
        data = log.read(offset, 1)
        (_, size), *_ = split_batches(data)
        found.append(data[:size])
        offset = parse_header(data).last_offset + 1
    return found


def test_the_active_segment_and_what_no_checkpoint_covers_stay() -> None:
    store, log = world()
    put(store, log, ("a", "1"))
    put(store, log, ("a", "2"))
    assert clean(store) is None
    fill(store, log, 20, 1)
    assert store.begin_cleaning(NOW_MS) is None, "no checkpoint yet"


def test_never_beyond_an_open_transaction() -> None:
    store, log = world()
    fill(store, log, 10, 1)
    log.stage(keyed(("t", "1"), producer=(3, 0, 0), attributes=TRANSACTIONAL), NOW_MS)
    commit(store)
    opened = log.high_watermark - 1
    fill(store, log, 20, 1)
    clean(store)
    left = offsets(log)
    assert left[-20:] == list(range(opened + 1, opened + 21))
    assert opened in left
    log.stage_marker(3, 0, is_commit=True, coordinator_epoch=0, now_ms=NOW_MS)
    commit(store)
    fill(store, log, 10, 1)
    clean(store)
    assert opened in offsets(log)
    assert opened + 1 not in offsets(log)
    assert table(log)["t"] == "1"


def test_aborted_records_go_and_hide_nothing() -> None:
    store, log = world()
    put(store, log, ("a", "good"))
    log.stage(keyed(("a", "aborted"), producer=(3, 0, 0), attributes=TRANSACTIONAL), NOW_MS)
    commit(store)
    log.stage_marker(3, 0, is_commit=False, coordinator_epoch=0, now_ms=NOW_MS)
    commit(store)
    fill(store, log, 20, 2)
    clean(store)
    assert table(log)["a"] == "good"
    markers = [header for data in batches(log) if (header := parse_header(data)).is_control]
    assert [header.base_offset for header in markers] == [2]
    assert [entry.first_offset for s in log.segments for entry in s.aborted] == [1]


def test_more_keys_than_fit_into_memory_are_cleaned_in_turns() -> None:
    store, log = world()
    fill(store, log, 60, 20)
    before = table(log)
    for _ in range(12):
        clean(store, keys_max=6)
        assert table(log) == before
    closed_to = log.segments[-1].base_offset
    assert len([o for o in offsets(log) if o < closed_to]) <= 20


def test_lag_and_ratio_decide_when() -> None:
    store, log = world(min_compaction_lag_ms=500)
    fill(store, log, 20, 1)
    assert clean(store, NOW_MS + 499) is None
    assert clean(store, NOW_MS + 500) is not None
    log.config = config(min_cleanable_dirty_ratio=0.9)
    fill(store, log, 20, 20)
    clean(store)
    fill(store, log, 16, 20, prefix="n")
    assert clean(store) is None
    log.config = config(min_cleanable_dirty_ratio=0.9, max_compaction_lag_ms=1000)
    assert clean(store, NOW_MS + 1000) is None
    assert clean(store, NOW_MS + 1001) is not None


def test_reading_goes_on_while_it_runs() -> None:
    store, log = world()
    fill(store, log, 40, 6)
    before = table(log)
    log.read(0, 10)  # leaves a hint into a segment that goes
    seen: list[dict[str, str]] = []

    def look() -> None:
        store.begin_checkpoint().run()  # closes files, syncs
        fill(store, log, 1, 1, prefix="late")
        assert set(table(log)) == set(before)
        seen.append(table(log))

    clean(store, between=look)
    assert len(seen) >= 3


def test_compact_and_delete_together() -> None:
    store, log = world(delete=True, retention_ms=1000)
    fill(store, log, 40, 4)
    clean(store)
    assert store.apply_retention(NOW_MS + 1001) >= 1
    assert records(log) == []
    assert log.start_offset == log.high_watermark


def test_retention_waits_for_a_cleaning() -> None:
    store, log = world(delete=True, retention_ms=1000)
    fill(store, log, 40, 4)
    store.checkpoint()
    cleaning = store.begin_cleaning(NOW_MS)
    assert cleaning is not None
    cleaning.prepare(no_breath)
    assert cleaning.copy(no_breath)
    assert store.apply_retention(NOW_MS + 1001) == 0
    cleaning.replace()
    cleaning.settle()
    cleaning.finish(is_complete=False)
    assert store.apply_retention(NOW_MS + 1001) >= 1


@pytest.mark.parametrize("steps", range(4))
def test_a_topic_deleted_under_a_cleaning(steps: int) -> None:
    store, log = world()
    fill(store, log, 40, 4)
    store.checkpoint()
    cleaning = store.begin_cleaning(NOW_MS)
    assert cleaning is not None
    acts = [
        lambda: cleaning.prepare(no_breath),
        lambda: cleaning.copy(no_breath),
        cleaning.replace,
        cleaning.settle,
    ]
    for act in acts[:steps]:
        act()
    store.delete_topic("t")
    for act in acts[steps:]:
        act()
    cleaning.finish(is_complete=True)
    store.checkpoint()
    assert store.partitions("t") == []
    store.close()


@pytest.mark.parametrize("suffix", [".log.cleaned", ".index.cleaned", ".swap.tmp"])
def test_a_full_disk_ends_it_and_leaves_nothing(suffix: str) -> None:
    files = FaultyFiles()
    store, log = world(files)
    put(store, log, ("first", "stays"))
    fill(store, log, 40, 4)
    before = table(log)
    store.checkpoint()
    cleaning = store.begin_cleaning(NOW_MS)
    assert cleaning is not None
    cleaning.prepare(no_breath)
    fail_next(files, "pwrite", suffix, 28)
    with pytest.raises(Unavailable):
        cleaning.copy(no_breath)
    cleaning.finish(is_complete=False)
    assert not [name for name in files.list_dir(log.directory) if "cleaned" in name]
    assert table(log) == before
    assert clean(store) is not None
    assert table(log) == before


def test_after_a_clean_close_and_after_a_crash_it_goes_on() -> None:
    files = FaultyFiles()
    store, log = world(files)
    fill(store, log, 40, 4)
    clean(store)
    expected = records(log)
    store.close()
    crashed = files.crash("none")
    files.has_power = True
    for disk in (files, crashed):
        store = open_store(disk, config=COMPACTED)
        again = store.partition("t", 0)
        assert again is not None
        assert not store.report.gaps
        assert records(again) == expected
        assert again.cleaned_offset == log.cleaned_offset
        write(store, again, "on")
        disk.locked.clear()


commands = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.lists(
                st.tuples(st.sampled_from("abcdefgh"), st.none() | st.text("xyz", max_size=40)),
                min_size=1,
                max_size=6,
            ),
            st.integers(0, 4),
        ),
        st.tuples(st.just("clean"), st.integers(2, 40), st.integers(0, 900)),
        st.tuples(st.just("reopen"), st.booleans(), st.just(0)),
    ),
    max_size=60,
)


@given(commands=commands)
@settings(max_examples=120, deadline=None)
def test_it_is_a_dict(commands: list[tuple[str, object, int]]) -> None:
    """Whatever is written, cleaned and restarted: the log comes to the same as a dict."""
    files = FaultyFiles()
    store, log = a_log(files, config=dataclasses.replace(COMPACTED, segment_bytes=400))
    model: dict[str, str] = {}
    last: dict[str, int] = {}
    now_ms = NOW_MS
    for kind, what, number in commands:
        if kind == "put":
            assert isinstance(what, list)
            base = put(store, log, *what, codec=number)
            for i, (key, value) in enumerate(what):
                last[key] = base + i
                if value is None:
                    model.pop(key, None)
                else:
                    model[key] = value
        elif kind == "clean":
            assert isinstance(what, int)
            now_ms += number
            clean(store, now_ms, keys_max=what)
        else:
            if what:
                store.close()
            else:
                store.checkpoint()
                files = files.crash("all")
            files.locked.clear()
            store = open_store(files, config=log.config)
            found = store.partition("t", 0)
            assert found is not None
            assert not store.report.gaps
            log = found
        left = records(log)
        assert table(log) == model
        newest = {(r.key or b"").decode(): r.offset for r in left}
        assert all(newest[key] == last[key] for key in model)
