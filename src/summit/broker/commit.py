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
from collections.abc import Callable, Sequence
from typing import Protocol

from summit.base.errors import SummitError, Unavailable
from summit.base.histogram import Histogram
from summit.base.logs import get_logger
from summit.broker.disk_thread import DiskThread, Threads, attempt
from summit.log.partition import PartitionLog

# Hears None when what was staged before the call is durable, else why it is not.
Done = Callable[[SummitError | None], None]
# Who waits, and the partitions its batches are in.
Waiter = tuple[Done, Sequence[PartitionLog]]

_log = get_logger(__name__)


class Sealed(Protocol):
    """A group of staged batches on its way to the disk."""

    def persist(self) -> None:
        """Write (and sync). Raises Unavailable('disk.full') or Corrupt."""
        ...

    def publish(self) -> Sequence[PartitionLog]: ...

    def roll_back(self) -> Sequence[PartitionLog]: ...


class Store(Protocol):
    """What the scheduler needs of the log store."""

    def seal(self) -> Sealed | None: ...


class CommitScheduler:
    """Turns staged batches into durable, published ones and tells who waits. Loop thread only.

    Args:
        inline: Write on the loop at the end of the turn instead of on the disk thread.
        on_published: Hears the partitions whose high watermark moved, before the waiters do.
        on_failed: Hears the error that stopped the scheduler for good.
        threads: Makes the disk thread.
    """

    def __init__(
        self,
        store: Store,
        loop: asyncio.AbstractEventLoop,
        *,
        inline: bool,
        on_published: Callable[[Sequence[PartitionLog]], None],
        on_failed: Callable[[SummitError], None],
        threads: Threads = DiskThread,
    ) -> None:
        self._store = store
        self._loop = loop
        self._inline = inline
        self._on_published = on_published
        self._on_failed = on_failed
        self._waiting: list[Waiter] = []
        self._scheduled = False
        self._in_flight = False
        self._open_bytes = 0
        self.settled_count = 0  # groups so far
        self.took = Histogram()  # a group on the disk thread: written, and synced where asked for
        self._flight_bytes = 0
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        self._is_full = False
        self._thread = None if inline else threads("summit-commit", loop)
        self.failure: SummitError | None = None

    def when_durable(self, done: Done, logs: Sequence[PartitionLog], size_bytes: int = 0) -> None:
        """Call `done` once what was just staged in `logs` is durable and published, or has failed.

        To be called in the turn of the loop that staged it, with the bytes that were staged.
        """
        self._open_bytes += size_bytes
        if self.failure is not None:
            done(self.failure)
            return
        self._waiting.append((done, logs))
        if not self._scheduled:
            self._scheduled = True
            self._idle.clear()
            self._loop.call_soon(self._turn)

    @property
    def is_whole(self) -> bool:
        """Whether a crash leaves all of a group or nothing: where it is synced."""
        return not self._inline

    @property
    def backlog_bytes(self) -> int:
        """Bytes that are staged and not yet settled: what a slow disk keeps in memory."""
        return self._open_bytes + self._flight_bytes

    async def drain(self) -> None:
        """Wait until nothing is staged or in flight."""
        await self._idle.wait()

    def fail(self, error: SummitError) -> None:
        """Stop for good, for an error that was met elsewhere."""
        self._note(error)
        waiting, self._waiting = self._waiting, []
        self._tell(waiting, error)

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
        self._flight_bytes, self._open_bytes = self._open_bytes, 0
        self._scheduled = False
        if group is None:
            self._tell(waiting, self.failure)
            self._rest()
        elif self._thread is None:
            self._settle(group, waiting, attempt(group.persist)[1])
        else:
            self._in_flight = True
            since_s = self._loop.time()

            def landed(_: object, error: SummitError | None) -> None:
                self.took.add(1_000 * (self._loop.time() - since_s))
                self._landed(group, waiting, error)

            self._thread.run(group.persist, landed)

    def _landed(self, group: Sealed, waiting: list[Waiter], error: SummitError | None) -> None:
        self._in_flight = False
        self._settle(group, waiting, error)

    def _settle(self, group: Sealed, waiting: list[Waiter], error: SummitError | None) -> None:
        """Publish or take back, then give the disk its next group, then answer."""
        if error is None:
            if self._is_full:
                self._is_full = False
                _log.info("disk.has_room")
            advanced = group.publish()
        else:
            advanced = ()
            self._note(error)
            waiting = waiting + self._take_failed(group, error)
        self._flight_bytes = 0
        self.settled_count += 1
        if self._scheduled and self._thread is not None:
            self._turn()
        try:
            self._on_published(advanced)
            self._tell(waiting, error)
        finally:
            self._rest()

    def _take_failed(self, group: Sealed, error: SummitError) -> list[Waiter]:
        """Those of the next group who have failed with this one.

        A full disk takes back the group's partitions with all that was staged for them since;
        other partitions of the next group are not touched. Any other error takes everything.
        """
        waiting, self._waiting = self._waiting, []
        if not isinstance(error, Unavailable):
            return waiting
        gone = set(group.roll_back())
        failed = [waiter for waiter in waiting if not gone.isdisjoint(waiter[1])]
        self._waiting = [waiter for waiter in waiting if gone.isdisjoint(waiter[1])]
        return failed

    def _note(self, error: SummitError) -> None:
        if isinstance(error, Unavailable):
            if not self._is_full:  # once, not once per group while it lasts
                self._is_full = True
                _log.error("disk.full", error=str(error))
        elif self.failure is None:
            self.failure = error
            _log.error("broker.failed", error=str(error))
            self._on_failed(error)

    def _tell(self, waiting: list[Waiter], error: SummitError | None) -> None:
        count = 0
        try:
            for done, _ in waiting:
                count += 1
                done(error)
        finally:
            if count < len(waiting):  # a waiter raised: the others are owed their answers
                self._loop.call_soon(self._tell, waiting[count:], error)

    def _rest(self) -> None:
        if not self._scheduled and not self._in_flight:
            self._idle.set()
