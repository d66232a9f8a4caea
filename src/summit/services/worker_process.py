"""A worker as a process of its own; on request with a port for Prometheus and for health checks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from summit.flow.settings import WorkerSettings
from summit.flow.worker import Worker


class WorkerProcess:
    """Runs one worker on the process's event loop.

    Args:
        metrics_port: Listen there (0 = a free one) for `/metrics`, `/livez` and `/readyz`; None =
            do not listen.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        metrics_port: int | None = None,
        metrics_host: str = "127.0.0.1",
        insecure: bool = False,
    ) -> None:
        self._settings = settings
        self._listens = metrics_port is not None
        self._place = (metrics_host, metrics_port or 0)
        self._web: Any = None
        self._keys: Any = None
        self._security: Any = None
        if self._listens:
            from summit.services.security import security_settings

            self._security = security_settings(insecure=insecure)
            self._security.check_bind("the worker's port", metrics_host)
        self._worker: Worker | None = None
        self._failure: asyncio.Future[BaseException] | None = None

    async def start(self) -> None:
        """Join the other workers; returns when it is a member, active or standing by."""
        self._failure = asyncio.get_running_loop().create_future()
        self._worker = Worker(self._settings, on_failed=self._fail)
        if self._listens:
            await self._listen(self._worker)
        await self._worker.start()

    async def stop(self) -> None:
        """Finish the batch, commit, leave."""
        if self._worker is not None:
            await self._worker.stop()
        if self._web is not None:
            await self._web.stop()
        if self._keys is not None:
            await self._keys.stop()

    async def failed(self) -> BaseException:
        """Return when the worker cannot go on."""
        assert self._failure is not None
        return await asyncio.shield(self._failure)

    def addresses(self) -> Mapping[str, Any]:
        """`broker`: whom it dials; `metrics`: where it listens, if it does."""
        addresses = {"broker": ",".join(self._settings.servers)}
        if self._web is not None:
            addresses["metrics"] = self._web.url
        return addresses

    async def _listen(self, worker: Worker) -> None:
        # Imported late: most workers do not listen.
        from summit.identity import KeyRing
        from summit.services.worker_port import worker_port

        ring = KeyRing()
        if self._security.asks(self._place[0]):
            from summit.journal.key_log import KeyLog

            self._keys = KeyLog(self._settings.servers)
            await self._keys.start()
            ring = self._keys.ring
        self._web = worker_port(worker, *self._place, self._security, ring)
        await self._web.start()

    def _fail(self, error: BaseException) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(error)
