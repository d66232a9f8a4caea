"""The alert log: who writes reads what became of it, and all who read it agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from summit.alerts.desk import Decision
from summit.alerts.entries import Acknowledge, AddComment, AddSilence, AnyEntry, Fired, Resolve
from summit.alerts.matchers import Matchers
from summit.base.errors import Conflict, Invalid, SummitError
from summit.client.producer import StreamProducer
from summit.journal.desk_follower import DeskFollower


@asynccontextmanager
async def following(servers: list[str], count: int = 1) -> AsyncIterator[list[DeskFollower]]:
    followers = [DeskFollower(servers, name=f"desk-{n}") for n in range(count)]
    await asyncio.gather(*(follower.start() for follower in followers))
    try:
        yield followers
    finally:
        await asyncio.gather(*(follower.stop() for follower in followers))


def fired(name: str) -> Fired:
    return Fired(
        by="summit", id=name, severity="high", title=name, timestamp=1_000, key={"ip": "10.0.0.1"}
    )


def test_two_writers_one_order(each_backend: list[str]) -> None:
    async def attempt(follower: DeskFollower, entry: AnyEntry) -> Decision | SummitError:
        try:
            return await follower.write(entry)
        except SummitError as error:
            return error

    async def run() -> None:
        async with following(each_backend, 2) as (one, other):
            await one.write(fired("a"))
            answers = await asyncio.gather(
                attempt(one, Acknowledge(by="ann", id="a")),
                attempt(other, Acknowledge(by="bob", id="a")),
            )
            refused = [answer for answer in answers if isinstance(answer, Conflict)]
            assert len(refused) == 1
            assert refused[0].code == "alert.not_firing"
            for number in range(20):
                await asyncio.gather(
                    one.write(fired(f"b{number}")),
                    other.write(AddComment(by="bob", id="a", text=str(number))),
                )
            await one.write(Resolve(by="ann", id="b3"))
            await other.write(AddSilence(by="bob", matchers=Matchers(rule=("x",)), until=1 << 60))
            await one.write(AddComment(by="ann", id="a", text="last"))
            await other.write(AddComment(by="ann", id="a", text="very last"))
            await one.write(AddComment(by="ann", id="a", text="end"))
            async with asyncio.timeout(10):
                while other.desk.state.next_offset < one.desk.state.next_offset:
                    await asyncio.sleep(0.01)
            whole = one.desk.dump()
            assert other.desk.dump() == whole
        async with following(each_backend) as (later,):
            assert later.desk.dump() == whole

    asyncio.run(run())


def test_what_refuses_an_entry_is_raised_to_its_writer(each_backend: list[str]) -> None:
    async def run() -> None:
        async with following(each_backend) as (follower,):
            told: list[Decision] = []
            follower.on("decision", told.append)
            with pytest.raises(Invalid) as refusal:
                await follower.write(Resolve(by="ann", id="nobody"))
            assert refusal.value.code == "alert.unknown"
            assert [decision.error is not None for decision in told] == [True]
            assert await follower.write_all([]) == []

    asyncio.run(run())


def test_what_is_no_entry_is_passed_over_and_counted(each_backend: list[str]) -> None:
    async def run() -> None:
        async with following(each_backend) as (follower,):
            async with StreamProducer({"bootstrapServers": each_backend}) as producer:
                for value in (b"no json", None):
                    await producer.send(
                        {"topic": "_summit.alert-state", "partition": 0, "value": value}
                    )
            await follower.write(fired("a"))
            assert follower.desk.state.counters["invalid"] == 2
            assert follower.desk.state.next_offset >= 3

    asyncio.run(run())
