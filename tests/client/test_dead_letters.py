"""Dead letters: written whole after bounded tries, and put back each once."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from click.testing import CliRunner
from tests.client.conftest import Heard, World, poll_all, until

from summit.base.errors import Corrupt, Internal, Invalid
from summit.base.limits import DEAD_LETTER_BYTES_MAX
from summit.cli.main import root
from summit.client import (
    ConsumerRecord,
    DeadLetter,
    DeadLetterError,
    Headers,
    LogReader,
    TopicConfig,
    dead_letter_topic,
    replay_dead_letters,
)

WHY = DeadLetterError(code="x.y", message="why", stage="here")


@pytest.mark.parametrize("key", [None, b"", b"\xff\x00"])
@pytest.mark.parametrize("value", [None, b"", b"\xfe" * 10])
def test_a_letter_keeps_every_byte(key: bytes | None, value: bytes | None) -> None:
    headers = Headers([("a", b"\xff"), ("a", None), ("b", b"")])
    record = ConsumerRecord("t", 3, 7, 1_000, key, value, headers)
    letter = DeadLetter.of(record, WHY, 2_000)
    assert DeadLetter.decode(letter.encode()) == letter
    plain = json.loads(letter.encode())
    assert plain["originalTopic"], plain["originalPartition"] == ("t", 3)
    assert plain["error"] == {"code": "x.y", "message": "why", "stage": "here", "rule": None}
    assert plain["originalHeaders"][0] == ["a", base64.b64encode(b"\xff").decode()]


def test_letters_of_collectors_are_read_too() -> None:
    plain = {
        "originalTopic": "t", "originalPartition": None, "originalOffset": None,
        "originalKey": None, "originalHeaders": {"summit.src": "file:1"},
        "originalValue": base64.b64encode(b"line").decode(),
        "error": {"code": "a.b", "message": "m", "stage": "collector", "rule": None},
        "timestamp": 5,
    }  # fmt: skip
    letter = DeadLetter.decode(json.dumps(plain).encode())
    assert letter.value == b"line"
    assert letter.headers["summit.src"] == b"file:1"


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[]", b'{"originalTopic": 5}', b"\xff"])
def test_what_is_no_letter_is_refused(value: bytes | None) -> None:
    with pytest.raises(Corrupt):
        DeadLetter.decode(value)


def test_a_record_that_fails_goes_to_the_dead_letters_and_back(world: World) -> None:
    """The value beyond a letter's size is read again at its old place."""

    async def go() -> None:
        topic, group = await world.topic(2), world.group()
        large = b"x" * (DEAD_LETTER_BYTES_MAX + 1)
        sent = [
            {"topic": topic, "partition": 1, "value": b"good"},
            {"topic": topic, "partition": 1, "value": b"bad", "headers": [("h", b"\xff")]},
            {"topic": topic, "partition": 1, "value": large},
            {"topic": topic, "partition": 1, "value": b"good"},
        ]
        async with world.producer() as producer:
            await producer.send_batch(sent)
        tries: list[int] = []

        async def handler(record: ConsumerRecord) -> None:
            tries.append(record.offset)
            if record.value != b"good":
                raise ValueError("bad")

        config = {"onHandlerFailure": "dead-letter", "handlerRetries": 2}
        async with world.reading(topic, group, **config) as consumer:
            heard = Heard(consumer, "error")
            await consumer.start(handler)
            await until(lambda: tries[-1:] == [3], 60)
            await consumer.stop()
            assert tries == [0, 1, 1, 1, 2, 2, 2, 3]
            assert consumer.dead_lettered == 2
            assert consumer.skipped == 0
            assert [e.error.code for e in heard.of("error")] == ["consumer.handler_failed"] * 2
            assert (await consumer.committed())[topic, 1] == 4
        async with world.reader() as reader:
            letters = await reader.consume(dead_letter_topic(topic), 0, 0)
        first, second = (DeadLetter.decode(record.value) for record in letters)
        assert (first.topic, first.partition, first.offset, first.value) == (topic, 1, 1, b"bad")
        assert first.error.stage == f"consumer {group}"
        assert "ValueError" in first.error.message
        assert letters[0].headers["h"] == b"\xff"
        assert second.value is None
        assert second.is_value_left_out

        for expected in (2, 0):  # the second replay finds nothing new
            done = await replay_dead_letters(world.address, topic)
            assert (done.replayed, done.passed_over) == (expected, 0)
        async with LogReader({"bootstrapServers": world.address}, committed=True) as reader:
            back = await reader.consume(topic, 1, 4)
        assert [record.value for record in back] == [b"bad", large]
        assert back[0].headers.get_all("h") == [b"\xff"]

    asyncio.run(go())


