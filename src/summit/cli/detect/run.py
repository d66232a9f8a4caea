"""One run: a broker on a temporary directory, collectors, a worker, and down again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from summit.alerts.alert import Alert, alert_dict
from summit.base.clock import SystemClock
from summit.base.errors import Invalid
from summit.broker.settings import BrokerSettings
from summit.broker.thread import BrokerThread
from summit.cli.detect.inputs import Input
from summit.cli.detect.merging import merge
from summit.cli.detect.report import Report
from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.producer import StreamProducer
from summit.flow.settings import WorkerSettings
from summit.flow.worker import Worker
from summit.journal.alert_follower import AlertFollower
from summit.journal.definitions import Definitions
from summit.services.definition_kinds import check_definition
from summit.stream_ingestion import CollectorConfig, FileCollector

TOPIC = "detect"
_CLIENT = "summit-detect"
_READ_TIMEOUT_MS = 60_000


class Detection:
    """Reads the inputs, matches them, and reports.

    Args:
        directory: An empty place for the broker's data.
        documents: The rules.
    """

    def __init__(
        self,
        directory: Path,
        documents: list[dict[str, Any]],
        inputs: list[Input],
        report: Report,
    ) -> None:
        self._directory = directory
        self._documents = documents
        self._inputs = inputs
        self._report = report
        self._alerts: list[Alert] = []
        self._servers: list[str] = []
        self._events = 0
        self._rejected = 0
        self._last_error = ""

    async def run(self) -> None:
        """All of it. Raises: what the first failure was; Invalid when no line is an event."""
        clock = SystemClock()
        start_ms = clock.monotonic_ms()
        # The broker lives as long as this command: what a power cut would take is of no use later.
        settings = BrokerSettings(
            port=0, data_dir=str(self._directory / "data"), durability="os"
        )  # fmt: skip
        broker = BrokerThread(settings)
        await asyncio.to_thread(broker.start)
        try:
            self._servers = [f"{broker.host}:{broker.port}"]
            await self._define()
            await self._read()
            await self._match()
        finally:
            await asyncio.to_thread(broker.stop)
        for alert in sorted(self._alerts, key=lambda alert: (alert.timestamp, alert.id)):
            self._report.alert(alert_dict(alert))
        seconds = (clock.monotonic_ms() - start_ms) / 1000
        self._report.summary(self._events, len(self._inputs), self._rejected, seconds)

    async def _define(self) -> None:
        definitions = Definitions(self._servers, validate=check_definition)
        await definitions.start()
        try:
            for document in self._documents:
                # Whatever topics a rule names in its running system, here there are these files.
                await definitions.publish({**document, "topics": [TOPIC]})
        finally:
            await definitions.stop()

    async def _read(self) -> None:
        """Every input into a topic of its own, then all of them, by time, into the one topic."""
        topics = [TOPIC]
        if len(self._inputs) > 1:
            # Rules read no topic whose name begins so.
            topics = [f"_{TOPIC}-{number}" for number in range(len(self._inputs))]
        async with Admin(self._dial()) as admin:
            for topic in dict.fromkeys([TOPIC, *topics]):
                await admin.create_topic({"name": topic, "partitions": 1})
        async with StreamProducer({**self._dial(), "lingerMs": 5}) as producer:
            for item, topic in zip(self._inputs, topics, strict=True):
                await self._collect(item, topic, producer)
            if not self._events and self._rejected:
                raise Invalid("detect.no_events", lines=self._rejected, reason=self._last_error)
            if len(topics) > 1:
                async with LogReader(self._dial()) as reader:
                    await merge(reader, producer, topics, TOPIC)

    async def _collect(self, item: Input, topic: str, producer: StreamProducer) -> None:
        config = CollectorConfig.from_dict({
            "name": topic, "type": "file", "topic": topic, "path": item.path,
            "file": {"mode": "batch", "format": item.form},
        })  # fmt: skip
        collector = FileCollector(config)
        await collector.start(producer)
        try:
            await self._report.progress(collector.done(), item.path, collector)
            self._report.paths.update(collector.paths())
            progress = collector.progress()
            self._events += progress.accepted
            self._rejected += progress.rejected
            if progress.rejected:
                self._last_error = collector.status().last_error or ""
                self._report.unreadable(item.path, progress.rejected, self._last_error)
        finally:
            await collector.stop()

    async def _match(self) -> None:
        follower = AlertFollower(self._servers, name=_CLIENT)
        worker = Worker(
            WorkerSettings(bootstrap_servers=self._servers, stop_at_end=True, time_ends=True)
        )
        await follower.start()
        try:
            follower.on("alert", self._alerts.append)
            await worker.start()
            await worker.wait_finished()
            async with Admin(self._dial()) as admin:
                end = (await admin.offsets(TOPIC))[0][1]
            if end:
                await follower.wait_readable(TOPIC, 0, end - 1, _READ_TIMEOUT_MS)
            metrics = worker.metrics
            self._report.not_used({**metrics.rejected, **metrics.skipped}, metrics.faulty)
        finally:
            await worker.stop()
            await follower.stop()

    def _dial(self) -> dict[str, Any]:
        return {"clientId": _CLIENT, "bootstrapServers": self._servers}
