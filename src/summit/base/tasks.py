"""Supervised tasks: none is forgotten, a crash is logged and told, all are ended on close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from summit.base.errors import SummitError
from summit.base.logs import get_logger

R = TypeVar("R")


class Tasks:
    """The background tasks of one component.

    Args:
        on_crash: Called with name and error when a task ends by an exception.
    """

    def __init__(self, on_crash: Callable[[str, BaseException], None] | None = None) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_crash = on_crash

    def spawn(self, coro: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run `coro` in the background under `name`."""
        task = asyncio.get_running_loop().create_task(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            told = {"error": repr(error)}
            if isinstance(error, SummitError):  # its repr does not say why
                told = {"code": error.code, "error": str(error)}
            get_logger(__name__).error("task.crashed", task=task.get_name(), **told)
            if self._on_crash is not None:
                self._on_crash(task.get_name(), error)

    async def cancel_all(self, timeout_s: float = 5.0) -> None:
        """Cancel every task and wait for their ends, at most `timeout_s`."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)


async def to_the_end(work: Coroutine[Any, Any, R]) -> R:
    """Await `work` to its end, also when the caller is cancelled; the cancellation comes then.

    For work that must not stop half-way. It has to be bounded in time by itself.
    """
    task = asyncio.get_running_loop().create_task(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        if not task.cancelled():
            task.exception()  # the caller is gone: nobody else looks at it
        raise cancellation
    return task.result()
