"""The log alone: CPU-seconds of a commit tick, of reading and of recovery.

A tick is what one turn of a broker's loop does: 64 batches of one 100-byte record are staged,
sealed, persisted and published. The bare reference joins the same bytes and writes them with one
`pwrite` per partition (and one `fdatasync`, under `fsync`). Figures are CPU time of this process,
user and system. Target: at most 3 µs per batch in `os` durability.

    python bench/log/commit.py [--ticks 2000]
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from uuid import UUID

from summit.base.clock import SystemClock
from summit.base.files import OsFiles
from summit.log import LogStore, PartitionLog, StoreSettings
from summit.log.settings import Durability
from summit.records import Record, build_batch, validate_batch

NOW_MS = 1_700_000_000_000
BATCHES = 64
RECORD = Record(0, NOW_MS, None, b"x" * 100)


def open_store(path: str, durability: Durability) -> LogStore:
    settings = StoreSettings(durability=durability)
    return LogStore.open(OsFiles(), path, settings=settings, clock=SystemClock())


def tick(store: LogStore, logs: list[PartitionLog], batches: list[bytearray], now_ms: int) -> None:
    count = len(logs)
    for i, batch in enumerate(batches):
        logs[i % count].stage(batch, now_ms, validate_batch(batch))
    group = store.seal()
    assert group is not None
    group.persist()
    group.publish()


def bare_tick(fds: list[int], positions: list[int], batches: list[bytearray], wal: int) -> None:
    count = len(fds)
    for number, fd in enumerate(fds):
        data = b"".join(batches[number::count])
        os.pwrite(fd, data, positions[number])
        positions[number] += len(data)
    if wal >= 0:
        os.pwrite(wal, b"".join(batches), 4096)
        os.fdatasync(wal)


def cpu_us(work: Callable[[int], None], count: int) -> tuple[float, float]:
    """CPU and wall microseconds of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    for number in range(count):
        work(number)
    return (
        (time.process_time() - cpu) / count * 1e6,
        (time.perf_counter() - wall) / count * 1e6,
    )


def bench_ticks(ticks: int) -> None:
    print(f"{'tick of 64 batches':34} {'CPU µs/batch':>12} {'wall':>6} {'bare':>6} {'ratio':>6}")
    cases: list[tuple[Durability, int, bool]] = [
        ("os", 1, False), ("os", 1, True), ("os", 8, False), ("os", 64, False),
        ("fsync", 1, False), ("fsync", 8, False), ("fsync", 64, False),
    ]  # fmt: skip
    for durability, partitions, idempotent in cases:
        name = f"{durability}, {partitions} partitions{', idempotent' if idempotent else ''}"
        with tempfile.TemporaryDirectory() as path:
            ready = [tick_batches(number, idempotent) for number in range(ticks)]
            cpu, wall = ours(path, durability, partitions, ready)
            bare = bare_reference(path, durability, partitions, ready)
        print(
            f"{name:34} {cpu / BATCHES:12.2f} {wall / BATCHES:6.2f}"
            f" {bare / BATCHES:6.2f} {cpu / bare:6.1f}"
        )


def tick_batches(number: int, idempotent: bool) -> list[bytearray]:
    """The batches of tick `number`; each of 64 idempotent producers sends one."""
    if not idempotent:
        return [build_batch([RECORD]) for _ in range(BATCHES)]
    return [
        build_batch([RECORD], producer_id=producer, producer_epoch=0, base_sequence=number)
        for producer in range(BATCHES)
    ]


def ours(
    path: str, durability: Durability, partitions: int, ready: list[list[bytearray]]
) -> tuple[float, float]:
    """CPU and wall microseconds of a tick."""
    store = open_store(path, durability)
    logs = store.create_partitions("t", UUID(int=1), range(partitions))
    spent = cpu_us(lambda n: tick(store, logs, ready[n], NOW_MS + n), len(ready))
    store.close()
    return spent


def bare_reference(
    path: str, durability: Durability, partitions: int, ready: list[list[bytearray]]
) -> float:
    """CPU microseconds of the bare writes of a tick."""
    flags = os.O_RDWR | os.O_CREAT
    fds = [os.open(f"{path}/bare-{number}", flags) for number in range(partitions)]
    wal = os.open(f"{path}/bare-wal", flags) if durability == "fsync" else -1
    if wal >= 0:
        os.posix_fallocate(wal, 0, 1 << 20)
    positions = [0] * partitions
    cpu, _ = cpu_us(lambda n: bare_tick(fds, positions, ready[n], wal), len(ready))
    for fd in [*fds, *([wal] if wal >= 0 else [])]:
        os.close(fd)
    return cpu


def bench_large(count: int = 200) -> None:
    big = build_batch([RECORD] * 9000)
    modes: tuple[Durability, ...] = ("os", "fsync")
    for durability in modes:
        with tempfile.TemporaryDirectory() as path:
            store = open_store(path, durability)
            log = store.create_partition("t", UUID(int=1), 0)

            def work(number: int, store: LogStore = store, log: PartitionLog = log) -> None:
                tick(store, [log], [bytearray(big)], NOW_MS)
                if store.maintenance_due:
                    store.checkpoint()

            cpu, wall = cpu_us(work, count)
            per_million = cpu / 9000
            print(
                f"{f'{durability}, 1 MB batches':34} {cpu:8.0f} µs CPU a batch, {wall:.0f} wall"
                f" = {per_million:.3f} CPU-s per million records, checkpoints included"
            )
            store.close()


def bench_reads() -> None:
    with tempfile.TemporaryDirectory() as path:
        store = open_store(path, "os")
        log = store.create_partition("t", UUID(int=1), 0)
        for number in range(3000):
            tick(store, [log], [build_batch([RECORD]) for _ in range(BATCHES)], NOW_MS + number)
        end = log.high_watermark
        tail, _ = cpu_us(lambda _: len(log.read(end - BATCHES, 1 << 20)) and None, 20_000)
        offsets = [number * 7919 % end for number in range(5000)]
        random, _ = cpu_us(lambda n: len(log.read(offsets[n], 4096)) and None, 5000)
        position = [0]

        def step(_: int) -> None:
            data = log.read(position[0], 1 << 20)
            position[0] += len(data) // len(build_batch([RECORD]))

        whole, _ = cpu_us(step, 25)
        print(f"read at the tail {tail:.1f} µs, anywhere {random:.1f} µs, 1 MB on {whole:.0f} µs")
        store.close()


def bench_recovery() -> None:
    with tempfile.TemporaryDirectory() as path:
        store = open_store(path, "fsync")
        logs = store.create_partitions("t", UUID(int=1), range(8))
        batches = 0
        size = len(build_batch([RECORD]))
        while batches * size < 48 << 20:
            tick(store, logs, [build_batch([RECORD]) for _ in range(1024)], NOW_MS)
            batches += 1024
        shutil.copytree(path, f"{path}/killed", ignore=shutil.ignore_patterns("killed"))
        begun = time.perf_counter()
        after = open_store(f"{path}/killed", "fsync")
        seconds = time.perf_counter() - begun
        assert sum(log.high_watermark for log in after.partitions()) == batches
        print(
            f"restart after a kill: {batches} batches, {batches * size >> 20} MB of write-ahead log"
            f" in {seconds:.2f} s"
        )
        after.close()
        store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ticks", type=int, default=2000)
    options = parser.parse_args()
    bench_ticks(options.ticks)
    bench_large()
    bench_reads()
    bench_recovery()
