"""Threads of the broker as steps of the world.

A `SimThread` is a real thread, but it runs only while the world waits for it: a baton goes there
and back. At each call of the disk it gives the baton back and goes on later, so that the loop and
other threads act in between, in an order that the seed draws. The log's locks become locks of the
world: who meets one that is held lets the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

from tests.sim.faulty_files import PowerCut
from tests.sim.world.loop import SimLoop
from tests.sim.world.scheduler import World

from summit.base.errors import SummitError
from summit.broker.disk_thread import attempt
from summit.log import cleaning, segment, store, wal

T = TypeVar("T")

_START_US = (5, 300)  # until an idle thread takes a job
_LOCK_US = 50


class SimThread:
    """One thread of a machine: a `Worker` of the broker."""

    def __init__(self, world: World, name: str, loop: SimLoop, chance: random.Random) -> None:
        self.name = name
        self.is_dead = False
        self.failure: BaseException | None = None
        self._world = world
        self._loop = loop
        self._chance = chance
        self._jobs: deque[Callable[[], None]] = deque()
        self._is_busy = False
        self._is_hurried = False
        self._is_over = False
        self._go = _closed_gate()
        self._back = _closed_gate()
        self._thread: threading.Thread | None = None

    # ---- what the broker calls ----

    def run(
        self, work: Callable[[], T], done: Callable[[T | None, SummitError | None], None]
    ) -> None:
        def job() -> None:
            result, error = attempt(work)
            self._loop.call_soon_threadsafe(done, result, error)

        self.give(job)

    def give(self, job: Callable[[], None]) -> None:
        """Do `job` after those before it."""
        self._jobs.append(job)
        if not self._is_busy:
            self._is_busy = True
            self._world.after(self._chance.randint(*_START_US), self.switch)

    def rest(self, seconds: float) -> None:
        if not self._is_hurried:
            self.pause(seconds * 1e6)

    def hurry(self) -> None:
        self._is_hurried = True

    def close(self) -> None:
        """Finish what was given in; whoever calls waits for it."""
        waiting = self._world.running
        if waiting is None:
            block_loop(self._world, self._loop, lambda: not self._is_busy)
        while waiting is not None and self._is_busy:
            waiting.pause(_LOCK_US)
        self.end()

    # ---- steps ----

    def pause(self, delay_us: float) -> None:
        """On the thread: let the world go on for a while."""
        self._world.after(delay_us, self.switch)
        self._back.release()
        self._go.acquire()
        if self.is_dead:
            raise PowerCut

    def switch(self) -> None:
        """On the world's thread: let this one run until it pauses or has nothing to do."""
        if self.is_dead:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, name=self.name, daemon=True)
            self._thread.start()
        self._hand_over()
        if self.failure is not None and not isinstance(self.failure, PowerCut):
            raise self.failure

    def _hand_over(self) -> None:
        before, self._world.running = self._world.running, self
        self._go.release()
        self._back.acquire()
        self._world.running = before

    def end(self) -> None:
        """Stop it where it stands: its next step raises `PowerCut`."""
        if self.is_dead:
            return
        self.is_dead = True
        if self._thread is not None:
            if not self._is_over:
                self._hand_over()
            self._thread.join()

    def _live(self) -> None:
        try:
            self._go.acquire()
            while not self.is_dead:
                self._jobs.popleft()()
                if self._jobs:
                    self._world.after(self._chance.randint(*_START_US), self.switch)
                else:
                    self._is_busy = False
                self._back.release()
                self._go.acquire()
        except BaseException as error:  # noqa: BLE001 - it is noted
            self.failure = error
            self._is_busy = False
        finally:
            self._is_over = True
            self._back.release()


def _closed_gate() -> threading.Lock:
    """A lock that is held: whoever wants to pass waits until another opens it."""
    gate = threading.Lock()
    gate.acquire()
    return gate


class SimThreads:
    """The threads of one run of a machine: the broker's `Threads`, and an executor."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._all: list[SimThread] = []
        self._free: list[SimThread] = []  # of the executor

    def __call__(self, name: str, loop: asyncio.AbstractEventLoop) -> SimThread:
        assert isinstance(loop, SimLoop)
        number = len(self._all)
        chance = self._world.chance(f"thread {self._name} {number}")
        thread = SimThread(self._world, name, loop, chance)
        self._all.append(thread)
        return thread

    def execute(self, loop: SimLoop, work: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        """Run `work` on a free thread and give its outcome to a future of the loop."""
        thread = self._free.pop() if self._free else self("executor", loop)

        def job() -> None:
            try:
                result, error = work(), None
            except Exception as caught:  # noqa: BLE001 - as an executor does
                result, error = None, caught
            self._free.append(thread)
            loop.call_soon_threadsafe(_settle, future, result, error)

        thread.give(job)

    def end(self) -> None:
        """Stop all threads where they stand."""
        for thread in self._all:
            thread.end()

    @property
    def has_lost_power(self) -> bool:
        return any(isinstance(thread.failure, PowerCut) for thread in self._all)


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def block_loop(world: World, loop: SimLoop, until: Callable[[], bool]) -> None:
    """The loop's thread waits, as for a lock: the rest of the world goes on."""
    loop.is_blocked = True
    try:
        while not until() and not loop.is_dead:
            world.step()
    finally:
        loop.is_blocked = False
    if loop.is_dead:
        raise PowerCut


class SimLock:
    """A lock between simulated threads and the loop of their machine."""

    world: World
    loop: SimLoop

    def __init__(self) -> None:
        self._is_held = False

    def acquire(self, blocking: bool = True) -> bool:
        while self._is_held:
            if not blocking:
                return False
            thread = self.world.running
            if thread is not None:
                thread.pause(_LOCK_US)
            else:
                block_loop(self.world, self.loop, lambda: not self._is_held)
        self._is_held = True
        return True

    def release(self) -> None:
        self._is_held = False

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


@contextlib.contextmanager
def simulated_locks() -> Iterator[None]:
    """The log's locks are made of `SimLock` while this holds."""
    opening = SimLock()
    locks = SimpleNamespace(Lock=SimLock)
    with (
        mock.patch.object(store, "threading", locks),
        mock.patch.object(wal, "threading", locks),
        mock.patch.object(segment, "OPENING", opening),
        mock.patch.object(cleaning, "OPENING", opening),
    ):
        yield
