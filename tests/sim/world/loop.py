"""An event loop whose turns are events of the world.

What asyncio and the broker ask of a loop, and nothing else: callbacks in order, timers, tasks,
executor jobs (which become steps of a simulated thread) and one listening port. A turn runs what
was ready when it began, at one moment of simulated time.
"""

from __future__ import annotations

import asyncio
import itertools
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from tests.sim.world.scheduler import World

_TURN_US = (10, 120)  # what a turn takes, at least and at most


class SimLoop(asyncio.AbstractEventLoop):
    """A loop of one machine.

    Args:
        on_error: Hears what asyncio reports: exceptions that nobody caught.
        executor: Runs a job away from the loop and sets the future.
        listen: Makes a port's connections: protocol factory → server.

    Attributes:
        is_dead: The machine is off: nothing runs any more.
        is_blocked: Its thread waits for a lock: turns wait as well.
    """

    def __init__(
        self,
        world: World,
        name: str,
        *,
        on_error: Callable[[dict[str, Any]], None],
        executor: Callable[[Callable[[], Any], asyncio.Future[Any]], None] | None = None,
        listen: Callable[[Callable[[], Any]], Any] | None = None,
    ) -> None:
        self.name = name
        self.is_dead = False
        self.is_blocked = False
        self.after_turn: Callable[[], None] = lambda: None
        self._world = world
        self._chance = world.chance(f"loop {name}")
        self._on_error = on_error
        self._executor = executor
        self._listen = listen
        self._ready: deque[asyncio.Handle] = deque()
        self._is_due = False
        self._tasks: dict[int, asyncio.Task[Any]] = {}
        self._numbers = itertools.count()

    # ---- turns ----

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        self._wake()
        return handle

    call_soon_threadsafe = call_soon  # in the simulation one thread runs at a time

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._world.after(round((when - self.time()) * 1e6), self._ring, timer)
        return timer

    def _ring(self, timer: asyncio.TimerHandle) -> None:
        if not timer.cancelled():
            self._ready.append(timer)
            self._wake()

    def _wake(self) -> None:
        if not self._is_due and not self.is_dead:
            self._is_due = True
            self._world.after(self._chance.randint(*_TURN_US), self._turn)

    def _turn(self) -> None:
        self._is_due = False
        if self.is_dead:
            return
        if self.is_blocked:
            self._wake()
            return
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            for _ in range(len(self._ready)):
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
                if self.is_dead:
                    return
        finally:
            events._set_running_loop(before)
        self.after_turn()
        if self._ready and not self.is_dead:
            self._wake()

    def die(self) -> None:
        """Nothing of this loop runs any more; its coroutines are closed where they stand."""
        self.is_dead = True
        self._ready.clear()
        for task in list(self._tasks.values()):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coro = task.get_coro()
            try:
                if coro is not None:
                    coro.close()  # type: ignore[union-attr]
            except BaseException as error:  # noqa: BLE001 - it is noted
                self._world.note(f"{self.name}: closing a coroutine: {type(error).__name__}")
        self._tasks.clear()
        self._ready.clear()

    # ---- what asyncio asks for ----

    def time(self) -> float:
        return self._world.now_us / 1e6

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Any = None
    ) -> asyncio.Task[Any]:
        number = next(self._numbers)
        task = asyncio.Task(coro, loop=self, name=name or f"task {number}", context=context)
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        assert self._executor is not None
        future = self.create_future()
        self._executor(lambda: func(*args), future)
        return future

    async def create_server(self, factory: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        assert self._listen is not None
        return self._listen(factory)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self._on_error(context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is passed over when its time comes."""

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.is_dead

    def is_closed(self) -> bool:
        return self.is_dead
