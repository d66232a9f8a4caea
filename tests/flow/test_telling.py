"""What workers tell of themselves: when, how much, and how a restoring is seen from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
from tests.flow.world import failure, five_failures, world

from summit.base.clock import ManualClock
from summit.base.limits import FIGURES_TOLD_MS, RATE_WINDOW_MS, RULES_TOLD_MAX
from summit.client.member import GroupMember
from summit.documents import validate_pattern
from summit.flow import session as sessions
from summit.flow.metrics import WorkerMetrics
from summit.flow.restoring import restore
from summit.flow.rules import rules_of
from summit.flow.runtime import Runtime
from summit.flow.settings import WorkerSettings
from summit.flow.telling import Teller
from summit.flow.watching import FlowWatch
from summit.journal.progress_record import encode_progress
from summit.journal.state_log import Content
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS


class Member:
    """As much of a member as is told."""

    member_id = "m-1"


class Told:
    """A teller without brokers, over `count` rules that read every topic."""

    def __init__(self, count: int = 1) -> None:
        self.clock = ManualClock()
        self.metrics = WorkerMetrics(self.clock, "w-1")
        self.runtime = Runtime()
        self.runtime.hold(dict.fromkeys(range(KEY_GROUPS), 0), Content({}, {}, {}, {}, {}))
        self.runtime.engine.set_rules(
            [validate_pattern(five_failures(f"r{n:04}")).plan for n in range(count)]
        )
        member = cast(GroupMember, Member())
        self.teller = Teller(WorkerSettings(), self.clock, self.metrics, member, self.runtime)

    def take(self, *events: dict[str, Any]) -> None:
        values = [msgspec.json.encode(event) for event in events]
        at = self.runtime.positions.get("t/0", 0)
        chunk = Chunk("t", 0, range(at, at + len(values)), [-1] * len(values), values)
        self.runtime.take([chunk])
        self.metrics.count_events([("t/0", len(values))], 1.0)

    def tell(self) -> Any:
        return self.teller.progress(self.runtime.cut(), rules_of([]), 3)


def test_figures_come_at_most_once_a_second_and_once_more_at_rest() -> None:
    t = Told()
    assert t.tell().figures.events == 0
    t.take(failure(0))
    assert t.tell().figures is None, "it is too soon"
    assert not t.teller.is_due
    t.clock.advance(FIGURES_TOLD_MS)
    assert t.teller.is_due, "the last event is not told yet"
    told = t.tell().figures
    assert (told.id, told.member, told.events, told.rules["r0000"].runs) == ("w-1", "m-1", 1, 1)
    assert told.inputs == {"t/0": 1.0}
    t.clock.advance(FIGURES_TOLD_MS)
    assert not t.teller.is_due, "nothing has moved"
    t.clock.advance(RATE_WINDOW_MS)
    assert t.teller.is_due, "the rate is zero now"
    assert t.tell().figures.events_per_sec == 0
    t.clock.advance(RATE_WINDOW_MS)
    assert not t.teller.is_due, "then it is silent"


def test_the_busiest_rules_are_told_and_the_others_counted() -> None:
    t = Told(RULES_TOLD_MAX + 3)
    t.take(failure(0))
    told = t.teller.figures()
    assert (len(told.rules), told.rules_left_out) == (RULES_TOLD_MAX, 3)
    assert len(encode_progress(t.tell())) < 20_000


def test_how_far_a_restoring_is_can_be_seen_from_outside(
    servers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        go_on = asyncio.Event()

        async def slow(*arguments: Any) -> Any:
            progress: Callable[[int, int], None] = arguments[-1]
            progress(1, 4)
            await go_on.wait()
            return await restore(*arguments)

        async with world(servers) as w, FlowWatch(servers) as watch:

            async def row() -> dict[str, Any]:
                rows = (await watch.describe())["workers"]
                return rows[0] if rows else {"state": "none"}

            async def until_it_is(state: str) -> dict[str, Any]:
                async with asyncio.timeout(30):
                    while (found := await row())["state"] != state:
                        await asyncio.sleep(0.1)
                    return found

            first = await w.start_worker()
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(3))))
            await first.stop()
            monkeypatch.setattr(sessions, "restore", slow)
            await w.start_worker()
            found = await until_it_is("restoring")
            assert found["restoring"] == {"done": 1, "total": 4, "share": 0.25}
            go_on.set()
            found = await until_it_is("active")
            assert (found["restoring"], found["restores"], found["runs"]) == (None, 1, 3)
            assert found["restoredRecords"] > 0
            assert found["restoreSeconds"] >= 1

    asyncio.run(run())
