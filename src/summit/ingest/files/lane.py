"""The way of one file's records into the log: in order, none lost, none twice.

Records go out one after the other without waiting, a bounded number of them unacknowledged. When
one fails, nothing more goes out; once the fate of all that is out is known, the partition is read
back to see what really arrived, and what did not is sent again, in order.

Records of a file may go to two topics (events, and dead letters for lines that are none). Only
one of them has records out at any time, so that the last record in either tells where to go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from summit.base.errors import SummitError, Unavailable
from summit.base.limits import FILE_IN_FLIGHT_BYTES_MAX, FILE_IN_FLIGHT_RECORDS_MAX
from summit.ingest.files.coordinates import CHECKPOINT_HEADER, SOURCE_HEADER, Coordinate
from summit.ingest.files.ledger import Ledger
from summit.ingest.producing import Producer, forget

_BACKOFF_FIRST_S: Final = 0.5
_BACKOFF_MAX_S: Final = 10.0
_FULL_WAIT_S: Final = 0.05
_REFILLING: Final = "refilling"
_RECORD_FAULTS: Final = "record."  # codes that speak of the record, not of topic or broker


class Outgoing(NamedTuple):
    """One record on its way.

    Attributes:
        end: Where the file goes on after this record's line; None when the line has more events.
    """

    topic: str
    value: bytes
    key: bytes | None
    place: Coordinate
    end: int | None
    headers: tuple[tuple[str, bytes], ...] = ()


class _Sent(NamedTuple):
    record: Outgoing
    future: asyncio.Future[Any]
    counted: bool  # in the window


class Window:
    """What all lanes of a collector together have out and unacknowledged."""

    def __init__(
        self,
        max_records: int = FILE_IN_FLIGHT_RECORDS_MAX,
        max_bytes: int = FILE_IN_FLIGHT_BYTES_MAX,
    ) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._out: deque[tuple[asyncio.Future[Any], int]] = deque()
        self._bytes = 0
        self._failed = 0

    @property
    def full(self) -> bool:
        """Whether nothing more may go out until something is acknowledged."""
        return len(self._out) >= self._max_records or self._bytes >= self._max_bytes

    @property
    def empty(self) -> bool:
        """Whether nothing is out."""
        self._settle()
        return not self._out

    @property
    def sound(self) -> bool:
        """Whether nothing is out and all that was out is in the log: time for a checkpoint."""
        return self.empty and self._failed == 0

    def add(self, future: asyncio.Future[Any], size_bytes: int) -> None:
        """Count a record that went out."""
        self._out.append((future, size_bytes))
        self._bytes += size_bytes

    async def wait_room(self) -> None:
        """Wait until another record may go out."""
        while self.full:
            self._settle()
            if self.full:
                await asyncio.wait((self._out[0][0],))

    async def wait_empty(self) -> None:
        """Wait until the fate of all that is out is known."""
        while not self.empty:
            await asyncio.wait((self._out[-1][0],))
            await asyncio.wait((self._out[0][0],))

    def repaired(self, count: int) -> None:
        """A lane found out about `count` failed records and will send what is missing."""
        self._settle()
        self._failed -= count

    def _settle(self) -> None:
        while self._out and self._out[0][0].done():
            future, size_bytes = self._out.popleft()
            self._bytes -= size_bytes
            if future.cancelled() or future.exception() is not None:
                self._failed += 1


class Lane:
    """Sends the records of one file.

    Args:
        partition_of: The partition of this file in a topic; creates the topic when needed.
        bury: Makes the dead letter of a record that the broker will never take.
        on_accepted: Told of each record that is in the log.
        on_trouble: Told each error that made the lane wait; None when it goes on.
    """

    def __init__(
        self,
        producer: Producer,
        ledger: Ledger,
        window: Window,
        *,
        partition_of: Callable[[str], Awaitable[int]],
        bury: Callable[[Outgoing, SummitError], Outgoing],
        on_accepted: Callable[[Outgoing], None],
        on_trouble: Callable[[SummitError | None], None],
    ) -> None:
        self._producer = producer
        self._ledger = ledger
        self._window = window
        self._partition_of = partition_of
        self._bury = bury
        self._on_accepted = on_accepted
        self._on_trouble = on_trouble
        self._queue: deque[Outgoing] = deque()
        self._pending: deque[_Sent] = deque()
        self._floors: dict[str, int] = {}
        self._partitions: dict[str, int] = {}
        self._backoff_s = _BACKOFF_FIRST_S
        self._alone = 0  # how many of the next records are sent one by one
        self._refills = 0  # how many of the next records fill holes
        self.durable_position = 0

    @property
    def idle(self) -> bool:
        """Whether everything that was sent is known to be in the log."""
        return not self._queue and not self._pending

    async def send(self, record: Outgoing) -> None:
        """Send a record after all before it; waits for room, and for trouble to end."""
        self._queue.append(record)
        await self._advance()

    async def drain(self) -> None:
        """Wait until everything sent is acknowledged."""
        while self._queue or self._pending:
            await self._advance()
            await self._wait_pending()
            if self._pending:
                await self._repair()

    def reap(self) -> bool:
        """Take note of acknowledgements so far; False when a record failed."""
        pending = self._pending
        while pending and pending[0].future.done():
            sent = pending[0]
            if sent.future.cancelled() or sent.future.exception() is not None:
                return False
            pending.popleft()
            ack = sent.future.result()
            self._floors[sent.record.topic] = ack.offset + 1
            if sent.record.end is not None:
                self.durable_position = sent.record.end
            self._on_accepted(sent.record)
        return True

    def abandon(self) -> list[asyncio.Future[Any]]:
        """Give up; returns what is still out, which may be written yet."""
        out = [sent.future for sent in self._pending if not sent.future.done()]
        forget([sent.future for sent in self._pending])
        self._pending.clear()
        self._queue.clear()
        return out

    async def _advance(self) -> None:
        while self._queue:
            record = self._queue[0]
            if not self.reap():
                await self._repair()
                continue
            if self._pending and (self._alone or self._topic_out != record.topic):
                await self._wait_pending()
                continue
            if self._window.full:
                await self._window.wait_room()
            partition = self._partitions.get(record.topic)
            if partition is None:
                partition = await self._partition_of(record.topic)
                self._partitions[record.topic] = partition
            due = self._ledger.checkpoint_due(record.topic, partition)
            if due:
                await self._window.wait_empty()
                if not self.reap():
                    continue
            if self._transmit(record, partition, checkpointed=due and self._window.sound):
                self._queue.popleft()
                self._alone = max(0, self._alone - 1)
                self._note_refill(record)
            else:
                await asyncio.sleep(_FULL_WAIT_S)

    @property
    def _topic_out(self) -> str:
        return self._pending[-1].record.topic

    def _transmit(self, record: Outgoing, partition: int, *, checkpointed: bool) -> bool:
        """Hand a record to the producer; False when it has no room now."""
        topic, place = record.topic, record.place
        headers = [(SOURCE_HEADER, place.text.encode()), *record.headers]
        if checkpointed:
            headers.append((CHECKPOINT_HEADER, self._ledger.checkpoint(topic, partition)))
        try:
            future = self._producer.send_nowait(topic, record.value, record.key, headers, partition)
        except Unavailable:
            return False
        except SummitError as error:
            future = asyncio.get_running_loop().create_future()
            future.set_exception(error)
            self._pending.append(_Sent(record, future, counted=False))
            return True
        self._ledger.note(place, topic, partition, checkpointed=checkpointed)
        self._window.add(future, len(record.value))
        self._pending.append(_Sent(record, future, counted=True))
        return True

    async def _wait_pending(self) -> None:
        """Wait until the fate of all that is out is known; failed ones stay in `_pending`."""
        while self._pending:
            # The last is usually the last to be acknowledged: one wait for all.
            await asyncio.wait((self._pending[-1].future,))
            if not self.reap():
                break
        for sent in self._pending:
            if not sent.future.done():
                await asyncio.wait((sent.future,))

    async def _repair(self) -> None:
        """After a failure: find out what arrived, and put what did not before all others."""
        await self._wait_pending()
        if not self._pending:
            return
        errors = [error for sent in self._pending if (error := _error_of(sent)) is not None]
        for error in errors:
            if not (error.retriable or error.code.startswith(_RECORD_FAULTS)):
                raise error
        refused = next((error for error in errors if not error.retriable), None)
        if refused is None:
            await self._wait_out(errors[0])
        try:
            missing = await self._missing()
        except Unavailable as error:
            await self._wait_out(error)
            return
        self._window.repaired(
            sum(sent.counted and _error_of(sent) is not None for sent in self._pending)
        )
        if refused is not None and len(self._pending) == 1:
            missing = [self._bury(record, refused) for record in missing]
        elif refused is not None:
            # One record spoils a whole batch; sent one by one, the guilty one shows itself.
            self._alone = len(missing)
        self._pending.clear()
        self._queue.extendleft(reversed(missing))
        self._refills += len(missing)
        if missing:
            self._ledger.distrust(missing[0].place.identity, _REFILLING)
        self._backoff_s = _BACKOFF_FIRST_S
        self._on_trouble(None)

    def _note_refill(self, record: Outgoing) -> None:
        if self._refills:
            self._refills -= 1
            if not self._refills:
                self._ledger.trust(record.place.identity, _REFILLING)

    async def _wait_out(self, error: SummitError) -> None:
        self._on_trouble(error)
        await asyncio.sleep(self._backoff_s)
        self._backoff_s = min(self._backoff_s * 2, _BACKOFF_MAX_S)

    async def _missing(self) -> list[Outgoing]:
        """The pending records that the log does not hold, in order; takes note of the others."""
        topic = self._topic_out
        partition = self._partitions[topic]
        identity = self._pending[0].record.place.identity
        first = self._floors.get(topic, self._ledger.ends.get((topic, partition), 0))
        present = await self._ledger.present(identity, topic, partition, first)
        missing: list[Outgoing] = []
        for sent in self._pending:
            record = sent.record
            if _error_of(sent) is None or (record.place.offset, record.place.sub) in present:
                self._on_accepted(record)
                if record.end is not None and not missing:
                    self.durable_position = record.end
            else:
                missing.append(record)
        return missing


def _error_of(sent: _Sent) -> SummitError | None:
    if sent.future.cancelled():
        return Unavailable("ingest.broker_away", reason="given up")
    error = sent.future.exception()
    if error is None or isinstance(error, SummitError):
        return error
    return Unavailable("ingest.broker_away", reason=repr(error))
