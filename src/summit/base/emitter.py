"""The one event emitter: `on`, `once`, `off`, `emit`.

Plain listeners run at once, in the order they came. Each async listener has a bounded queue and
runs in a task of its own, so a slow one delays nobody; what overflows is counted in `dropped`.
A failing listener is logged and reported as `error`; it never stops the emitter or the others.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from summit.base.limits import LISTENER_QUEUE_MAX
from summit.base.logs import get_logger

Listener = Callable[[Any], Any]


class Payload(Mapping[str, Any]):
    """What a listener gets: readable as attributes and as a mapping."""

    __slots__ = ("_values",)

    def __init__(self, **values: Any) -> None:
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a payload is read-only")

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in self._values.items())
        return f"Payload({inside})"


class _Entry:
    """One registered listener, with the queue of an async one."""

    __slots__ = ("fn", "is_async", "once", "queue", "task")

    def __init__(self, fn: Listener, *, once: bool) -> None:
        self.fn = fn
        self.once = once
        self.is_async = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
            getattr(fn, "__call__", None)  # noqa: B004 - an object with an async __call__
        )
        self.queue: deque[Any] = deque()
        self.task: asyncio.Task[None] | None = None


class Emitter:
    """Named events with any number of listeners. Not thread-safe: use it on one loop."""

    def __init__(self, *, queue_max: int = LISTENER_QUEUE_MAX) -> None:
        self._entries: dict[str, list[_Entry]] = {}
        self._queue_max = queue_max
        self.dropped = 0

    def on(self, name: str, fn: Listener) -> None:
        """Call `fn(payload)` at every `name`; `fn` is plain or async."""
        self._entries.setdefault(name, []).append(_Entry(fn, once=False))

    def once(self, name: str, fn: Listener) -> None:
        """Call `fn(payload)` at the next `name` only."""
        self._entries.setdefault(name, []).append(_Entry(fn, once=True))

    def off(self, name: str, fn: Listener) -> None:
        """Call `fn` no more; unknown listeners are ignored."""
        entries = self._entries.get(name, [])
        self._entries[name] = [entry for entry in entries if entry.fn != fn]

    def has_listeners(self, name: str) -> bool:
        """Whether anyone listens: lets a hot path skip making the payload."""
        return bool(self._entries.get(name))

    def emit(self, name: str, payload: Any) -> None:
        """Give `payload` to every listener of `name`."""
        entries = self._entries.get(name)
        if not entries:
            return
        for entry in list(entries):
            if entry.once:
                entries.remove(entry)
            if entry.is_async:
                self._enqueue(name, entry, payload)
                continue
            try:
                entry.fn(payload)
            except Exception as error:  # noqa: BLE001 - a listener is other people's code
                self._report(name, error)

    async def drain(self, timeout_s: float = 5.0) -> None:
        """Wait until async listeners have handled what is queued, at most `timeout_s`."""
        tasks = {
            entry.task
            for entries in self._entries.values()
            for entry in entries
            if entry.task is not None and not entry.task.done()
        }
        tasks.discard(asyncio.current_task())
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    def _enqueue(self, name: str, entry: _Entry, payload: Any) -> None:
        if len(entry.queue) >= self._queue_max:
            self.dropped += 1
            return
        entry.queue.append(payload)
        if entry.task is None or entry.task.done():
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError as error:
                entry.queue.clear()
                self._report(name, error)
                return
            entry.task = loop.create_task(self._run(name, entry))

    async def _run(self, name: str, entry: _Entry) -> None:
        while entry.queue:
            payload = entry.queue.popleft()
            try:
                await entry.fn(payload)
            except Exception as error:  # noqa: BLE001 - a listener is other people's code
                self._report(name, error)

    def _report(self, name: str, error: BaseException) -> None:
        get_logger(__name__).error("listener.failed", event_name=name, error=repr(error))
        if name != "error":
            self.emit("error", Payload(event=name, error=error))
