"""Moving from one cluster to another: whole, resumable, and nothing changes its identity."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from typing import Any

import pytest
from confluent_kafka import Producer
from tests.flow.test_backfill import live
from tests.flow.world import failure, five_failures, until, world

from summit.base.errors import Conflict, Corrupt, Invalid
from summit.client import (
    ClusterAdmin,
    Commit,
    ConsumerRecord,
    LogReader,
    StreamProducer,
    TopicConfig,
    TopicPartition,
)
from summit.flow.backfill_keeping import Backfills
from summit.journal.backfill_log import BackfillMarks
from summit.journal.topics import BACKFILLS_TOPIC
from summit.migration import Migration, MigrationReport

T0 = 1_700_000_000_000


def admin(servers: list[str]) -> ClusterAdmin:
    return ClusterAdmin({"bootstrapServers": servers})


async def move(source: list[str], target: list[str], **options: Any) -> MigrationReport:
    async with Migration(source, target, **options) as migration:
        return await migration.run()


async def read_all(servers: list[str], topic: str, partition: int = 0) -> list[ConsumerRecord]:
    found = []
    async with (
        admin(servers) as asked,
        LogReader({"bootstrapServers": servers}, committed=True) as reader,
    ):
        first, stop = (await asked.offsets(topic, committed=True))[partition]
        async for records in reader.read(topic, partition, first, stop):
            found += records
    return found


def seen(record: ConsumerRecord) -> tuple[Any, ...]:
    """All of a record but its offset and what the move added."""
    headers = [pair for pair in record.headers.pairs if pair[0] != "summit.src"]
    return record.key, record.value, record.timestamp, headers


async def fill(servers: list[str], topic: str, count: int, partitions: int = 1) -> None:
    async with admin(servers) as asked:
        await asked.create_if_missing(TopicConfig(name=topic, partitions=partitions))
    async with StreamProducer({"bootstrapServers": servers}) as producer:
        await producer.send_batch(
            {
                "topic": topic, "partition": n % partitions, "value": f"v{n}",
                "key": f"k{n % 7}" if n % 3 else None, "timestamp": T0 + n * 3,
                "headers": [("n", str(n)), ("n", None)] if n % 2 else None,
            }
            for n in range(count)
        )  # fmt: skip


def transactions(servers: list[str], topic: str) -> None:
    """Ten records committed, three aborted, ten committed."""
    producer = Producer({"bootstrap.servers": ",".join(servers), "transactional.id": f"t-{topic}"})
    producer.init_transactions(30)
    for count, end in ((10, "commit"), (3, "abort"), (10, "commit")):
        producer.begin_transaction()
        for n in range(count):
            producer.produce(topic, f"{end} {n}".encode(), partition=0)
        producer.flush(30)
        getattr(producer, f"{end}_transaction")(30)


def test_records_settings_and_commits_come_along(here: list[str], target: list[str]) -> None:
    async def go() -> None:
        await fill(here, "orders", 1_000, partitions=3)
        await fill(here, "cut", 100)
        async with admin(here) as asked:
            await asked.alter_topic("orders", {"retention.ms": "864000000000000"})
            await asked.delete_records("cut", {0: 40})
            await asked.create_topic(
                {"name": "kept", "partitions": 1, "cleanupPolicy": "compact",
                 "replicationFactor": 3}
            )  # fmt: skip
            await asked.create_topic({"name": "paid", "partitions": 1})
            await asyncio.to_thread(transactions, here, "paid")
            await asked.set_group_offsets(
                "readers",
                {
                    TopicPartition("orders", 1): Commit(200, "so far"),
                    TopicPartition("cut", 0): Commit(70),
                    TopicPartition("paid", 0): Commit(14),  # behind the first, within the aborted
                },
            )
        async with Migration(here, target) as migration:
            plan = await migration.plan()
            assert plan.records == 1_000 + 60 + 26  # the paid ones with their markers
            assert {topic.name for topic in plan.topics} == {"orders", "cut", "kept", "paid"}
        async with admin(target) as asked:
            assert "readers" not in await asked.list_groups()
            assert "orders" not in await asked.list_topics(), "a plan changes nothing"
        report = await move(here, target)
        assert (report.copied, report.verified) == (1_080, 1_080)
        assert (report.records, report.groups) == (1_080, ["readers"])
        for topic, partition in (("orders", 0), ("orders", 1), ("orders", 2), ("cut", 0),
                                 ("paid", 0)):  # fmt: skip
            before = await read_all(here, topic, partition)
            after = await read_all(target, topic, partition)
            assert [seen(record) for record in after] == [seen(record) for record in before]
            assert [record.offset for record in after] == list(range(len(before)))
        async with admin(target) as asked:
            brokers = len((await asked.describe_cluster()).live)
            configs = await asked.topic_configs("orders")
            assert configs["retention.ms"].value == "864000000000000"
            assert configs["message.timestamp.before.max.ms"].is_default
            assert (await asked.topic_configs("kept"))["cleanup.policy"].value == "compact"
            states = await asked.partition_states(["orders", "kept"])
            assert {len(state.replicas) for state in states} == {min(3, brokers)}
            assert await asked.group_commits("readers") == {
                TopicPartition("orders", 1): Commit(200, "so far"),
                TopicPartition("cut", 0): Commit(30),
                TopicPartition("paid", 0): Commit(10),
            }
        again = await move(here, target)
        assert (again.copied, again.verified, again.groups) == (0, 0, [])
        assert again.checksums == report.checksums
        await fill(here, "orders", 30, partitions=3)
        more = await move(here, target)
        assert (more.copied, more.verified) == (30, 30)

    asyncio.run(go())


def test_a_match_begun_before_the_move_ends_after_it(here: list[str], target: list[str]) -> None:
    async def go() -> None:
        async with world(here) as w:
            await w.start_worker()
            await w.apply(five_failures())
            await w.send(*(failure(n, ip="done") for n in range(5)))
            place = await w.send(*(failure(n, ip="open") for n in range(4)))
            (old,) = await w.settle(place)
            async with admin(here) as asked:
                (auth,) = await asked.describe_topics(["auth"])
        report = await move(here, target)
        assert report.groups == ["summit-workers"]
        async with world(target) as w:
            worker = await w.start_worker()
            assert await worker.wait_active(20_000)
            (kept,) = w.all_alerts()
            assert (kept.id, kept.title, kept.events) == (old.id, old.title, old.events)
            assert kept.evidence[0].src == f"log:{auth.topic_id}:0:0"
            place = await w.send(failure(4, ip="open"))
            alerts = await w.settle(place)
            assert [alert.key for alert in alerts] == [{"ip": "done"}, {"ip": "open"}]
            assert alerts[0].id == old.id
        with pytest.raises(Conflict) as caught:  # the house has been moved into
            await move(here, target)
        assert caught.value.code == "migrate.target_changed"

    asyncio.run(go())


def test_alerts_found_anew_after_the_move_have_their_old_ids(
    here: list[str], target: list[str]
) -> None:
    async def go() -> None:
        async with world(here) as w:
            await w.start_worker()
            await w.apply(five_failures())
            await w.send(*(failure(n, ip="x") for n in range(5)))
            place = await w.send(*(failure(n, ip="y") for n in range(5)))
            before = {alert.id for alert in await w.settle(place)}
            assert len(before) == 2
        await move(here, target, topics=["auth", "_summit.definitions"])
        async with admin(target) as asked:
            await asked.delete_group("summit-workers")
        async with world(target) as w:
            await w.start_worker()
            await w.settle(place)
            assert {alert.id for alert in w.all_alerts()} == before

    asyncio.run(go())


def run_migrate(source: list[str], target: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "summit", "migrate", "--from", ",".join(source), "--to",
         ",".join(target), "-o", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


async def copied(asked: ClusterAdmin, topic: str) -> int:
    if topic not in await asked.list_topics():
        return 0
    return sum(end for _, end in (await asked.offsets(topic)).values())


@pytest.mark.slow
def test_kills_in_the_middle_lose_nothing_and_double_nothing(
    here: list[str], target: list[str]
) -> None:
    total = 25_000

    async def go() -> None:
        await fill(here, "many", total, partitions=2)
        async with admin(target) as asked:
            for least in (1, 12_000):  # before the first checkpoint of a partition, and behind one
                process = run_migrate(here, target)
                try:
                    for _ in range(6_000):
                        if await copied(asked, "many") >= least or process.poll() is not None:
                            break
                        await asyncio.sleep(0.01)
                    assert await copied(asked, "many") >= least
                finally:
                    process.send_signal(signal.SIGKILL)
                    await asyncio.to_thread(process.communicate)
                assert process.returncode == -signal.SIGKILL, "it had ended before"
        process = run_migrate(here, target)
        out, err = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0, err.decode()
        report = json.loads(out)
        assert (report["records"], report["verified"]) == (total, total)
        for partition in (0, 1):
            before = await read_all(here, "many", partition)
            after = await read_all(target, "many", partition)
            assert [seen(record) for record in after] == [seen(record) for record in before]

    asyncio.run(go())


@pytest.mark.cluster
def test_there_and_back_again(here: list[str], clean_cluster: list[str], there: list[str]) -> None:
    async def go() -> None:
        await fill(here, "orders", 500, partitions=2)
        await move(here, clean_cluster)
        await move(clean_cluster, there)
        for partition in (0, 1):
            first = await read_all(here, "orders", partition)
            middle = await read_all(clean_cluster, "orders", partition)
            last = await read_all(there, "orders", partition)
            assert [seen(r) for r in last] == [seen(r) for r in first]
            sources = [r.headers.text("summit.src") for r in last]
            assert sources == [r.headers.text("summit.src") for r in middle]  # the first place
        async with admin(there) as asked:
            configs = await asked.topic_configs("orders")
            assert configs["min.insync.replicas"].value == "1"  # it could not be written to else

    asyncio.run(go())


def test_what_is_somebody_else_s_is_left_alone(here: list[str], there: list[str]) -> None:
    async def go() -> None:
        await fill(here, "orders", 10)
        await fill(there, "orders", 1)
        with pytest.raises(Conflict) as caught:
            await move(here, there)
        assert caught.value.code == "migrate.topic_exists"
        with pytest.raises(Invalid) as same:
            await move(here, here)
        assert same.value.code == "migrate.same_cluster"
        with pytest.raises(Invalid) as unknown:
            await move(here, there, topics=["none"])
        assert unknown.value.code == "topic.unknown"
        async with admin(there) as asked:
            await asked.delete_topic("orders")
        assert (await move(here, there)).copied == 10
        await fill(there, "orders", 1)
        with pytest.raises(Conflict) as changed:
            await move(here, there)
        assert changed.value.code == "migrate.target_changed"
        async with admin(there) as asked:
            await asked.delete_topic("orders")  # as the error advises
        assert (await move(here, there)).verified == 10

    asyncio.run(go())


async def past_positions(servers: list[str]) -> dict[str, int]:
    """How far the newest mark of a backfill is."""
    known = BackfillMarks()
    async with admin(servers) as asked:
        if BACKFILLS_TOPIC not in await asked.list_topics():
            return {}
    known.take(await read_all(servers, BACKFILLS_TOPIC))
    return {n: at for mark in known.marks.values() for n, at in mark.positions.items()}


def test_a_past_that_is_not_taken_up_comes_along(
    here: list[str], there: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read to its end and not live yet: what is raised stays alone, what is begun is ended."""

    async def never(*_: object) -> None:
        """It is told to nobody that the rule has come to the present."""

    async def go() -> None:
        async with world(here) as w:
            with monkeypatch.context() as patched:
                patched.setattr(Backfills, "_live", never)
                await w.start_worker()
                await w.apply(five_failures("other", topics=["auth"]))
                await w.settle(await w.send(*(failure(n, ip="gone") for n in range(3))))
                async with admin(here) as asked:  # so offsets are others at the target
                    await asked.delete_records("auth", {0: 3})
                await w.settle(await w.send(*(failure(n, ip="done") for n in range(5))))
                await w.settle(await w.send(*(failure(n, ip="open") for n in range(4))))
                await w.definitions.publish({"kind": "backfill", "id": "late", "since": "earliest"})
                await w.apply(five_failures("late"), active=False)
                await until(lambda: any(a.pattern == "late" for a in w.all_alerts()))
                async with asyncio.timeout(60):
                    while (await past_positions(here)).get("auth/0", -1) < 12:
                        await asyncio.sleep(0.05)
                before = {alert.id for alert in w.all_alerts()}
        await move(here, there)
        async with world(there) as w:
            await w.start_worker()
            await live(w, "late")
            await w.settle(await w.send(failure(4, ip="open")))
            await until(lambda: len(w.all_alerts()) >= 4)
            found = w.all_alerts()
            assert sorted((a.pattern, a.key["ip"]) for a in found) == [
                ("late", "done"), ("late", "open"), ("other", "done"), ("other", "open"),
            ]  # fmt: skip
            assert before == {alert.id for alert in found if alert.key["ip"] == "done"}
            records = await read_all(there, "alerts")
            assert len(records) == 4

    asyncio.run(go())


def test_a_copy_that_differs_is_found(here: list[str], there: list[str]) -> None:
    """Killed behind the first checkpoint; then somebody writes what looks like the next records."""

    async def go() -> None:
        await fill(here, "orders", 10)
        await move(here, there)
        await fill(here, "orders", 5)
        async with StreamProducer({"bootstrapServers": there}) as producer:
            await producer.send({"topic": "orders", "value": "forged"})
        with pytest.raises(Corrupt) as caught:
            await move(here, there)
        assert caught.value.code == "migrate.mismatch"

    asyncio.run(go())
