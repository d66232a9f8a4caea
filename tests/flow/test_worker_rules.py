"""Rules that go and come back: they begin anew, with what comes after them."""

from __future__ import annotations

import asyncio

from tests.flow.world import failure, five_failures, world

from summit.cep.rules import prepare_rule
from summit.documents import validate_pattern
from summit.journal.state_reading import list_keys


def test_a_rule_that_comes_back_does_not_read_what_it_has_missed(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.start_worker()
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(3))))
            await w.apply(five_failures(enabled=False))
            await w.settle(await w.send(*(failure(n) for n in range(3, 9))))
            await w.apply(five_failures())
            assert await w.settle(await w.send(*(failure(n) for n in range(9, 13)))) == []
            (alert,) = await w.settle(await w.send(failure(13)))
            assert [e.offset for e in alert.evidence] == [9, 10, 11, 12, 13]

    asyncio.run(run())


def test_what_a_rule_has_begun_goes_with_it_for_good(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            first = await w.start_worker()
            await w.apply(five_failures(), five_failures("other", groupBy=["user"]))
            await w.settle(await w.send(*(failure(n, user="u") for n in range(3))))
            state_id = prepare_rule(validate_pattern(five_failures()).plan).state_id
            assert len((await list_keys(servers, state_id, count_max=9)).found) == 1
            await w.apply(five_failures(enabled=False))
            await first.stop()
            assert (await list_keys(servers, state_id, count_max=9)).found == []
            second = await w.start_worker()
            await w.apply(five_failures())
            assert await second.wait_active(20_000)
            alerts = await w.settle(await w.send(*(failure(n, user="u") for n in (3, 4))))
            assert [alert.pattern for alert in alerts] == ["other"]

    asyncio.run(run())
