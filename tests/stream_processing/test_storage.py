"""`StorageEngine`: every method, on a real disk, in memory, and on disks that fail."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.sim.faulty_files import FaultyFiles

from summit.base.clock import ManualClock
from summit.base.errors import Closed, Conflict, Corrupt, Invalid, Unavailable
from summit.base.files import OsFiles
from summit.base.memory_files import MemoryFiles
from summit.records import check_crc, parse_header
from summit.stream_processing import (
    ConsumerRecord,
    Headers,
    ProducerRecord,
    StorageConfig,
    StorageEngine,
    StreamMessage,
)

DAY_MS = 86_400_000


def run(work: Any) -> Any:
    return asyncio.run(work)


def engine(path: Path, **fields: Any) -> StorageEngine:
    return StorageEngine({"dataDir": str(path), "durability": "os", **fields})


async def fill(storage: StorageEngine, topic: str, count: int, partition: int = 0) -> None:
    for number in range(count):
        await storage.append(topic, partition, {"key": f"k{number % 3}", "value": f"v{number}"})


async def values(
    storage: StorageEngine, topic: str, start: int = 0, count: int = 1000
) -> list[str]:
    return [record.text() for record in await storage.read(topic, 0, start, count)]


# ---- appending and reading ----


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_what_is_appended_is_read_back_whole(tmp_path: Path, durability: str) -> None:
    async def go() -> None:
        async with StorageEngine(data_dir=str(tmp_path), durability=durability) as storage:
            message = {"key": "k", "value": b"\0v", "headers": {"h": "1"}, "timestamp": 1_000}
            assert await storage.append("a-b", 3, message) == 0
            assert await storage.append("a-b", 3, ProducerRecord(topic="x", value=None)) == 1
            copied = StreamMessage("other", 9, 77, 5, b"kk", b"vv", Headers([("n", None)]))
            assert await storage.append("a-b", 3, copied) == 2
            first, second, third = await storage.read("a-b", 3, 0)
            assert isinstance(first, ConsumerRecord)
            assert (first.topic, first.partition, first.offset) == ("a-b", 3, 0)
            assert (first.key, first.value, first.timestamp) == (b"k", b"\0v", 1_000)
            assert first.headers == {"h": b"1"}
            assert (second.key, second.value) == (None, None)
            assert (third.key, third.value, third.timestamp) == (b"kk", b"vv", 5)
            assert await storage.partitions() == [("a-b", 3)]

    run(go())


def test_reading_ranges(tmp_path: Path) -> None:
    async def go() -> None:
        async with engine(tmp_path, segment_bytes=1_024) as storage:
            await fill(storage, "a-b", 60)
            assert [r.offset for r in await storage.read("a-b", 0, 17, 25)] == list(range(17, 42))
            assert len(await storage.read("a-b", 0, 0)) == 60
            assert len(await storage.read("a-b", 0, 0, 7)) == 7
            assert await storage.read("a-b", 0, 60) == []
            for call, code in (
                (storage.read("a-b", 0, 61), "log.offset_out_of_range"),
                (storage.read("a-b", 1, 0), "partition.unknown"),
                (storage.read("nowhere", 0, 0), "partition.unknown"),
                (storage.read("a-b", 0, -1), "client.refused"),
                (storage.read("a-b", 0, 0, 0), "client.refused"),
            ):
                with pytest.raises(Invalid) as caught:
                    await call
                assert caught.value.code == code

    run(go())


def test_marks_of_a_partition(tmp_path: Path) -> None:
    async def go() -> None:
        async with engine(tmp_path) as storage:
            await fill(storage, "a-b", 5)
            assert await storage.get_high_water_mark("a-b", 0) == 5
            assert await storage.get_log_start_offset("a-b", 0) == 0
            for question in (storage.get_high_water_mark, storage.get_log_start_offset):
                with pytest.raises(Invalid, match="no partition 7"):
                    await question("a-b", 7)

    run(go())


def test_many_appends_at_once_keep_their_order(tmp_path: Path) -> None:
    async def go() -> None:
        async with StorageEngine(data_dir=str(tmp_path)) as storage:
            offsets = await asyncio.gather(
                *(storage.append("a-b", n % 2, {"value": f"{n}"}) for n in range(400))
            )
            assert offsets == [n // 2 for n in range(400)]
            assert [r.text() for r in await storage.read("a-b", 1, 0, 500)] == [
                f"{n}" for n in range(1, 400, 2)
            ]

    run(go())


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compression(tmp_path: Path, codec: str) -> None:
    async def go() -> None:
        async with engine(tmp_path, compression_type=codec) as storage:
            await storage.append("a-b", 0, {"value": "x" * 50_000})
            assert (await storage.read("a-b", 0, 0))[0].value == b"x" * 50_000
        assert (tmp_path / "a-b-0" / f"{0:020d}.log").stat().st_size < 5_000

    run(go())


@pytest.mark.parametrize(
    ("where", "message", "code"),
    [
        (("a b", 0), {"value": "v"}, "topic.name_invalid"),
        (("a-b", -1), {"value": "v"}, "config.invalid"),
        (("a-b", 0), {"value": "x" * 2_000_000}, "batch.too_large"),
        (("a-b", 0), {"value": 5}, "record.invalid"),
        (("a-b", 0), {"value": "v", "timestamp": -5}, "record.invalid"),
        (("a-b", 0), {"value": "v", "offset": 9}, "config.unknown_key"),
    ],
)
def test_what_cannot_be_appended(
    tmp_path: Path, where: tuple[str, int], message: dict[str, Any], code: str
) -> None:
    async def go() -> None:
        async with engine(tmp_path) as storage:
            with pytest.raises(Invalid) as caught:
                await storage.append(*where, message)
            assert caught.value.code == code
            assert await storage.append("a-b", 0, {"value": "good"}) == 0

    run(go())


# ---- life and layout ----


def test_opening_twice_and_using_it_closed(tmp_path: Path) -> None:
    async def go() -> None:
        storage = engine(tmp_path)
        for call in (storage.append("a-b", 0, {}), storage.read("a-b", 0, 0), storage.compact()):
            with pytest.raises((Closed, Invalid)):
                await call
        report = await storage.initialize()
        assert (report.was_clean, report.partition_count) == (True, 0)
        with pytest.raises(Conflict, match="open already"):
            await storage.initialize()
        other = engine(tmp_path)
        with pytest.raises(Conflict, match="in use"):
            await other.initialize()
        await other.close()
        await fill(storage, "a-b", 3)
        await storage.close()
        await storage.close()
        with pytest.raises(Closed):
            await storage.append("a-b", 0, {"value": "late"})
        report = await storage.initialize()  # the same object may be opened again
        assert (report.was_clean, report.partition_count) == (True, 1)
        assert await values(storage, "a-b") == ["v0", "v1", "v2"]
        assert await storage.append("a-b", 0, {"value": "v3"}) == 3
        await storage.close()

    run(go())


def test_the_directory_is_laid_out_as_kafka_does(tmp_path: Path) -> None:
    async def go() -> None:
        config = {"log_dirs": [str(tmp_path / "one"), str(tmp_path / "two")]}
        async with engine(tmp_path / "d", segment_bytes=1_024, **config) as storage:
            await fill(storage, "a-b.c-1", 40, partition=12)
            await fill(storage, "a-b", 1)
        places = {path.name: path for path in tmp_path.rglob("*-*") if path.is_dir()}
        assert set(places) == {"a-b.c-1-12", "a-b-0"}
        assert places["a-b.c-1-12"].parent != places["a-b-0"].parent
        logs = sorted(places["a-b.c-1-12"].glob("*.log"))
        assert len(logs) > 2
        assert logs[0].name == "00000000000000000000.log"
        for log in logs:
            assert int(log.stem) == parse_header(log.read_bytes()).base_offset
            assert log.with_suffix(".index").exists()
        async with engine(tmp_path / "d", **config) as storage:
            assert await storage.partitions() == [("a-b", 0), ("a-b.c-1", 12)]
            assert len(await storage.read("a-b.c-1", 12, 0)) == 40

    run(go())


def test_a_torn_tail_is_cut_when_it_is_opened(tmp_path: Path) -> None:
    async def go() -> None:
        async with engine(tmp_path) as storage:
            await fill(storage, "a-b", 10)
        log = tmp_path / "a-b-0" / f"{0:020d}.log"
        whole = log.read_bytes()
        (tmp_path / "clean-shutdown").unlink()
        log.write_bytes(whole[:-7])
        storage = engine(tmp_path)
        report = await storage.initialize()
        assert not report.was_clean
        assert report.cut["a-b-0"] > 0
        assert await values(storage, "a-b") == [f"v{n}" for n in range(9)]
        await storage.close()

    run(go())


def test_changed_bytes_are_not_given_out(tmp_path: Path) -> None:
    async def go() -> None:
        async with engine(tmp_path) as storage:
            await fill(storage, "a-b", 3)
            log = tmp_path / "a-b-0" / f"{0:020d}.log"
            data = bytearray(log.read_bytes())
            size = parse_header(data).size
            data[size + 70] ^= 1
            log.write_bytes(data)
            assert check_crc(data, 0, size)
            assert len(await storage.read("a-b", 0, 0, 1)) == 1
            with pytest.raises(Corrupt, match="CRC"):
                await storage.read("a-b", 0, 1)

    run(go())


def test_a_kill_loses_nothing_that_was_acknowledged() -> None:
    async def go(files: FaultyFiles) -> None:
        storage = StorageEngine(data_dir="d", files=files)
        await storage.initialize()
        for number in range(10):
            await storage.append("a-b", number % 2, {"value": f"{number}"})
        after = files.crash("none")
        again = StorageEngine(data_dir="d", files=after)
        report = await again.initialize()
        assert not report.was_clean
        for index in (0, 1):
            kept = [record.text() for record in await again.read("a-b", index, 0)]
            assert kept == [f"{number}" for number in range(index, 10, 2)]
        await again.close()

    run(go(FaultyFiles(seed=3)))


def test_a_full_disk_refuses_and_goes_on() -> None:
    async def go() -> None:
        files = MemoryFiles(capacity_bytes=200_000)
        async with StorageEngine(data_dir="d", durability="os", files=files) as storage:
            await storage.append("a-b", 0, {"value": "first"})
            with pytest.raises(Unavailable, match="no space"):
                await storage.append("a-b", 0, {"value": "x" * 300_000})
            assert await storage.append("a-b", 0, {"value": "second"}) == 1
            files.capacity_bytes = 1_000_000
            assert await storage.append("a-b", 0, {"value": "x" * 300_000}) == 2

    run(go())


# ---- less of it ----


@pytest.mark.parametrize("durability", ["fsync", "os"])
@pytest.mark.parametrize("offset", [0, 1, 20, 39])
def test_truncate_gives_the_offsets_again(tmp_path: Path, durability: str, offset: int) -> None:
    async def go() -> None:
        config = {"segment_bytes": 1_024, "durability": durability}
        async with engine(tmp_path, **config) as storage:
            await fill(storage, "a-b", 40)
            await fill(storage, "other", 5)
            assert await storage.truncate("a-b", 0, offset) == offset
            assert await storage.get_high_water_mark("a-b", 0) == offset
            assert await values(storage, "a-b") == [f"v{n}" for n in range(offset)]
            assert await storage.append("a-b", 0, {"value": "new"}) == offset
            assert len(await values(storage, "other")) == 5
        async with engine(tmp_path, **config) as storage:
            assert await values(storage, "a-b") == [*(f"v{n}" for n in range(offset)), "new"]

    run(go())


def test_what_truncate_refuses(tmp_path: Path) -> None:
    async def go() -> None:
        async with engine(tmp_path) as storage:
            await fill(storage, "a-b", 3)
            assert await storage.truncate("a-b", 0, 3) == 3
            for place in (("a-b", 0, 4), ("a-b", 1, 0), ("nowhere", 0, 0)):
                with pytest.raises(Invalid):
                    await storage.truncate(*place)
            assert len(await values(storage, "a-b")) == 3

    run(go())


def test_cleanup_by_size_and_by_age(tmp_path: Path) -> None:
    async def go() -> None:
        clock = ManualClock()
        config = StorageConfig(
            data_dir=str(tmp_path), durability="os", segment_bytes=1_024,
            retention_bytes=2_000, retention_ms=DAY_MS,
        )  # fmt: skip
        async with StorageEngine(config, clock=clock) as storage:
            await fill(storage, "a-b", 60)
            before = len(list((tmp_path / "a-b-0").glob("*.log")))
            gone = await storage.cleanup_old_segments()
            start = await storage.get_log_start_offset("a-b", 0)
            assert gone > 0
            assert len(list((tmp_path / "a-b-0").glob("*.log"))) == before - gone
            assert 0 < start < 60
            assert await values(storage, "a-b", start) == [f"v{n}" for n in range(start, 60)]
            with pytest.raises(Invalid, match="not between"):
                await storage.read("a-b", 0, 0)
            assert await storage.cleanup_old_segments() == 0
            clock.advance(2 * DAY_MS)
            assert await storage.cleanup_old_segments() > 0
            assert await storage.get_log_start_offset("a-b", 0) == 60
            assert await storage.append("a-b", 0, {"value": "v60"}) == 60

    run(go())


def test_compact_keeps_the_last_value_of_each_key(tmp_path: Path) -> None:
    async def go() -> None:
        config = {"cleanup_policy": "compact", "segment_bytes": 1_024}
        async with engine(tmp_path, **config) as storage:
            await fill(storage, "a-b", 50)
            await fill(storage, "other", 50)
            await storage.append("a-b", 0, {"key": "k0", "value": None})
            with pytest.raises(Invalid, match="key"):
                await storage.append("a-b", 0, {"value": "keyless"})
            assert await storage.compact("a-b", 0) > 0
            records = await storage.read("a-b", 0, 0)
            kept = [(r.offset, r.key, r.value) for r in records]
            assert kept == [(47, b"k2", b"v47"), (49, b"k1", b"v49"), (50, b"k0", None)]
            assert len(await storage.read("other", 0, 0)) == 50
            assert await storage.get_high_water_mark("a-b", 0) == 51
            assert await storage.compact() > 0
            assert [r.offset for r in await storage.read("other", 0, 0)] == [47, 48, 49]
            assert await storage.compact() == 0
            assert await storage.append("a-b", 0, {"key": "k1", "value": "again"}) == 51
            with pytest.raises(Invalid, match="no partition"):
                await storage.compact("a-b", 4)
        async with engine(tmp_path, **config) as storage:
            assert [r.offset for r in await storage.read("a-b", 0, 0)] == [47, 49, 50, 51]

    run(go())


def test_compact_needs_the_policy(tmp_path: Path) -> None:
    async def go() -> None:
        async with engine(tmp_path) as storage:
            with pytest.raises(Invalid, match="cleanup policy"):
                await storage.compact()

    run(go())


# ---- settings ----


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"dataDir": ""}, "dataDir"),
        ({"logDirs": [""]}, "dataDir"),
        ({"durability": "interval"}, "durability"),
        ({"segmentBytes": 10}, "segmentBytes"),
        ({"segmentMs": 0}, "segmentMs"),
        ({"retentionMs": 0}, "retentionMs"),
        ({"retentionBytes": -2}, "retentionBytes"),
        ({"cleanupPolicy": "keep"}, "cleanupPolicy"),
        ({"compressionType": "brotli"}, "compressionType"),
        ({"maxMessageBytes": 0}, "maxMessageBytes"),
        ({"retentionHours": 1}, "did you mean"),
    ],
)
def test_what_a_configuration_refuses(values: dict[str, Any], text: str) -> None:
    with pytest.raises(Invalid, match=text):
        StorageEngine({"dataDir": "d", **values})


def test_a_segment_rolls_by_age_and_a_record_may_have_its_largest_size(tmp_path: Path) -> None:
    async def go() -> None:
        clock = ManualClock()
        storage = StorageEngine(
            data_dir=str(tmp_path), durability="os", segment_ms=1_000, max_message_bytes=500,
            clock=clock, files=OsFiles(),
        )  # fmt: skip
        async with storage:
            await storage.append("a-b", 0, {"value": "x" * 400})
            clock.advance(1_001)
            await storage.append("a-b", 0, {"value": "y"})
            with pytest.raises(Invalid, match="larger than 500"):
                await storage.append("a-b", 0, {"value": "x" * 500})
        assert len(list((tmp_path / "a-b-0").glob("*.log"))) == 2

    run(go())
