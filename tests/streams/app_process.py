"""An app as a process of its own, to be killed.

Run as a program: `python tests/streams/app_process.py SETTINGS-AS-JSON`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from tests.flow.worker_process import WorkerProcess


class AppProcess(WorkerProcess):
    """Runs one of `apps.APPS`, named by the setting `app`."""

    program = Path(__file__)

    def sleep(self) -> None:
        """Hold still, threads and all, as a machine that is out of breath does."""
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Go on as if nothing had been."""
        self._process.send_signal(signal.SIGCONT)


async def main(settings: dict[str, Any]) -> None:
    from tests.streams.apps import APPS

    from summit.streams.app import StreamApp

    declare = APPS[settings.pop("app")]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = StreamApp(settings.pop("appId"), **settings)
    declare(app)
    async with app:
        while not await app.wait_active(1_000):
            if app.state == "failed":
                await app.wait_finished()
            if stop.is_set():
                return
        print("active", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
