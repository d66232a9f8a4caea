"""The commit scheduler, with a store that does what the test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from summit.base.errors import Corrupt, SummitError, Unavailable
from summit.broker.commit import CommitScheduler

FULL = Unavailable("disk.full", path="x")
BROKEN = Corrupt("disk.sync_failed", path="x", reason="no")


class Sealed:
    def __init__(self, store: Store, names: list[str]) -> None:
        self.store, self.names = store, names

    def persist(self) -> None:
        self.store.events.append(f"persist {' '.join(self.names)}")
        self.store.gate.wait(5)
        if self.store.error is not None:
            raise self.store.error

    def publish(self) -> list[Any]:
        self.store.events.append(f"publish {' '.join(self.names)}")
        return list(self.names)

    def roll_back(self) -> list[Any]:
        self.store.events.append(f"roll back {' '.join(self.names)}")
        return [name[0] for name in self.names]  # "a1" is staged in partition "a"


class Store:
    def __init__(self) -> None:
        self.open: list[str] = []
        self.events: list[str] = []
        self.error: SummitError | OSError | None = None
        self.gate = threading.Event()
        self.gate.set()

    def seal(self) -> Sealed | None:
        names, self.open = self.open, []
        return Sealed(self, names) if names else None


class Bench:
    """A scheduler on a running loop and what it told."""

    def __init__(self, *, inline: bool) -> None:
        self.store = Store()
        self.told: list[tuple[str, str | None]] = []
        self.failures: list[SummitError] = []
        self.scheduler = CommitScheduler(
            self.store,
            asyncio.get_running_loop(),
            inline=inline,
            on_published=lambda logs: self.store.events.append(f"published {len(logs)}"),
            on_failed=self.failures.append,
        )

    def stage(self, name: str, size: int = 10) -> None:
        self.store.open.append(name)
        done = self.teller(name)
        self.scheduler.when_durable(done, [name[0]], size)  # type: ignore[list-item]

    def teller(self, name: str) -> Callable[[SummitError | None], None]:
        def done(error: SummitError | None) -> None:
            self.store.events.append(f"told {name}")
            self.told.append((name, None if error is None else error.code))

        return done


def run(scenario: Callable[[Bench], Coroutine[Any, Any, None]], *, inline: bool) -> None:
    async def main() -> None:
        bench = Bench(inline=inline)
        await scenario(bench)
        bench.scheduler.close()

    asyncio.run(main())


@pytest.mark.parametrize("inline", [True, False])
def test_one_turn_is_one_group_and_answers_follow_publish(inline: bool) -> None:
    async def scenario(bench: Bench) -> None:
        bench.stage("a1")
        bench.stage("b1")
        assert bench.scheduler.backlog_bytes == 20
        await bench.scheduler.drain()
        assert bench.store.events == [
            "persist a1 b1", "publish a1 b1", "published 2", "told a1", "told b1",
        ]  # fmt: skip
        assert bench.scheduler.backlog_bytes == 0

    run(scenario, inline=inline)


def test_others_collect_while_one_is_in_flight() -> None:
    async def scenario(bench: Bench) -> None:
        bench.store.gate.clear()
        bench.stage("a1")
        await asyncio.sleep(0.02)
        for name in ("b1", "c1", "d1"):
            bench.stage(name)
            await asyncio.sleep(0)
        assert bench.told == []
        bench.store.gate.set()
        await bench.scheduler.drain()
        assert [event for event in bench.store.events if event.startswith("persist")] == [
            "persist a1", "persist b1 c1 d1",
        ]  # fmt: skip
        assert [name for name, _ in bench.told] == ["a1", "b1", "c1", "d1"]

    run(scenario, inline=False)


@pytest.mark.parametrize("inline", [True, False])
def test_full_disk_fails_its_group_and_goes_on(inline: bool) -> None:
    async def scenario(bench: Bench) -> None:
        bench.store.error = FULL
        bench.stage("a1")
        await bench.scheduler.drain()
        bench.store.error = None
        bench.stage("a2")
        await bench.scheduler.drain()
        assert bench.told == [("a1", "disk.full"), ("a2", None)]
        assert bench.failures == []

    run(scenario, inline=inline)


def test_what_was_staged_behind_a_failed_group_fails_with_it() -> None:
    async def scenario(bench: Bench) -> None:
        bench.store.gate.clear()
        bench.store.error = FULL
        bench.stage("a1")
        await asyncio.sleep(0.02)
        bench.stage("a2")  # the same partition: its offsets hang in the air
        bench.stage("b1")  # another one
        bench.store.gate.set()
        await asyncio.sleep(0.05)
        assert bench.told[:2] == [("a1", "disk.full"), ("a2", "disk.full")]
        bench.store.error = None
        await bench.scheduler.drain()
        assert "b1" in dict(bench.told)

    run(scenario, inline=False)


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("error", [BROKEN, OSError(5, "Input/output error", "f")])
def test_failed_sync_is_final(inline: bool, error: Any) -> None:
    async def scenario(bench: Bench) -> None:
        bench.store.error = error
        bench.stage("a1")
        await bench.scheduler.drain()
        bench.store.error = None
        bench.stage("a2")
        assert [code for _, code in bench.told] in (
            ["disk.sync_failed"] * 2,
            ["disk.write_failed"] * 2,
        )
        assert len(bench.failures) == 1
        assert not [event for event in bench.store.events if event.startswith("publish ")]

    run(scenario, inline=inline)


def test_a_waiter_that_raises_does_not_cost_the_others_their_answer() -> None:
    async def scenario(bench: Bench) -> None:
        seen: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))

        def raising(error: SummitError | None) -> None:
            raise LookupError("a bug")

        bench.store.open.append("a1")
        bench.scheduler.when_durable(raising, [])
        bench.stage("b1")
        await asyncio.sleep(0.05)
        assert bench.told == [("b1", None)]
        assert len(seen) == 1

    run(scenario, inline=True)


def test_nothing_staged_is_told_at_once() -> None:
    async def scenario(bench: Bench) -> None:
        bench.scheduler.when_durable(bench.teller("nothing"), [])
        await bench.scheduler.drain()
        assert bench.told == [("nothing", None)]

    run(scenario, inline=False)


def test_an_error_from_elsewhere_stops_it() -> None:
    async def scenario(bench: Bench) -> None:
        bench.stage("a1")
        bench.scheduler.fail(BROKEN)
        assert bench.told == [("a1", "disk.sync_failed")]
        assert bench.failures == [BROKEN]

    run(scenario, inline=True)
