"""The blocking half of the consumer: everything that calls librdkafka, on a thread of ours.

Nothing here runs on a loop. Waits are cut into slices, so that `interrupt` ends them soon.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError
from summit.client import librdkafka
from summit.client.converting import Convert, piece_of
from summit.client.faults import translate
from summit.client.positions import Offsets
from summit.client.settings import ConsumerConfig
from summit.client.threads import RightOfWay
from summit.client.types import TopicPartition

_SEEK_TRIES: Final = 200  # of 10 ms: right after an assignment librdkafka refuses to seek
_PIECE_RECORDS: Final = 250  # asked of librdkafka at once: more are slower, by Python's collector
RAISED: Final = frozenset({"consumer.no_offset", "client.fenced", "client.closed"})  # ends reading
BEGINNING: Final = -2  # librdkafka's own numbers, as in Kafka's ListOffsets
END: Final = -1


class Fetched(NamedTuple):
    """What one wait brought.

    Args:
        records: Of the kind that the reader makes.
        ends: Partitions read to their end, and that end.
        next_offsets: Per partition the offset behind its last record.
    """

    records: list[Any]
    faults: list[SummitError]
    ends: Offsets
    next_offsets: Offsets


class Committed(NamedTuple):
    """What a commit achieved."""

    offsets: Offsets
    fault: SummitError | None


class Told(NamedTuple):
    """What the reader tells the consumer: assigned, revoked, lost, committed or error."""

    what: str
    partitions: list[TopicPartition]
    offsets: Offsets
    fault: SummitError | None = None


class Reader:
    """One librdkafka consumer.

    Args:
        due: What to commit before partitions are given away; called on the reader's thread.
        tell: Takes what happened; called on the reader's thread.
        tell_ends: Whether `Fetched.ends` is wanted.
        convert: Makes records of messages; by default each a `ConsumerRecord`.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        clock: Clock,
        *,
        due: Callable[[], Offsets],
        tell: Callable[[Told], None],
        tell_ends: bool = False,
        convert: Convert = piece_of,
    ) -> None:
        self._config = config
        self._convert = convert
        self._tell_ends = tell_ends
        self._clock = clock
        self._due = due
        self._tell = tell
        self._handle: Any = None
        self._library: Any = None
        self._fetched: Fetched | None = None  # by the running fetch so far
        self._interrupted = threading.Event()
        self._way = RightOfWay()

    def interrupt(self) -> None:
        """End the wait of the running or the next `fetch`. From any thread."""
        self._interrupted.set()

    def dial(self, addresses: list[str]) -> None:
        """Connect and see that a broker answers. Raises Unavailable."""
        self._library = librdkafka.load()
        settings = librdkafka.consumer_settings(self._config, addresses, self._library_told)
        settings["enable.partition.eof"] = self._tell_ends
        try:
            self._handle = self._library.Consumer(settings)
            self._handle.list_topics(timeout=self._config.connect_timeout_ms / 1000)
        except self._library.KafkaException as error:
            if self._handle is not None:
                self._handle.close()
            raise translate(error, brokers=", ".join(addresses)) from error

    def close(self) -> None:
        """Leave the group and end librdkafka's threads; partitions are revoked on the way."""
        self._handle.close()

    def fetch(self, count: int, timeout_ms: float) -> Fetched:
        """Wait for records: up to `count` of those that are there when the first is."""
        deadline_ms = self._clock.monotonic_ms() + timeout_ms
        consume = self._handle.consume
        while True:
            slice_s = self._way.give(self._config.request_timeout_ms / 1000)
            left_ms = max(0.0, deadline_ms - self._clock.monotonic_ms())
            messages = consume(1, min(left_ms / 1000, slice_s))
            if messages or self._interrupted.is_set() or left_ms == 0:
                fetched, asked = Fetched([], [], {}, {}), 1
                self._fetched = fetched
                while messages:
                    self._sort(messages, fetched)
                    count -= len(messages)
                    if not count or len(messages) < asked:
                        break
                    # Asked for many at once, librdkafka would wait until all of them are there.
                    asked = min(count, _PIECE_RECORDS)
                    messages = consume(asked, 0)
                self._fetched = None
                self._interrupted.clear()
                return fetched

    def _sort(self, messages: list[Any], into: Fetched) -> None:
        """Records, faults and ends out of messages, in their order."""
        if any(map(type(messages[0]).error, messages)):
            messages = [message for message in messages if not self._takes_error(message, into)]
        if messages:
            piece = self._convert(messages)
            into.records.extend(piece.records)
            into.next_offsets.update(piece.next_offsets)

    def _takes_error(self, message: Any, into: Fetched) -> bool:
        """Whether it is an error, or the word that a partition was read to its end."""
        error = message.error()
        if error is None:
            return False
        topic, partition = message.topic(), message.partition()
        if error.name() == "_PARTITION_EOF":
            into.ends[TopicPartition(topic, partition)] = message.offset()
        elif not _is_empty_pattern(error, topic):
            into.faults.append(translate(error, topic=topic, partition=partition))
        return True

    def subscribe(self, topics: list[str]) -> None:
        """Replace the subscription; an empty list ends it. Raises Invalid."""
        if topics:
            self._guard(
                lambda: self._handle.subscribe(
                    topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
                )
            )
        else:
            self._guard(self._handle.unsubscribe)

    def assign(self, offsets: dict[TopicPartition, int | None]) -> None:
        """Read exactly these partitions, each from its offset (None: committed, or the reset)."""
        parts = [
            self._library.TopicPartition(
                key.topic, key.partition, self._library.OFFSET_INVALID if at is None else at
            )
            for key, at in offsets.items()
        ]
        if parts:
            self._guard(lambda: self._handle.assign(self._pinned(parts)))
        else:
            self._guard(self._handle.unassign)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at `offset` (-2 = beginning, -1 = end). Raises Invalid."""
        part = self._library.TopicPartition(partition.topic, partition.partition, offset)
        pause = threading.Event()
        for attempt in range(_SEEK_TRIES):
            try:
                self._handle.seek(part)
            except self._library.KafkaException as error:
                if error.args[0].name() != "_STATE" or attempt == _SEEK_TRIES - 1:
                    raise translate(error, **partition._asdict()) from error
                pause.wait(0.01)
            else:
                return

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Bring no records of these partitions until `resume`."""
        self._guard(lambda: self._handle.pause(self._parts(partitions)))

    def resume(self, partitions: list[TopicPartition]) -> None:
        """Bring records of these partitions again."""
        self._guard(lambda: self._handle.resume(self._parts(partitions)))

    def commit(
        self, offsets: Offsets, metadata: dict[TopicPartition, str] | None = None
    ) -> Committed:
        """Tell the group; waits for the coordinator's answer."""
        texts = metadata or {}
        parts = []
        for key, offset in offsets.items():
            part = self._library.TopicPartition(key.topic, key.partition, offset)
            if key in texts:
                part = self._library.TopicPartition(key.topic, key.partition, offset, texts[key])
            parts.append(part)
        try:
            with self._way:
                answers = self._handle.commit(offsets=parts, asynchronous=False)
        except self._library.KafkaException as error:
            return Committed({}, translate(error, group=self._config.group_id))
        done: Offsets = {}
        fault: SummitError | None = None
        for answer in answers:
            key = TopicPartition(answer.topic, answer.partition)
            if answer.error is None:
                done[key] = offsets[key]
            else:
                fault = translate(answer.error, group=self._config.group_id, **key._asdict())
        return Committed(done, fault)

    def committed(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int | None]:
        """The group's offsets; None where it has none. Raises Unavailable."""
        try:
            with self._way:
                answers = self._handle.committed(
                    self._parts(partitions), timeout=self._config.request_timeout_ms / 1000
                )
        except self._library.KafkaException as error:
            raise translate(error, group=self._config.group_id) from error
        found: dict[TopicPartition, int | None] = {}
        for answer in answers:
            key = TopicPartition(answer.topic, answer.partition)
            if answer.error is not None:
                raise translate(answer.error, **key._asdict())
            found[key] = answer.offset if answer.offset >= 0 else None
        return found

    def group_metadata(self) -> Any:
        """librdkafka's own object for `send_offsets_to_transaction`."""
        with self._way:
            return self._handle.consumer_group_metadata()

    def bounds(self, partition: TopicPartition) -> tuple[int, int]:
        """First kept and next readable offset. Raises Invalid or Unavailable."""
        part = self._library.TopicPartition(partition.topic, partition.partition)
        try:
            with self._way:
                first, last = self._handle.get_watermark_offsets(
                    part, timeout=self._config.request_timeout_ms / 1000
                )
        except self._library.KafkaException as error:
            raise translate(error, **partition._asdict()) from error
        return int(first), int(last)

    def offsets_at(self, partitions: list[TopicPartition], timestamp_ms: int) -> Offsets:
        """First offset of that time or later; `END` where there is none. Raises Unavailable."""
        parts = [
            self._library.TopicPartition(key.topic, key.partition, timestamp_ms)
            for key in partitions
        ]
        if not parts:
            return {}
        try:
            with self._way:
                answers = self._handle.offsets_for_times(
                    parts, timeout=self._config.request_timeout_ms / 1000
                )
        except self._library.KafkaException as error:
            raise translate(error) from error
        found: Offsets = {}
        for answer in answers:
            key = TopicPartition(answer.topic, answer.partition)
            if answer.error is not None:
                raise translate(answer.error, **key._asdict())
            found[key] = answer.offset if answer.offset >= 0 else END
        return found

    def partition_count(self, topic: str) -> int:
        """How many partitions a topic has. Raises Invalid("topic.unknown") or Unavailable."""
        timeout_s = self._config.request_timeout_ms / 1000
        try:
            found = self._handle.list_topics(topic, timeout=timeout_s).topics[topic]
        except self._library.KafkaException as error:
            raise translate(error, topic=topic) from error
        if found.error is not None:
            raise translate(found.error, topic=topic)
        return len(found.partitions)

    def _parts(self, partitions: Iterable[TopicPartition]) -> list[Any]:
        return [self._library.TopicPartition(part.topic, part.partition) for part in partitions]

    def _pinned(self, parts: list[Any]) -> list[Any]:
        """Look up where to start, instead of leaving it to librdkafka.

        With `latest` the log's end must not move until the first fetch; and librdkafka takes a
        tenth of a second for a reset.
        """
        reset = self._config.auto_offset_reset
        open_parts = [part for part in parts if part.offset < 0]
        if reset == "none" or not open_parts:
            return parts
        keys = _keys(open_parts)
        try:
            committed = self.committed(keys)
            for part, key in zip(open_parts, keys, strict=True):
                at = committed[key]
                if at is None:
                    first, last = self.bounds(key)
                    at = last if reset == "latest" else first
                part.offset = at
        except SummitError:
            return parts  # librdkafka finds out by itself, only later
        return parts

    def _assigned(self, handle: Any, parts: list[Any]) -> None:
        # On the thread that polls, like the two below.
        handle.assign(self._pinned(parts))
        self._tell(Told("assigned", _keys(parts), {}))

    def _revoked(self, handle: Any, parts: list[Any]) -> None:
        keys = _keys(parts)
        gone = set(keys)
        due = {key: at for key, at in self._due().items() if key in gone}
        done = self.commit(due) if due and self._config.enable_auto_commit else Committed({}, None)
        handle.unassign()
        self._forget(keys)
        self._tell(Told("revoked", keys, done.offsets, done.fault))

    def _lost(self, handle: Any, parts: list[Any]) -> None:
        # Somebody else may have these partitions already: a commit would only be refused.
        handle.unassign()
        self._forget(_keys(parts))
        self._tell(Told("lost", _keys(parts), {}))

    def _forget(self, keys: list[TopicPartition]) -> None:
        """Drop what the running fetch has of partitions that it loses on its way."""
        fetched, gone = self._fetched, set(keys)
        if fetched is None:
            return
        fetched.records[:] = [
            record for record in fetched.records if (record.topic, record.partition) not in gone
        ]
        for key in keys:
            fetched.next_offsets.pop(key, None)
            fetched.ends.pop(key, None)

    def _library_told(self, error: Any) -> None:
        if error.name() != "_TRANSPORT":  # one connection; all of them lost is told on its own
            self._tell(Told("error", [], {}, translate(error, brokers="", what="consumer")))

    def _guard(self, fn: Callable[[], None]) -> None:
        """Run `fn` with librdkafka's complaints in our words."""
        try:
            fn()
        except self._library.KafkaException as error:
            raise translate(error, group=self._config.group_id) from error
        except (RuntimeError, ValueError, TypeError) as error:
            raise Invalid("client.refused", reason=str(error)) from error


def _is_empty_pattern(error: Any, topic: str | None) -> bool:
    """A pattern that no topic matches yet is not an error."""
    return error.name() == "UNKNOWN_TOPIC_OR_PART" and topic is not None and topic[:1] == "^"


def _keys(parts: list[Any]) -> list[TopicPartition]:
    return [TopicPartition(part.topic, part.partition) for part in parts]
