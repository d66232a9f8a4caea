"""What a later version has written is refused with words, never guessed, never tried for ever."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.flow.world import failure, five_failures, world

from summit.base.errors import Closed, Corrupt
from summit.cep.rules import prepare_rule
from summit.cep.state import STATE_VERSION
from summit.client.producer import StreamProducer
from summit.documents import validate_pattern
from summit.flow.state_view import show_key
from summit.journal.state_log import state_partition, state_record
from summit.journal.topics import EXCHANGE_TOPIC, STATE_TOPIC
from summit.keyed.keygroups import key_group
from summit.keyed.outputs import StateKey


async def write(producer: StreamProducer, topic: str, key: bytes | None, value: bytes) -> None:
    partition = state_partition(key_group("a")) if topic == STATE_TOPIC else key_group("a")
    await producer.send({"topic": topic, "partition": partition, "key": key, "value": value})


def test_a_state_of_a_later_version_ends_the_worker_and_says_why(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            first = await w.start_worker()
            await w.apply(five_failures())
            await w.settle(await w.send(failure(0)))
            await first.stop()
            definition = w.definitions.get("pattern", "brute")
            state_id = prepare_rule(validate_pattern(definition.document).plan).state_id
            newer = STATE_VERSION + 1
            name, value = state_record(StateKey(state_id, "a"), newer, b"from tomorrow")
            assert value is not None
            await write(w.producer, STATE_TOPIC, name, value)
            second = await w.start_worker()
            with pytest.raises(Closed) as caught:
                await asyncio.wait_for(second.wait_finished(), 30)
            assert caught.value.code == "worker.failed"
            assert f"written in version {newer}" in str(caught.value)
            assert "that of rule 'brute', key 'a'" in str(caught.value)
            assert second.state == "failed"
            with pytest.raises(Corrupt, match=f"version {newer}"):
                await show_key(servers, definition, ["a"])
            # The state of a rule that is not in force harms nobody.
            await w.definitions.delete("pattern", "brute")
            third = await w.start_worker()
            assert await third.wait_active(20_000)
            # Applied again it begins anew, also for workers that start later.
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(1, 4))))
            await third.stop()
            await w.start_worker()
            (alert,) = await w.settle(await w.send(failure(4), failure(5)))
            assert alert.count == 5

    asyncio.run(run())


def test_frames_of_a_later_version_end_the_worker(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            await w.apply(five_failures())
            await write(w.producer, EXCHANGE_TOPIC, None, msgspec.msgpack.encode([2, 0, [], []]))
            with pytest.raises(Closed, match="version 2"):
                await asyncio.wait_for(worker.wait_finished(), 30)

    asyncio.run(run())
