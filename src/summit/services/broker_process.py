"""The broker as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from summit.base.tasks import Tasks
from summit.broker.server import Broker
from summit.broker.settings import BrokerSettings
from summit.client.addresses import format_address
from summit.services.inner_access import use_access


class BrokerProcess:
    """Runs one broker on the process's event loop, and tells its figures."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._broker = Broker(settings)
        self._tasks = Tasks()
        self._inner: str | None = None

    async def start(self) -> None:
        """Recover the log and listen."""
        await self._broker.start()
        self._inner = use_access(self._broker.inner)
        self._tasks.spawn(self._tell_figures(), "broker.metrics")

    async def stop(self) -> None:
        """Answer what is under way, write the clean-shutdown marker."""
        await self._tasks.cancel_all()
        await self._broker.stop()

    async def failed(self) -> BaseException:
        """Return when a sync failed; the broker has stopped answering by then."""
        return await asyncio.shield(self._broker.failed)

    def addresses(self) -> Mapping[str, Any]:
        """`broker`: host:port; `inner` where this machine's own parts have one of their own."""
        found = {"broker": format_address(self._broker.host, self._broker.port)}
        return found if self._inner is None else {**found, "inner": self._inner}

    async def _tell_figures(self) -> None:
        # Imported late: the broker answers its first client before the Kafka client is loaded.
        from summit.services.metrics_feed import MetricsWriter

        dialled = self._inner or self.addresses()["broker"]
        await MetricsWriter([dialled], self._broker.metrics).run()
