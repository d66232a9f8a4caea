"""A worker as a process of its own, to be killed.

Run as a program: `python tests/flow/worker_process.py SETTINGS-AS-JSON`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any


class WorkerProcess:
    """Starts a program that says "active": this file, or that of a subclass."""

    program = Path(__file__)

    def __init__(self, servers: list[str], **settings: Any) -> None:
        settings = {"bootstrapServers": servers, "topicsRefreshMs": 100, **settings}
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(
            [sys.executable, str(self.program.resolve()), json.dumps(settings)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"},
        )

    def wait_active(self) -> None:
        """Wait until it says that it has taken over the work."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line == "active\n", f"exit code {self._process.wait()}"

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(20)
        finally:
            if self._process.poll() is None:
                self._process.kill()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


async def main(settings: dict[str, Any]) -> None:
    from summit.flow.worker import Worker

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Worker(settings) as worker:
        while not await worker.wait_active(1_000):
            if stop.is_set():
                return
        print("active", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
