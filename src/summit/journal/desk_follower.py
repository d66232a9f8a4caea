"""The alert log: folding `_summit.alert-state` into a desk, and writing entries to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from summit.alerts.desk import AlertDesk, Decision
from summit.alerts.entries import AnyEntry, Fired, Repeated, decode_entry, encode_entry
from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter
from summit.base.errors import Closed, Invalid, Unavailable
from summit.base.limits import ALERT_ENTRY_MS, DESK_DECISIONS_MAX, FOLLOWER_READY_MS
from summit.base.tracing import TRACEPARENT, TraceIndex, checked_traceparent, is_tracing
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.settings import AdminConfig, ProducerConfig
from summit.client.types import ConsumerRecord, ProducerRecord
from summit.journal.follower import LogFollower
from summit.journal.topics import ALERT_STATE, ALERT_STATE_TOPIC, ensure_topics

_PLACE: Final = (ALERT_STATE_TOPIC, 0)
_KNOWN: Final = Decision("", [])  # of what nothing refuses


class DeskFollower(Emitter):
    """Keeps an `AlertDesk` up to date, and writes to its log; one loop's, from start to stop.

    Event `decision` with each `Decision`, in log order; of those read at the start only the ones
    from `tell_from` on.
    A writer reads its own write: `write` returns when this follower has taken it, with what the
    log's order made of it.

    Args:
        servers: Addresses of the brokers.
        tell_from: Offset of the first decision to be told of; None = those after the start.

    Attributes:
        desk: For reading.
        traces: To which trace alerts belong, by their ids; where this process traces.
    """

    def __init__(
        self,
        servers: Iterable[str],
        *,
        clock: Clock | None = None,
        name: str = "summit-desk",
        tell_from: int | None = None,
    ) -> None:
        super().__init__()
        self.desk = AlertDesk()
        self.traces = TraceIndex()
        self.clock = clock or SystemClock()
        self._servers = list(servers)
        self._name = name
        self._live = False
        self._tell_from = tell_from
        self._stopped = False
        self._producer: StreamProducer | None = None
        self._decisions: dict[int, Decision] = {}
        self._follower = LogFollower(self._servers, name, self._take, clock=self.clock)

    async def start(self, timeout_ms: int = FOLLOWER_READY_MS) -> None:
        """Make the topic where it is missing, and read what is there.

        Raises: Unavailable where no broker answers, or the topic is not read in time.
        """
        config = AdminConfig(client_id=self._name, bootstrap_servers=self._servers)
        async with Admin(config) as admin:
            await ensure_topics(admin, [ALERT_STATE])
        await self._follower.start({_PLACE: None})
        await self._follower.wait_caught_up(timeout_ms)
        self._live = True

    @property
    def failure(self) -> BaseException | None:
        """Why it reads no more; None while it does."""
        return self._follower.failure

    async def stop(self) -> None:
        """End reading and writing. Idempotent."""
        self._stopped = True
        await self._follower.stop()
        if self._producer is not None:
            await self._producer.close()
            self._producer = None

    async def catch_up(self, admin: Admin, timeout_ms: int = ALERT_ENTRY_MS) -> None:
        """Take everything that is committed now. Raises: Unavailable."""
        bounds = await admin.offsets(ALERT_STATE_TOPIC, committed=True)
        await self._follower.wait_read({_PLACE: bounds[0][1]}, timeout_ms)

    async def write(self, entry: AnyEntry) -> Decision:
        """Write an entry and wait until it is taken here.

        Raises: what refuses the entry: Invalid, Conflict; Unavailable("alert.not_readable")
            when it is written and not read back in time; Unavailable, Closed.
        """
        return (await self.write_all([entry]))[0]

    async def write_all(self, entries: Iterable[AnyEntry]) -> list[Decision]:
        """Write entries in order; see `write`. The first one that is refused raises.

        The decision on a `Fired` or `Repeated` is empty.

        What stands behind it has its effect all the same: entries are independent.
        """
        producer = await self._connected()
        written = await producer.send_batch(
            [
                ProducerRecord(topic=ALERT_STATE_TOPIC, partition=0, value=encode_entry(entry))
                for entry in entries
            ]
        )
        offsets = [result.offset for result in written]
        if not offsets:
            return []
        try:
            await self._follower.wait_read({_PLACE: max(offsets) + 1}, ALERT_ENTRY_MS)
        except Unavailable as error:
            raise Unavailable("alert.not_readable", timeout_ms=ALERT_ENTRY_MS) from error
        decisions = [self._decisions.pop(offset, _KNOWN) for offset in offsets]
        for decision in decisions:
            if decision.error is not None:
                raise decision.error
        return decisions

    async def _connected(self) -> StreamProducer:
        if self._stopped:
            raise Closed("follower.closed", topic=ALERT_STATE_TOPIC)
        if self._producer is None:
            producer = StreamProducer(
                ProducerConfig(
                    client_id=self._name, bootstrap_servers=self._servers, linger_ms=0,
                    delivery_timeout_ms=ALERT_ENTRY_MS, max_block_ms=ALERT_ENTRY_MS,
                )
            )  # fmt: skip
            await producer.connect()
            self._producer = producer
        return self._producer

    def _take(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            try:
                entry = decode_entry(record.value or b"")
            except Invalid:
                self.desk.skip(record.offset)
                continue
            if is_tracing() and isinstance(entry, Fired):
                context = checked_traceparent(record.headers.get(TRACEPARENT))
                if context is not None:
                    self.traces.put(entry.id, context)
            decision = self.desk.apply(record.offset, record.timestamp, entry)
            if self._live or (self._tell_from is not None and record.offset >= self._tell_from):
                self.emit("decision", decision)
            if not self._live:
                continue
            # Nothing refuses these, and a flood of them must not push out what is waited for.
            if not isinstance(entry, Fired | Repeated):
                self._decisions[record.offset] = decision
                if len(self._decisions) > DESK_DECISIONS_MAX:
                    del self._decisions[next(iter(self._decisions))]
