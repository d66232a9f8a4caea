"""What both services stand on: one producer, one admin, and views of definitions and alerts.

The views are read from the log before the node says that it has started; collectors run here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter
from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.settings import AdminConfig, ProducerConfig
from summit.ingest import CollectorManager
from summit.journal.alert_follower import AlertFollower
from summit.journal.definition_log import Change
from summit.journal.definitions import Definitions
from summit.services.definition_kinds import check_definition, collector_settings

log = get_logger(__name__)


class Node:
    """One process's share of the system.

    Args:
        servers: Addresses of the brokers.
        runs_collectors: Whether collectors of the definitions run here.
        clock: Where time comes from.
    """

    def __init__(
        self, servers: Sequence[str], *, runs_collectors: bool, clock: Clock | None = None
    ) -> None:
        self.servers = list(servers)
        self.clock = clock or SystemClock()
        self.runs_collectors = runs_collectors
        self.producer = StreamProducer(
            ProducerConfig(client_id="summit-node", bootstrap_servers=self.servers, linger_ms=0)
        )
        self.admin = Admin(AdminConfig(client_id="summit-node", bootstrap_servers=self.servers))
        self.definitions = Definitions(self.servers, validate=check_definition)
        self.alerts = AlertFollower(self.servers)
        self.collectors = CollectorManager()
        self.events = Emitter()
        self._tasks = Tasks()
        self._changes: asyncio.Queue[Change] = asyncio.Queue()

    async def start(self) -> None:
        """Connect, read the views, start the collectors. Raises Unavailable."""
        await asyncio.gather(self.producer.connect(), self.admin.connect())
        await asyncio.gather(self.definitions.start(), self.alerts.start())
        if self.runs_collectors:
            for definition in self.definitions.current("collector"):
                await self._start_collector(definition.document)
            self.definitions.on("change", self._note_change)
            self._tasks.spawn(self._follow_collectors(), "node.collectors")

    async def stop(self) -> None:
        """Collectors first, then what they write with."""
        await self._tasks.cancel_all()
        await self.collectors.stop_all()
        await self.producer.close()
        await asyncio.gather(self.definitions.stop(), self.alerts.stop())
        await self.admin.close()

    async def add_collector(self, document: dict[str, Any]) -> Any:
        """Start a collector and make it part of the definitions; on failure nothing is left.

        Raises: Conflict("collector.exists"), Invalid, Unavailable.
        """
        await self.ensure_topic(str(document["topic"]))
        collector = await self.collectors.add(collector_settings(document), self.producer)
        try:
            await self.definitions.publish(document)
        except BaseException:
            await self.collectors.remove(collector.name)
            raise
        return collector

    async def remove_collector(self, name: str) -> None:
        """Stop a collector and take it out of the definitions. Raises Invalid."""
        await self.collectors.remove(name)
        if self.definitions.log.get("collector", name) is not None:
            await self.definitions.delete("collector", name)

    async def ensure_topic(self, name: str) -> None:
        """Make a topic that is not there, by the broker's defaults."""
        if name not in await self.admin.list_topics():
            await self.admin.create_topic({"name": name})

    def _note_change(self, change: Change) -> None:
        if change.key.startswith("collector/"):
            self._changes.put_nowait(change)

    async def _follow_collectors(self) -> None:
        """Start and stop collectors that others have added or removed."""
        while True:
            change = await self._changes.get()
            name = change.key.partition("/")[2]
            definition = self.definitions.log.get("collector", name)
            running = {collector.name for collector in self.collectors.list()}
            if definition is None:
                if name in running:
                    await self.collectors.remove(name)
            elif name not in running:
                await self._start_collector(definition.document)

    async def _start_collector(self, document: dict[str, Any]) -> None:
        try:
            await self.ensure_topic(str(document["topic"]))
            await self.collectors.add(collector_settings(document), self.producer)
        except SummitError as error:
            # The others go on; the definition stays, and the next start tries again.
            log.error("collector.not_started", name=document.get("id"), error=str(error))
