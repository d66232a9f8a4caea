"""The way of one file's records into the log: in order, none lost, none twice.

Records go out in parcels without waiting, a bounded number of them unacknowledged. When one fails, nothing more goes out; once the fate of all that is out is known, the partition is read
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
from summit.client.together import Answers
from summit.ingest.files.coordinates import CHECKPOINT_HEADER, SOURCE_HEADER, Coordinate
from summit.ingest.files.ledger import Ledger
from summit.ingest.producing import Producer, forget

_BACKOFF_FIRST_S: Final = 0.5
_BACKOFF_MAX_S: Final = 10.0
_FULL_WAIT_S: Final = 0.05
_PARCEL_RECORDS: Final = 1_000  # handed over at once
_PARCEL_BYTES: Final = 256 * 1024
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


class _Parcel(NamedTuple):
    """Records of one topic that were handed over together; the future holds all their answers."""

    records: list[Outgoing]
    future: asyncio.Future[Answers]
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
        self._out: deque[tuple[asyncio.Future[Any], int, int]] = deque()
        self._records = 0
        self._bytes = 0
        self._failed = 0

    @property
    def full(self) -> bool:
        """Whether nothing more may go out until something is acknowledged."""
        return self._records >= self._max_records or self._bytes >= self._max_bytes

    @property
    def room(self) -> tuple[int, int]:
        """How many records and bytes more may go out; one record always may unless it is full."""
        return self._max_records - self._records, self._max_bytes - self._bytes

    @property
    def empty(self) -> bool:
        """Whether nothing is out."""
        self._settle()
        return not self._out

    @property
    def sound(self) -> bool:
        """Whether nothing is out and all that was out is in the log: time for a checkpoint."""
        return self.empty and self._failed == 0

    def add(self, future: asyncio.Future[Any], count: int, size_bytes: int) -> None:
        """Count records that went out together."""
        self._out.append((future, count, size_bytes))
        self._records += count
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
        """A lane found out about `count` failed parcels and will send what is missing."""
        self._settle()
        self._failed -= count

    def _settle(self) -> None:
        while self._out and self._out[0][0].done():
            future, count, size_bytes = self._out.popleft()
            self._records -= count
            self._bytes -= size_bytes
            if has_failed(future):
                self._failed += 1


class Lane:
    """Sends the records of one file.

    Args:
        partition_of: The partition of this file in a topic; creates the topic when needed.
        bury: Makes the dead letter of a record that the broker will never take.
        on_accepted: Told of records that are in the log.
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
        on_accepted: Callable[[list[Outgoing]], None],
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
        self._pending: deque[_Parcel] = deque()
        self._floors: dict[str, int] = {}
        self._partitions: dict[str, int] = {}
        self._backoff_s = _BACKOFF_FIRST_S
        self._suspects: set[tuple[int, int]] = set()  # places of records that are sent one by one
        self._refills = 0  # how many of the next records fill holes
        self.durable_position = 0

    @property
    def idle(self) -> bool:
        """Whether everything that was sent is known to be in the log."""
        return not self._queue and not self._pending

    async def send(self, records: list[Outgoing]) -> None:
        """Send records after all before them; waits for room, and for trouble to end."""
        self._queue.extend(records)
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
            records, future, _ = pending[0]
            if has_failed(future):
                return False
            pending.popleft()
            self._floors[records[0].topic] = future.result().results[-1].offset + 1
            self._note_durable(records)
            self._on_accepted(records)
        return True

    def _note_durable(self, records: list[Outgoing]) -> None:
        for record in reversed(records):
            if record.end is not None:
                self.durable_position = record.end
                return

    def abandon(self) -> list[asyncio.Future[Any]]:
        """Give up; returns what is still out, which may be written yet."""
        out: list[asyncio.Future[Any]] = [
            parcel.future for parcel in self._pending if not parcel.future.done()
        ]
        forget([parcel.future for parcel in self._pending])
        self._pending.clear()
        self._queue.clear()
        return out

    async def _advance(self) -> None:
        while self._queue:
            record = self._queue[0]
            if not self.reap():
                await self._repair()
                continue
            if self._pending and (self._suspects or self._topic_out != record.topic):
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
            records = self._next_parcel()
            if self._transmit(records, partition, checkpointed=due and self._window.sound):
                self._suspects.difference_update(map(_place_of, records))
                self._note_refills(records)
            else:
                self._queue.extendleft(reversed(records))
                await asyncio.sleep(_FULL_WAIT_S)

    @property
    def _topic_out(self) -> str:
        return self._pending[-1].records[0].topic

    def _next_parcel(self) -> list[Outgoing]:
        """The next records that may go out together, at least one; taken from the queue."""
        queue, suspects = self._queue, self._suspects
        most, most_bytes = self._window.room
        if self._refills:  # the last of them has its own word to say to the ledger
            most = min(most, self._refills)
        records = [queue.popleft()]
        if suspects and _place_of(records[0]) in suspects:
            return records
        topic, size_bytes = records[0].topic, len(records[0].value)
        most, most_bytes = min(most, _PARCEL_RECORDS), min(most_bytes, _PARCEL_BYTES)
        while queue and len(records) < most:
            record = queue[0]
            size_bytes += len(record.value)
            if record.topic != topic or size_bytes > most_bytes:
                break
            if suspects and _place_of(record) in suspects:
                break
            records.append(queue.popleft())
        return records

    def _transmit(self, records: list[Outgoing], partition: int, *, checkpointed: bool) -> bool:
        """Hand records to the producer; False when it has no room now."""
        topic = records[0].topic
        messages = [
            (value, key, [(SOURCE_HEADER, place.text.encode()), *headers])
            for _, value, key, place, _, headers in records
        ]
        if checkpointed:
            checkpoint = self._ledger.checkpoint(topic, partition)
            messages[0][2].append((CHECKPOINT_HEADER, checkpoint))
        try:
            future = self._producer.send_many_nowait(topic, messages, partition)
        except Unavailable:
            return False
        except SummitError as error:
            future = asyncio.get_running_loop().create_future()
            count = len(records)
            future.set_result(Answers([None] * count, dict.fromkeys(range(count), error)))
            self._pending.append(_Parcel(records, future, counted=False))
            return True
        self._ledger.note(
            records[-1].place, topic, partition, checkpointed=checkpointed, count=len(records)
        )
        self._window.add(future, len(records), sum([len(one.value) for one in records]))
        self._pending.append(_Parcel(records, future, counted=True))
        return True

    async def _wait_pending(self) -> None:
        """Wait until the fate of all that is out is known; failed ones stay in `_pending`."""
        while self._pending:
            # The last is usually the last to be acknowledged: one wait for all.
            await asyncio.wait((self._pending[-1].future,))
            if not self.reap():
                break
        for parcel in self._pending:
            if not parcel.future.done():
                await asyncio.wait((parcel.future,))

    async def _repair(self) -> None:
        """After a failure: find out what arrived, and put what did not before all others."""
        await self._wait_pending()
        if not self._pending:
            return
        answers = [each for parcel in self._pending for each in _answers_of(parcel)]
        errors = [error for _, error in answers if error is not None]
        for error in errors:
            if not (error.retriable or error.code.startswith(_RECORD_FAULTS)):
                raise error
        refused = {
            _place_of(record): error
            for record, error in answers
            if error is not None and not error.retriable
        }
        if not refused:
            await self._wait_out(errors[0])
        try:
            missing = await self._missing(answers)
        except Unavailable as error:
            await self._wait_out(error)
            return
        self._window.repaired(
            sum(parcel.counted and has_failed(parcel.future) for parcel in self._pending)
        )
        if refused and len(answers) == 1:
            (error,) = refused.values()
            missing = [self._bury(record, error) for record in missing]
        else:
            # One record spoils a whole batch; sent one by one, the guilty one shows itself.
            self._suspects |= refused.keys() & set(map(_place_of, missing))
        self._pending.clear()
        self._queue.extendleft(reversed(missing))
        self._refills += len(missing)
        if missing:
            self._ledger.distrust(missing[0].place.identity, _REFILLING)
        self._backoff_s = _BACKOFF_FIRST_S
        self._on_trouble(None)

    def _note_refills(self, records: list[Outgoing]) -> None:
        if self._refills:
            self._refills -= len(records)
            if not self._refills:
                self._ledger.trust(records[-1].place.identity, _REFILLING)

    async def _wait_out(self, error: SummitError) -> None:
        self._on_trouble(error)
        await asyncio.sleep(self._backoff_s)
        self._backoff_s = min(self._backoff_s * 2, _BACKOFF_MAX_S)

    async def _missing(self, answers: list[_Answer]) -> list[Outgoing]:
        """The pending records that the log does not hold, in order; takes note of the others."""
        topic = self._topic_out
        partition = self._partitions[topic]
        identity = answers[0][0].place.identity
        first = self._floors.get(topic, self._ledger.ends.get((topic, partition), 0))
        present = await self._ledger.present(identity, topic, partition, first)
        there: list[Outgoing] = []
        missing: list[Outgoing] = []
        for record, error in answers:
            if error is None or _place_of(record) in present:
                there.append(record)
                if record.end is not None and not missing:
                    self.durable_position = record.end
            else:
                missing.append(record)
        self._on_accepted(there)
        return missing


_Answer = tuple[Outgoing, SummitError | None]


def has_failed(future: asyncio.Future[Answers]) -> bool:
    """Whether a record of a parcel was not acknowledged; its future is done."""
    if future.cancelled() or future.exception() is not None:
        return True
    return bool(future.result().failures)


def _answers_of(parcel: _Parcel) -> list[_Answer]:
    """Each record of a parcel with its error."""
    future = parcel.future
    fault: SummitError | None = None
    if future.cancelled():
        fault = Unavailable("ingest.broker_away", reason="given up")
    elif (error := future.exception()) is not None:
        fault = error if isinstance(error, SummitError) else _away(error)
    if fault is not None:
        return [(record, fault) for record in parcel.records]
    failures = future.result().failures
    return [(record, failures.get(index)) for index, record in enumerate(parcel.records)]


def _away(error: BaseException) -> Unavailable:
    return Unavailable("ingest.broker_away", reason=repr(error))


def _place_of(record: Outgoing) -> tuple[int, int]:
    return record.place.offset, record.place.sub
