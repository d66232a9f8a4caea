"""`summit consume --exit` ends: whatever stands at the ends of the partitions, or nothing comes."""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from summit.base.errors import Unavailable
from summit.cli.main import root
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.stream_processing import EmbeddedBroker

consume_command = importlib.import_module("summit.cli.consume")


def read(broker: EmbeddedBroker, topic: str) -> Result:
    words = ["consume", topic, "--exit", "-b", broker.address]
    return CliRunner().invoke(root, words, catch_exceptions=False)


def values(done: Result) -> list[Any]:
    assert done.exit_code == 0, done.output
    return [json.loads(line)["value"] for line in done.stdout.splitlines()]


async def write(broker: EmbeddedBroker, topic: str, *, ending: str = "commit") -> None:
    """Two records in one transaction; `open` leaves it so."""
    servers = {"bootstrapServers": [broker.address], "clientId": "test"}
    async with Admin(servers) as admin:
        await admin.create_topic({"name": topic, "partitions": 1})
    async with StreamProducer({**servers, "transactionalId": topic}) as producer:
        await producer.begin_transaction()
        for value in (b"1", b"2"):
            await producer.send({"topic": topic, "value": value})
        if ending == "abort":
            await producer.abort_transaction()
        elif ending == "commit":
            await producer.commit_transaction()


def in_loop(work: Any) -> Any:
    return asyncio.run(work)


@pytest.mark.parametrize("ending", ["commit", "abort", "open"])
def test_behind_the_last_record_is_a_transaction(
    summit_broker: EmbeddedBroker, ending: str
) -> None:
    in_loop(write(summit_broker, ending, ending=ending))
    assert values(read(summit_broker, ending)) == [1, 2]


def test_nothing_but_a_marker_is_left(summit_broker: EmbeddedBroker) -> None:
    async def prepare() -> None:
        await write(summit_broker, "marker")
        config = {"bootstrapServers": [summit_broker.address], "clientId": "test"}
        async with Admin(config) as admin:
            await admin.delete_records("marker", {0: 2})
            assert await admin.offsets("marker") == {0: (2, 3)}

    in_loop(prepare())
    assert values(read(summit_broker, "marker")) == []


def test_nothing_comes(summit_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from a broker that stands still once it has told where its partitions end."""
    in_loop(write(summit_broker, "still"))
    plain = Admin.offsets

    async def farther(admin: Admin, topic: str) -> dict[int, tuple[int, int]]:
        return {index: (a, b + 7) for index, (a, b) in (await plain(admin, topic)).items()}

    monkeypatch.setattr(Admin, "offsets", farther)
    monkeypatch.setattr(consume_command, "_STALL_S", 1.0)
    with pytest.raises(Unavailable, match="1 partition not read to the end"):
        read(summit_broker, "still")
