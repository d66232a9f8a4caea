"""What a backfill does when something it needs fails; no broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from tests.flow.world import five_failures

from summit.base.clock import SystemClock
from summit.base.errors import Unavailable
from summit.flow import backfill_keeping, backfilling
from summit.flow.backfill_keeping import Backfills
from summit.flow.backfilling import Backfilling
from summit.flow.backfills import Backfill
from summit.flow.metrics import WorkerMetrics
from summit.flow.replay_output import match_name
from summit.flow.rules import Rules, rules_of
from summit.flow.runtime import Cut
from summit.flow.settings import WorkerSettings
from summit.journal.definition_log import Definition
from summit.keyed.keygroups import KEY_GROUPS


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


def rules_with(version: int = 1) -> Rules:
    begins = definition({"kind": "backfill", "id": "late", "since": "earliest"}, version)
    return rules_of(
        [
            definition(five_failures("late"), 0),
            msgspec.structs.replace(begins, version=version),
        ]
    )


def begun(live: Callable[[Backfill], Awaitable[None]]) -> Backfilling:
    rules = rules_with()
    (backfill,) = rules.backfills
    clock = SystemClock()
    return Backfilling(WorkerSettings(), clock, backfill, rules, live, WorkerMetrics(clock))


async def nobody(_: Backfill) -> None:
    """Who is not told."""


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


def test_whatever_fails_it_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        doing = begun(nobody)
        tries: list[int] = []

        async def fails() -> None:
            tries.append(len(tries))
            if len(tries) < 3:
                raise KeyError("what nobody thought of")

        monkeypatch.setattr(doing, "_run", fails)
        doing.start()
        assert doing._task is not None
        await asyncio.wait_for(doing._task, 30)
        assert tries == [0, 1, 2]
        assert "KeyError" in doing._metrics.faults["backfill/late"]
        await doing.stop()
        assert not doing._metrics.faults

    asyncio.run(run())


def test_what_was_counted_for_an_alert_of_before_is_not_counted_again() -> None:
    backfill, nothing = begun(nobody), cast(Any, None)
    work = backfilling._Work(
        backfill.backfill, backfill.rules, nothing, nothing, nothing, WorkerSettings(), nothing
    )
    work._known = {match_name(b"old")}
    cut = Cut([], [], {}, {}, {}, {}, {}, {}, 0, {"old": (3, 1), "new": (2, 1)})
    assert work._new(cut).suppressed == {"new": (2, 1)}


def test_it_begins_once_what_was_before_is_cleared_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both go by the rule's name: the one would fence the other."""
    told: list[str] = []

    async def run() -> None:
        cleared = asyncio.Event()

        async def clear(*_: Any) -> None:
            await cleared.wait()
            told.append("cleared")

        monkeypatch.setattr(backfill_keeping, "clear_away", clear)
        monkeypatch.setattr(Backfilling, "start", lambda doing: told.append(doing.backfill.name))
        clock = SystemClock()
        held = SimpleNamespace(held=frozenset(range(KEY_GROUPS)))
        log = SimpleNamespace(log=SimpleNamespace(history=lambda _: ["late"]))
        kept = Backfills(
            WorkerSettings(), clock, cast(Any, log), cast(Any, held), WorkerMetrics(clock)
        )

        async def names() -> list[str]:
            return ["late@1"]

        monkeypatch.setattr(kept._past, "names", names)
        await kept.keep(rules_with(1))
        await kept.keep(anew := rules_with(2))
        assert told == ["late@1"]
        assert kept.under_way
        cleared.set()
        async with asyncio.timeout(30):
            while len(told) < 3:
                await kept.keep(anew)
                await asyncio.sleep(0)
        await kept.stop()

    asyncio.run(run())
    assert told == ["late@1", "cleared", "late@2"]
