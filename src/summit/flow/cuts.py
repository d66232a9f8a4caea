"""When what was made is written: at once, after a while, or because others must hear of it.

One transaction at a time; the next batch is processed meanwhile. Where alerts leave at once
(at-least-once), they are written before it, as soon as there are any.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from summit.base.clock import Clock
from summit.base.errors import SummitError
from summit.base.limits import TELL_ALL_MS
from summit.flow.aside import Aside
from summit.flow.committing import Commits
from summit.flow.live_stage import LiveStage
from summit.flow.outputs import Outputs
from summit.flow.runtime import Cut, Runtime
from summit.flow.settings import WorkerSettings
from summit.flow.telling import Teller
from summit.flow.tracing import WorkerTraces
from summit.journal.progress_record import Positions, ProgressRecord
from summit.keyed.keygroups import KEY_GROUPS

_EVENTS_UNCOMMITTED_MAX: Final = 100_000  # so that a transaction ends in time
_BEHIND_INTERVAL_MS: Final = 100  # between commits of alerts while more waits than a batch takes
_BATCHES_AHEAD: Final = 5  # batches that may wait for the transaction before them


class Sources(NamedTuple):
    """Whose outputs are written."""

    runtime: Runtime
    aside: Aside
    stage: LiveStage


class Cuts:
    """Cuts what the runtime made, and has it written; one loop's.

    Args:
        commits: Writes the transactions.
        publishes: Writes alerts before them; None = they are part of them.
        progress: What is told with a cut.

    Attributes:
        urgent: Somebody waits for alerts, or for what is to be told.
        at_once: That takes a transaction.
        untold: There is something that must be told at once.
        acts: Where other rules, or other inputs, began.
        traces: To which traces the records belong that are read.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        clock: Clock,
        commits: Commits,
        publishes: Commits | None,
        sources: Sources,
        teller: Teller,
        progress: Callable[[Cut], ProgressRecord],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._runtime, self._aside, self._stage = sources
        self.traces = WorkerTraces()
        self._teller = teller
        self._progress = progress
        self.commits = commits
        self._publishes = publishes
        self.urgent = self.at_once = False
        self.untold = True
        self.acts: Positions | None = None
        self._stale = False  # positions have moved since the last telling
        now_ms = clock.monotonic_ms()
        self._committed_ms = self._told_ms = self._told_all_ms = now_ms

    async def connect(self) -> None:
        """Connect what writes, anew where it is. Raises: as `Commits.start`."""
        if self._publishes is not None:
            await self._publishes.start()
        await self.commits.start()

    async def stop(self) -> None:
        """Disconnect, after what is under way. Idempotent."""
        await self.commits.stop()
        if self._publishes is not None:
            await self._publishes.stop()

    async def settle(self) -> None:
        """Wait for what is under way, whatever becomes of it."""
        for commits in (self.commits, self._publishes):
            with suppress(SummitError):
                if commits is not None:
                    await commits.settle()

    @property
    def is_shared(self) -> bool:
        """Whether there are other workers to be told."""
        return len(self._runtime.held) < KEY_GROUPS

    async def keep_up(self, *, behind: bool = False) -> None:
        """Begin to write what is due.

        Args:
            behind: More records are there than one batch takes. Then alerts are late anyway, and a
                transaction for each batch would only put off those that are to come.
        Raises: as `Commits.settle`.
        """
        if self._publishes is not None and self.urgent and not self._publishes.under_way:
            await self._publish(telling=True)
        if self.commits.under_way:
            if self._runtime.events >= self._settings.batch_records * _BATCHES_AHEAD:
                await self.commits.settle()
            return  # one transaction at a time; the next batch is processed meanwhile
        interval_ms = self._settings.interval_ms(shared=self.is_shared)
        waited_ms = self._clock.monotonic_ms() - self._committed_ms
        urgent = self.at_once or (
            self.urgent
            and self._publishes is None
            and (not behind or waited_ms >= _BEHIND_INTERVAL_MS)
        )
        if urgent or waited_ms >= interval_ms or self._runtime.events >= _EVENTS_UNCOMMITTED_MAX:
            await self._begin(telling=urgent)

    async def commit(self, *, last: bool) -> None:
        """Make durable what was processed; returns when it is.

        Args:
            last: Tell the progress in any case.
        Raises: as `Commits.settle`.
        """
        await self._begin(telling=last)
        await self.commits.settle()

    async def tell_others(self) -> None:
        """Commit, and let the other workers know how far all inputs are, and by what.

        Raises: as `Commits.settle`.
        """
        self._told_all_ms = -TELL_ALL_MS
        await self.commit(last=True)

    async def _publish(self, *, telling: bool) -> None:
        """Begin to write the alerts and dead letters since the last time, without a transaction.

        Raises: as `Commits.settle`.
        """
        assert self._publishes is not None
        await self._publishes.settle()
        self.urgent = False
        cut = self._runtime.cut_alerts()
        outputs = Outputs(cut, self._runtime.held, self._aside.take(), headers=self.traces.headers)
        progress = self._progress(cut) if telling else None
        await self._publishes.begin(outputs, cut, progress, self.traces.take_open())

    async def _begin(self, *, telling: bool) -> None:
        """Begin the transaction of everything since the last one. Raises: as `Commits.settle`."""
        await self.commits.settle()
        if self._publishes is not None and (self._runtime.has_alerts or not self._aside.is_empty):
            await self._publish(telling=False)
        now_ms = self._clock.monotonic_ms()
        self._committed_ms = now_ms
        self.urgent = self.at_once = False
        tell_all = self.is_shared and now_ms - self._told_all_ms >= TELL_ALL_MS
        if tell_all:
            self._told_all_ms = now_ms
        self._runtime.tell_early(now_ms)
        cut = self._runtime.cut(tell_all=tell_all)
        letters, sent = self._aside.take(), self._stage.take()
        due = now_ms - self._told_ms >= self._settings.progress_interval_ms
        told = self.untold or tell_all or self._teller.is_due or self.acts is not None
        if cut.is_empty and not (letters or told or (self._stale and due)):
            return
        telling = telling or told or due
        self._stale = not telling
        if telling:
            self._told_ms = now_ms
            self.untold = False
        acts, self.acts = self.acts, None
        if acts is not None:
            acts = {**self._runtime.positions, **acts}
        outputs = Outputs(cut, self._runtime.held, letters, acts, sent, headers=self.traces.headers)
        progress = self._progress(cut) if telling else None
        await self.commits.begin(outputs, cut, progress, self.traces.take_open())
