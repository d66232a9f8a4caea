"""What both services stand on: one producer, one admin, and views of definitions and alerts.

The views are read from the log before the node says that it has started; collectors run here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Conflict, Invalid, SummitError
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.settings import AdminConfig, ProducerConfig
from summit.client.topics import TopicConfig
from summit.documents import validate_collector
from summit.ingest import Collector, CollectorManager
from summit.journal.alert_follower import AlertFollower
from summit.journal.correlations import CorrelationFollower
from summit.journal.definition_log import Change
from summit.journal.definitions import Definitions
from summit.journal.desk_follower import DeskFollower
from summit.journal.result_follower import ResultFollower
from summit.notify import Notifier, Outlets
from summit.services.definition_advice import advise
from summit.services.definition_kinds import (
    check_definition,
    collector_enabled,
    collector_settings,
)
from summit.services.internal_topics import refuse_internal
from summit.services.settings import notifications_folder

# How long a request may wait for a broker that is away, before its sender hears so.
ANSWER_TIMEOUT_MS = 5_000

log = get_logger(__name__)


class Node:
    """One process's share of the system.

    Args:
        servers: Addresses of the brokers.
        runs_collectors: Whether collectors of the definitions run here.
        notifies: Whether people are told of alerts from here, unless another process does it.
        clock: Where time comes from.
    """

    def __init__(
        self,
        servers: Sequence[str],
        *,
        runs_collectors: bool,
        notifies: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self.servers = list(servers)
        self.clock = clock or SystemClock()
        self.runs_collectors = runs_collectors
        self._notifies = notifies
        self.producer = StreamProducer(
            ProducerConfig(
                client_id="summit-node", bootstrap_servers=self.servers, linger_ms=0,
                delivery_timeout_ms=ANSWER_TIMEOUT_MS, max_block_ms=ANSWER_TIMEOUT_MS,
            )
        )  # fmt: skip
        self.admin = Admin(
            AdminConfig(
                client_id="summit-node", bootstrap_servers=self.servers,
                request_timeout_ms=ANSWER_TIMEOUT_MS,
            )
        )  # fmt: skip
        self.definitions = Definitions(self.servers, validate=check_definition, advise=advise)
        self.alerts = AlertFollower(self.servers)
        self.correlations = CorrelationFollower(self.servers)
        self.desk = DeskFollower(self.servers, clock=self.clock)
        self.results = ResultFollower(self.servers)
        self.collectors = CollectorManager()
        self.notifier = Notifier(
            self.servers, self.definitions, self.alerts.view.get,
            Outlets(self.producer, notifications_folder(), self._ensure_topic), clock=self.clock,
        )  # fmt: skip
        self._tasks = Tasks()
        self._changes: asyncio.Queue[Change] = asyncio.Queue()
        self._failures: dict[str, str] = {}  # why a defined collector does not run

    async def start(self) -> None:
        """Connect, read the views, start the collectors. Raises Unavailable."""
        await asyncio.gather(self.producer.connect(), self.admin.connect())
        views = (self.definitions, self.alerts, self.correlations, self.desk, self.results)
        await asyncio.gather(*(view.start() for view in views))
        if self._notifies:
            await self.notifier.start()
        if self.runs_collectors:
            for definition in self.definitions.current("collector"):
                await self._start_collector(definition.id, definition.document)
            self.definitions.on("change", self._note_change)
            self._tasks.spawn(self._follow_collectors(), "node.collectors")

    async def stop(self) -> None:
        """Collectors first, then what they write with."""
        await self._tasks.cancel_all()
        await self.collectors.stop_all()
        await self.notifier.stop()
        await self.producer.close()
        views = (self.definitions, self.alerts, self.correlations, self.desk, self.results)
        await asyncio.gather(*(view.stop() for view in views))
        await self.admin.close()

    async def add_collector(self, document: dict[str, Any]) -> dict[str, Any]:
        """Start a collector and make it part of the definitions; on failure nothing is left.

        Returns: Its status, as `collector_statuses` has it.
        Raises: Conflict("collector.exists"), Invalid, Unavailable.
        """
        checked = validate_collector({"kind": "collector", **document})
        config = collector_settings({"kind": "collector", **document})
        refuse_internal(config.topic, "/topic")
        if self.definitions.log.get("collector", config.name) is not None:
            raise Conflict("collector.exists", name=config.name)
        definition = {**document, "kind": "collector", "id": config.name}
        if not checked.enabled:
            await self.definitions.publish(definition)
            return _not_running(definition, "disabled", None)
        made_topic = await self._ensure_topic(config.topic)
        try:
            collector = await self.collectors.add(config, self.producer)
            try:
                await self.definitions.publish(definition)
            except BaseException:
                await self.collectors.remove(collector.name)
                raise
        except BaseException:
            if made_topic:
                await self._drop_topic(config.topic)
            raise
        return _status(collector)

    async def remove_collector(self, name: str) -> None:
        """Stop a collector and take it out of the definitions. Raises Invalid."""
        defined = self.definitions.log.get("collector", name) is not None
        running = name in self._running()
        if not defined and not running:
            raise Invalid("collector.unknown", name=name)
        if running:
            await self.collectors.remove(name)
        if defined:
            await self.definitions.delete("collector", name)
        self._failures.pop(name, None)

    def collector_statuses(self) -> list[dict[str, Any]]:
        """Every collector: those that run, and those of the definitions that do not, and why."""
        found = [_status(collector) for collector in self.collectors.list()]
        running = {status["name"] for status in found}
        for definition in self.definitions.current("collector"):
            if definition.id not in running:
                reason = self._failures.get(definition.id)
                state = "disabled" if reason is None else "failed"
                found.append(_not_running(definition.document, state, reason))
        return found

    async def _ensure_topic(self, name: str) -> bool:
        """Make a topic that is not there, by the broker's defaults; True when it was made."""
        return await self.admin.create_if_missing(TopicConfig(name=name)) is not None

    async def _drop_topic(self, name: str) -> None:
        """Take back a topic that was just made, unless somebody uses it already."""
        with contextlib.suppress(SummitError):
            if not any(end for _, end in (await self.admin.offsets(name)).values()):
                await self.admin.delete_topic(name)

    def _note_change(self, change: Change) -> None:
        if change.key.startswith("collector/"):
            self._changes.put_nowait(change)

    async def _follow_collectors(self) -> None:
        """Start, stop and renew collectors that others have added, changed or removed."""
        while True:
            change = await self._changes.get()
            name = change.key.partition("/")[2]
            definition = self.definitions.log.get("collector", name)
            if definition is not None and self._runs_as(name, definition.document):
                continue
            if name in self._running():
                await self.collectors.remove(name)
            self._failures.pop(name, None)
            if definition is not None:
                await self._start_collector(name, definition.document)

    def _running(self) -> set[str]:
        return {collector.name for collector in self.collectors.list()}

    def _runs_as(self, name: str, document: dict[str, Any]) -> bool:
        """Whether the collector runs just as its document says."""
        if name not in self._running():
            return False
        try:
            wanted = collector_settings(document)
            return collector_enabled(document) and self.collectors.get(name).config == wanted
        except Invalid:
            return False

    async def _start_collector(self, name: str, document: dict[str, Any]) -> None:
        try:
            if not collector_enabled(document):
                return
            config = collector_settings(document)
            await self._ensure_topic(config.topic)
            await self.collectors.add(config, self.producer)
        except SummitError as error:
            # The others go on; the definition stays, and the next start tries again.
            self._failures[name] = str(error)
            log.error("collector.not_started", name=name, error=str(error))


def _status(collector: Collector) -> dict[str, Any]:
    status: dict[str, Any] = msgspec.to_builtins(collector.status())
    return status


def _not_running(document: dict[str, Any], state: str, reason: str | None) -> dict[str, Any]:
    """The status of a collector that is defined and does not run."""
    return {
        "name": document.get("id"), "type": document.get("type"), "topic": document.get("topic"),
        "state": state, "address": None, "accepted": 0, "rejected": 0, "bytes": 0,
        "lastError": reason, "lastErrorAt": None, "details": {},
    }  # fmt: skip
