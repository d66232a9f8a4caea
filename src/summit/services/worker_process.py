"""A worker as a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from summit.flow import Worker


class WorkerProcess:
    """Runs one worker on the process's event loop."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = list(servers)
        self._worker = Worker(self._servers)

    async def start(self) -> None:
        """Join the other workers; returns when it is a member, active or standing by."""
        await self._worker.start()

    async def stop(self) -> None:
        """Finish the batch, commit, leave."""
        await self._worker.stop()

    async def failed(self) -> BaseException:
        """Return when the worker cannot go on."""
        return await self._worker.failed()

    def addresses(self) -> Mapping[str, Any]:
        """`broker`: whom it dials."""
        return {"broker": ",".join(self._servers)}
