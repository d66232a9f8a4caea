"""A thread for what blocks on the disk, and the way back to the loop.

Threads are an argument of the broker, like its disk: `Threads` makes them by name. A simulation
gives workers of its own, whose work it takes apart into steps.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from summit.base.errors import Corrupt, SummitError

T = TypeVar("T")


def attempt(work: Callable[[], T]) -> tuple[T | None, SummitError | None]:
    """Do `work` and give its result or its error.

    An OSError that reaches this far is none that the log knows how to undo: what is on the disk
    is unknown, which is the same to the caller as a failed write.
    """
    try:
        return work(), None
    except SummitError as error:
        return None, error
    except OSError as error:
        path = str(error.filename or "")
        return None, Corrupt("disk.write_failed", path=path, reason=str(error))


class Worker(Protocol):
    """Does blocking work in order, away from the loop."""

    def run(
        self, work: Callable[[], T], done: Callable[[T | None, SummitError | None], None]
    ) -> None:
        """Do `work`; the loop then calls `done` with its result or its error."""
        ...

    def rest(self, seconds: float) -> None:
        """For the work itself: leave the CPU to others, so long or until `hurry`."""
        ...

    def hurry(self) -> None:
        """End this rest and every later one."""
        ...

    def close(self) -> None:
        """Finish what was given in and end. Blocks."""
        ...


# Name and loop → a worker.
Threads = Callable[[str, asyncio.AbstractEventLoop], Worker]


class DiskThread:
    """One thread that does blocking work in order: a `Worker`."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._is_hurried = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(
        self, work: Callable[[], T], done: Callable[[T | None, SummitError | None], None]
    ) -> None:
        """Do `work` on the thread; the loop then calls `done` with its result or its error."""

        def job() -> None:
            result, error = attempt(work)
            try:
                self._loop.call_soon_threadsafe(done, result, error)
            except RuntimeError:  # the loop was closed under us: nobody is left to tell
                return

        self._jobs.put(job)

    def rest(self, seconds: float) -> None:
        """On the thread, between two pieces of its work: sleep, or return at once if hurried."""
        self._is_hurried.wait(seconds)

    def hurry(self) -> None:
        """End this rest and every later one."""
        self._is_hurried.set()

    def close(self) -> None:
        """Finish what was given in and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
