"""A broker's own figures, handed to whoever dials it through the topic `_summit.metrics`.

The broker process writes a record every second or two while anything moves; the services read the
last one. So they show the same figures whether the broker is in their process, in another, or on
another host. An Apache Kafka cluster writes none: there the services show what offsets tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from summit.base.clock import Clock
from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.settings import AdminConfig, ProducerConfig
from summit.client.topics import TopicConfig
from summit.client.types import ConsumerRecord
from summit.journal.follower import LogFollower
from summit.journal.topics import ensure_topics

METRICS_TOPIC = "_summit.metrics"
METRICS = TopicConfig(
    name=METRICS_TOPIC, partitions=1, retention_ms=3_600_000, segment_bytes=1 << 20
)
INTERVAL_S = 1.0
FRESH_MS = 5_000
RETRY_S = 5.0
# Rates are over ten seconds: so long after the last movement the figures still change.
_ECHO_TICKS = 11
_QUIET_RATES = (
    "messages_in_per_s", "bytes_in_per_s", "messages_out_per_s", "bytes_out_per_s",
    "produce_requests_per_s",
)  # fmt: skip


class Activity:
    """Whether a broker moves anything but its own figures; asked once per tick. Pure.

    A record of figures is one message in, and one out for each of the readers that follow them.
    So after a tick with such a record, one message in says nothing, nor do messages out; they
    are judged at the next tick, which then has none.
    """

    def __init__(self) -> None:
        self._in = self._out = -1
        self._left = _ECHO_TICKS
        self._wrote = False

    def look(self, messages_in: int, messages_out: int) -> bool:
        """Whether to write figures now, by the broker's totals."""
        came, went = messages_in - self._in, messages_out - self._out
        self._in, self._out = messages_in, messages_out
        moved = came > 1 if self._wrote else came > 0 or went > 0
        self._left = _ECHO_TICKS if moved else self._left - 1
        # While nothing came in, every second tick stays free, so that reading shows.
        self._wrote = self._left > 0 and not (self._wrote and came <= 1)
        return self._wrote


class MetricsWriter:
    """Writes a broker's figures while the broker moves anything.

    Args:
        servers: The broker's address.
        read: Gives the figures.
    """

    def __init__(self, servers: Sequence[str], read: Callable[[], dict[str, Any]]) -> None:
        self._servers = list(servers)
        self._read = read

    async def run(self) -> None:
        """Write until cancelled; a broker that is not ready is asked again."""
        while True:
            try:
                await self._write()
            except SummitError as error:
                get_logger(__name__).warning("metrics.not_written", error=str(error))
                await asyncio.sleep(RETRY_S)

    async def _write(self) -> None:
        async with Admin(
            AdminConfig(client_id="summit-metrics", bootstrap_servers=self._servers)
        ) as admin:
            await ensure_topics(admin, [METRICS])
        config = ProducerConfig(
            client_id="summit-metrics", bootstrap_servers=self._servers, linger_ms=0
        )
        activity = Activity()
        async with StreamProducer(config) as producer:
            while True:
                figures = self._read()
                if activity.look(figures["messages_in"], figures["messages_out"]):
                    value = msgspec.json.encode(figures)
                    await producer.send({"topic": METRICS_TOPIC, "partition": 0, "value": value})
                await asyncio.sleep(INTERVAL_S)


class MetricsReader:
    """Keeps the last figures that the broker wrote."""

    def __init__(self, servers: Sequence[str], clock: Clock) -> None:
        self._servers = list(servers)
        self._clock = clock
        self._follower = LogFollower(
            self._servers, "summit-metrics-reader", self._take, clock=clock
        )  # fmt: skip
        self._figures: dict[str, Any] | None = None
        self._at_ms = 0

    async def start(self) -> None:
        """Begin at the end of the topic."""
        async with Admin(
            AdminConfig(client_id="summit-metrics-reader", bootstrap_servers=self._servers)
        ) as admin:
            await ensure_topics(admin, [METRICS])
            end = (await admin.offsets(METRICS_TOPIC))[0][1]
        await self._follower.start({(METRICS_TOPIC, 0): max(0, end - 1)})

    async def stop(self) -> None:
        """End reading."""
        await self._follower.stop()

    def figures(self) -> dict[str, Any] | None:
        """The broker's figures; None when it never wrote any.

        A broker that writes no more is quiet: nothing moves, though consumers go on asking.
        """
        if self._figures is None or self._clock.now_ms() - self._at_ms <= FRESH_MS:
            return self._figures
        return {**self._figures, **dict.fromkeys(_QUIET_RATES, 0.0)}

    def _take(self, records: list[ConsumerRecord]) -> None:
        last = records[-1]
        if last.value is not None:
            self._figures = msgspec.json.decode(last.value)
            self._at_ms = last.timestamp
