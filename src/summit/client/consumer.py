"""`StreamConsumer`: records out of topics, alone or as a member of a group.

The public half. Beneath it: `intake.py` (fetched, not yet handed out), `handling.py` (handlers),
`committing.py`, `positions.py` (pure), and `reading.py`, the calls into librdkafka, on threads.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Self

from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Payload
from summit.base.errors import Closed, Conflict, Invalid, SummitError
from summit.base.limits import CONSUMER_POLL_MS, CONSUMER_START_WAIT_MS
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.client.addresses import resolve_addresses
from summit.client.committing import Committer, requested_offsets
from summit.client.dead_letters import DeadLetterBox
from summit.client.deserializing import Deserializing
from summit.client.giving_up import GivingUp
from summit.client.handling import Handler, Handling, in_hand
from summit.client.intake import Intake
from summit.client.positions import Positions
from summit.client.reading import BEGINNING, END, Reader, Told
from summit.client.settings import ConsumerConfig
from summit.client.threads import CallThread
from summit.client.types import ConsumerRecord, OffsetCommitRequest, TopicPartition

Partitions = Iterable[tuple[str, int]]
Topics = str | re.Pattern[str] | Iterable[str]


class _Link(NamedTuple):
    """What exists from `connect` on."""

    reader: Reader
    intake: Intake
    calls: CallThread
    committer: Committer


class StreamConsumer(Emitter):
    """Reads records; one loop's, from `connect` to `close`. Also an `async with` context.

    Three ways to read: `poll`, `async for record in consumer`, or `start(handler)`.

    Events: `partitions:assigned` {partitions}; `partitions:revoked` {partitions, lost};
    `offsets:committed` {offsets: {(topic, partition): next offset}}; `error` {error, …}.

    Args:
        config: A `ConsumerConfig`, or a mapping with its names.
        tell_ends: Whether `read_to` is wanted.
        key_deserializer: What makes values of keys: a name (`json` …), an object with
            `deserialize`, or a function of the bytes. Default: `keyDeserializer`, else bytes.
        value_deserializer: The same for values.
    """

    def __init__(
        self,
        config: ConsumerConfig | Mapping[str, Any],
        *,
        clock: Clock | None = None,
        tell_ends: bool = False,
        key_deserializer: Any = None,
        value_deserializer: Any = None,
    ) -> None:
        super().__init__()
        self._tell_ends = tell_ends
        self.config = (
            config if isinstance(config, ConsumerConfig) else ConsumerConfig.from_dict(config)
        )
        self.addresses: list[str] = []
        self._clock = clock or SystemClock()
        self._positions = Positions()
        self._link: _Link | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._topics: list[str] = []
        self._assignment: set[TopicPartition] = set()
        self._begun = asyncio.Event()  # partitions came, or the reason why none did
        self._handling: Handling | None = None
        self._worker: asyncio.Task[None] | None = None
        self._tasks = Tasks()
        self._closed = False
        self._giving_up = GivingUp(self.config, self.emit, self._bury)
        self._deserializing = Deserializing.of(
            self.config, key_deserializer, value_deserializer, self._giving_up
        )
        self._box: DeadLetterBox | None = None

    # ---- connection and subscription ----

    async def connect(self, brokers: Any = None) -> None:
        """Dial the brokers and see that one answers.

        Args:
            brokers: None = `bootstrapServers`; else addresses (one, a list, a mapping's values)
                or in-process brokers that have an `address`.
        Raises: Unavailable("client.no_brokers") after `connectTimeoutMs`; Invalid; Conflict;
            Closed.
        """
        self._require_open()
        if self._loop is not None:
            raise Conflict("client.connected", what="consumer")
        addresses = resolve_addresses(brokers, self.config.servers)
        self._loop = asyncio.get_running_loop()
        positions = self._positions
        reader = Reader(
            self.config, self._clock, due=positions.due, tell=self._hear, tell_ends=self._tell_ends
        )
        calls = CallThread("summit-consumer")
        try:
            await calls.run(partial(reader.dial, addresses))
        except BaseException:
            calls.close()
            self._loop = None
            raise
        intake = Intake(reader, self._clock, positions, self._tell_error, self._deserializing)
        committer = Committer(reader, calls, positions, self.emit, self._tell_error)
        self._link = _Link(reader, intake, calls, committer)
        self.addresses = addresses
        if self.config.enable_auto_commit:
            interval_ms = self.config.auto_commit_interval_ms
            self._tasks.spawn(committer.commit_now_and_then(interval_ms), "consumer.auto_commit")

    async def subscribe(self, topics: Topics) -> None:
        """Read these topics as a member of the group; replaces an earlier subscription.

        Args:
            topics: One name or several, or a pattern: a compiled regular expression, or a text
                that begins with `^`. Topics that come into being later are included.
        """
        link = self._require_connected()
        names = _topic_names(topics)
        await link.intake.run(partial(link.reader.subscribe, names))
        if not names:
            link.intake.drop(self._assignment)
        self._topics = names

    async def unsubscribe(self, topics: Iterable[str] | None = None) -> None:
        """Leave these topics, or all of them."""
        gone = set(self._topics if topics is None else _topic_names(topics))
        await self.subscribe([topic for topic in self._topics if topic not in gone])

    async def assign(self, partitions: Mapping[tuple[str, int], int | None] | Partitions) -> None:
        """Read exactly these partitions, outside the group's sharing.

        Args:
            partitions: (topic, partition) pairs, or a mapping of them to the first offset (None =
                the group's committed offset, else `autoOffsetReset`). Empty = read nothing.
        """
        link = self._require_connected()
        given = partitions if isinstance(partitions, Mapping) else dict.fromkeys(partitions)
        offsets = {TopicPartition(*key): at for key, at in given.items()}
        await link.intake.run(partial(link.reader.assign, offsets))
        changed = self._assignment | set(offsets)
        link.intake.drop(changed)
        self._positions.forget(changed)
        self._assignment = set(offsets)
        self._topics = []
        self._begun.set()

    @property
    def assignment(self) -> set[TopicPartition]:
        """The partitions that are read now."""
        return set(self._assignment)

    @property
    def subscription(self) -> list[str]:
        """The topics of the last `subscribe`; patterns begin with `^`."""
        return list(self._topics)

    @property
    def skipped(self) -> int:
        """Records given up by `onHandlerFailure: skip` since the consumer was made."""
        return self._giving_up.skipped

    @property
    def dead_lettered(self) -> int:
        """Records put into dead-letter topics since the consumer was made."""
        return self._giving_up.dead_lettered

    @property
    def running(self) -> bool:
        """Whether a handler is at work."""
        return self._worker is not None and not self._worker.done()

    # ---- reading ----

    async def poll(self, timeout_ms: int = 1_000) -> list[ConsumerRecord]:
        """Wait for records, at most `timeout_ms`; at most `maxPollRecords` of them.

        What earlier polls returned counts as finished from now on. A record that cannot be
        deserialized comes in no result: with `onHandlerFailure` dead-letter or skip it is passed
        over, told and counted; with stop `poll` raises once those before it were returned, and
        again until a `seek` behind it.

        Raises: Invalid("consumer.no_offset") where `autoOffsetReset` is none;
            Corrupt("record.undeserializable"); Unavailable while a schema registry does not
            answer; Conflict while a handler runs; Closed.
        """
        return await self.poll_batch(self.config.max_poll_records, timeout_ms)

    async def poll_batch(self, max_records: int, timeout_ms: int = 1_000) -> list[ConsumerRecord]:
        """`poll` with its own limit. Cost: one hop to a thread and back per call."""
        link = self._require_connected()
        if self.running:
            raise Conflict("consumer.running")
        self._positions.finish_handed()
        return await link.intake.next_values(max_records, max_records, timeout_ms)

    def wake(self) -> None:
        """Let the running `poll`, or else the next one, return soon with what there is."""
        self._require_connected().intake.cut_short()

    def __aiter__(self) -> AsyncIterator[ConsumerRecord]:
        return self

    async def __anext__(self) -> ConsumerRecord:
        """The next record; the one before counts as finished. Ends when the consumer is closed.

        Raises what `poll` does; iterating again goes on at the same record.
        """
        while not self._closed:
            link = self._require_connected()
            if self.running:
                raise Conflict("consumer.running")
            self._positions.finish_handed()
            try:
                most = self.config.max_poll_records
                found = await link.intake.next_values(1, most, CONSUMER_POLL_MS)
            except Closed:
                break
            if found:
                return found[0]
        raise StopAsyncIteration

    async def batches(
        self, max_records: int | None = None, timeout_ms: int = CONSUMER_POLL_MS
    ) -> AsyncIterator[list[ConsumerRecord]]:
        """`async for batch in consumer.batches()`: what is there, never empty, until `close`.

        A batch counts as finished when the next one is asked for.
        """
        while not self._closed:
            try:
                most = self.config.max_poll_records if max_records is None else max_records
                found = await self.poll_batch(most, timeout_ms)
            except Closed:
                return
            if found:
                yield found

    # ---- handlers ----

    async def start(self, handler: Handler) -> None:
        """Call `handler(record)` for every record from now on; returns once that is running.

        One call at a time per partition, partitions side by side; plain or async. A record is
        finished, and may be committed, when its call returned. A failing call is repeated
        `handlerRetries` times; then `onHandlerFailure` decides, as on a record that cannot be
        deserialized, which no handler sees. Returns after the first
        assignment of partitions, the first `error` event, or a few seconds without either.

        Raises: Conflict("consumer.running"); Invalid("consumer.not_subscribed"); whatever ends
            reading before it begins.
        """
        link = self._require_connected()
        if self.running:
            raise Conflict("consumer.running")
        if not self._topics and not self._assignment:
            raise Invalid("consumer.not_subscribed")
        handling = Handling(
            handler, self.config, self._positions, self._giving_up, self._deserializing
        )
        self._handling = handling
        self._worker = asyncio.get_running_loop().create_task(
            self._work(link.intake, handling), name="consumer.worker"
        )
        self._worker.add_done_callback(_seen)
        assigned = asyncio.ensure_future(self._begun.wait())
        try:
            await asyncio.wait(
                [assigned, self._worker],
                timeout=CONSUMER_START_WAIT_MS / 1000,
                return_when=asyncio.FIRST_COMPLETED,
            )
        except asyncio.CancelledError:
            await self.stop()
            raise
        finally:
            assigned.cancel()
        if self._worker.done() and not self._worker.cancelled():
            self._worker.result()

    async def run(self, handler: Handler) -> None:
        """`start`, then wait until the consumer is stopped.

        Raises: Internal("consumer.handler_failed"), or whatever ended reading.
        """
        await self.start(handler)
        assert self._worker is not None
        try:
            await asyncio.shield(self._worker)
        except asyncio.CancelledError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Handle no further record; wait for running calls; commit what they finished.

        From inside a handler it returns at once: that call is the last one.
        """
        worker, handling, link = self._worker, self._handling, self._link
        if worker is None or handling is None or link is None:
            return
        handling.stop()
        link.intake.cut_short()
        if in_hand.get() is None:
            await asyncio.wait([worker])
            if self.config.enable_auto_commit:
                await link.committer.commit_due()

    async def _work(self, intake: Intake, handling: Handling) -> None:
        most = self.config.max_poll_records
        try:
            while not handling.stopping:
                records = await intake.next(most, most, CONSUMER_POLL_MS)
                if records:
                    await handling.batch(records)
        except SummitError as error:
            self._tell_error(error)
            raise
        finally:
            handling.stop()
            intake.put_back(handling.left)
            self._handling = None

    async def _bury(
        self, record: ConsumerRecord, code: str, message: str, stage: str | None
    ) -> None:
        if self._box is None:
            name = f"consumer {self.config.group_id}"
            self._box = DeadLetterBox(self.addresses, self.config.client_id, name, self._clock)
        await self._box.put(record, code, message, stage)

    # ---- offsets ----

    async def commit_offsets(
        self, requests: Iterable[OffsetCommitRequest | Mapping[str, Any]] | None = None
    ) -> None:
        """Tell the group where to go on; returns when the coordinator has it durably.

        Args:
            requests: None = after polls everything they returned; with a handler everything it
                finished, and, inside the handler, the record in hand.
        Raises: Conflict("consumer.rebalanced") when the partitions belong to others by now.
        """
        link = self._require_connected()
        if requests is not None:
            await link.committer.commit(*requested_offsets(requests, self.config.group_id))
        elif self._handling is None:
            await link.committer.commit(self._positions.handed())
        else:
            record = in_hand.get()
            if record is not None:
                self._positions.finish(record)
            await link.committer.commit(self._positions.due())

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Go on reading this partition at `offset` (0 or more).

        Raises: Invalid("consumer.not_assigned").
        """
        if offset < 0:
            raise Invalid("client.refused", reason="an offset is 0 or more")
        await self._seek(self._chosen([(topic, partition)]), offset)

    async def seek_to_time(self, timestamp_ms: int, partitions: Partitions | None = None) -> None:
        """Go on at the first record of that time or later; behind the last one where none is.

        Args:
            timestamp_ms: Milliseconds since 1970 UTC.
            partitions: Default: all that are assigned.
        Raises: Invalid("consumer.not_assigned"); Unavailable.
        """
        link = self._require_connected()
        keys = self._chosen(partitions)
        found = await link.calls.run(partial(link.reader.offsets_at, keys, timestamp_ms))
        for key, offset in found.items():
            await self._seek([key], offset)

    async def seek_to_beginning(self, partitions: Partitions | None = None) -> None:
        """Go on at the first kept record of these partitions, or of all that are assigned."""
        await self._seek(self._chosen(partitions), BEGINNING)

    async def seek_to_end(self, partitions: Partitions | None = None) -> None:
        """Go on behind the last record of these partitions, or of all that are assigned."""
        await self._seek(self._chosen(partitions), END)

    async def _seek(self, partitions: list[TopicPartition], offset: int) -> None:
        link = self._require_connected()
        for key in partitions:
            await link.intake.run(partial(link.reader.seek, key, offset))
            link.intake.drop([key])
            self._positions.move(key, offset if offset >= 0 else None)
            if self._handling is not None:
                self._handling.leave(key)

    async def pause(self, partitions: Partitions | None = None) -> None:
        """Bring no records of these partitions (default: all) until `resume`."""
        link = self._require_connected()
        keys = self._chosen(partitions)
        await link.intake.run(partial(link.reader.pause, keys))
        for key, first in link.intake.drop(keys).items():
            await link.intake.run(partial(link.reader.seek, key, first))

    async def resume(self, partitions: Partitions | None = None) -> None:
        """Bring records of these partitions (default: all) again, from where they were paused."""
        link = self._require_connected()
        await link.intake.run(partial(link.reader.resume, self._chosen(partitions)))

    async def position(self, topic: str, partition: int) -> int | None:
        """The next offset to be read; None before the first record of an unknown start."""
        key = TopicPartition(topic, partition)
        known = self._positions.position(key)
        return known if known is not None else (await self.committed([key]))[key]

    async def committed(
        self, partitions: Partitions | None = None
    ) -> dict[TopicPartition, int | None]:
        """The group's committed next offsets of these partitions, or of all that are assigned."""
        link = self._require_connected()
        keys = self._assignment if partitions is None else {TopicPartition(*p) for p in partitions}
        return await link.calls.run(partial(link.reader.committed, list(keys))) if keys else {}

    async def group_metadata(self) -> Any:
        """Group, member and generation, for `StreamProducer.send_offsets_to_transaction`."""
        link = self._require_connected()
        return await link.calls.run(link.reader.group_metadata)

    def read_to(self) -> dict[TopicPartition, int]:
        """Partitions that were read to an end, and that offset: all before it was handed out.

        Unlike the offset behind the last record it is also told where the last offsets hold no
        record for readers: a transaction's marks, what was aborted or compacted. Needs `tell_ends`.
        """
        return self._require_connected().intake.read_to()

    async def lag(self) -> dict[TopicPartition, int]:
        """Per assigned partition, how many offsets lie between the position and the end."""
        link = self._require_connected()
        found: dict[TopicPartition, int] = {}
        for key in sorted(self._assignment):
            first, last = await link.calls.run(partial(link.reader.bounds, key))
            at = await self.position(*key)
            if at is None:
                at = last if self.config.auto_offset_reset == "latest" else first
            found[key] = max(0, last - max(at, first))
        return found

    # ---- the end ----

    async def close(self) -> None:
        """Stop, commit what is finished (with auto-commit), leave the group. Idempotent.

        What `poll` returned counts as finished, as its caller is done when closing; an
        `async with` block that ends by an exception does not count its last poll.
        """
        await self._close(handed_is_finished=not self.running)

    async def _close(self, *, handed_is_finished: bool) -> None:
        link = self._link
        if self._closed or link is None:
            self._closed = True
            return
        if in_hand.get() is not None:
            await self.stop()
            self._tasks.spawn(self._close_after_handler(), "consumer.close")
            return
        await self.stop()
        await link.intake.settle()
        if handed_is_finished:
            self._positions.finish_handed()
        if self.config.enable_auto_commit:
            await link.committer.commit_due()
        self._closed = True
        await link.calls.run(link.reader.close)
        await self._tasks.cancel_all()
        if self._box is not None:
            await self._box.close()
        if self._deserializing is not None:
            await self._deserializing.close()
        link.intake.close()
        link.calls.close()

    async def _close_after_handler(self) -> None:
        in_hand.set(None)
        await self._close(handed_is_finished=False)

    async def __aenter__(self) -> Self:
        if self._link is None:
            await self.connect()
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        await self._close(handed_is_finished=kind is None and not self.running)

    # ---- what happened elsewhere ----

    def _hear(self, told: Told) -> None:
        # On a thread of the reader; nobody is left to tell at the very end.
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._heard, told)

    def _heard(self, told: Told) -> None:
        if told.what == "assigned":
            self._positions.forget(told.partitions)
            self._assignment |= set(told.partitions)
            self._begun.set()
            self.emit("partitions:assigned", Payload(partitions=told.partitions))
        elif told.what in ("revoked", "lost"):
            if self._link is not None:
                self._link.committer.note(told.offsets)
                self._link.intake.drop(told.partitions)
            self._positions.forget(told.partitions)
            self._assignment -= set(told.partitions)
            lost = told.what == "lost"
            self.emit("partitions:revoked", Payload(partitions=told.partitions, lost=lost))
        if told.fault is not None:
            self._tell_error(told.fault)

    def _tell_error(self, error: SummitError) -> None:
        get_logger(__name__).warning("consumer.error", code=error.code, error=str(error))
        self._begun.set()
        self.emit("error", Payload(error=error))

    # ---- small parts ----

    def _chosen(self, partitions: Partitions | None) -> list[TopicPartition]:
        if partitions is None:
            return sorted(self._assignment)
        keys = [TopicPartition(*pair) for pair in partitions]
        for key in keys:
            if key not in self._assignment:
                raise Invalid("consumer.not_assigned", **key._asdict())
        return keys

    def _require_open(self) -> None:
        if self._closed:
            raise Closed("client.closed", what="consumer")

    def _require_connected(self) -> _Link:
        self._require_open()
        if self._link is None:
            raise Invalid("client.not_connected", what="consumer")
        return self._link


def _topic_names(topics: Topics) -> list[str]:
    if isinstance(topics, re.Pattern):
        text = topics.pattern
        return [text if text.startswith("^") else f"^.*{text}"]
    return [topics] if isinstance(topics, str) else list(dict.fromkeys(topics))


def _seen(worker: asyncio.Task[None]) -> None:
    # Its error was told as an event; a caller of `run` gets it too.
    if not worker.cancelled():
        worker.exception()
