"""Child processes: started by exec (never fork), known to be ready, restarted, ended by pid."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from summit.base.config import environment
from summit.base.errors import Unavailable
from summit.base.logs import get_logger
from summit.services.process import DRAIN_TIMEOUT_S, LIFELINE
from summit.services.settings import without_settings

READY_TIMEOUT_S = 30.0
ENDING_TIMEOUT_S = 5.0  # from closing its output to the end
RESTARTS_MAX = 5  # in a row; a child that ran for a minute starts to count anew
RESTART_COUNT_RESET_S = 60.0

log = get_logger(__name__)


class Child:
    """One child process running a `summit` command that prints a ready line.

    Args:
        name: For logs.
        arguments: The command line after `summit`; may be changed between two starts.
        alone_in: A directory to run in without the settings of the environment and of the
            configuration file, so that only `arguments` count.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], *, alone_in: Path | None = None
    ) -> None:
        self.name = name
        self.ready: dict[str, Any] = {}
        self.restarts = 0
        self.arguments = list(arguments)
        self._directory = alone_in
        inherited = environment() if alone_in is None else without_settings(environment())
        self._env = {**inherited, LIFELINE: "stdin"}
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> None:
        """Start the process and wait for its ready line. Raises Unavailable("process.failed")."""
        if self._stopping:
            return
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "summit", *self.arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=self._env,
            cwd=self._directory,
            start_new_session=True,  # Ctrl-C is for the parent, which ends its children in order
        )  # fmt: skip
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), READY_TIMEOUT_S)
        except TimeoutError:
            line = b""
        if not line:
            # Closing its output, it is about to end; a signal now would cost us its exit code.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), ENDING_TIMEOUT_S)
            code = await self._end()
            raise Unavailable("process.failed", name=self.name, reason=f"exit code {code}")
        self.ready = msgspec.json.decode(line)
        self._reader = asyncio.ensure_future(self._read_on(self._process.stdout))

    async def wait(self) -> int:
        """Wait for the end of the process; its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def supervise(self, on_restart: Callable[[Child], None] | None = None) -> int:
        """Restart the process whenever it ends; return its code when that is of no use."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            code = await self.wait()
            if self._stopping:
                return code
            if loop.time() - began > RESTART_COUNT_RESET_S:
                self.restarts = 0
            self.restarts += 1
            log.error("process.ended", name=self.name, exit_code=code, restarts=self.restarts)
            if self.restarts > RESTARTS_MAX:
                return code
            await asyncio.sleep(min(0.2 * 2**self.restarts, 10.0))
            try:
                await self.start()
            except Unavailable as error:
                log.error("process.restart_failed", name=self.name, error=str(error))
                continue
            if on_restart is not None:
                on_restart(self)

    async def stop(self) -> None:
        """End it by SIGTERM and wait for its drain; by SIGKILL when it takes too long."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), DRAIN_TIMEOUT_S)
        except TimeoutError:
            log.error("process.killed", name=self.name)
            await self._end()

    async def _end(self) -> int | None:
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return process.returncode if process is not None else None

    async def _read_on(self, stream: asyncio.StreamReader) -> None:
        # A child says nothing after its ready line; its pipe must not fill all the same.
        while await stream.read(65536):
            pass
