"""The life of one long-running process: start, say ready, wait for a signal, drain, exit code.

Exit codes: 0 after a drain, 1 when the start or the component failed. A second signal ends it now.
A process started by another one of ours ends when that one does: its standard input is a pipe that
the parent holds open (`SUMMIT_LIFELINE=stdin`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from summit.base.collecting import SETTLE_EACH_S, Settling
from summit.base.config import environment
from summit.base.errors import SummitError
from summit.base.logs import get_logger

LIFELINE = "SUMMIT_LIFELINE"
DRAIN_TIMEOUT_S = 25.0  # Kubernetes kills after 30 s
ORPHAN_DRAIN_TIMEOUT_S = 5.0  # the parent was killed, and the broker that a drain needs ends too

log = get_logger(__name__)


class Component(Protocol):
    """What a process runs."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def failed(self) -> BaseException:
        """Return when the component cannot go on, with the reason; else never."""
        ...

    def addresses(self) -> Mapping[str, Any]:
        """Where it listens, for the ready line."""
        ...


def run_process(component: Component, ready: Callable[[Mapping[str, Any]], None]) -> int:
    """Run `component` until a signal; returns the exit code."""
    return asyncio.run(_run(component, ready))


async def _run(component: Component, ready: Callable[[Mapping[str, Any]], None]) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    signals = 0
    drain_timeout_s = DRAIN_TIMEOUT_S

    def orphaned() -> None:
        nonlocal drain_timeout_s
        drain_timeout_s = ORPHAN_DRAIN_TIMEOUT_S
        stopping.set()

    def stop() -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            os._exit(1)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    if environment().get(LIFELINE) == "stdin":
        _watch_lifeline(loop, orphaned)
    wait_stop = asyncio.ensure_future(stopping.wait())
    start = asyncio.ensure_future(component.start())
    await asyncio.wait({start, wait_stop}, return_when=asyncio.FIRST_COMPLETED)
    if not start.done():
        start.cancel()
    try:
        await start
    except asyncio.CancelledError:
        await _drain(component, drain_timeout_s)
        return 0
    except SummitError as error:
        log.error("start.failed", error=str(error), advice=error.advice, code=error.code)
        await _drain(component, drain_timeout_s)
        return 1
    except OSError as error:
        log.error("start.failed", error=str(error))
        await _drain(component, drain_timeout_s)
        return 1
    settling = asyncio.ensure_future(_settle())
    ready({"ready": True, "pid": os.getpid(), **component.addresses()})
    failed = asyncio.ensure_future(component.failed())
    await asyncio.wait({failed, wait_stop}, return_when=asyncio.FIRST_COMPLETED)
    code = 0
    if failed.done():
        log.error("component.failed", error=str(failed.result()))
        code = 1
    failed.cancel()
    wait_stop.cancel()
    settling.cancel()
    await _drain(component, drain_timeout_s)
    return code


async def _settle() -> None:
    """Keep collections short; what the start has made lives as long as the process."""
    settling = Settling()
    while True:
        await asyncio.sleep(SETTLE_EACH_S)
        settling.settle()


async def _drain(component: Component, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(component.stop(), timeout_s)
    except TimeoutError:
        log.error("drain.timeout", seconds=timeout_s)
        os._exit(1)  # threads that wait for a broker would keep the interpreter from ending


def _watch_lifeline(loop: asyncio.AbstractEventLoop, orphaned: Callable[[], None]) -> None:
    def watch() -> None:
        # The descriptor, not sys.stdin: its lock would be held while the interpreter ends.
        with contextlib.suppress(OSError):
            while os.read(0, 1):
                pass
        with contextlib.suppress(RuntimeError):  # the loop has closed first
            loop.call_soon_threadsafe(orphaned)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
