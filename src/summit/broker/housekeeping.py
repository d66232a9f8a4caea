"""What a running broker does by itself: metrics, idle connections, retention, checkpoints.

Timers fire on the loop; what may block on the disk runs on a thread of its own, one job at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from summit.base.errors import Corrupt
from summit.base.files import Files
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.broker.backing_up import BackupMaker
from summit.broker.compacting import Compactor
from summit.broker.disk_thread import attempt
from summit.broker.rewriting import Pair, Rewriter
from summit.broker.state import BrokerState
from summit.log.store import LogStore

if TYPE_CHECKING:
    from summit.broker.server import Broker

_SECOND_S: Final = 1.0
_OFFSETS_CHECK_S: Final = 600.0
_REWRITE_CHECK_S: Final = 10.0
_CHECKPOINT_LOOK_S: Final = 0.2  # how soon a checkpoint that is due begins

_log = get_logger(__name__)


class Housekeeping:
    """The broker's timers."""

    def __init__(self, state: BrokerState, store: LogStore, broker: Broker, files: Files) -> None:
        self._state = state
        self._store = store
        self._broker = broker
        self._tasks = Tasks()
        self._has_garbage = False
        self.compactor = Compactor(store, state.clock, state.commit.fail, state.threads)
        self.backups = BackupMaker(
            store, self.compactor, files, state.settings.data_dir, state.clock, self._note_garbage
        )
        self.rewriter = Rewriter(state.metadata.log, state.commit, state.clock, self._live_facts)

    def start(self) -> None:
        """Begin all timers."""
        settings = self._state.settings
        self.backups.start()
        spawn = self._tasks.spawn
        spawn(self._every(_SECOND_S, self._second), "second")
        spawn(
            self._every(settings.log_retention_check_interval_ms / 1000, self._retain), "retention"
        )
        spawn(self._every(_OFFSETS_CHECK_S, self._expire_offsets), "offsets")
        spawn(self._every(_REWRITE_CHECK_S, self.rewrite), "rewrite")
        spawn(self._checkpoints(), "checkpoint")
        spawn(self._compact(), "compact")

    async def stop(self) -> None:
        """End all timers."""
        await asyncio.gather(self.backups.stop(), self.compactor.stop())
        await self._tasks.cancel_all()

    async def _every(self, seconds: float, act: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            act()

    def _second(self) -> None:
        self._state.metrics.sample()
        self._broker.close_idle()
        self._state.transactions.tick()
        self.backups.look()
        self._broker.first_users.look()

    def _note_garbage(self) -> None:
        self._has_garbage = True  # what was kept for a backup; a checkpoint removes the files

    def _retain(self) -> None:
        now_ms = self._state.clock.now_ms()
        count, error = attempt(lambda: self._store.apply_retention(now_ms))
        if count:
            self._has_garbage = True  # a checkpoint removes the files
        if error is not None:
            _log.error("retention.failed", error=str(error))

    def _expire_offsets(self) -> None:
        self._state.coordinator.expire(self._state.settings.offsets_retention_ms)
        self._state.transactions.expire(self._state.settings.transactional_id_expiration_ms)

    def rewrite(self) -> None:
        """Shorten the log of facts where that is due; the next retention check frees it."""
        self.rewriter.look()

    async def _compact(self) -> None:
        """Clean compacted logs every so often."""
        while True:
            await asyncio.sleep(self._state.settings.log_cleaner_backoff_ms / 1000)
            if not self._state.settings.log_cleaner_enable:
                continue
            before = self.compactor.cleaned_count
            await self.compactor.clean_all()
            if self.compactor.cleaned_count != before:
                self._has_garbage = True  # a checkpoint notes what is clean

    def _live_facts(self) -> list[Pair] | None:
        facts = self._state.catalogue.live_facts()
        if facts is None:
            return None
        encode = self._state.metadata.encode
        facts += [*self._state.altering.live_facts(), self._state.producer_ids.live_fact()]
        security = self._state.security
        facts += [*security.users.live_facts(), *security.acls.live_facts()]
        facts += self._state.quotas.live_facts()
        return [(None, encode(fact)) for fact in facts]

    async def _checkpoints(self) -> None:
        """Checkpoint when enough was written, and in any case every so often.

        In `interval` durability this is also what syncs.
        """
        settings = self._state.settings
        is_interval = settings.durability == "interval"
        every_ms = settings.flush_interval_ms if is_interval else settings.checkpoint_interval_ms
        commit = self._state.commit
        last_ms = self._state.clock.monotonic_ms()
        last_count = 0
        while True:
            await asyncio.sleep(min(_CHECKPOINT_LOOK_S, every_ms / 1000))
            now_ms = self._state.clock.monotonic_ms()
            is_due = self._store.maintenance_due or self._store.is_flush_due(
                self._state.clock.now_ms() + int(_CHECKPOINT_LOOK_S * 1000)
            )
            if not is_due and now_ms - last_ms < every_ms:
                continue
            last_ms = now_ms
            if commit.settled_count == last_count and not self._has_garbage:
                continue  # nothing was written: let the disk sleep
            last_count = commit.settled_count
            self._has_garbage = False
            checkpoint = self._store.begin_checkpoint()
            try:
                await asyncio.to_thread(checkpoint.run)
            except Corrupt as error:
                commit.fail(error)
                return
