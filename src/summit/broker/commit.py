"""The commit scheduler: everything that is staged in one turn of the loop is written as one group.

    loop    stage stage stage │ seal                    publish, answers │ seal …
    thread                    └─► write, fdatasync ─────┘

In `fsync` durability one group is in flight on a thread of its own while the next one collects,
so a slow disk makes groups larger instead of queues longer. Without a sync to wait for, the group
is written at the end of the same loop turn, by the loop itself. Answers leave only after
`publish`.

A full disk fails its group and the scheduler goes on with the next one; a failed sync is final:
nothing is tried again and every later wait is refused.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from summit.base.errors import Corrupt, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.log.partition import PartitionLog

# Hears None when what was staged before the call is durable, else why it is not.
Done = Callable[[SummitError | None], None]
Job = Callable[[], None]

_log = get_logger(__name__)


class Sealed(Protocol):
    """A group of staged batches on its way to the disk."""

    def persist(self) -> None:
        """Write (and sync). Raises Unavailable('disk.full') or Corrupt('disk.sync_failed')."""
        ...

    def publish(self) -> Sequence[PartitionLog]: ...


class Store(Protocol):
    """What the scheduler needs of the log store."""

    def seal(self) -> Sealed | None: ...


class DiskThread:
    """One thread for whatever may block on the disk, in order."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="summit-disk", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Run `job` after those submitted before. It must not raise."""
        self._jobs.put(job)

    def close(self) -> None:
        """Finish what was submitted and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


class CommitScheduler:
    """Turns staged batches into durable, published ones and tells who waits. Loop thread only.

    Args:
        inline: Write on the loop at the end of the turn instead of on the disk thread.
        on_published: Hears the partitions whose high watermark moved, before the waiters do.
        on_failed: Hears the error that stopped the scheduler for good.
    """

    def __init__(
        self,
        store: Store,
        loop: asyncio.AbstractEventLoop,
        *,
        inline: bool,
        on_published: Callable[[Sequence[PartitionLog]], None],
        on_failed: Callable[[SummitError], None],
    ) -> None:
        self._store = store
        self._loop = loop
        self._inline = inline
        self._on_published = on_published
        self._on_failed = on_failed
        self._waiting: list[Done] = []
        self._scheduled = False
        self._in_flight = False
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        self._full = False
        self._thread = None if inline else DiskThread()
        self.failure: SummitError | None = None

    def when_durable(self, done: Done) -> None:
        """Call `done` once everything staged until now is durable and published, or has failed."""
        if self.failure is not None:
            done(self.failure)
            return
        self._waiting.append(done)
        if not self._scheduled:
            self._scheduled = True
            self._idle.clear()
            self._loop.call_soon(self._turn)

    async def drain(self) -> None:
        """Wait until nothing is staged or in flight."""
        await self._idle.wait()

    def close(self) -> None:
        """End the disk thread after what it has begun."""
        if self._thread is not None:
            self._thread.close()

    # ---- one group ----

    def _turn(self) -> None:
        if self._in_flight:
            return  # its end starts the next turn
        group = self._store.seal()
        waiting, self._waiting = self._waiting, []
        self._scheduled = False
        if group is None:
            self._finish(None, waiting, self.failure)
        elif self._thread is None:
            self._finish(group, waiting, _persist(group))
        else:
            self._in_flight = True
            self._thread.submit(lambda: self._persist_off_loop(group, waiting))

    def _persist_off_loop(self, group: Sealed, waiting: list[Done]) -> None:
        error = _persist(group)
        try:
            self._loop.call_soon_threadsafe(self._landed, group, waiting, error)
        except RuntimeError:  # the loop was closed under us: nobody is left to tell
            return

    def _landed(self, group: Sealed, waiting: list[Done], error: SummitError | None) -> None:
        self._in_flight = False
        if self._scheduled and error is None:
            # Give the disk its next group before the answers of this one are worked out; what
            # `publish` must see first is done in `_finish`, so publish here.
            self._publish(group)
            self._turn()
            self._tell(waiting, None)
            self._rest()
            return
        self._finish(group, waiting, error)
        if self._scheduled and not self._in_flight:
            self._turn()

    def _finish(self, group: Sealed | None, waiting: list[Done], error: SummitError | None) -> None:
        if error is None:
            if group is not None:
                self._publish(group)
        else:
            self._note(error)
        self._tell(waiting, error)
        self._rest()

    def _publish(self, group: Sealed) -> None:
        if self._full:
            self._full = False
            _log.info("disk.has_room")
        self._on_published(group.publish())

    def _note(self, error: SummitError) -> None:
        if isinstance(error, Unavailable):
            if not self._full:  # once, not once per group while it lasts
                self._full = True
                _log.error("disk.full", error=str(error))
            return
        if self.failure is None:
            self.failure = error
            _log.error("broker.failed", error=str(error))
            self._on_failed(error)

    def _tell(self, waiting: list[Done], error: SummitError | None) -> None:
        left = deque(waiting)
        try:
            while left:
                left.popleft()(error)
        finally:
            if left:  # one waiter raised: the others are owed their answers all the same
                self._loop.call_soon(self._tell, list(left), error)

    def _rest(self) -> None:
        if not self._scheduled and not self._in_flight:
            self._idle.set()


def _persist(group: Sealed) -> SummitError | None:
    try:
        group.persist()
    except (Unavailable, Corrupt) as error:
        return error
    except OSError as error:
        # Not one of the failures the log knows how to undo: what is on the disk is unknown.
        return Corrupt("disk.sync_failed", path=str(error.filename or ""), reason=str(error))
    return None
