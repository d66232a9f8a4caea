"""Backfills in a worker: which it does, whether they are full, taking up what they have begun."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from summit.base.clock import Clock
from summit.base.errors import SummitError, Unavailable
from summit.base.limits import WORKER_RETRY_MS
from summit.base.logs import get_logger
from summit.flow.backfilling import Backfilling, clear_away
from summit.flow.backfills import Backfill, Live, live_ones
from summit.flow.metrics import WorkerMetrics
from summit.flow.past_state import PastState
from summit.flow.placement import carrier
from summit.flow.rules import Rules
from summit.flow.runtime import Place, Runtime
from summit.flow.settings import WorkerSettings
from summit.flow.switching import Switch
from summit.journal.definitions import Definitions
from summit.journal.progress_record import Positions, split_partition_name
from summit.journal.state_log import Content


class Begun(NamedTuple):
    """What key groups held here are to take up.

    Attributes:
        contents: What rules have begun, with the key groups that have not taken it up yet.
        starts: From which offsets on inputs are read that those carry.
        times: How far event time had come there.
    """

    contents: list[tuple[Content, frozenset[int]]]
    starts: Positions
    times: dict[Place, int]


NOTHING = Begun([], {}, {})


class Backfills:
    """See the module; one loop's.

    Attributes:
        begun: What is to be taken up, between `look` and `take_up`.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        clock: Clock,
        definitions: Definitions,
        runtime: Runtime,
        metrics: WorkerMetrics,
    ) -> None:
        self._metrics = metrics
        self._settings = settings
        self._clock = clock
        self._definitions = definitions
        self._runtime = runtime
        self._past = PastState(settings.servers)
        self._doing: dict[str, Backfilling] = {}
        self._full: set[str] = set()
        self._cleared: set[str] = set()
        self._clearing: dict[asyncio.Task[None], str] = {}  # after which rule
        self._swept_by: Rules | None = None
        self._swept_held: frozenset[int] = frozenset()
        self._sweeps_at_ms = 0.0
        self.begun = NOTHING

    async def stop(self) -> None:
        """End what is done here. Idempotent."""
        await self._end({}, Rules.none())
        for task in self._clearing:
            task.cancel()
        if self._clearing:
            await asyncio.wait(self._clearing)
        await self._past.close()

    async def keep(self, rules: Rules) -> None:
        """Do the backfills of the held key groups, and no others; what is left of others goes."""
        held = self._runtime.held
        swept = self._swept_by is rules and self._swept_held == held
        if swept and not rules.backfills and not self._doing:
            return
        wanted = {each.name: each for each in rules.backfills if each.group in held}
        await self._end(wanted, rules)
        if not swept and self._clock.monotonic_ms() >= self._sweeps_at_ms:
            await self._sweep(rules)
        self._begin(wanted, rules)

    async def _sweep(self, rules: Rules) -> None:
        """Delete what is left of backfills that were published anew, or whose rule is no more.

        Also of those that others did: who did them may be gone.
        """
        held = frozenset(self._runtime.held)
        marks: Iterable[str] = ()
        # A rule that cannot run here may run elsewhere, or tomorrow.
        if not rules.faulty and self._definitions.log.history("backfill"):
            try:
                marks = await self._past.names()
            except Unavailable as error:
                self._sweeps_at_ms = self._clock.monotonic_ms() + WORKER_RETRY_MS
                get_logger(__name__).warning("backfill.not_cleared", error=str(error))
                return
        self._swept_by, self._swept_held = rules, held
        kept = {each.name for each in rules.backfills} | {each.name for each in rules.live}
        for name in sorted(set(marks) - kept - self._cleared):
            left = Live(name.rpartition("@")[0], name, -1)
            if left.group not in held:
                continue
            if left.rule in self._busy():  # they would fence each other
                self._swept_by = None
            else:
                self._clear_soon(left)

    async def _end(self, wanted: dict[str, Backfill], rules: Rules) -> None:
        for name, doing in list(self._doing.items()):
            if name not in wanted or doing.rules is not rules:
                del self._doing[name]
                await doing.stop()

    def _begin(self, wanted: dict[str, Backfill], rules: Rules) -> None:
        # Who clears away after a rule and who reads its past would fence each other.
        busy = self._busy()
        for name, backfill in wanted.items():
            if name not in self._doing and backfill.rule not in busy:
                doing = Backfilling(
                    self._settings, self._clock, backfill, rules, self._live, self._metrics
                )
                self._doing[name] = doing
                doing.start()

    async def _live(self, backfill: Backfill) -> None:
        """Put it in force, unless somebody has changed the backfill meanwhile."""
        definitions = self._definitions
        current = definitions.log.get("backfill", backfill.rule)
        if current is not None and current.offset == backfill.definition.offset:
            await definitions.publish(backfill.live_document(), expected_offset=current.offset)

    @property
    def under_way(self) -> bool:
        """Whether something is done here."""
        return bool(self._doing or self._busy())

    def going_live(self, rules: Rules, target: int) -> set[str]:
        """The backfills that these rules have open, and that the target takes up."""
        if not rules.backfills:
            return set()
        wanted = live_ones(self._definitions.log.until(target).current("backfill"))
        return {each.name for each in rules.backfills} & {each.name for each in wanted}

    async def are_full(self, names: Iterable[str]) -> bool:
        """Whether everything is there that is to be taken up.

        Asked while the workers stand still; here it lets what is done here come to its end.
        """
        for name in names:
            doing = self._doing.get(name)
            if doing is not None:
                doing.finish()
                if not doing.is_full:
                    return False
            elif not await self._is_full(name):
                return False
        return True

    async def not_before_full(self, offset: int, acting: int) -> int:
        """The definitions to go by, without those that take up what is not complete yet.

        Raises: Unavailable; Corrupt.
        """
        for each in live_ones(self._definitions.log.until(offset).current("backfill")):
            if each.offset < acting or each.name in self._full:
                continue
            mark = await self._past.mark(each.name)
            if mark is not None and not mark.full:  # without one it was cleared away
                return each.offset
        return offset

    async def _is_full(self, name: str) -> bool:
        if name not in self._full:
            mark = await self._past.mark(name)
            if mark is None or not mark.full:
                return False
            self._full.add(name)
        return True

    async def look(self, rules: Rules) -> None:
        """See what the held key groups have not taken up yet. Raises: Unavailable; Corrupt."""
        found = NOTHING
        for live in rules.live:
            groups = frozenset(
                group for group in self._runtime.held
                if self._runtime.made_by(group) <= live.offset
            )  # fmt: skip
            mark = await self._past.mark(live.name) if groups else None
            if mark is None:
                continue
            content = (await self._past.states(live.name)).content()
            starts = {
                name: at for name, at in mark.positions.items()
                if carrier(*split_partition_name(name)) in groups
            }  # fmt: skip
            found = Begun(
                [*found.contents, (content, groups)], {**found.starts, **starts},
                {**found.times, **content.times},
            )  # fmt: skip
        self.begun = found

    def take_up(self) -> None:
        """Let the key groups go on with what was begun, once their inputs are read."""
        for content, groups in self.begun.contents:
            self._runtime.take_up(content, groups)
        self.begun = NOTHING

    def clear_away(self, rules: Rules, switch: Switch) -> None:
        """Delete what every key group has taken up, where that is for this worker to do."""
        if self._busy():
            return
        for live in rules.live:
            if live.name in self._cleared or live.group not in self._runtime.held:
                continue
            made = all(self._runtime.made_by(g) > live.offset for g in self._runtime.held)
            if made and switch.acted(live.offset):
                self._clear_soon(live)
                return

    def _busy(self) -> set[str]:
        """The rules after which is cleared away now."""
        for task in [task for task in self._clearing if task.done()]:
            del self._clearing[task]
        return set(self._clearing.values())

    def _clear_soon(self, live: Live) -> None:
        self._cleared.add(live.name)
        task = asyncio.create_task(self._clear(live), name="backfill-cleared")
        self._clearing[task] = live.rule

    async def _clear(self, live: Live) -> None:
        try:
            await clear_away(self._settings, self._clock, live)
        except SummitError as error:
            self._cleared.discard(live.name)
            self._swept_by = None
            self._sweeps_at_ms = self._clock.monotonic_ms() + WORKER_RETRY_MS
            get_logger(__name__).warning("backfill.not_cleared", error=str(error))
