"""Taking over what others hold: by the rules and topics of now, not by those of the beginning."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.flow.test_worker_time import by_time
from tests.flow.world import failure, five_failures, until, world

from summit.client.member import GroupMember


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
