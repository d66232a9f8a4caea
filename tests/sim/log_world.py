"""A store on a disk in memory, and short ways to write to it and to read it back."""

from __future__ import annotations

from uuid import UUID

from tests.sim.faulty_files import FaultyFiles

from summit.base.clock import ManualClock
from summit.base.rand import Rand
from summit.log import Group, LogConfig, LogStore, PartitionLog, StoreSettings
from summit.log.settings import Durability
from summit.records import Record, build_batch, check_crc, iter_records, split_batches

NOW_MS = 1_700_000_000_000
TOPIC_ID = UUID(int=7)


def open_store(
    files: FaultyFiles,
    *,
    durability: Durability = "fsync",
    config: LogConfig | None = None,
    wal_file_bytes: int = 16 * 1024,
    log_dirs: list[str] | None = None,
) -> LogStore:
    """Open the store under `/data` with small files."""
    settings = StoreSettings(
        durability=durability,
        wal_file_bytes=wal_file_bytes,
        checkpoint_bytes=32 * 1024,
        defaults=config or LogConfig(),
    )
    return LogStore.open(
        files, "/data", log_dirs, settings=settings, clock=ManualClock(NOW_MS), rand=Rand(1)
    )


def a_log(
    files: FaultyFiles | None = None,
    *,
    durability: Durability = "fsync",
    config: LogConfig | None = None,
) -> tuple[LogStore, PartitionLog]:
    """A new store with the one partition `t-0`."""
    store = open_store(files or FaultyFiles(), durability=durability, config=config)
    return store, store.create_partition("t", TOPIC_ID, 0)


def a_batch(
    *values: bytes | str,
    timestamp: int = NOW_MS,
    producer: tuple[int, int, int] = (-1, -1, -1),
    codec: int = 0,
) -> bytearray:
    """A batch of one record per value; timestamps grow by 1 ms; producer = id, epoch, sequence."""
    records = [
        Record(0, timestamp + i, None, value.encode() if isinstance(value, str) else value)
        for i, value in enumerate(values)
    ]
    return build_batch(
        records,
        codec=codec,
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=producer[2],
    )


def commit(store: LogStore) -> list[PartitionLog]:
    """Persist and publish what is staged."""
    group = store.seal()
    if group is None:
        return []
    group.persist()
    return group.publish()


def write(store: LogStore, log: PartitionLog, *values: bytes | str, now_ms: int = NOW_MS) -> int:
    """Write one batch and publish it. Returns: its base offset."""
    result = log.stage(a_batch(*values, timestamp=now_ms), now_ms)
    commit(store)
    return result.base_offset


def sealed(store: LogStore) -> Group:
    """Seal what is staged; there must be something."""
    group = store.seal()
    assert group is not None
    return group


def contents(log: PartitionLog, max_bytes: int = 300) -> list[tuple[int, bytes | None]]:
    """Every published record as (offset, value), read as a consumer reads; checks all batches."""
    found: list[tuple[int, bytes | None]] = []
    offset = log.start_offset
    while offset < log.high_watermark:
        data = log.read(offset, max_bytes)
        assert data, f"nothing at {offset} below the high watermark {log.high_watermark}"
        batches = split_batches(data)
        assert sum(size for _, size in batches) == len(data), "a batch is not whole"
        for position, size in batches:
            batch = data[position : position + size]
            assert check_crc(batch, 0, size)
            records = list(iter_records(batch))
            found += [(r.offset, r.value) for r in records if r.offset >= offset]
            offset = records[-1].offset + 1
    return found


def values(log: PartitionLog) -> list[str]:
    """The published values as text."""
    return [(value or b"").decode() for _, value in contents(log)]


def fail_next(files: FaultyFiles, operation: str, suffix: str, code: int) -> None:
    """Let the next `operation` on a file of that kind fail."""
    plain_step = files.step

    def step(what: str, path: str) -> int | None:
        fault = plain_step(what, path)
        if what == operation and path.endswith(suffix):
            files.step = plain_step  # type: ignore[method-assign]
            return code
        return fault

    files.step = step  # type: ignore[method-assign]
