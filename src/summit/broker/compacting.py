"""Runs compaction beside the serving loop: one at a time, on a thread, with a share of the CPU.

The thread holds Python's lock while it works, so the loop feels it. It therefore works in slices of
a few milliseconds and rests between them: at most `CPU_SHARE` of one core, whatever there is to do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from summit.base.clock import Clock
from summit.base.errors import Closed, Corrupt, SummitError
from summit.base.logs import get_logger
from summit.broker.disk_thread import Threads
from summit.log.cleaning import Cleaning
from summit.log.store import LogStore

T = TypeVar("T")

CPU_SHARE: Final = 0.3
_SLICE_MS: Final = 3.0

_log = get_logger(__name__)


class Compactor:
    """Looks for logs to clean and cleans them.

    Args:
        on_failed: Hears the error of a disk that cannot be trusted any more.
        threads: Makes the thread that cleans.
    """

    def __init__(
        self,
        store: LogStore,
        clock: Clock,
        on_failed: Callable[[SummitError], None],
        threads: Threads,
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_failed = on_failed
        self._is_stopping = False
        self._turn = asyncio.Lock()  # held by whoever cleans, or wants nobody to
        self._slice_began_ms = 0.0
        self._loop = asyncio.get_running_loop()
        self._thread = threads("summit-compact", self._loop)
        self.cleaned_count = 0  # runs since the start

    async def clean_all(self) -> None:
        """Clean every log that is due, the neediest first."""
        while not self._is_stopping:
            async with self._turn:
                cleaning = self._store.begin_cleaning(self._clock.now_ms())
                if cleaning is None or not await self._clean(cleaning):
                    return

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Wait for the cleaning that runs; none begins until the block ends."""
        async with self._turn:
            yield

    async def stop(self) -> None:
        """End what runs at the next batch and the thread with it. No file is left half changed."""
        self._is_stopping = True
        self._thread.hurry()
        await asyncio.to_thread(self._thread.close)

    async def _clean(self, cleaning: Cleaning) -> bool:
        """Returns: whether it went through."""
        began_ms = self._clock.monotonic_ms()
        is_complete = False
        try:
            self._slice_began_ms = began_ms
            await self._on_thread(lambda: cleaning.prepare(self._breathe))
            while await self._on_thread(lambda: cleaning.copy(self._breathe)):
                cleaning.replace()
                await self._on_thread(cleaning.settle)
            is_complete = True
        except Closed:
            return False
        except SummitError as error:
            log = cleaning.log
            _log.error("log.not_compacted", topic=log.topic, partition=log.index, error=str(error))
            if isinstance(error, Corrupt) and log.is_cleanable:
                self._on_failed(error)
            return False
        finally:
            cleaning.finish(is_complete=is_complete)
        self.cleaned_count += 1
        _log.info(
            "log.compacted", topic=cleaning.log.topic, partition=cleaning.log.index,
            records=cleaning.record_count, bytes_before=cleaning.bytes_before,
            bytes_after=cleaning.bytes_after,
            took_ms=int(self._clock.monotonic_ms() - began_ms),
        )  # fmt: skip
        return True

    async def _on_thread(self, work: Callable[[], T]) -> T:
        done: asyncio.Future[T | None] = self._loop.create_future()

        def settle(result: T | None, error: SummitError | None) -> None:
            if done.cancelled():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)

        self._thread.run(work, settle)
        return await done  # type: ignore[return-value]

    def _breathe(self, size_bytes: int) -> None:
        """Between two batches, on the thread: rest when the slice is used up."""
        if self._is_stopping:
            raise Closed("broker.not_running")
        now_ms = self._clock.monotonic_ms()
        worked_ms = now_ms - self._slice_began_ms
        if worked_ms >= _SLICE_MS:
            self._thread.rest(worked_ms * (1 / CPU_SHARE - 1) / 1000)
            self._slice_began_ms = self._clock.monotonic_ms()
