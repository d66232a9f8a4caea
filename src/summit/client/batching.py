"""Sending many records as one: no future, no ticket and no wake-up per record.

Records go to librdkafka one by one with positional arguments, which costs less than its
`produce_batch` (a dictionary per record and six look-ups in each), and takes headers, timestamps
and chosen partitions too. A chunk of records shares a lane (`lanes.py`), whose answers are read
together. Records whose topic was missing are given once more after it was asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from summit.base.errors import SummitError, Unavailable
from summit.base.limits import RECORD_OVERHEAD_BYTES
from summit.client import librdkafka
from summit.client.buffer import Buffer
from summit.client.delivery import Deliveries
from summit.client.faults import translate
from summit.client.lanes import Lane
from summit.client.outgoing import bytes_of, checked_partition, checked_timestamp, plain_bytes
from summit.client.settings import ProducerConfig
from summit.client.types import ProducerRecord, ProducerResult, header_pairs

_CHUNK_RECORDS: Final = 1024  # given to librdkafka at once; the loop runs in between
_CHUNK_BYTES: Final = 262_144
_ANY_PARTITION: Final = -1  # librdkafka's words for: by its partitioner, now, no headers
_NOW: Final = 0

Given = ProducerRecord | Mapping[str, Any]


class Batch:
    """The answers of one `send_batch`, by the record's place in it. Belongs to the loop."""

    __slots__ = ("_done", "failures", "results", "size_bytes", "waited_for")

    def __init__(self) -> None:
        self.results: list[ProducerResult | None] = []
        self.failures: dict[int, SummitError] = {}
        self.size_bytes = 0  # given away
        self.waited_for = 0  # lanes without all their answers
        self._done: asyncio.Future[None] | None = None

    def answered(self) -> None:
        """One lane has its answers."""
        self.waited_for -= 1
        if not self.waited_for and self._done is not None and not self._done.done():
            self._done.set_result(None)

    async def wait(self) -> None:
        """Wait until every record that was given away is answered."""
        while self.waited_for:
            self._done = asyncio.get_running_loop().create_future()
            await self._done

    def fail(self, indexes: Iterable[int], fault: SummitError) -> None:
        """These records failed for one reason."""
        self.failures |= dict.fromkeys(indexes, fault)

    def outcome(self) -> list[ProducerResult]:
        """The results in order. Raises the error of the first record that failed."""
        if self.failures:
            first = min(self.failures)
            failure = self.failures[first]
            failure.details |= {"index": first, "failed": len(self.failures)}
            raise failure
        return self.results  # type: ignore[return-value]  # without failures there is no gap


class Load(NamedTuple):
    """What a lane carries: records of a batch, and where in it they stand."""

    batch: Batch
    indexes: Sequence[int]
    size_bytes: int


class Lot(NamedTuple):
    """What became of records: how many had their turn, their bytes, places of unknown topics."""

    number: int
    size_bytes: int
    missed: list[int]


class Giver(Protocol):
    """What a batch needs of the producer."""

    config: ProducerConfig
    missing: set[str]  # topics that did not exist when they were last written to

    def outlet(self) -> tuple[Any, Deliveries]:
        """librdkafka's producer and its deliveries. Raises what keeps records back now."""
        ...

    async def ask_for(self, topic: str) -> None:
        """Let librdkafka look whether a topic is there by now. Raises SummitError."""

    def check_size(self, topic: str, size: int) -> None:
        """Raises Invalid for a record that the buffer can never hold."""


async def send_all(giver: Giver, buffer: Buffer, records: Iterable[Given]) -> list[ProducerResult]:
    """Send records in order; the meaning and the errors are `StreamProducer.send_batch`'s."""
    batch, source = Batch(), iter(records)
    while chunk := list(islice(source, _CHUNK_RECORDS)):
        start = len(batch.results)
        if start:
            await asyncio.sleep(0)  # answers are fetched meanwhile, and others have their turn
        batch.results += [None] * len(chunk)
        missed = giver.missing and giver.missing.intersection(
            _of(record, "topic") for record in chunk
        )
        if missed:
            await _ask_for(giver, missed)
        indexes = range(start, start + len(chunk))
        await _give_all(giver, buffer, batch, indexes, chunk, is_asked=bool(missed))
    # What filled several of librdkafka's batches need not wait for company for its last one.
    if batch.waited_for and batch.size_bytes > giver.config.batch_size:
        with suppress(SummitError):
            giver.outlet()[1].hurry()
    await batch.wait()
    return batch.outcome()


