"""Taking over what others hold: by the rules and topics of now, not by those of the beginning."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.flow.test_worker_time import by_time
from tests.flow.world import failure, five_failures, read_topic, until, world

from summit.base.errors import Unavailable
from summit.client.admin import Admin
from summit.client.member import GroupMember
from summit.journal.activation_log import decode_activation
from summit.journal.topics import ACTIVATIONS_TOPIC, ALERTS_TOPIC


@pytest.mark.parametrize("ordered", [False, True])
def test_who_stood_by_takes_over_by_the_rules_and_topics_of_now(
    each_backend: list[str], monkeypatch: pytest.MonkeyPatch, ordered: bool
) -> None:
    """The late one has read the definitions before there was a rule, and seen no topic.

    In the order of event time nothing but the clock lets the last events go: how far time had come
    in their topic must not be lost.
    """
    join = GroupMember.join

    async def run() -> None:
        gate, waits = asyncio.Event(), asyncio.Event()

        async def gated(member: GroupMember, *arguments: Any) -> None:
            if late and not gate.is_set():
                waits.set()
                await gate.wait()
            await join(member, *arguments)

        late = False
        monkeypatch.setattr(GroupMember, "join", gated)
        async with world(each_backend) as w:
            first = await w.start_worker()
            assert await first.wait_active(30_000)
            late = True
            second = await w.start_worker()
            await asyncio.wait_for(waits.wait(), 30)
            await w.apply(five_failures(), *([by_time()] if ordered else []))
            count = 5 if ordered else 3
            assert await w.settle(await w.send(*(failure(n) for n in range(count)))) == []
            await first.stop()
            assert w.all_alerts() == []
            gate.set()
            assert await second.wait_active(30_000)
            if not ordered:
                await w.send(*(failure(n) for n in (3, 4)))
            await until(lambda: len(w.all_alerts()) == 1)
            assert [e.offset for e in w.all_alerts()[0].evidence] == [0, 1, 2, 3, 4]

    asyncio.run(run())


def test_a_take_over_that_breaks_off_is_begun_from_what_is_committed(
    servers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the state was read a broker does not answer: the next try takes nothing up twice.

    Four failures are kept as waiting events: taken up twice they would be five and more.
    """
    offsets = Admin.offsets
    broken = 0

    async def sometimes(admin: Admin, topic: str, **how: Any) -> Any:
        nonlocal broken
        if topic == ALERTS_TOPIC and breaks and broken < 2:
            broken += 1
            raise Unavailable("client.no_brokers", brokers="")
        return await offsets(admin, topic, **how)

    breaks = False

    async def run() -> None:
        nonlocal breaks
        async with world(servers) as w:
            first = await w.start_worker()
            await w.apply(five_failures(), by_time(maxOutOfOrderness="1h"))
            await w.settle(await w.send(*(failure(n) for n in range(4))))
            await first.stop()
            monkeypatch.setattr(Admin, "offsets", sometimes)
            breaks = True
            second = await w.start_worker()
            assert await second.wait_active(60_000)
            assert broken == 2
            late = [failure(n, eventType="other") for n in (10_000, 20_000)]
            await w.send(*late, partition=1)
            await w.settle(await w.send(*late))
            await w.settle(await w.send(failure(20_001, eventType="other"), partition=1))
            assert w.all_alerts() == []

    asyncio.run(run())


def test_an_activation_says_where_an_input_was_begun(servers: list[str]) -> None:
    """Not how far it was read when that was written: a replay would leave the first ones out."""

    async def run() -> None:
        async with world(servers) as w:
            await w.apply(five_failures(), active=False)
            last = await w.send(*(failure(n) for n in range(5)))
            await w.start_worker()
            assert len(await w.settle(last)) == 1
            records = await read_topic(servers, ACTIVATIONS_TOPIC, 1)
            told = [decode_activation(record.value or b"") for record in records]
            assert told[0].inputs["auth/0"] == 0
            # Inputs that come later likewise.
            place = await w.send(*(failure(n, "b") for n in range(5)), topic="later")
            assert len(await w.settle(place)) == 2
            records = await read_topic(servers, ACTIVATIONS_TOPIC, len(records) + 1)
            told = [decode_activation(record.value or b"") for record in records]
            begun = [each.inputs["later/0"] for each in told if "later/0" in each.inputs]
            assert begun[0] == 0

    asyncio.run(run())
