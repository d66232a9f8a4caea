"""`summit broker` with a command, `summit group lag` and `forget`, as they are typed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from click.testing import CliRunner, Result
from confluent_kafka import Producer
from tests.client.conftest import World

from summit.cli.main import root
from summit.client import TopicPartition


def run(world: World, *arguments: str) -> Result:
    return CliRunner().invoke(root, [*arguments, "-b", world.address])


def json_of(world: World, *arguments: str) -> Any:
    result = run(world, *arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_brokers_are_described_and_altered(world: World) -> None:
    found = json_of(world, "broker", "describe")
    assert len(found["brokers"]) == world.brokers
    assert found["clusterId"]
    assert found["controllerId"] is not None
    assert {each["broker"] for each in found["logDirs"]} == {b["id"] for b in found["brokers"]}
    assert "cluster " in run(world, "broker", "describe").output

    first = str(min(each["id"] for each in found["brokers"]))

    def value() -> tuple[str, str]:
        rows = json_of(world, "broker", "configs", "--id", first)
        return next((r["value"], r["source"]) for r in rows if r["name"] == "log.retention.ms")

    before = value()
    try:
        changed = run(world, "broker", "alter", "--id", first, "-c", "log.retention.ms=123456789")
        assert changed.exit_code == 0, changed.output
        assert value() == ("123456789", "broker")
        (row,) = [
            row for row in json_of(world, "broker", "configs", "--id", first, "--set")
            if row["name"] == "log.retention.ms"
        ]  # fmt: skip
        assert row["isReadOnly"] is False
    finally:
        run(world, "broker", "alter", "--id", first, "-c", "log.retention.ms=")
    assert value() == before
    assert run(world, "broker", "alter", "-c", "log.retention.ms").exit_code == 2
    assert run(world, "broker", "alter", "--id", first, "-c", "log.retention.ms=soon").exit_code


def test_producers_and_transactions_are_shown(world: World) -> None:
    topic = asyncio.run(world.topic(2))
    name = f"teller-{topic}"
    producer = Producer({"bootstrap.servers": world.address, "transactional.id": name})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(topic, b"sum", partition=1)
    assert producer.flush(60) == 0
    (row,) = [r for r in json_of(world, "broker", "transactions") if r["transactionalId"] == name]
    assert (row["state"], row["partitions"]) == ("Ongoing", [f"{topic}-1"])
    assert row["startedMs"] > 0
    (state,) = json_of(world, "broker", "producers", topic)
    assert (state["partition"], state["openSince"]) == (1, 0)
    assert state["producerId"] == row["producerId"]
    assert json_of(world, "broker", "producers", topic, "--partition", "0") == []
    producer.commit_transaction(60)
    (row,) = [r for r in json_of(world, "broker", "transactions") if r["transactionalId"] == name]
    assert (row["state"] == "CompleteCommit", row["startedMs"]) == (True, None)
    listed = run(world, "broker", "transactions", "--state", "CompleteCommit")
    assert name in listed.output


def test_lag_is_shown_and_offsets_are_forgotten(world: World) -> None:
    topic, group = asyncio.run(world.topic(2)), world.group()

    async def prepare() -> None:
        async with world.producer() as producer:
            for i in range(5):
                await producer.send({"topic": topic, "partition": 0, "value": b"%d" % i})
        async with world.admin() as admin:
            where = {TopicPartition(topic, 0): 2, TopicPartition(topic, 1): 0}
            await admin.set_group_offsets(group, where)

    asyncio.run(prepare())
    rows = json_of(world, "group", "lag", group)
    assert [(row["partition"], row["offset"], row["lag"]) for row in rows] == [(0, 2, 3), (1, 0, 0)]
    assert [row["partition"] for row in json_of(world, "group", "lag", group, "--behind")] == [0]
    assert {row["group"] for row in json_of(world, "group", "lag")} >= {group}
    assert run(world, "group", "lag", "nobody").exit_code
    assert run(world, "group", "forget", group, "-t", topic).exit_code == 2  # did not say --yes
    forgotten = run(world, "group", "forget", group, "-t", topic, "--yes")
    assert forgotten.exit_code == 0, forgotten.output
    assert [r for r in json_of(world, "group", "lag") if r["group"] == group] == []
