"""Sending many records as one: no future and no wake-up per record.

Runs of records of one topic go to librdkafka in one call; their reports come back through the same
bursts as all others (`delivery.py`) and only fill places in a list. That call takes neither headers
nor timestamps nor a chosen partition: runs with these are given record by record. Records of a
topic that was missed lately are sent alone, with all care, in their place in the order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from summit.base.errors import SummitError
from summit.base.limits import RECORD_OVERHEAD_BYTES
from summit.client import librdkafka
from summit.client.delivery import Deliveries
from summit.client.outgoing import bytes_of, checked_partition, checked_timestamp, plain_bytes
from summit.client.settings import ProducerConfig
from summit.client.types import ProducerRecord, ProducerResult, header_pairs

_RUN_RECORDS: Final = 512  # given to librdkafka at once; the loop runs in between
_RUN_BYTES: Final = 262_144


class Batch:
    """The answers of one `send_batch`, by the record's place in it."""

    __slots__ = (
        "_done",
        "_is_left",
        "deliveries",
        "errors",
        "failures",
        "first",
        "given",
        "results",
        "sizes",
    )

    def __init__(self) -> None:
        self.results: list[ProducerResult | None] = []
        self.sizes: list[int] = []  # bytes of `bufferMemory`, 0 for what was not given away
        self.failures: dict[int, SummitError] = {}
        self.given = 0  # to librdkafka, and not answered
        self.errors: dict[int, tuple[Any, Any]] = {}  # librdkafka's, until the loop sees them
        self.deliveries: Deliveries | None = None  # which open it, with the first ticket
        self.first = 0
        self._done: asyncio.Future[None] | None = None
        self._is_left = False  # nobody waits for it any more

    def take(self, index: int, error: Any, message: Any) -> None:
        """librdkafka's report of one record. On whatever thread polls."""
        if error is None:
            self.results[index] = result_of(message)
        else:
            self.errors[index] = error, message

    def tickets_of(self, deliveries: Deliveries) -> int:
        """The first of its tickets."""
        if self.deliveries is not deliveries:
            self.close()
            self.deliveries = deliveries
            self.first = deliveries.open(self)
        return self.first

    def close(self) -> None:
        """No answer is to come any more."""
        deliveries, self.deliveries = self.deliveries, None
        if deliveries is not None:
            deliveries.close(self.first)

    def leave(self) -> None:
        """Nobody waits any more: it closes with its last answer."""
        self._is_left = True
        self.answered(0)

    def answered(self, count: int = 1) -> None:
        """So many records have their answers."""
        self.given -= count
        if self.given:
            return
        if self._done is not None and not self._done.done():
            self._done.set_result(None)
        if self._is_left:
            self.close()

    async def wait(self) -> None:
        """Wait until every record that was given away is answered."""
        while self.given:
            self._done = asyncio.get_running_loop().create_future()
            await self._done

    def outcome(self) -> list[ProducerResult]:
        """The results in order. Raises the error of the first record that failed."""
        for index in sorted(self.failures)[:1]:
            failure = self.failures[index]
            failure.details |= {"index": index, "failed": len(self.failures)}
            raise failure
        return [result for result in self.results if result is not None]


class Run(NamedTuple):
    """Records of one topic that are given away at once.

    Args:
        items: Place in the batch, and the arguments of librdkafka's calls.
        is_plain: None of them has headers, a timestamp or a chosen partition.
    """

    topic: str
    items: list[tuple[int, dict[str, Any]]]
    is_plain: bool


class Giver(Protocol):
    """What a batch needs of the producer."""

    config: ProducerConfig

    async def give_run(self, batch: Batch, run: Run) -> None:
        """Give a run to librdkafka when the buffer has room; failures go into the batch."""

    async def accept(self, record: ProducerRecord) -> asyncio.Future[ProducerResult]:
        """Give one record away, with all care."""
        ...

    def is_missed(self, topic: str) -> bool:
        """Whether the topic did not exist when it was last written to."""
        ...

    def check_size(self, topic: str, size: int) -> None:
        """Raises Invalid for a record that the buffer can never hold."""


