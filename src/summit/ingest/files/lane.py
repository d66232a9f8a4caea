"""The way of one file's records into the log: in order, none lost, none twice.

Records go out in parcels without waiting, a bounded number of them unacknowledged. When one fails,
nothing more goes out; once the fate of all that is out is known, the partition is read back to see
what really arrived, and what did not is sent again, in order.

Records of a file may go to two topics (events, and dead letters for lines that are none). Only
one of them has records out at any time, so that the last record in either tells where to go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from summit.base.errors import SummitError, Unavailable
from summit.base.limits import FILE_IN_FLIGHT_BYTES_MAX, FILE_IN_FLIGHT_RECORDS_MAX
from summit.ingest.files.coordinates import CHECKPOINT_HEADER
from summit.ingest.files.ledger import Ledger
from summit.ingest.files.parcels import Block, Outgoing, Parcel, has_failed
from summit.ingest.producing import Producer, forget

_BACKOFF_FIRST_S: Final = 0.5
_BACKOFF_MAX_S: Final = 10.0
_FULL_WAIT_S: Final = 0.05
PARCEL_RECORDS: Final = 1_000  # handed over at once
PARCEL_BYTES: Final = 256 * 1024
_REFILLING: Final = "refilling"
_RECORD_FAULTS: Final = "record."  # codes that speak of the record, not of topic or broker


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
        on_accepted: Told of records that are in the log: their topic, number and bytes.
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
        on_accepted: Callable[[str, int, int], None],
        on_trouble: Callable[[SummitError | None], None],
    ) -> None:
        self._producer = producer
        self._ledger = ledger
        self._window = window
        self._partition_of = partition_of
        self._bury = bury
        self._on_accepted = on_accepted
        self._on_trouble = on_trouble
        self._queue: deque[Outgoing | Block] = deque()
        self._pending: deque[Parcel] = deque()
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

    async def send(self, records: Sequence[Outgoing | Block]) -> None:
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
            parcel = pending[0]
            if has_failed(parcel.future):
                return False
            pending.popleft()
            last = parcel.future.result().results[-1]
            assert last is not None
            self._floors[parcel.topic] = last.offset + 1
            if parcel.end is not None:
                self.durable_position = parcel.end
            self._on_accepted(parcel.topic, parcel.count, parcel.size_bytes)
        return True

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
            source = self._take_next()
            if self._transmit(Parcel(source), partition, checkpointed=due and self._window.sound):
                if not isinstance(source, Block):
                    self._suspects.difference_update(map(_place_of, source))
                    self._note_refills(source)
            else:
                self._put_back(source)
                await asyncio.sleep(_FULL_WAIT_S)

    @property
    def _topic_out(self) -> str:
        return self._pending[-1].topic

    def _take_next(self) -> Block | list[Outgoing]:
        """The next records that may go out together, at least one; taken from the queue."""
        queue, suspects = self._queue, self._suspects
        most, most_bytes = self._window.room
        if self._refills:  # the last of them has its own word to say to the ledger
            most = min(most, self._refills)
        first = queue.popleft()
        if isinstance(first, Block):
            fits = len(first.values) <= most and first.size_bytes <= most_bytes
            if fits and not suspects and not self._refills:
                return first
            self._put_back(first.records())
            return self._take_next()
        records = [first]
        if suspects and _place_of(first) in suspects:
            return records
        topic, size_bytes = first.topic, len(first.value)
        most, most_bytes = min(most, PARCEL_RECORDS), min(most_bytes, PARCEL_BYTES)
        while queue and len(records) < most:
            record = queue[0]
            if isinstance(record, Block):
                break
            size_bytes += len(record.value)
            if record.topic != topic or size_bytes > most_bytes:
                break
            if suspects and _place_of(record) in suspects:
                break
            records.append(record)
            queue.popleft()
        return records

    def _put_back(self, source: Block | list[Outgoing]) -> None:
        if isinstance(source, Block):
            self._queue.appendleft(source)
        else:
            self._queue.extendleft(reversed(source))

    def _transmit(self, parcel: Parcel, partition: int, *, checkpointed: bool) -> bool:
        """Hand records to the producer; False when it has no room now."""
        topic, messages = parcel.topic, parcel.messages()
        if checkpointed:
            value, key, headers = messages[0]
            header = (CHECKPOINT_HEADER, self._ledger.checkpoint(topic, partition))
            messages[0] = value, key, [*(headers or ()), header]
        try:
            parcel.future = self._producer.send_many_nowait(topic, messages, partition)
        except Unavailable:
            return False
        except SummitError as error:
            parcel.future = asyncio.get_running_loop().create_future()
            parcel.future.set_exception(error)
            self._pending.append(parcel)
            return True
        parcel.counted = True
        self._ledger.note(
            parcel.last, topic, partition, checkpointed=checkpointed, count=parcel.count
        )
        self._window.add(parcel.future, parcel.count, parcel.size_bytes)
        self._pending.append(parcel)
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
        answers = [each for parcel in self._pending for each in parcel.answers()]
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
            (refusal,) = refused.values()
            missing = [self._bury(record, refusal) for record in missing]
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
        self._on_accepted(topic, len(there), sum([len(one.value) for one in there]))
        return missing


_Answer = tuple[Outgoing, SummitError | None]


def _place_of(record: Outgoing) -> tuple[int, int]:
    return record.place.offset, record.place.sub