def test_a_replay_passes_over_what_is_no_letter(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        with pytest.raises(Invalid) as caught:
            await replay_dead_letters(world.address, topic)
        assert caught.value.code == "topic.unknown"
        letters = dead_letter_topic(topic)
        record = ConsumerRecord(topic, 0, 0, 1, b"key", b"value")
        async with world.admin() as admin, world.producer() as producer:
            await admin.create_topic(TopicConfig(name=letters, partitions=1))
            assert (await replay_dead_letters(world.address, topic)).replayed == 0
            letter = DeadLetter.of(record, WHY, 5).encode()
            await producer.send_batch([{"topic": letters, "value": v} for v in (b"?", letter)])
        done = await replay_dead_letters(world.address, topic)
        assert (done.replayed, done.passed_over) == (1, 1)

    asyncio.run(go())


def test_without_a_place_for_the_letter_the_record_stays(world: World) -> None:
    """Nothing is lost: the consumer stops before it, and says why."""

    async def go() -> None:
        topic, group = (await world.topic()).ljust(249, "x"), world.group()  # no room for a suffix
        async with world.admin() as admin, world.producer() as producer:
            await admin.create_topic(TopicConfig(name=topic, partitions=1))
            await producer.send({"topic": topic, "value": "x"})

        def handler(record: ConsumerRecord) -> None:
            raise ValueError("bad")

        config = {"onHandlerFailure": "dead-letter", "handlerRetries": 0}
        async with world.reading(topic, group, **config) as consumer:
            with pytest.raises(Internal) as caught:
                async with asyncio.timeout(120):
                    await consumer.run(handler)
            assert "dead letter was not written" in str(caught.value)
        async with world.reading(topic, group) as consumer:
            assert [r.offset for r in await poll_all(consumer, 1, 60)] == [0]

    asyncio.run(go())


def test_the_commands(world: World) -> None:
    async def prepare() -> str:
        topic = await world.topic()
        letters = dead_letter_topic(topic)
        record = ConsumerRecord(topic, 0, 0, 1, b"key", b"value")
        async with world.admin() as admin, world.producer() as producer:
            await admin.create_topic(TopicConfig(name=letters, partitions=1))
            letter = DeadLetter.of(record, WHY, 5).encode()
            await producer.send_batch([{"topic": letters, "value": v} for v in (b"?", letter)])
        return topic

    topic = asyncio.run(prepare())

    def run(*arguments: str) -> Any:
        end = ["--bootstrap-servers", world.address, "-o", "json"]
        done = CliRunner().invoke(root, ["dlq", *arguments, *end], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert {"topic": topic, "letters": 2} in run("list")
    unreadable, readable = run("show", topic)
    assert unreadable["code"] == "dead_letter.unreadable"
    assert (readable["partition"], readable["offset"]) == (0, 0)
    assert (readable["value"], readable["code"]) == ("value", "x.y")
    assert run("replay", topic) == {"replayed": 1, "passedOver": 1}
    assert run("replay", topic) == {"replayed": 0, "passedOver": 0}


def test_marks_of_transactions_and_what_was_aborted_are_no_letters(world: World) -> None:
    async def prepare() -> str:
        topic = await world.topic()
        letters = dead_letter_topic(topic)
        async with world.admin() as admin:
            await admin.create_topic(TopicConfig(name=letters, partitions=2))
        async with world.producer(transactionalId=topic, idempotence=True) as producer:
            for n in range(5):
                letter = DeadLetter.of(ConsumerRecord(topic, 0, n, 1, b"", b"v"), WHY, n).encode()
                await producer.begin_transaction()
                await producer.send({"topic": letters, "partition": n % 2, "value": letter})
                if n == 2:
                    await producer.abort_transaction()
                else:
                    await producer.commit_transaction()
        return topic

    topic = asyncio.run(prepare())

    def run(*arguments: str) -> list[Any]:
        end = ["--bootstrap-servers", world.address, "-o", "json"]
        done = CliRunner().invoke(root, [*arguments, *end], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        if arguments[0] == "dlq":
            return list(json.loads(done.stdout))
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    assert {"topic": topic, "letters": 4} in run("dlq", "list")
    assert [row["offset"] for row in run("dlq", "show", topic)] == [0, 1, 3, 4]
    assert [row["offset"] for row in run("dlq", "show", topic, "-n", "3")] == [1, 3, 4]
    # Behind the last record of either partition stands a mark: that is the end, too.
    found = run("consume", dead_letter_topic(topic), "-e")
    assert len(found) >= 4
