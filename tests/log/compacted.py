"""Compacted logs: keyed batches, a whole cleaning in one call, what a reader is left with."""

from __future__ import annotations

from collections.abc import Callable

from tests.sim.log_world import NOW_MS, commit

from summit.log import LogConfig, LogStore, PartitionLog
from summit.log.cleaning import Cleaning
from summit.records import (
    Record,
    build_batch,
    check_crc,
    iter_records,
    parse_header,
    split_batches,
)

COMPACTED = LogConfig(
    segment_bytes=700,
    index_interval_bytes=150,
    compact=True,
    delete=False,
    min_cleanable_dirty_ratio=0.01,
    delete_retention_ms=1000,
)


def keyed(
    *pairs: tuple[str, str | None],
    producer: tuple[int, int, int] = (-1, -1, -1),
    codec: int = 0,
    attributes: int = 0,
    now_ms: int = NOW_MS,
) -> bytearray:
    """A batch of (key, value); None is a tombstone."""
    records = [
        Record(
            0, now_ms + i, key.encode(), None if value is None else value.encode(), (("h", b"1"),)
        )
        for i, (key, value) in enumerate(pairs)
    ]
    return build_batch(
        records, codec=codec, attributes=attributes, producer_id=producer[0],
        producer_epoch=producer[1], base_sequence=producer[2],
    )  # fmt: skip


def put(store: LogStore, log: PartitionLog, *pairs: tuple[str, str | None], codec: int = 0) -> int:
    """Write and publish one batch. Returns: its base offset."""
    offset = log.stage(keyed(*pairs, codec=codec), NOW_MS).base_offset
    commit(store)
    return offset


def clean(
    store: LogStore,
    now_ms: int = NOW_MS,
    *,
    between: Callable[[], None] = lambda: None,
    keys_max: int | None = None,
) -> Cleaning | None:
    """Run a cleaning if one is due; checkpoints before and after, as housekeeping does."""
    store.checkpoint()
    cleaning = store.begin_cleaning(now_ms)
    if cleaning is None:
        return None
    if keys_max is not None:
        cleaning.keys_max = keys_max
    cleaning.prepare(no_breath)
    while cleaning.copy(no_breath):
        between()
        cleaning.replace()
        between()
        cleaning.settle()
        between()
    cleaning.finish(is_complete=True)
    store.checkpoint()
    return cleaning


def no_breath(size_bytes: int) -> None:
    """As fast as it goes."""


def records(log: PartitionLog, max_bytes: int = 300) -> list[Record]:
    """Every record as a consumer reads it: over holes, batch by batch."""
    found: list[Record] = []
    offset = log.start_offset
    while offset < log.high_watermark:
        data = log.read(offset, max_bytes)
        if not data:
            break
        for position, size in split_batches(data):
            batch = data[position : position + size]
            assert check_crc(batch, 0, size)
            header = parse_header(batch)
            assert header.last_offset >= offset
            if not header.is_control:
                found += [r for r in iter_records(batch) if r.offset >= offset]
            offset = header.last_offset + 1
    offsets = [record.offset for record in found]
    assert offsets == sorted(set(offsets))
    return found


def table(log: PartitionLog) -> dict[str, str]:
    """What the log comes to."""
    state: dict[str, str] = {}
    for record in records(log):
        key = (record.key or b"").decode()
        if record.value is None:
            state.pop(key, None)
        else:
            state[key] = record.value.decode()
    return state
