"""Apps over a live broker: sharing, handing over, failing, beginning and ending."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.flow.world import read_topic, until
from tests.streams.traffic import outputs, wait_for

from summit.base.errors import Closed, Corrupt, Internal
from summit.client.admin import Admin
from summit.client.dead_letters import DeadLetter
from summit.client.producer import StreamProducer
from summit.client.topics import TopicConfig
from summit.operators.windows import tumbling
from summit.streams.app import StreamApp

Declare = Callable[[StreamApp], Any]


def app_of(servers: list[str], declare: Declare, **settings: Any) -> StreamApp:
    quick = {"session_timeout_ms": 2_000, "topics_refresh_ms": 100, "idle_ms": 200}
    app = StreamApp("summit-app", bootstrap_servers=servers, **{**quick, **settings})
    declare(app)
    return app


async def send(servers: list[str], topic: str, *values: Any, partitions: int = 2) -> None:
    """Values, or (key, value)."""
    async with Admin({"bootstrapServers": servers}) as admin:
        await admin.create_if_missing(TopicConfig(name=topic, partitions=partitions))
        await admin.create_if_missing(TopicConfig(name="out", partitions=2))
    pairs = [value if isinstance(value, tuple) else (None, value) for value in values]
    async with StreamProducer({"bootstrapServers": servers, "lingerMs": 0}) as producer:
        await producer.send_batch(
            [
                {
                    "topic": topic, "key": key,
                    "value": value if value is None or isinstance(value, bytes)
                    else json.dumps(value),
                }
                for key, value in pairs
            ]
        )  # fmt: skip


def counting(app: StreamApp) -> None:
    app.stream("in").key_by(lambda v: v % 5, name="by").count().to("out")


async def counts(servers: list[str], values: int) -> None:
    """Wait until `counting` has told of so many values, and check that of each key."""
    await wait_for(servers, "out", values)
    found = sorted(await outputs(servers, "out"))
    assert found == sorted(n // 5 + 1 for n in range(values))


def test_two_share_the_work_and_hand_it_over(each_backend: list[str]) -> None:
    servers = each_backend

    async def run() -> None:
        await send(servers, "in", *range(100), partitions=4)
        async with app_of(servers, counting) as one:
            assert await one.wait_active(60_000)
            await counts(servers, 100)
            async with app_of(servers, counting) as two:
                assert await two.wait_active(60_000)
                assert sorted(one.describe()["slots"] + two.describe()["slots"]) == [0, 1, 2, 3]
                await send(servers, "in", *range(100, 200))
                await counts(servers, 200)
                await one.stop()
                await send(servers, "in", *range(200, 300))
                await until(lambda: two.describe()["slots"] == [0, 1, 2, 3], 60)
                await counts(servers, 300)
            assert (one.state, two.state) == ("stopped", "stopped")
            assert one.figures.restarts + two.figures.restarts == 0

    asyncio.run(run())


def test_it_stops_by_itself_and_goes_on_where_it_was(servers: list[str]) -> None:
    async def run() -> None:
        for more in range(3):
            await send(servers, "in", *range(more * 50, more * 50 + 50))
            app = app_of(servers, counting, stop_at_end=True)
            await app.run()
            assert app.figures.records == 50
            await counts(servers, more * 50 + 50)

    asyncio.run(run())


def test_a_silent_partition_does_not_hold_windows_open(servers: list[str]) -> None:
    def declare(app: StreamApp) -> None:
        windows = app.stream("in", time=lambda v: v["at"]).key_by(lambda v: v["k"])
        windows.window(tumbling(10)).count().map(lambda w: [w.key, w.value]).to("out")

    async def run() -> None:
        await send(servers, "in", *({"k": 1, "at": at} for at in (1, 2, 12)), partitions=3)
        async with app_of(servers, declare):
            await wait_for(servers, "out", 1)
            assert await outputs(servers, "out") == [[1, 2]]

    asyncio.run(run())


def test_a_table_is_read_before_what_is_joined_with_it(servers: list[str]) -> None:
    def declare(app: StreamApp) -> None:
        joined = app.stream("in").key_by(lambda v: v["user"])
        joined.join_table(app.table("users"), how="left").to("out")

    async def run() -> None:
        await send(servers, "in", *({"user": f"u{n % 4}"} for n in range(40)))
        users = [(f"u{n}", {"n": n}) for n in range(4)]
        await send(servers, "users", *users, ("u3", None))
        app = app_of(servers, declare, stop_at_end=True)
        await app.run()
        found = await outputs(servers, "out")
        assert len(found) == 40
        assert all(
            right == (None if left["user"] == "u3" else {"n": int(left["user"][1])})
            for left, right in found
        )
        await send(servers, "users", ("u0", {"n": "new"}))
        await app_of(servers, declare, stop_at_end=True).run()
        await send(servers, "in", {"user": "u0"}, {"user": "u1"})
        await app_of(servers, declare, stop_at_end=True).run()
        found = await outputs(servers, "out")
        assert len(found) == 42
        assert [left for left, right in found if right == {"n": "new"}] == [{"user": "u0"}]

    asyncio.run(run())


def test_what_cannot_be_read_is_put_aside(servers: list[str]) -> None:
    async def run() -> None:
        await send(servers, "in", 1, b"{", 2, b"no")
        app = app_of(servers, lambda app: app.stream("in", int).to("out"), stop_at_end=True)
        await app.run()
        assert sorted(await outputs(servers, "out")) == [1, 2]
        letters = [DeadLetter.decode(r.value) for r in await read_topic(servers, "in.dlq", 2)]
        assert sorted(letter.value or b"" for letter in letters) == [b"no", b"{"]
        assert {letter.error.stage for letter in letters} == {"stream stream-1"}
        assert app.figures.unreadable == 2

    asyncio.run(run())


def test_a_function_that_fails_ends_the_app_and_loses_nothing(servers: list[str]) -> None:
    def failing(app: StreamApp) -> None:
        app.stream("in").map(lambda v: 6 // (v - 3), name="dividing").to("out")

    async def run() -> None:
        await send(servers, "in", 1, 2, 3, partitions=1)
        with pytest.raises(Closed) as failed:
            await app_of(servers, failing).run()
        assert isinstance(failed.value.__cause__, Internal)
        assert "dividing" in str(failed.value)
        await app_of(servers, lambda app: app.stream("in").to("out"), stop_at_end=True).run()
        assert sorted(await outputs(servers, "out")) == [1, 2, 3]

    asyncio.run(run())


def test_state_of_another_graph_is_refused(servers: list[str]) -> None:
    def other(app: StreamApp) -> None:
        app.stream("in").key_by(lambda v: v % 5, name="by").reduce(max, name="count-1").to("out")

    async def run() -> None:
        await send(servers, "in", 1, 2, 3)
        await app_of(servers, counting, stop_at_end=True).run()
        with pytest.raises(Closed) as failed:
            await app_of(servers, other, stop_at_end=True).run()
        assert isinstance(failed.value.__cause__, Corrupt)

    asyncio.run(run())


def test_the_latest_begins_behind_what_was_there(servers: list[str]) -> None:
    def declare(app: StreamApp) -> None:
        app.stream("in").to("out")

    async def run() -> None:
        await send(servers, "in", 1, 2, 3)
        async with app_of(servers, declare, start_from="latest") as app:
            assert await app.wait_active(20_000)
            await until(lambda: app.figures.commits > 0)
        await send(servers, "in", 4)  # nobody is there; it is not forgotten all the same
        await app_of(servers, declare, start_from="latest", stop_at_end=True).run()
        assert await outputs(servers, "out") == [4]

    asyncio.run(run())


def test_new_partitions_are_noticed(servers: list[str]) -> None:
    async def run() -> None:
        await send(servers, "in", 1, partitions=1)
        async with app_of(servers, lambda app: app.stream("in").to("out"), slots=2):
            await wait_for(servers, "out", 1)
            async with Admin({"bootstrapServers": servers}) as admin:
                await admin.create_partitions("in", 3)
            config = {"bootstrapServers": servers, "lingerMs": 0}
            async with StreamProducer(config) as producer:
                await producer.send({"topic": "in", "partition": 2, "value": "2"})
            await wait_for(servers, "out", 2)

    asyncio.run(run())


def test_the_graph_is_described() -> None:
    described = app_of(["localhost:1"], counting).describe()
    first, second = described["parts"]
    assert first == {
        "name": "stream-1",
        "reads": [{"name": "stream-1", "kind": "stream", "from": [], "topic": "in"}],
        "nodes": [
            {
                "name": "by", "kind": "key_by", "from": ["stream-1"],
                "topic": "_summit-app-by-repartition",
            }
        ],
    }  # fmt: skip
    assert [node["kind"] for node in second["nodes"]] == ["count", "to"]
    assert (described["guarantee"], described["state"]) == ("exactly_once", "joining")
