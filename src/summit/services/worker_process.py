"""A worker as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from summit.flow.settings import WorkerSettings
from summit.flow.worker import Worker


class WorkerProcess:
    """Runs one worker on the process's event loop."""

    def __init__(self, servers: Sequence[str], instance_id: str | None = None) -> None:
        self._servers = list(servers)
        self._instance_id = instance_id
        self._worker: Worker | None = None
        self._failure: asyncio.Future[BaseException] | None = None

    async def start(self) -> None:
        """Join the other workers; returns when it is a member, active or standing by."""
        self._failure = asyncio.get_running_loop().create_future()
        settings = WorkerSettings(bootstrap_servers=self._servers, instance_id=self._instance_id)
        self._worker = Worker(settings, on_failed=self._fail)
        await self._worker.start()

    async def stop(self) -> None:
        """Finish the batch, commit, leave."""
        if self._worker is not None:
            await self._worker.stop()

    async def failed(self) -> BaseException:
        """Return when the worker cannot go on."""
        assert self._failure is not None
        return await asyncio.shield(self._failure)

    def addresses(self) -> Mapping[str, Any]:
        """`broker`: whom it dials."""
        return {"broker": ",".join(self._servers)}

    def _fail(self, error: BaseException) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(error)
