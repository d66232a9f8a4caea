"""Lines and positions in one transaction: spread over partitions, topics by template, files that
are moved or deleted when they are written; on a real broker, killed in the middle.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tests.ingest.test_kill import Child

from summit.broker import BrokerSettings, BrokerThread
from summit.client.producer import StreamProducer
from summit.ingest import FileCollector, make_collector

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerThread]:
    directory = tmp_path_factory.mktemp("data")
    thread = BrokerThread(BrokerSettings(port=0, data_dir=str(directory), durability="os"))
    thread.start()
    yield thread
    thread.stop()


def make_topic(broker: BrokerThread, name: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{broker.port}"})
    admin.create_topics([NewTopic(name, partitions)])[name].result(60)


def committed(broker: BrokerThread, topic: str) -> list[Any]:
    """Every committed record of a topic, by a foreign client."""
    consumer = Consumer(
        {
            "bootstrap.servers": f"127.0.0.1:{broker.port}", "group.id": "check",
            "enable.auto.commit": False, "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )  # fmt: skip
    try:
        found: list[Any] = []
        metadata = consumer.list_topics(topic, timeout=60).topics[topic]
        if metadata.error is not None:
            return []
        parts = [TopicPartition(topic, number, 0) for number in metadata.partitions]
        consumer.assign(parts)
        ended = 0
        deadline = time.monotonic() + 60
        while ended < len(parts):
            assert time.monotonic() < deadline
            for record in consumer.consume(5_000, 1):
                if record.error() is not None:
                    ended += 1
                else:
                    found.append(record)
        return found
    finally:
        consumer.close()


def values(records: list[Any]) -> list[Any]:
    return [json.loads(record.value()) for record in records]


def run(broker: BrokerThread, config: dict[str, Any]) -> FileCollector:
    """Read a batch to its end."""

    async def go() -> FileCollector:
        async with StreamProducer({"bootstrapServers": [f"127.0.0.1:{broker.port}"]}) as producer:
            collector = make_collector(config)
            assert isinstance(collector, FileCollector)
            await collector.start(producer)
            await asyncio.wait_for(collector.done(), 100)
            await collector.stop()
            return collector

    return asyncio.run(go())


def config_of(name: str, path: Path | str, **changes: Any) -> dict[str, Any]:
    options = {"mode": "batch", "format": "jsonl", **changes.pop("file", {})}
    values = {"name": name, "type": "file", "topic": name, "path": str(path), **changes}
    return {**values, "file": options}


def write_lines(path: Path, numbers: range) -> None:
    with path.open("a") as file:
        for n in numbers:
            file.write(f'{{"n": {n}, "k": "k{n % 50}", "to": "t{n % 3}"}}\n')


def test_spread_over_partitions_by_key(broker: BrokerThread, tmp_path: Path) -> None:
    make_topic(broker, "spread", 4)
    path = tmp_path / "a.jsonl"
    write_lines(path, range(2_000))
    with path.open("a") as file:
        file.write("no json\n\n")
    config = config_of("spread", path, keyField="k", file={"spread": True})
    collector = run(broker, config)
    assert collector.status().accepted == 2_000
    assert collector.status().dead_letters == 1
    write_lines(path, range(2_000, 2_100))
    run(broker, config)
    run(broker, config)
    records = committed(broker, "spread")
    assert sorted(value["n"] for value in values(records)) == list(range(2_100))
    homes: dict[bytes, set[int]] = {}
    for record in records:
        homes.setdefault(record.key(), set()).add(record.partition())
    assert all(len(home) == 1 for home in homes.values())
    assert len({record.partition() for record in records}) == 4
    for partition in range(4):
        numbers = [json.loads(r.value())["n"] for r in records if r.partition() == partition]
        assert numbers == sorted(numbers)
    assert len(committed(broker, "spread.dlq")) == 1


def test_topics_by_template(broker: BrokerThread, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_lines(path, range(300))
    config = config_of("tpl", path, topicTemplate="tpl.${to}", allowedTopics=["tpl.t0", "tpl.t1"])
    collector = run(broker, config)
    run(broker, config)
    for number in (0, 1):
        found = values(committed(broker, f"tpl.t{number}"))
        assert sorted(value["n"] for value in found) == list(range(number, 300, 3))
    assert len(committed(broker, "tpl.dlq")) == 100  # those of tpl.t2
    assert collector.status().dead_letters == 100


@pytest.mark.parametrize("after", ["move", "delete"])
def test_files_are_put_away_when_they_are_written(
    broker: BrokerThread, tmp_path: Path, after: str
) -> None:
    spool, target = tmp_path / "spool", tmp_path / "done"
    spool.mkdir()
    options = {"after": after, **({"moveTo": str(target)} if after == "move" else {})}
    config = config_of(f"after-{after}", spool / "*.jsonl", file=options)
    for turn in range(3):  # the same name and content again is a new file
        write_lines(spool / "a.jsonl", range(10))
        write_lines(spool / "b.jsonl", range(10, 20 + turn))
        collector = run(broker, config)
        assert collector.status().details["filesFinished"] == 2
        assert list(spool.iterdir()) == []
    counts = Counter(value["n"] for value in values(committed(broker, f"after-{after}")))
    assert {n: counts[n] for n in range(20)} == dict.fromkeys(range(20), 3)
    if after == "move":
        assert sorted(path.name for path in target.iterdir()) == sorted(
            f"{name}.jsonl{end}" for name in "ab" for end in ("", ".1", ".2")
        )


def test_a_followed_directory_is_emptied(broker: BrokerThread, tmp_path: Path) -> None:
    options = {"mode": "tail", "after": "delete", "doneAfterMs": 100, "pollIntervalMs": 20}
    config = config_of("spool", tmp_path / "*.jsonl", file=options)
    path = tmp_path / "a.jsonl"
    write_lines(path, range(10))
    with path.open("a") as file:
        file.write('{"n": 10}')  # without a newline

    async def go() -> None:
        async with StreamProducer({"bootstrapServers": [f"127.0.0.1:{broker.port}"]}) as producer:
            collector = make_collector(config)
            await collector.start(producer)
            try:
                async with asyncio.timeout(90):
                    while path.exists():
                        await asyncio.sleep(0.01)
                    write_lines(path, range(11, 20))
                    while path.exists():
                        await asyncio.sleep(0.01)
            finally:
                await collector.stop()
            assert collector.status().accepted == 20

    asyncio.run(go())
    assert sorted(value["n"] for value in values(committed(broker, "spool"))) == list(range(20))


def test_two_of_one_name_do_not_fence_each_other_for_ever(
    broker: BrokerThread, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    write_lines(path, range(10))
    options = {"mode": "tail", "spread": True, "pollIntervalMs": 20}
    config = config_of("twice", path, file=options)

    async def go() -> None:
        async with StreamProducer({"bootstrapServers": [f"127.0.0.1:{broker.port}"]}) as producer:
            first, second = make_collector(config), make_collector(config)
            async with asyncio.timeout(90):
                await first.start(producer)
                while first.status().accepted < 10:
                    await asyncio.sleep(0.01)
                await second.start(producer)
                write_lines(path, range(10, 20))
                while first.state != "failed":
                    await asyncio.sleep(0.01)
                assert "another collector of the name 'twice'" in str(first.status().last_error)
                write_lines(path, range(20, 30))
                while second.state != "running" or (
                    first.status().accepted + second.status().accepted < 30
                ):
                    await asyncio.sleep(0.01)
            await first.stop()
            await second.stop()

    asyncio.run(go())
    assert sorted(value["n"] for value in values(committed(broker, "twice"))) == list(range(30))


@pytest.mark.slow
def test_killed_in_the_middle(broker: BrokerThread, tmp_path: Path) -> None:
    rand = random.Random(5)
    make_topic(broker, "killed", 3)
    for name in ("a", "b"):
        write_lines(tmp_path / f"{name}.jsonl", range(60_000))
    config = config_of(
        "killed", tmp_path / "*.jsonl", keyField="k", batchSize=500, file={"after": "delete"}
    )
    middle = 0
    for _ in range(4):
        child = Child(broker, config)  # type: ignore[arg-type]
        child.wait_for("data")
        time.sleep(rand.uniform(0, 0.2))
        middle += "done" not in child.lines
        child.kill()
    assert middle
    if any(tmp_path.glob("*.jsonl")):
        child = Child(broker, config)  # type: ignore[arg-type]
        child.wait_for("done")
        child.finish()
    counts = Counter(value["n"] for value in values(committed(broker, "killed")))
    assert counts == Counter(dict.fromkeys(range(60000), 2))
    assert not list(tmp_path.glob("*.jsonl"))
