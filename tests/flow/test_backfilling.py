"""What a backfill does when something it needs fails; no broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.flow.world import five_failures

from summit.base.clock import SystemClock
from summit.base.errors import Unavailable
from summit.flow.backfilling import Backfilling
from summit.flow.backfills import Backfill
from summit.flow.metrics import WorkerMetrics
from summit.flow.rules import rules_of
from summit.flow.settings import WorkerSettings
from summit.journal.definition_log import Definition


class Near:
    """Stands where the work does: it is at the present, and has nothing to read."""

    left = 0
    uncommitted = 0

    def __init__(self) -> None:
        self.is_full = False

    async def look(self) -> None:
        """As far as it goes."""

    async def read(self) -> Any:
        """Nothing."""
        for nothing in ():
            yield nothing

    async def commit(self, *, full: bool = False) -> None:
        """Nothing to write."""
        self.is_full = full


def definition(document: dict[str, Any], offset: int) -> Definition:
    return Definition(
        kind=document["kind"], id=document["id"], document=document, offset=offset, version=1,
        timestamp_ms=0,
    )  # fmt: skip


def begun(live: Callable[[Backfill], Awaitable[None]]) -> Backfilling:
    rules = rules_of(
        [
            definition(five_failures("late"), 0),
            definition({"kind": "backfill", "id": "late", "since": "earliest"}, 1),
        ]
    )
    (backfill,) = rules.backfills
    clock = SystemClock()
    return Backfilling(WorkerSettings(), clock, backfill, rules, live, WorkerMetrics(clock))


def test_that_it_is_live_is_told_until_it_is_told() -> None:
    told: list[str] = []

    async def run() -> None:
        async def live(backfill: Backfill) -> None:
            told.append(backfill.rule)
            if len(told) == 1:
                raise Unavailable("client.no_brokers", brokers="")
            doing.finish()

        doing = begun(live)
        work: Any = Near()
        with pytest.raises(Unavailable):
            await doing._read_on(work)
        async with asyncio.timeout(30):
            await doing._read_on(work)
        assert doing.is_full

    asyncio.run(run())
    assert told == ["late", "late"]
