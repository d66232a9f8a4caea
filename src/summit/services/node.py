"""What both services stand on: one producer, one admin, and views of definitions and alerts.

The views are read from the log before the node says that it has started; collectors run here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from summit.base.clock import Clock, SystemClock
from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.settings import AdminConfig, ProducerConfig
from summit.client.topics import TopicConfig
from summit.ingest import CollectorManager
from summit.journal.alert_follower import AlertFollower
from summit.journal.alert_index import AlertIndex
from summit.journal.correlations import CorrelationFollower
from summit.journal.definitions import Definitions
from summit.journal.desk_follower import DeskFollower
from summit.journal.key_log import KeyLog
from summit.journal.result_follower import ResultFollower
from summit.journal.topics import ALERTS_TOPIC
from summit.notify import Notifier, Outlets
from summit.services.audit_trail import AuditTrail
from summit.services.collector_watch import CollectorWatch
from summit.services.definition_kinds import check_definition
from summit.services.live_alerts import LiveAlerts
from summit.services.live_results import LiveResults
from summit.services.settings import notifications_folder, views_folder
from summit.services.streams import Streams

# How long a request may wait for a broker that is away, before its sender hears so.
ANSWER_TIMEOUT_MS = 5_000
FORGET_S = 60.0  # between two looks at what the log no longer keeps

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
        self._tasks = Tasks()
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
        self.definitions = Definitions(self.servers, validate=check_definition)
        self.keys = KeyLog(self.servers, clock=self.clock)
        folder = views_folder()
        self.index = AlertIndex(None if folder is None else folder / "alerts.sqlite")
        self.audit = AuditTrail(self.producer, self.admin, self.clock)
        self.alerts = AlertFollower(self.servers, view=self.index)
        self.correlations = CorrelationFollower(self.servers)
        self.desk = DeskFollower(self.servers, clock=self.clock)
        self.results = ResultFollower(self.servers)
        self.streams = Streams()
        self.live_results = LiveResults(
            self.servers, self.results, self.definitions, self.admin, self.clock, self.streams
        )
        self.live_alerts = LiveAlerts(
            self.servers, self.alerts, self.desk, self.admin, self.clock, self.streams
        )
        self._views = (
            self.definitions, self.keys, self.alerts, self.correlations, self.desk, self.results
        )  # fmt: skip
        self.collectors = CollectorManager()
        self.watch = CollectorWatch(self)
        self.notifier = Notifier(
            self.servers, self.definitions, self.index.get,
            Outlets(self.producer, notifications_folder(), self.ensure_topic), clock=self.clock,
        )  # fmt: skip

    async def start(self) -> None:
        """Connect, read the views, start the collectors. Raises Unavailable."""
        await asyncio.gather(self.producer.connect(), self.admin.connect())
        await asyncio.gather(*(view.start() for view in self._views), self.audit.start())
        self._tasks.spawn(self._forget(), "node.forget")
        if self._notifies:
            await self.notifier.start()
        if self.runs_collectors:
            await self.watch.start()

    async def stop(self) -> None:
        """Collectors first, then what they write with."""
        self.streams.end()
        await self._tasks.cancel_all()
        await self.live_results.stop()
        await self.watch.stop()
        await self.collectors.stop_all()
        await self.notifier.stop()
        await self.audit.stop()
        await self.producer.close()
        await asyncio.gather(*(view.stop() for view in self._views))
        await self.admin.close()

    def failures(self) -> dict[str, BaseException]:
        """The views that read no more, and why."""
        views: dict[str, Any] = {
            "definitions": self.definitions, "alerts": self.alerts, "desk": self.desk,
            "correlations": self.correlations, "results": self.results,
        }  # fmt: skip
        return {name: error for name, view in views.items() if (error := view.failure) is not None}

    async def _forget(self) -> None:
        """Forget, now and then, the alerts that the log no longer keeps."""
        while True:
            await asyncio.sleep(FORGET_S)
            with contextlib.suppress(SummitError):
                first, _ = (await self.admin.offsets(ALERTS_TOPIC))[0]
                self.index.forget_before(first)

    async def ensure_topic(self, name: str) -> bool:
        """Make a topic that is not there, by the broker's defaults; True when it was made."""
        return await self.admin.create_if_missing(TopicConfig(name=name)) is not None

    async def drop_topic(self, name: str) -> None:
        """Take back a topic that was just made, unless somebody uses it already."""
        with contextlib.suppress(SummitError):
            if not any(end for _, end in (await self.admin.offsets(name)).values()):
                await self.admin.delete_topic(name)