async def send_all(
    giver: Giver, records: Iterable[ProducerRecord | Mapping[str, Any]]
) -> list[ProducerResult]:
    """Send records in order; the meaning and the errors are `StreamProducer.send_batch`'s."""
    batch = Batch()
    alone: dict[int, asyncio.Future[ProducerResult]] = {}
    try:
        await _give_all(giver, records, batch, alone)
        await batch.wait()
    finally:
        batch.leave()
    for index, answer in alone.items():
        try:
            batch.results[index] = await answer
        except SummitError as error:
            batch.failures[index] = error
    return batch.outcome()


async def _give_all(
    giver: Giver,
    records: Iterable[ProducerRecord | Mapping[str, Any]],
    batch: Batch,
    alone: dict[int, asyncio.Future[ProducerResult]],
) -> None:
    results, sizes = batch.results, batch.sizes
    run, run_bytes = Run("", [], True), 0
    bytes_max = min(_RUN_BYTES, giver.config.buffer_memory // 2)
    for index, given in enumerate(records):
        results.append(None)
        sizes.append(0)
        try:
            record = given if isinstance(given, ProducerRecord) else ProducerRecord.from_dict(given)
            topic = record.topic
            is_new = topic != run.topic
            if is_new and giver.is_missed(topic):
                await giver.give_run(batch, run)
                run, run_bytes = Run("", [], True), 0
                alone[index] = await giver.accept(record)
                continue
            message, size, is_plain = _message(record)
            if size > bytes_max:
                giver.check_size(topic, size)
        except SummitError as error:
            batch.failures[index] = error
            continue
        is_full = len(run.items) >= _RUN_RECORDS or run_bytes + size > bytes_max
        if is_full or is_new or is_plain != run.is_plain:
            await giver.give_run(batch, run)
            run, run_bytes = Run(topic, [], is_plain), 0
        sizes[index] = size
        run.items.append((index, message))
        run_bytes += size
    await giver.give_run(batch, run)


def _message(record: ProducerRecord) -> tuple[dict[str, Any], int, bool]:
    """The arguments of librdkafka's calls, the record's bytes, and whether it is plain.

    Raises: Invalid.
    """
    key, value = record.key, record.value
    is_plain = record.partition is None and record.timestamp is None and not record.headers
    if key is None and type(value) is bytes and is_plain:  # most records there are
        return {"value": value}, RECORD_OVERHEAD_BYTES + len(value), True
    if not (key is None or type(key) is bytes):
        key = plain_bytes(key, "key")
    if not (value is None or type(value) is bytes):
        value = plain_bytes(value, "value")
    message: dict[str, Any] = {"value": value, "key": key}
    if is_plain:
        return message, bytes_of(key, value, None), True
    headers = header_pairs(record.headers)
    if headers:
        message["headers"] = headers
    if record.partition is not None:
        message["partition"] = checked_partition(record.partition)
    if record.timestamp is not None:
        message["timestamp"] = checked_timestamp(record.timestamp)
    return message, bytes_of(key, value, headers), False


Refused = list[tuple[int, int | None, Any]]  # place, chosen partition, what librdkafka says


def give_together(handle: Any, deliveries: Deliveries, batch: Batch, run: Run) -> Refused:
    """Give a plain run to librdkafka in one call."""
    messages = []
    first, ticket = batch.tickets_of(deliveries), deliveries.ticket
    for index, message in run.items:
        message["callback"] = ticket(first + index)
        messages.append(message)
    if not messages or handle.produce_batch(run.topic, messages) == len(messages):
        return []
    return [
        (index, None, message.pop("_error"))
        for index, message in run.items
        if message.get("_error") is not None
    ]


def give_singly(handle: Any, deliveries: Deliveries, batch: Batch, run: Run) -> Refused:
    """Give a run to librdkafka record by record."""
    refused: Refused = []
    failures = librdkafka.load().KafkaException
    first, ticket = batch.tickets_of(deliveries), deliveries.ticket
    for index, message in run.items:
        message["on_delivery"] = ticket(first + index)
        try:
            handle.produce(run.topic, **message)
        except (failures, BufferError, TypeError, ValueError, OverflowError) as error:
            refused.append((index, message.get("partition"), error))
    return refused


def result_of(message: Any) -> ProducerResult:
    """Where librdkafka's message came to stand."""
    offset = message.offset()
    return ProducerResult(
        message.topic(),
        message.partition(),
        -1 if offset is None or offset < 0 else offset,
        message.timestamp()[1],
    )
