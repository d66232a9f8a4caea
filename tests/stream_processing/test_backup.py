"""`MessageBroker.backup`: of a running embedded broker, restored whole; refused elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from summit.base.errors import Closed, Conflict, Invalid
from summit.base.files import OsFiles, ReadOnlyFiles
from summit.log.backup import restore_backup, verify_backup
from summit.stream_processing import MessageBroker

COUNT = 30


def make(path: Path) -> MessageBroker:
    return MessageBroker(port=0, data_dir=str(path), durability="os")


async def fill(broker: MessageBroker, first: int) -> None:
    for number in range(first, first + COUNT):
        await broker.produce({"topic": "t", "value": str(number)})


async def held(broker: MessageBroker) -> list[int]:
    records = await broker.consume("t", 0, 0, 10 * COUNT)
    return [int(record.value or b"") for record in records]


def test_what_was_acknowledged_before_is_in_it(tmp_path: Path) -> None:
    backup = tmp_path / "made" / "backup"

    async def go() -> None:
        async with make(tmp_path / "data") as broker:
            await broker.create_topic({"name": "t", "partitions": 1})
            await fill(broker, 0)
            filling = asyncio.create_task(fill(broker, COUNT))
            made = await broker.backup(backup)
            await filling
            assert made.directory == str(backup)
            assert made.files > 5
            assert await held(broker) == list(range(2 * COUNT)), "it serves on"
            with pytest.raises(Conflict) as conflict:
                await broker.backup(str(backup))
            assert conflict.value.code == "backup.target_in_use"
            with pytest.raises(Conflict, match="lies in the data directory"):
                await broker.backup(tmp_path / "data" / "inside")
        checked = verify_backup(ReadOnlyFiles(), str(backup), lambda size: None)
        assert (checked.taken_ms, checked.size_bytes) == (made.taken_ms, made.size_bytes)
        restored = tmp_path / "restored"
        restore_backup(
            ReadOnlyFiles(), str(backup), OsFiles(), str(restored), lambda size: None
        )  # fmt: skip
        async with make(restored) as broker:
            found = await held(broker)
            assert len(found) >= COUNT
            assert found == list(range(len(found)))

    asyncio.run(go())


def test_a_broker_that_does_not_run_makes_none(tmp_path: Path) -> None:
    broker = make(tmp_path / "data")
    with pytest.raises(Closed):
        asyncio.run(broker.backup(tmp_path / "backup"))
    assert not (tmp_path / "backup").exists()


def test_one_in_memory_is_refused(tmp_path: Path) -> None:
    async def go() -> None:
        async with MessageBroker.in_memory() as broker:
            with pytest.raises(Conflict, match="in memory") as refusal:
                await broker.backup(tmp_path / "backup")
            assert refusal.value.code == "backup.refused"

    asyncio.run(go())
    assert not (tmp_path / "backup").exists()


def test_a_cluster_is_refused_by_name(tmp_path: Path) -> None:
    broker = MessageBroker(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(Invalid, match="is a cluster") as refusal:
        asyncio.run(broker.backup(tmp_path / "backup"))
    assert refusal.value.code == "backup.of_a_cluster"
