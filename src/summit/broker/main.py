"""The broker as a process: `run` is what the command line calls."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from typing import Final

from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.broker.loops import new_event_loop
from summit.broker.server import Broker
from summit.broker.settings import BrokerSettings

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1

_log = get_logger(__name__)


def run(settings: BrokerSettings, on_ready: Callable[[Broker], None] | None = None) -> int:
    """Run a broker until SIGTERM or SIGINT, or until its disk fails.

    Args:
        on_ready: Called once it listens; the broker then knows its real port.
    Returns: The exit code: 0 after a clean stop, 1 when it could not start or has failed.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(settings, on_ready))


async def _serve(settings: BrokerSettings, on_ready: Callable[[Broker], None] | None) -> int:
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    broker = Broker(settings)
    try:
        await broker.start()
    except (SummitError, OSError) as error:
        _log.error("broker.not_started", error=str(error))
        return EXIT_FAILED
    # What the start has made lives as long as the process: with 10,000 partitions, looking through
    # it would hold every request up for 112 ms.
    gc.freeze()
    if on_ready is not None:
        on_ready(broker)
    broker.failed.add_done_callback(lambda _: end.set())
    await end.wait()
    await broker.stop()
    return EXIT_FAILED if broker.failed.done() else EXIT_OK
