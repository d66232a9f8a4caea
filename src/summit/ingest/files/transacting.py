"""Writing the lines of files with their positions in one transaction.

For records that go to several topics or partitions, and where it must be kept that a file is
complete. After any trouble the collector opens a writer anew, from the last position that is
committed; readers of committed records see every event once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from summit.base.clock import Clock
from summit.base.errors import Closed, Invalid, Unavailable
from summit.base.limits import DATABASE_TRANSACTION_TIMEOUT_MS
from summit.client.dead_letters import dead_letter_topic
from summit.client.outgoing import bytes_of
from summit.client.producer import StreamProducer
from summit.identity.rates import RateLimit
from summit.ingest.files.coordinates import SOURCE_HEADER
from summit.ingest.files.lane import PARCEL_BYTES, PARCEL_RECORDS
from summit.ingest.files.lines import Line
from summit.ingest.files.lingering import LINGER_MS
from summit.ingest.files.parcels import Block, Outgoing, Parcel
from summit.ingest.files.positions import Advance, Positions
from summit.ingest.files.records import Listener, Recorder
from summit.ingest.files.tracking import TrackedFile
from summit.ingest.files.writing import Tally, keep_rate
from summit.ingest.settings import CollectorConfig
from summit.ingest.topics import ensure_topic

T = TypeVar("T")

BATCH_RECORDS: Final = 5_000  # of a transaction, where the configuration does not say it
OPEN_MS: Final = 200  # how long a transaction stays open while there is more to read
_ALL_SUBS: Final = (1 << 31) - 1  # every event of a line
_FRAME_BYTES: Final = 512  # what a batch takes around one record
_BLOCK_FRAME_BYTES: Final = 1_024  # the same with the overhead and the place of a record


def needs_transactions(config: CollectorConfig) -> bool:
    """Whether a collector's lines are written this way."""
    options = config.file_options
    return options.spread or options.after != "keep" or config.topic_template is not None