async def _give_all(
    giver: Giver,
    buffer: Buffer,
    batch: Batch,
    indexes: Sequence[int],
    records: Sequence[Given],
    *,
    is_asked: bool,
) -> None:
    """Give records away as the buffer has room for them; failures go into the batch."""
    most = min(_CHUNK_BYTES, buffer.capacity_bytes // 2)
    while records:
        try:
            lot = _give(giver, batch, indexes, records, min(most, buffer.free_bytes))
            if lot.number:
                buffer.take_now(lot.size_bytes)
            else:
                lot = await _give_later(giver, buffer, batch, indexes, records, most)
        except SummitError as fault:
            batch.fail(indexes, fault)
            return
        if lot.missed and not is_asked:
            again = [records[place] for place in lot.missed]
            places = [indexes[place] for place in lot.missed]
            # The topic may have been made anew since it was missed.
            if await _ask_for(giver, {_of(record, "topic") for record in again}):
                for index in places:
                    del batch.failures[index]
                await _give_all(giver, buffer, batch, places, again, is_asked=True)
        indexes, records = indexes[lot.number :], records[lot.number :]


async def _give_later(
    giver: Giver,
    buffer: Buffer,
    batch: Batch,
    indexes: Sequence[int],
    records: Sequence[Given],
    most: int,
) -> Lot:
    """Wait until the buffer has room for the next records, then give those."""
    room, count = _room_for(records, most)
    try:
        await buffer.take(room, giver.config.max_block_ms)
    except Unavailable as full:
        batch.fail(indexes[:count], full)
        return Lot(count, 0, [])
    taken = 0
    try:
        lot = _give(giver, batch, indexes, records, room)
        taken = lot.size_bytes
    finally:
        buffer.give_back(room - taken)
    return lot


def _give(
    giver: Giver, batch: Batch, indexes: Sequence[int], records: Sequence[Given], room: int
) -> Lot:
    """Give as many records to librdkafka as `room` bytes hold. Raises what refuses them all."""
    handle, deliveries = giver.outlet()
    produce, complaints, overhead = handle.produce, refusals(), RECORD_OVERHEAD_BYTES
    first: Any = _of(records[0], "topic")
    lane = deliveries.open(len(records), first)
    refused: list[int] = []
    missed: list[int] = []
    size_bytes, number = 0, len(records)
    for record, callback in zip(records, lane.callbacks, strict=False):
        try:
            if (  # most records there are
                type(record) is ProducerRecord
                and ((topic := record.topic) is first or topic == first)
                and record.partition is None is record.timestamp
                and record.headers is None
                and type(value := record.value) is bytes
                and ((key := record.key) is None or type(key) is bytes)
            ):
                size = overhead + len(value) if key is None else overhead + len(value) + len(key)
                if size_bytes + size <= room:
                    produce(first, value, key, _ANY_PARTITION, callback)
                    size_bytes += size
                    continue
            topic, value, key, partition, timestamp, headers, size = _message(record)
            if topic != first:
                lane.topic = None
            if size_bytes + size > room:
                if size > room:
                    giver.check_size(topic, size)
                number = lane.callbacks.index(callback)
                break
            produce(topic, value, key, partition, callback, None, timestamp, headers)
            size_bytes += size
        except complaints as error:
            place = lane.callbacks.index(callback)
            fault = error
            if not isinstance(error, SummitError):
                where = {name: _of(record, name) for name in ("topic", "partition")}
                fault = translate(error, **where)
            refused.append(place)
            if fault.code == "topic.unknown":
                missed.append(place)
            batch.failures[indexes[place]] = fault
    given = number - len(refused)
    batch.waited_for += bool(given)
    batch.size_bytes += size_bytes
    load = Load(batch, indexes[:number], size_bytes)
    deliveries.seal(lane, unused=len(records) - given, given=given, load=load)
    return Lot(number, size_bytes, missed)


def refusals() -> tuple[type[Any], ...]:
    """How a record is refused, by us or by librdkafka."""
    of_library = librdkafka.load().KafkaException
    of_python = (BufferError, TypeError, ValueError, OverflowError, AttributeError)
    return (SummitError, of_library, *of_python)


def _room_for(records: Sequence[Given], most: int) -> tuple[int, int]:
    """Bytes of the first records, at most `most` where these are several; and their number."""
    room = count = 0
    for record in records:
        try:
            size = _message(record)[-1]
        except (SummitError, TypeError, ValueError, AttributeError):
            size = 0  # refused when it is given
        if count and room + size > most:
            break
        room += size
        count += 1
    return room, count


async def _ask_for(giver: Giver, topics: Iterable[str]) -> bool:
    """Whether librdkafka could look for all of these topics."""
    try:
        for topic in topics:
            await giver.ask_for(topic)
    except SummitError:
        return False
    return True


def _of(record: Given, name: str) -> Any:
    return record.get(name) if isinstance(record, Mapping) else getattr(record, name, None)


_Message = tuple[str, bytes | None, bytes | None, int, int, Any, int]


def _message(record: Given) -> _Message:
    """Topic, value, key, partition, timestamp, headers for librdkafka; bytes. Raises Invalid."""
    if not isinstance(record, ProducerRecord):
        record = ProducerRecord.from_dict(record)
    value, key = plain_bytes(record.value, "value"), plain_bytes(record.key, "key")
    headers = header_pairs(record.headers)
    partition, timestamp = _ANY_PARTITION, _NOW
    if record.partition is not None:
        partition = checked_partition(record.partition)
    if record.timestamp is not None:
        timestamp = checked_timestamp(record.timestamp)
    size = bytes_of(key, value, headers)
    return record.topic, value, key, partition, timestamp, headers, size


def read_lane(lane: Lane, fault_of: Callable[[Any, Any], SummitError]) -> list[ProducerResult]:
    """Put the answers of a full lane into its batch; the results of what was written.

    Args:
        fault_of: What librdkafka's error means, with its message.
    """
    load: Load = lane.load
    batch, indexes = load.batch, load.indexes
    results = lane.results[: len(indexes)]
    if isinstance(indexes, range):
        batch.results[indexes.start : indexes.stop] = results
    else:
        for index, result in zip(indexes, results, strict=True):
            batch.results[index] = result
    for place, (error, message) in lane.errors.items():
        batch.failures[indexes[place]] = fault_of(error, message)
    batch.answered()
    if lane.given == len(indexes) and not lane.errors:
        return results  # type: ignore[return-value]  # there is no gap
    return [result for result in results if result is not None]


def result_of(message: Any, knows_offsets: bool) -> ProducerResult:
    """Where librdkafka's message came to stand; `knows_offsets`: see `Lane`."""
    offset = message.offset() if knows_offsets else None
    return ProducerResult(
        message.topic(), message.partition(), -1 if offset is None else offset,
        message.timestamp()[1],
    )  # fmt: skip
