"""The broker as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from summit.broker.server import Broker
from summit.broker.settings import BrokerSettings


class BrokerProcess:
    """Runs one broker on the process's event loop."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._broker = Broker(settings)

    async def start(self) -> None:
        """Recover the log and listen."""
        await self._broker.start()

    async def stop(self) -> None:
        """Answer what is under way, write the clean-shutdown marker."""
        await self._broker.stop()

    async def failed(self) -> BaseException:
        """Return when a sync failed; the broker has stopped answering by then."""
        return await asyncio.shield(self._broker.failed)

    def addresses(self) -> Mapping[str, Any]:
        """`broker`: host:port."""
        return {"broker": f"{self._broker.host}:{self._broker.port}"}
