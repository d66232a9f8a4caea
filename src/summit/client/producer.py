"""`StreamProducer`: records in, true partitions and offsets out.

Over confluent-kafka's synchronous producer. Giving it a record never blocks; everything that may
block runs on a thread of ours; its reports come back in bursts (`delivery.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Self

from summit.base.emitter import Emitter, Payload
from summit.base.errors import Closed, Conflict, Invalid, SummitError, Unavailable
from summit.base.limits import PRODUCER_CLOSE_MS, RECORD_OVERHEAD_BYTES
from summit.base.logs import get_logger
from summit.client import librdkafka
from summit.client.addresses import resolve_addresses
from summit.client.buffer import Buffer
from summit.client.delivery import Deliveries, Report
from summit.client.faults import translate
from summit.client.settings import ProducerConfig
from summit.client.threads import CallThread
from summit.client.types import ProducerRecord, ProducerResult, Text, header_pairs

_Pairs = list[tuple[str, Text | None]]
_Rest = tuple[_Pairs | None, int | None, int | None]  # headers, partition, timestamp


class StreamProducer(Emitter):
    """Writes records; one loop's, from `connect` to `close`. Also an `async with` context.

    Events: `message:sent` {topic, partition, offset, timestamp}; `error` {error}.

    Args:
        config: A `ProducerConfig`, or a mapping with its names.
    """

    def __init__(self, config: ProducerConfig | Mapping[str, Any]) -> None:
        super().__init__()
        self.config = (
            config if isinstance(config, ProducerConfig) else ProducerConfig.from_dict(config)
        )
        self._handle: Any = None
        self._failures: Any = None  # the exception class of confluent_kafka, once it is loaded
        self._deliveries: Deliveries | None = None
        self._calls: CallThread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._buffer = Buffer(self.config.buffer_memory)
        self._missing: set[str] = set()
        self._asking: set[str] = set()
        self._closed = False
        self.addresses: list[str] = []

    async def connect(self, brokers: Any = None) -> None:
        """Dial the brokers and see that one answers.

        Args:
            brokers: None = `bootstrapServers`; else addresses (one, a list, a mapping's values)
                or in-process brokers that have an `address`.
        Raises: Unavailable("client.no_brokers") after `connectTimeoutMs`; Invalid for what is no
            address; Conflict when it is connected; Closed after `close`.
        """
        if self._closed:
            raise self._not_ready()
        if self._calls is not None:
            raise Conflict("client.connected", what="producer")
        addresses = resolve_addresses(brokers, self.config.servers)
        self._loop = asyncio.get_running_loop()
        self._calls = CallThread("summit-producer")
        try:
            handle = await self._calls.run(lambda: self._dial(addresses))
        except BaseException:
            self._calls.close()
            self._calls = None
            raise
        self.addresses = addresses
        self._handle = handle
        self._deliveries = Deliveries(handle, self._take_reports)

    def _dial(self, addresses: list[str]) -> Any:
        library = librdkafka.load()
        self._failures = library.KafkaException
        settings = librdkafka.producer_settings(self.config, addresses, self._library_told)
        try:
            handle = library.Producer(settings)
            handle.list_topics(timeout=self.config.connect_timeout_ms / 1000)
        except library.KafkaException as error:
            raise translate(error, brokers=", ".join(addresses)) from error
        return handle

    async def send(self, record: ProducerRecord | Mapping[str, Any]) -> ProducerResult:
        """Write one record; returns when the broker has acknowledged it as `acks` asks.

        Waits while `bufferMemory` is full.

        Raises: Invalid for a record that can never be written (unknown topic or partition, too
            large, malformed); Unavailable("producer.buffer_full") after `maxBlockMs`;
            Unavailable("producer.delivery_timeout") when retries and time are used up; Closed.
        """
        return await (await self._accept(record))

    async def send_batch(
        self, records: Iterable[ProducerRecord | Mapping[str, Any]]
    ) -> list[ProducerResult]:
        """Write several records in order; results stand in the same order.

        Raises: the error of the first record that failed, when all have their answer; its
            `details` hold `index` and the number of failed records, `failed`.
        """
        answers: list[asyncio.Future[ProducerResult] | SummitError] = []
        for record in records:
            try:
                answers.append(await self._accept(record))
            except SummitError as error:
                answers.append(error)
        results: list[ProducerResult] = []
        failures: dict[int, SummitError] = {}
        for index, answer in enumerate(answers):
            if isinstance(answer, SummitError):
                failures[index] = answer
                continue
            try:  # one by one is cheaper than gather: most are done by then
                results.append(await answer)
            except SummitError as error:
                failures[index] = error
        for index, failure in failures.items():
            failure.details |= {"index": index, "failed": len(failures)}
            raise failure
        return results

    def send_nowait(
        self,
        topic: str,
        value: Text | None = None,
        key: Text | None = None,
        headers: object = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> asyncio.Future[ProducerResult]:
        """Give one record to the sender at once; the future holds its result.

        The order of calls is the order in each partition.

        Raises: Unavailable("producer.buffer_full") instead of waiting; Invalid; Closed.
        Cost: no copy of `bytes`, about 2 microseconds.
        """
        plain_key = key.encode() if isinstance(key, str) else key
        plain_value = value.encode() if isinstance(value, str) else value
        pairs = header_pairs(headers) if headers else None
        size = _size_bytes(plain_key, plain_value, pairs)
        if not self._buffer.take_now(size):
            self._refuse_larger(topic, size)
            raise self._buffer.full()
        return self._give(topic, plain_value, plain_key, (pairs, partition, timestamp_ms), size)

    async def room(self, size_bytes: int = 1) -> None:
        """Wait until the buffer has room for `size_bytes` more, at most `maxBlockMs`.

        For callers of `send_nowait`. Raises: Unavailable("producer.buffer_full").
        """
        await self._buffer.take(size_bytes, self.config.max_block_ms)
        self._buffer.give_back(size_bytes)

    async def flush(self, timeout_ms: int | None = None) -> None:
        """Send what lingers and wait until every record has its answer.

        Raises: Unavailable("producer.flush_timeout"); without `timeout_ms` it ends when the
            answers do, at the latest after `deliveryTimeoutMs`.
        """
        deliveries, calls = self._require_connected()
        wait_ms = self.config.delivery_timeout_ms + 1_000 if timeout_ms is None else timeout_ms
        if not deliveries.outstanding:
            return
        hurry = calls.submit(lambda: self._handle.flush(wait_ms / 1000))
        try:
            async with asyncio.timeout(wait_ms / 1000):
                await deliveries.idle()
                await hurry
        except TimeoutError:
            raise Unavailable(
                "producer.flush_timeout", records=deliveries.outstanding, timeout_ms=wait_ms
            ) from None

    async def close(self, timeout_ms: int = PRODUCER_CLOSE_MS) -> None:
        """Wait for answers at most `timeout_ms`, then fail what has none, and end. Idempotent."""
        if self._closed:
            return
        self._closed = True
        calls, deliveries = self._calls, self._deliveries
        if calls is None or deliveries is None:
            return
        await calls.run(partial(_settle, self._handle, timeout_ms))
        deliveries.end()
        await calls.run(partial(_end, self._handle, deliveries))
        self._handle = None
        calls.close()

    async def begin_transaction(self) -> None:
        """Transactions come with a later version. Raises Invalid."""
        raise Invalid("producer.transactions_unavailable", pointer="")

    commit_transaction = begin_transaction
    abort_transaction = begin_transaction

    async def __aenter__(self) -> Self:
        if self._calls is None:
            await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def outstanding(self) -> int:
        """Records given to the sender and not answered."""
        return 0 if self._deliveries is None else self._deliveries.outstanding

    async def _accept(
        self, record: ProducerRecord | Mapping[str, Any]
    ) -> asyncio.Future[ProducerResult]:
        if not isinstance(record, ProducerRecord):
            record = ProducerRecord.from_dict(record)
        self._require_connected()
        key, value = _plain(record.key, "key"), _plain(record.value, "value")
        pairs = header_pairs(record.headers)
        size = _size_bytes(key, value, pairs)
        self._refuse_larger(record.topic, size)
        rest = (pairs, record.partition, record.timestamp)
        is_asked = record.topic in self._missing
        if is_asked:
            await self._ask_for(record.topic)
        await self._buffer.take(size, self.config.max_block_ms)
        try:
            return self._give(record.topic, value, key, rest, size)
        except Invalid as fault:
            if is_asked or fault.code != "topic.unknown":
                raise
        await self._ask_for(record.topic)  # it may have been made anew since it was missed
        await self._buffer.take(size, self.config.max_block_ms)
        return self._give(record.topic, value, key, rest, size)

    def _give(
        self, topic: str, value: bytes | None, key: bytes | None, rest: _Rest, size: int
    ) -> asyncio.Future[ProducerResult]:
        """Give librdkafka one record whose room is taken already."""
        headers, partition, timestamp_ms = rest
        deliveries, loop = self._deliveries, self._loop
        try:
            if self._closed or deliveries is None or loop is None:
                raise self._not_ready()
            options: dict[str, Any] = {}
            if headers:
                options["headers"] = headers
            if partition is not None:
                options["partition"] = _checked_partition(partition)
            if timestamp_ms is not None:
                options["timestamp"] = _checked_timestamp(timestamp_ms)
            future: asyncio.Future[ProducerResult] = loop.create_future()
            callback = deliveries.expect(future, size)
            self._handle.produce(topic, value, key, on_delivery=callback, **options)
        except BufferError:
            self._buffer.give_back(size)
            raise self._buffer.full() from None
        except SummitError:
            self._buffer.give_back(size)
            raise
        except (TypeError, ValueError, OverflowError) as error:
            self._buffer.give_back(size)
            raise Invalid("record.invalid", reason=str(error), pointer="") from error
        except self._failures as error:
            self._buffer.give_back(size)
            fault = translate(error, topic=topic, partition=partition)
            if fault.code == "topic.unknown":
                self._missed(topic)
            raise fault from error
        deliveries.sent()
        return future

    # librdkafka remembers for minutes that a topic does not exist. A topic made meanwhile must be
    # usable at once: so a missing topic is asked for again, before a `send` and after a failure.

    async def _ask_for(self, topic: str) -> None:
        self._missing.discard(topic)
        try:
            await self._ask(topic)
        except self._failures as error:
            raise translate(error, topic=topic) from error

    def _missed(self, topic: str) -> None:
        self._missing.add(topic)
        if topic not in self._asking and not self._closed:
            self._asking.add(topic)
            self._ask(topic).add_done_callback(partial(self._asked, topic))

    def _ask(self, topic: str) -> asyncio.Future[Any]:
        _, calls = self._require_connected()
        timeout_s = self.config.request_timeout_ms / 1000
        return calls.submit(partial(self._handle.list_topics, topic, timeout=timeout_s))

    def _asked(self, topic: str, answer: asyncio.Future[Any]) -> None:
        self._asking.discard(topic)
        if not answer.cancelled():
            answer.exception()  # the next record tells what is wrong

    def _take_reports(self, reports: deque[Report]) -> None:
        tell = self.has_listeners("message:sent")
        freed = 0
        for future, size, error, message in reports:
            freed += size
            if error is not None:
                self._fail(future, error, message)
                continue
            offset = message.offset()
            result = ProducerResult(
                message.topic(),
                message.partition(),
                -1 if offset is None or offset < 0 else offset,
                message.timestamp()[1],
            )
            if not future.done():
                future.set_result(result)
            if tell:
                self.emit("message:sent", Payload(**result.to_dict()))
        self._buffer.give_back(freed)

    def _fail(self, future: asyncio.Future[Any], error: Any, message: Any) -> None:
        topic = message.topic()
        fault = translate(error, topic=topic, partition=message.partition(), what="producer")
        if fault.code == "topic.unknown":
            self._missed(topic)
        if not future.done():
            future.set_exception(fault)

    def _refuse_larger(self, topic: str, size: int) -> None:
        if size > self._buffer.capacity_bytes:
            raise Invalid(
                "record.too_large",
                topic=topic,
                reason=f"{size} bytes are more than bufferMemory, {self._buffer.capacity_bytes}",
            )

    def _library_told(self, error: Any) -> None:
        # Called by librdkafka on whatever thread polls; nobody is left to tell at the very end.
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._tell_error, error)

    def _tell_error(self, error: Any) -> None:
        if error.name() == "_TRANSPORT":  # one connection; all of them lost is told on its own
            return
        fault = translate(error, brokers=", ".join(self.addresses), what="producer")
        get_logger(__name__).warning("producer.error", code=fault.code, error=str(fault))
        self.emit("error", Payload(error=fault))

    def _not_ready(self) -> SummitError:
        if self._closed:
            return Closed("client.closed", what="producer")
        return Invalid("client.not_connected", what="producer")

    def _require_connected(self) -> tuple[Deliveries, CallThread]:
        if self._closed or self._deliveries is None or self._calls is None:
            raise self._not_ready()
        return self._deliveries, self._calls


def _settle(handle: Any, timeout_ms: int) -> None:
    """Wait for answers, then fail what has none."""
    if handle.flush(timeout_ms / 1000):
        handle.purge()
        handle.flush(1)


def _end(handle: Any, deliveries: Deliveries) -> None:
    """End librdkafka's threads, after the one of ours that is inside it."""
    deliveries.join()
    close = getattr(handle, "close", None)  # not in older versions, where dropping it does
    if close is not None:
        close()


def _plain(text: object, name: str) -> bytes | None:
    if text is None or isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, bytearray | memoryview):
        return bytes(text)
    raise Invalid(
        "record.invalid",
        reason=f"a {name} is text, bytes or None, not {type(text).__name__}",
        pointer=f"/{name}",
    )


def _size_bytes(key: bytes | None, value: bytes | None, headers: _Pairs | None) -> int:
    size = RECORD_OVERHEAD_BYTES
    if key is not None:
        size += len(key)
    if value is not None:
        size += len(value)
    if headers:
        for name, text in headers:
            size += len(name) + (0 if text is None else len(text))
    return size


def _checked_partition(partition: int) -> int:
    if partition < 0:
        raise Invalid("record.invalid", reason="a partition is 0 or more", pointer="/partition")
    return partition


def _checked_timestamp(timestamp_ms: int) -> int:
    if timestamp_ms <= 0:
        raise Invalid(
            "record.invalid",
            reason="a timestamp is more than 0 ms since 1970 UTC",
            pointer="/timestamp",
        )
    return timestamp_ms
