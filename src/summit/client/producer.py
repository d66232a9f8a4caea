"""`StreamProducer`: records in, true partitions and offsets out.

Over confluent-kafka's synchronous producer. Giving it a record never blocks; everything that may
block runs on a thread of ours; its reports come back in bursts (`delivery.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Self, TypeVar

from summit.base.emitter import Emitter, Payload
from summit.base.errors import Closed, Conflict, Invalid, SummitError, Unavailable
from summit.base.limits import PRODUCER_CLOSE_MS
from summit.base.logs import get_logger
from summit.client import librdkafka
from summit.client.addresses import resolve_addresses
from summit.client.batching import read_lane, result_of, send_all
from summit.client.buffer import Buffer
from summit.client.delivery import Deliveries, Report
from summit.client.ending import drop, end, flush, settle
from summit.client.faults import translate
from summit.client.lanes import Lane
from summit.client.outgoing import (
    Pairs,
    bytes_of,
    checked_partition,
    checked_timestamp,
    plain_bytes,
)
from summit.client.serializing import Serializing
from summit.client.settings import ProducerConfig
from summit.client.threads import CallThread
from summit.client.together import Answers, Message, give_together, message_bytes
from summit.client.transactions import GroupReader, Transactions, offsets_of
from summit.client.types import ProducerRecord, ProducerResult, header_pairs

R = TypeVar("R")

_Rest = tuple[Pairs | None, int | None, int | None]  # headers, partition, timestamp


class StreamProducer(Emitter):
    """Writes records; one loop's, from `connect` to `close`. Also an `async with` context.

    Events: `message:sent` {topic, partition, offset, timestamp}; `error` {error}.

    Args:
        config: A `ProducerConfig`, or a mapping with its names.
        key_serializer: What makes bytes of keys: a name (`json` …), an object with `serialize`, or
            a function of the key. Default: `keySerializer`, else keys are bytes or text.
        value_serializer: The same for values.
    """

    def __init__(
        self,
        config: ProducerConfig | Mapping[str, Any],
        *,
        key_serializer: Any = None,
        value_serializer: Any = None,
    ) -> None:
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
        self.missing: set[str] = set()
        self._asking: set[str] = set()
        self._closed = False
        self._transactions: Transactions | None = None
        if self.config.transactional_id is not None:
            self._transactions = Transactions(self)
        self._serializing = Serializing.of(self.config, key_serializer, value_serializer)
        self.addresses: list[str] = []

    async def connect(self, brokers: Any = None) -> None:
        """Dial the brokers and see that one answers.

        With a `transactionalId` it also shuts out older producers of that name and aborts what
        they left open.

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
        self._deliveries = self._deliver(handle)

    def _deliver(self, handle: Any) -> Deliveries:
        return Deliveries(
            handle, self._take_reports, self._take_lane, self._library_told,
            knows_offsets=self._knows_offsets,
        )  # fmt: skip

    @property
    def _knows_offsets(self) -> bool:
        return self.config.required_acks != "0"

    def _dial(self, addresses: list[str]) -> Any:
        library = librdkafka.load()
        self._failures = library.KafkaException
        settings = librdkafka.producer_settings(self.config, addresses, self._library_told)
        try:
            handle = library.Producer(settings)
            handle.list_topics(timeout=self.config.connect_timeout_ms / 1000)
            if self.config.transactional_id is not None:
                handle.init_transactions(self.config.max_block_ms / 1000)
        except library.KafkaException as error:
            raise translate(error, brokers=", ".join(addresses)) from error
        return handle

    async def send(self, record: ProducerRecord | Mapping[str, Any]) -> ProducerResult:
        """Write one record; returns when the broker has acknowledged it as `acks` asks.

        Waits while `bufferMemory` is full.

        Raises: Invalid for a record that can never be written (unknown topic or partition, too
            large, malformed, without a serializer that takes it);
            Unavailable("producer.buffer_full") after `maxBlockMs`;
            Unavailable("producer.delivery_timeout") when retries and time are used up; Closed.
        """
        if self._serializing is not None:
            self._require_connected()
            record = await self._serializing.record(record)
        return await (await self.accept(record))

    async def send_batch(
        self, records: Iterable[ProducerRecord | Mapping[str, Any]]
    ) -> list[ProducerResult]:
        """Write several records in order; results stand in the same order.

        The quick way for many: without a future per record. Waits while `bufferMemory` is full.
        Serializers make bytes of all of them before the first is sent.

        Raises: the error of the first record that failed, when all have their answer; its
            `details` hold `index` and the number of failed records, `failed`. Where a record
            cannot be serialized: at once, with its `index`; nothing was sent.
        """
        self._require_connected()
        if self._serializing is not None:
            records = await self._serializing.batch(records)
        return await send_all(self, self._buffer, records)

    def send_nowait(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: object = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> asyncio.Future[ProducerResult]:
        """Give one record to the sender at once; the future holds its result.

        The order of calls is the order in each partition.

        Raises: Unavailable("producer.buffer_full") and Conflict("serde.not_ready") instead of
            waiting; Invalid; Closed.
        Cost: no copy of `bytes`, about 2 microseconds.
        """
        if self._serializing is not None:
            key, value = self._serializing.at_once(topic, key, value, headers)
        plain_key = key.encode() if isinstance(key, str) else key
        plain_value = value.encode() if isinstance(value, str) else value
        pairs = header_pairs(headers) if headers else None
        size = bytes_of(plain_key, plain_value, pairs)
        if not self._buffer.take_now(size):
            self.check_size(topic, size)
            raise self._buffer.full()
        return self._give(topic, plain_value, plain_key, (pairs, partition, timestamp_ms), size)

    def send_many_nowait(
        self, topic: str, messages: Sequence[Message], partition: int | None = None
    ) -> asyncio.Future[Answers]:
        """Give records of one topic to the sender at once; the future holds what became of them.

        It never fails itself: its `failures` hold the errors of single records.

        Args:
            messages: Value, key and headers of each record; all of them are taken, or none.
        Raises: as `send_nowait`.
        Cost: about a microsecond a record, a half more with headers.
        """
        if self._serializing is not None:
            encode = self._serializing.at_once
            pairs = (encode(topic, key, value, headers) for value, key, headers in messages)
            messages = [
                (value, key, headers)
                for (key, value), (_, _, headers) in zip(pairs, messages, strict=True)
            ]
        outlet = self.outlet()
        if partition is not None:
            checked_partition(partition)
        size = message_bytes(messages)
        if not self._buffer.take_now(size):
            self.check_size(topic, size)
            raise self._buffer.full()
        batch = give_together(outlet, topic, messages, partition, size)
        self._buffer.give_back(batch.refused_bytes)
        if any(fault.code == "topic.unknown" for fault in batch.failures.values()):
            self._missed(topic)
        return batch.future

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
        hurry = calls.submit(partial(flush, self._handle, wait_ms / 1000))
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
        if self._transactions is not None and self._calls is not None and not self._closed:
            await self._transactions.end(timeout_ms)
        if self._closed:
            return
        self._closed = True
        if self._serializing is not None:
            await self._serializing.close()
        calls, deliveries = self._calls, self._deliveries
        if calls is None:
            return
        handle, self._handle = self._handle, None
        if deliveries is not None:
            await calls.run(partial(settle, handle, timeout_ms))
            deliveries.end()
            ending = end if self._transactions is None else drop
            await calls.run(partial(ending, [handle], deliveries))
        calls.close()

    # ---- transactions ----

    async def begin_transaction(self) -> None:
        """Open a transaction: what is sent from now on is seen whole or not at all.

        Raises: Invalid("producer.not_transactional"); Conflict("producer.transaction_open") and
            Conflict("producer.transaction_in_doubt"); Closed("client.fenced").
        """
        await self._require_transactions().begin()

    async def commit_transaction(self) -> None:
        """Wait for the answers of all records, then commit; returns when that is certain.

        An end without a clean answer is looked up in the log, under a newer epoch. Raises:
            Conflict("producer.must_abort"): a record was not written; abort and begin again.
            Conflict("producer.transaction_aborted"): it is certainly aborted; begin again.
            Unavailable("producer.outcome_unknown"): not to be found out now; `recover_transaction`.
            Closed("client.fenced"): another producer has the id; `details["outcome"]` says how
                this transaction ended. Make a new producer.
        """
        await self._require_transactions().commit()

    async def abort_transaction(self) -> None:
        """Throw the transaction away; returns when that is certain.

        Raises: Conflict("producer.transaction_committed") where an earlier commit, that was not
            answered, turns out to have worked; Unavailable("producer.outcome_unknown"); Closed.
        """
        await self._require_transactions().abort()

    async def recover_transaction(self) -> str:
        """Find out how a transaction in doubt ended: `committed`, `aborted`, or `unknown`.

        `unknown` means that the log does not hold the answer any more. The producer can go on in
        each case. Raises: Unavailable("producer.outcome_unknown") while it cannot be found out.
        """
        return await self._require_transactions().recover()

    async def send_offsets_to_transaction(
        self,
        offsets: Mapping[tuple[str, int], int] | Iterable[tuple[str, int, int]],
        group: GroupReader | str,
    ) -> None:
        """Commit a group's offsets with the transaction.

        Args:
            offsets: Next offset to read per (topic, partition).
            group: The consumer that read them, whose membership is then checked by the broker and
                whose `enableAutoCommit` must be off; or the id of a group without members.
        Raises: Conflict("consumer.rebalanced") when the consumer has lost its partitions: abort.
        """
        transactions = self._require_transactions()
        transactions.check_may_send()
        if isinstance(group, str):
            addresses = self.addresses
            metadata = await self.run(lambda _: librdkafka.group_metadata(group, addresses))
            await transactions.send_offsets(offsets_of(offsets), group, metadata)
            return
        if group.config.enable_auto_commit:
            raise Invalid(
                "client.refused",
                reason="the consumer commits by itself; set its enableAutoCommit to false",
            )
        metadata = await group.group_metadata()
        await transactions.send_offsets(offsets_of(offsets), group.config.group_id, metadata)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Self]:
        """`async with producer.transaction():` commits at the end, or aborts on an exception."""
        transactions = self._require_transactions()
        await transactions.begin()
        try:
            yield self
        except BaseException:
            # Even when the task is being cancelled; the exception itself matters more.
            await asyncio.shield(transactions.give_up())
            raise
        try:
            await transactions.commit()
        except Conflict as error:
            if error.code == "producer.must_abort":
                await transactions.give_up()
            raise

    async def run(self, fn: Callable[[Any], R]) -> R:
        """`fn(librdkafka's producer)` on the thread for blocking calls. For this room only."""
        _, calls = self._require_connected()
        handle = self._handle
        return await calls.run(lambda: fn(handle))

    async def replace(self) -> None:
        """Throw librdkafka's producer away and dial anew. For this room only."""
        calls = self._calls
        if self._closed or calls is None:
            raise self._not_ready()
        handle, self._handle = self._handle, None
        deliveries, self._deliveries = self._deliveries, None
        if deliveries is not None:
            ends = CallThread("summit-producer-end")  # the old thread may still be inside a call
            await ends.run(partial(settle, handle, 0))
            deliveries.end()
            ends.submit(partial(drop, [handle], deliveries))
            ends.close()
        handle = None
        calls.close()
        self._calls = calls = CallThread("summit-producer")
        self._handle = handle = await calls.run(lambda: self._dial(self.addresses))
        self._deliveries = self._deliver(handle)

    async def __aenter__(self) -> Self:
        if self._calls is None:
            await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def serializes(self) -> bool:
        """Whether keys or values are made bytes of by a serializer."""
        return self._serializing is not None

    @property
    def outstanding(self) -> int:
        """Records given to the sender and not answered."""
        return 0 if self._deliveries is None else self._deliveries.outstanding

    # ---- for this room only: what `batching.py` and `transactions.py` call ----

    def outlet(self) -> tuple[Any, Deliveries]:
        """librdkafka's producer and its deliveries. Raises what keeps records back now."""
        if self._transactions is not None and not self._closed:
            self._transactions.check_may_send()
        deliveries, _ = self._require_connected()
        return self._handle, deliveries

    def check_size(self, topic: str, size: int) -> None:
        """Raises Invalid for a record that the buffer can never hold."""
        if size > self._buffer.capacity_bytes:
            raise Invalid(
                "record.too_large",
                topic=topic,
                reason=f"{size} bytes are more than bufferMemory, {self._buffer.capacity_bytes}",
            )

    async def accept(
        self, record: ProducerRecord | Mapping[str, Any]
    ) -> asyncio.Future[ProducerResult]:
        if not isinstance(record, ProducerRecord):
            record = ProducerRecord.from_dict(record)
        self._require_connected()
        key, value = plain_bytes(record.key, "key"), plain_bytes(record.value, "value")
        pairs = header_pairs(record.headers)
        size = bytes_of(key, value, pairs)
        self.check_size(record.topic, size)
        rest = (pairs, record.partition, record.timestamp)
        is_asked = record.topic in self.missing
        if is_asked:
            await self.ask_for(record.topic)
        await self._buffer.take(size, self.config.max_block_ms)
        try:
            return self._give(record.topic, value, key, rest, size)
        except Invalid as fault:
            if is_asked or fault.code != "topic.unknown":
                raise
        await self.ask_for(record.topic)  # it may have been made anew since it was missed
        await self._buffer.take(size, self.config.max_block_ms)
        return self._give(record.topic, value, key, rest, size)

    def _give(
        self, topic: str, value: bytes | None, key: bytes | None, rest: _Rest, size: int
    ) -> asyncio.Future[ProducerResult]:
        """Give librdkafka one record whose room is taken already."""
        headers, partition, timestamp_ms = rest
        deliveries, loop = self._deliveries, self._loop
        try:
            if self._transactions is not None and loop is not None and not self._closed:
                self._transactions.check_may_send()
            if self._closed or deliveries is None or loop is None:
                raise self._not_ready()
            options: dict[str, Any] = {}
            if headers:
                options["headers"] = headers
            if partition is not None:
                options["partition"] = checked_partition(partition)
            if timestamp_ms is not None:
                options["timestamp"] = checked_timestamp(timestamp_ms)
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

    async def ask_for(self, topic: str) -> None:
        self.missing.discard(topic)
        try:
            await self._ask(topic)
        except self._failures as error:
            raise translate(error, topic=topic) from error

    def _missed(self, topic: str) -> None:
        self.missing.add(topic)
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
        freed, knows_offsets = 0, self._knows_offsets
        results = []
        for future, size, error, message in reports:
            freed += size
            if error is None:
                result = result_of(message, knows_offsets)
                results.append(result)
                if not future.done():
                    future.set_result(result)
            else:
                fault = self._fault_of(error, message)
                if not future.done():
                    future.set_exception(fault)
        self._wrote(results)
        self._buffer.give_back(freed)

    def _take_lane(self, lane: Lane) -> None:
        freed = lane.load.size_bytes
        self._wrote(read_lane(lane, self._fault_of))
        self._buffer.give_back(freed)

    def _wrote(self, results: list[ProducerResult]) -> None:
        if self._transactions is not None:
            # Of each partition the last one counts.
            ends = {(result.topic, result.partition): result.offset for result in results}
            for (topic, partition), offset in ends.items():
                self._transactions.wrote(topic, partition, offset)
        if self.has_listeners("message:sent"):
            for result in results:
                self.emit("message:sent", Payload(**result.to_dict()))

    def _fault_of(self, error: Any, message: Any) -> SummitError:
        topic = message.topic()
        fault = translate(error, topic=topic, partition=message.partition(), what="producer")
        if fault.code == "topic.unknown":
            self._missed(topic)
        if self._transactions is not None:
            self._transactions.failed()
            if error.name() in ("_PURGE_QUEUE", "_PURGE_INFLIGHT") and not self._closed:
                fault = Conflict("producer.transaction_aborted", reason="before it was written")
        return fault

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

    def _require_transactions(self) -> Transactions:
        if self._transactions is None:
            raise Invalid("producer.not_transactional")
        if self._closed or self._calls is None:
            raise self._not_ready()
        return self._transactions
