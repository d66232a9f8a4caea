"""What the worker writes: alerts and dead letters, acknowledged before anything is committed.

Writing never gives up while the worker is active: what failed is written again with growing
pauses. Only a record that the topic refuses for good is dropped, after an alert was tried in its
shortest form; that is counted and logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from summit.alerts import Alert, encode_alert
from summit.base.errors import Closed, Invalid, SummitError
from summit.base.limits import WORKER_RETRY_MS
from summit.base.logs import get_logger
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.settings import ProducerConfig
from summit.client.topics import TopicConfig
from summit.client.types import ConsumerRecord, ProducerResult
from summit.flow.dead_letters import (
    Fault,
    OriginalRecord,
    dead_letter_topic,
    dead_letter_value,
)
from summit.flow.settings import WorkerSettings
from summit.journal.topics import ALERTS_TOPIC, ensure_topics

_EVIDENCE_SHORT = 50


class _Outgoing(NamedTuple):
    """One record on its way."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes | None]] | None
    alert: Alert | None


class Outbox:
    """Sends records and waits for all of them; one loop's.

    Args:
        admin: Makes dead-letter topics.
        on_alert: Told of each alert that is acknowledged, and where it stands.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        admin: Admin,
        on_alert: Callable[[Alert, ProducerResult], None],
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._on_alert = on_alert
        self._producer: StreamProducer | None = None
        self._pending: list[tuple[_Outgoing, asyncio.Future[ProducerResult]]] = []
        self._waiting: list[_Outgoing] = []
        self._letter_topics: set[str] = set()
        self.undeliverable = 0

    async def start(self) -> None:
        """Connect. Raises Unavailable where no broker answers."""
        producer = StreamProducer(
            ProducerConfig(
                client_id=self._settings.name,
                bootstrap_servers=self._settings.servers,
                linger_ms=0,
                retries=10,
                delivery_timeout_ms=30_000,
            )
        )
        await producer.connect()
        self._producer = producer

    async def stop(self) -> None:
        """Disconnect; what is not acknowledged is not waited for. Idempotent."""
        for _, future in self._pending:
            future.cancel()
        self._pending.clear()
        self._waiting.clear()
        if self._producer is not None:
            await self._producer.close(timeout_ms=0)
            self._producer = None

    async def connected(self) -> StreamProducer:
        """The producer, connected anew where the one before failed. Raises Unavailable."""
        if self._producer is None:
            await self.start()
        assert self._producer is not None
        return self._producer

    @property
    def is_empty(self) -> bool:
        """Whether everything given is acknowledged."""
        return not self._pending and not self._waiting

    def put_alert(self, alert: Alert) -> None:
        """Write an alert."""
        self._put(_Outgoing(ALERTS_TOPIC, alert.id.encode(), encode_alert(alert), None, alert))

    def put_dead_letter(self, record: ConsumerRecord, fault: Fault, now_ms: int) -> None:
        """Put a record aside, with the reason."""
        headers = list(record.headers.pairs)
        original = OriginalRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=headers,
        )
        topic = dead_letter_topic(record.topic)
        value = dead_letter_value(original, fault, now_ms)
        outgoing = _Outgoing(topic, record.key, value, headers or None, None)
        if topic in self._letter_topics:
            self._put(outgoing)
        else:
            self._waiting.append(outgoing)  # `settle` makes the topic first

    async def settle(self, active: Callable[[], bool]) -> bool:
        """Wait until everything given is acknowledged.

        Args:
            active: Asked between attempts; False gives up.
        Returns: Whether everything is acknowledged.
        """
        pause_ms = WORKER_RETRY_MS
        while not self.is_empty:
            fault = await self._attempt()
            if fault is None:
                continue
            if not active():
                return False
            get_logger(__name__).warning("outbox.retries", error=str(fault), code=fault.code)
            await asyncio.sleep(pause_ms / 1000)
            pause_ms = min(2 * pause_ms, self._settings.retry_backoff_max_ms)
        return True

    async def _attempt(self) -> SummitError | None:
        """One round: send what waits, take the answers; a fault, if there was one."""
        fault: SummitError | None = None
        try:
            await self.connected()
            await self._make_letter_topics()
        except SummitError as error:
            fault = error
        else:
            waiting, self._waiting = self._waiting, []
            for outgoing in waiting:
                fault = self._put(outgoing) or fault
        pending, self._pending = self._pending, []
        for outgoing, future in pending:
            try:
                result = await future
            except SummitError as error:
                fault = self._failed(outgoing, error) or fault
            else:
                if outgoing.alert is not None:
                    self._on_alert(outgoing.alert, result)
        if isinstance(fault, Closed) and self._producer is not None:
            # Fenced or failed for good: the next round begins with a new producer.
            old, self._producer = self._producer, None
            await old.close(timeout_ms=0)
        return fault

    async def _make_letter_topics(self) -> None:
        missing = {o.topic for o in self._waiting if o.alert is None} - self._letter_topics
        if missing:
            await ensure_topics(self._admin, [TopicConfig(name=topic) for topic in missing])
            self._letter_topics |= missing

    def _put(self, outgoing: _Outgoing) -> SummitError | None:
        if self._producer is None:
            self._waiting.append(outgoing)
            return None
        try:
            future = self._producer.send_nowait(
                outgoing.topic, outgoing.value, outgoing.key, outgoing.headers
            )
        except SummitError as error:
            return self._failed(outgoing, error)
        self._pending.append((outgoing, future))
        return None

    def _failed(self, outgoing: _Outgoing, error: SummitError) -> SummitError | None:
        """Decide what becomes of a record that was not written; the error, if it is retried."""
        if isinstance(error, Invalid) and error.code != "topic.unknown":
            shorter = _shorter(outgoing)
            if shorter is None:
                self.undeliverable += 1
                get_logger(__name__).error(
                    "outbox.undeliverable", topic=outgoing.topic, error=str(error)
                )
                return None
            outgoing = shorter
        elif outgoing.alert is None:
            self._letter_topics.discard(outgoing.topic)
        self._waiting.append(outgoing)
        return error


def _shorter(outgoing: _Outgoing) -> _Outgoing | None:
    """The same alert without events and with little evidence; None when it is so already."""
    alert = outgoing.alert
    if alert is None or not alert.events:
        return None
    half = _EVIDENCE_SHORT // 2
    evidence = alert.evidence
    if len(evidence) > _EVIDENCE_SHORT:
        evidence = [*evidence[:half], *evidence[-half:]]
    short = msgspec.structs.replace(
        alert,
        events=[],
        evidence=evidence,
        metadata={
            **alert.metadata,
            "eventsOmitted": alert.count,
            "evidenceOmitted": alert.count - len(evidence),
        },
    )
    return outgoing._replace(value=encode_alert(short), alert=short)
