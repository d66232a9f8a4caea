"""The three threads of a broker on a real disk: staging and reading, persisting, checkpoints."""

from __future__ import annotations

import random
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from tests.sim.log_world import NOW_MS, a_batch, contents

from summit.base.clock import SystemClock
from summit.base.files import OsFiles
from summit.log import Group, LogConfig, LogStore, PartitionLog, StoreSettings
from summit.log.settings import Durability

GROUPS = 250


def opened(path: Path, durability: Durability) -> LogStore:
    settings = StoreSettings(
        durability=durability, wal_file_bytes=64 * 1024, checkpoint_bytes=100_000
    )
    return LogStore.open(OsFiles(), str(path), settings=settings, clock=SystemClock())


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_staging_persisting_and_checkpoints_side_by_side(
    tmp_path: Path, durability: Durability
) -> None:
    chance = random.Random(4)
    store = opened(tmp_path / "data", durability)
    config = LogConfig(segment_bytes=20_000, index_interval_bytes=1000)
    logs = store.create_partitions("t", UUID(int=1), range(4), config)
    expected: dict[PartitionLog, list[bytes]] = {log: [] for log in logs}
    checkpoints = 0
    with ThreadPoolExecutor(1) as disk, ThreadPoolExecutor(1) as upkeep:
        flight: tuple[Group, Future[None]] | None = None
        running: Future[None] | None = None
        for number in range(GROUPS):
            for _ in range(chance.randint(1, 12)):
                log = chance.choice(logs)
                value = b"%d " % number + chance.randbytes(chance.randint(1, 300))
                log.stage(a_batch(value), NOW_MS)
                expected[log].append(value)
            if number % 50 == 10:  # another topic comes and goes while groups are in flight
                extra = store.create_partition(f"extra{number}", UUID(int=number), 0, config)
                extra.stage(a_batch(b"x" * 30_000), NOW_MS)
                extra.stage(a_batch(b"y"), NOW_MS)
            group = store.seal()
            assert group is not None
            if flight is not None:
                flight[1].result(30)
                flight[0].publish()
            flight = (group, disk.submit(group.persist))
            if number % 50 == 12:
                assert store.delete_topic(f"extra{number - 2}")
            if store.maintenance_due:
                if running is not None:
                    running.result(30)
                running = upkeep.submit(store.begin_checkpoint().run)
                checkpoints += 1
            read_somewhere(chance, chance.choice(logs), expected)
        assert flight is not None
        flight[1].result(30)
        flight[0].publish()
        if running is not None:
            running.result(30)
    assert checkpoints > 2
    check(logs, expected)
    store.close()
    store = opened(tmp_path / "data", durability)
    assert store.report.was_clean
    assert len(store.partitions()) == 4
    check(store.partitions("t"), {log: expected[old] for log, old in zip(
        store.partitions("t"), logs, strict=True)})  # fmt: skip
    store.close()


def read_somewhere(
    chance: random.Random, log: PartitionLog, expected: dict[PartitionLog, list[bytes]]
) -> None:
    if log.high_watermark:
        offset = chance.randrange(log.high_watermark)
        data = log.read(offset, 2000)
        assert expected[log][offset] in data or len(data) > 2000


def check(logs: list[PartitionLog], expected: dict[PartitionLog, list[bytes]]) -> None:
    for log in logs:
        assert contents(log, 5000) == list(enumerate(expected[log]))