class TransactingWriter:
    """Writes the lines of all files of one run; `open` before, `close` after.

    Its transactional id is the collector's: two of one name shut each other out, the newest wins.

    Args:
        owner: Stands for one start of one collector.
        is_again: It had a writer before: if somebody else has opened the positions since, it ends.
    """

    def __init__(
        self, config: CollectorConfig, addresses: list[str], *, listener: Listener, clock: Clock,
        owner: str, is_again: bool,
    ) -> None:  # fmt: skip
        self._name, self._owner, self._is_again = config.name, owner, is_again
        self.ledger = Positions(addresses, config.name)
        self._addresses = addresses
        self._topics = {config.topic, dead_letter_topic(config.topic)}
        self._recorder = Recorder(config, listener=listener, clock=clock)
        self._tally = Tally(config, listener)
        self._clock = clock
        self._joins = config.file_options.multiline is not None  # `sub` counts its lines then
        self._batch = config.batch_size or BATCH_RECORDS
        self._open_ms = config.flush_interval or OPEN_MS
        self._limit = RateLimit.of(config.rate_limit, config.rate_burst, clock)
        self._producer = StreamProducer(
            {
                "bootstrapServers": addresses,
                "clientId": f"summit-files-{config.name}",
                "transactionalId": f"summit-files-{config.name}",
                "lingerMs": LINGER_MS,
                "batchSize": PARCEL_BYTES,
                "transactionTimeoutMs": DATABASE_TRANSACTION_TIMEOUT_MS,
            }
        )
        self._max_bytes = self._producer.config.max_request_size - _FRAME_BYTES
        self._waiting: list[Outgoing] = []  # not handed over yet
        self._out: list[Parcel] = []  # in the open transaction
        self._count = 0  # records of all of these
        self._touched: dict[str, TrackedFile] = {}
        self._is_open = False
        self._since_ms: float | None = None  # of the open transaction

    async def open(self) -> None:
        """Shut out earlier writers of the name, and learn how far they came.

        Raises: Closed("collector.taken_over"); SummitError.
        """
        for topic in self._topics:
            await ensure_topic(self._addresses, topic)
        await self._producer.connect()
        await self.ledger.read()
        if self._is_again and self.ledger.owner != self._owner:
            raise Closed("collector.taken_over", name=self._name)
        await self._producer.begin_transaction()
        await self._producer.send_batch([self.ledger.owner_record(self._owner)])
        await self._producer.commit_transaction()

    async def close(self) -> None:
        """Abort what is open, and let go of the brokers. Idempotent."""
        await self._producer.close()

    def equip(self, tracked: TrackedFile) -> None:
        """Give a file whose identity is known its shape and its account."""
        tracked.lane = Advance(tracked.position)
        tracked.sent_position = tracked.position
        self._recorder.equip(tracked)

    async def send(
        self, tracked: TrackedFile, lines: list[Line], ending: Callable[[], bool]
    ) -> None:
        """Send the events of lines; returns early when `ending`. Raises SummitError."""
        start = 0
        while start < len(lines):
            left = max(1, min(PARCEL_RECORDS, self._batch - self._count))
            some = lines[start : start + left]
            block = None
            if self._limit is None and not tracked.resuming:
                block = self._recorder.block(tracked, some)
            if block is None or not self._fits(block):
                for line in some:
                    await self._send_line(tracked, line, ending)
                    if ending():
                        return
            else:
                await self._hand_over()
                await self._hand_over_parcel(Parcel(block))
                self._count += len(block.values)
                self._note_sent(tracked, some[-1])
                if self._is_due():
                    await self._commit()
                if ending():
                    return
            start += left

    async def _send_line(
        self, tracked: TrackedFile, line: Line, ending: Callable[[], bool]
    ) -> None:
        for record in self._recorder.records(tracked, line):
            if tracked.resuming and tracked.holds(self.ledger, line, record.place.sub):
                continue
            if self._limit is not None:
                await keep_rate(self._limit, ending)
            self._waiting.append(self._fitting(tracked, record))
            self._count += 1
        if not (tracked.resuming and tracked.holds(self.ledger, line, line.more)):
            self._note_sent(tracked, line)
        tracked.sent_position = line.end
        if len(self._waiting) >= PARCEL_RECORDS:
            await self._hand_over()
        if self._is_due():
            await self._commit()

    def _note_sent(self, tracked: TrackedFile, line: Line) -> None:
        """Everything up to a line is in the open transaction, or about to be."""
        self.ledger.note(tracked.name, (line.offset, line.more if self._joins else _ALL_SUBS))
        self._touched[tracked.name] = tracked
        assert isinstance(tracked.lane, Advance)
        tracked.lane.idle = False
        tracked.sent_position = line.end

    async def settle(self) -> None:
        """There is nothing more to send for now: what is open is committed."""
        await self._commit()

    async def drain(self, tracked: TrackedFile) -> None:
        """Commit what is open."""
        await self._commit()

    async def finish(self, tracked: TrackedFile) -> bool:
        """Keep that all of a file is written."""
        resume = self.ledger.resume(tracked.name)
        place = (-1, 0) if resume is None else resume.top
        self.ledger.note(tracked.name, place, tracked.file.stamp())
        self._touched[tracked.name] = tracked
        await self._commit()
        return True

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What it asks is in memory."""
        return await ask()

    def _fitting(self, tracked: TrackedFile, record: Outgoing) -> Outgoing:
        """The record, or the dead letter of one that the producer would not take."""
        headers = [(SOURCE_HEADER, record.place.text.encode()), *record.headers]
        size = bytes_of(record.key, record.value, [*headers])
        if size <= self._max_bytes:
            return record
        reason = f"{size} bytes are more than the {self._max_bytes} that a collector writes"
        fault = Invalid("record.too_large", topic=record.topic, reason=reason)
        return self._recorder.bury(tracked.path, record, fault)

    def _fits(self, block: Block) -> bool:
        """Whether no record of a block can be too large for the producer."""
        keys = max((len(key) for key in block.keys if key is not None), default=0)
        return max(map(len, block.values)) + keys + _BLOCK_FRAME_BYTES <= self._max_bytes

    def _is_due(self) -> bool:
        """Whether the open transaction holds enough, or is open for long enough."""
        now_ms = self._clock.monotonic_ms()
        if self._since_ms is None:
            self._since_ms = now_ms
        return self._count >= self._batch or now_ms - self._since_ms >= self._open_ms

    async def _hand_over(self) -> None:
        """Give what waits to the producer, topic by topic; each keeps its order."""
        waiting, self._waiting = self._waiting, []
        by_topic: dict[str, list[list[Outgoing]]] = {}
        sizes: dict[str, int] = {}
        for record in waiting:
            parcels = by_topic.setdefault(record.topic, [[]])
            size_bytes = sizes.get(record.topic, 0) + len(record.value)
            if parcels[-1] and size_bytes > PARCEL_BYTES:
                parcels.append([])
                size_bytes = len(record.value)
            parcels[-1].append(record)
            sizes[record.topic] = size_bytes
        for topic, parcels in by_topic.items():
            if topic not in self._topics:
                await ensure_topic(self._addresses, topic)
                self._topics.add(topic)
            for records in parcels:
                await self._hand_over_parcel(Parcel(records))

    async def _hand_over_parcel(self, parcel: Parcel) -> None:
        await self._begin()
        messages = parcel.messages()
        while True:
            try:
                parcel.future = self._producer.send_many_nowait(parcel.topic, messages)
            except Unavailable:  # its buffer is full: of what is out
                out = [one.future for one in self._out if not one.future.done()]
                if not out:
                    raise
                await asyncio.wait(out, return_when=asyncio.FIRST_COMPLETED)
            else:
                self._out.append(parcel)
                return

    async def _begin(self) -> None:
        if not self._is_open:
            await self._producer.begin_transaction()
            self._is_open = True

    async def _commit(self) -> None:
        if not self._touched:
            return
        await self._hand_over()
        await self._begin()
        await self._producer.send_batch(self.ledger.records())
        for parcel in self._out:
            answers = await parcel.future
            if answers.failures:
                raise answers.failures[min(answers.failures)]
        await self._producer.commit_transaction()
        self._is_open = False
        written, self._out, self._count = self._out, [], 0
        touched, self._touched = self._touched, {}
        self._since_ms = None
        for parcel in written:
            self._tally.accept(parcel.topic, parcel.count, parcel.size_bytes)
        for tracked in touched.values():
            assert isinstance(tracked.lane, Advance)
            tracked.lane.durable_position = tracked.sent_position
            tracked.lane.idle = True
        self._tally.announce()
        await asyncio.sleep(0)
