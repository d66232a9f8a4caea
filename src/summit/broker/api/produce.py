"""Produce: key 0, versions 3-13 (advertised from 0).

Behaviour: one record batch per partition; it is checked (format, CRC), given its offsets in place
and stored as it came. Each partition succeeds or fails alone. acks=0 is never answered; an error
then ends the connection, as in Kafka. acks=1 and acks=-1 are answered alike, when the batch is
durable in the sense of the broker's durability setting and visible to readers. A repeated batch
of an idempotent producer is answered with its first offsets. A transactional batch must belong to
an open transaction of its transactional id; it is answered like any other.
Where a topic's settings want records opened (codec, keys, times), a large request is worked on by
a thread first.
Versions: 8 error messages, and which records of a batch are wrong · 12 a partition joins the
transaction by its batch; before it AddPartitionsToTxn must have been answered · 13 topics by id.
Deviations: acks=1 waits for the sync as well; it costs nothing beyond the group commit. The
request's timeout is not used: an answer waits for the disk only.

This is the hot path: it works on plain tuples (`protocol.produce_fast`) and one small object per
request.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.files import Buffer
from summit.broker.disk_thread import attempt
from summit.broker.preparing import INLINE_BYTES_MAX, BatchRules
from summit.broker.request import Request
from summit.broker.security import quotas
from summit.broker.security.access import Access
from summit.broker.state import BrokerState
from summit.log.partition import PartitionLog
from summit.protocol import acls, codes
from summit.protocol.primitives import uuid_of
from summit.protocol.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceResponse,
)
from summit.protocol.produce_fast import (
    ProduceAck,
    ProducePart,
    build_produce_response,
    parse_produce,
)
from summit.records import HEADER_BYTES, BatchHeader, parse_header, validate_batch

# Number of a part, its batch, what its topic asks.
_Work = tuple[int, memoryview, BatchRules]
# A batch as its topic stores it, or why it does not.
Prepared = tuple[tuple[Buffer, BatchHeader] | None, SummitError | None]

# Offsets and times of an answer that is an error.
_NO_OFFSET = -1
_NO_TIME = -1
_NO_START = -1


class _Produced:
    """A Produce request between its staging and its answer."""

    __slots__ = (
        "access", "acks", "errors", "request", "staged", "state", "throttle_ms", "transactional_id",
    )  # fmt: skip

    def __init__(self, state: BrokerState, request: Request, transactional_id: str | None) -> None:
        self.state = state
        self.request = request
        self.transactional_id = transactional_id
        guard = state.guard
        self.access = None if guard is None else guard.access(request.connection)
        self.throttle_ms = 0
        self.staged: list[PartitionLog] = []
        self.acks: list[ProduceAck] = []
        self.errors: dict[int, SummitError] = {}  # by index in `acks`

    def durable(self, error: SummitError | None) -> None:
        """Answer: what was staged is on the disk, or the disk refused it."""
        if error is not None:
            code = codes.code_of(error)
            for i, (topic, index, own, *_) in enumerate(self.acks):
                if own == codes.NONE:
                    self.acks[i] = (topic, index, code, _NO_OFFSET, _NO_TIME, _NO_START)
                    self.errors[i] = error
                    _count_failure(self.state, topic)
        self.answer()

    def answer(self) -> None:
        request = self.request
        if self.errors and request.version >= 8:
            request.reply(self._with_messages())
        else:
            request.respond(
                build_produce_response(
                    request.version, request.correlation_id, self.acks, self.throttle_ms
                )
            )

    def _with_messages(self) -> ProduceResponse:
        topics: list[TopicProduceResponse] = []
        last: str | bytes | None = None
        for i, (topic, index, error, base, append_ms, start) in enumerate(self.acks):
            if topic != last:
                last = topic
                topics.append(
                    TopicProduceResponse(name=topic, partitions=[])
                    if isinstance(topic, str)
                    else TopicProduceResponse(topic_id=uuid_of(topic), partitions=[])
                )
            why = self.errors.get(i)
            topics[-1].partitions.append(
                PartitionProduceResponse(
                    index=index,
                    error_code=error,
                    base_offset=base,
                    log_append_time_ms=append_ms,
                    log_start_offset=start,
                    record_errors=[] if why is None else _record_errors(why),
                    error_message=None if why is None else str(why),
                )
            )
        return ProduceResponse(topics=topics, throttle_time_ms=self.throttle_ms)


def _record_errors(error: SummitError) -> list[BatchIndexAndErrorMessage]:
    """Which records of the batch are to blame, if it is them."""
    text = str(error)
    return [
        BatchIndexAndErrorMessage(batch_index=number, batch_index_error_message=text)
        for number in error.details.get("record_numbers", ())
    ]


def handle(state: BrokerState, request: Request, view: memoryview, position: int) -> None:
    """Stage every batch of the request; answer when they are durable.

    Raises: SummitError for a body that cannot be read.
    """
    transactional_id, acks_wanted, _, parts = parse_produce(request.version, view, position)
    produced = _Produced(state, request, transactional_id)
    if acks_wanted != 0:
        request.connection.expect(request)
    if state.quotas.is_any:
        produced.throttle_ms = state.quotas.charge(request, quotas.PRODUCE, len(view))
    if len(view) > INLINE_BYTES_MAX:
        work = _heavy(state, parts)
        if work:
            _prepare_first(state, produced, acks_wanted, parts, work, len(view))
            return
    _stage_all(state, produced, acks_wanted, parts, {}, len(view))


def _heavy(state: BrokerState, parts: Sequence[ProducePart]) -> list[_Work]:
    """The batches whose records a topic's settings want opened."""
    found: list[_Work] = []
    for i, (topic_key, _, records) in enumerate(parts):
        topic = (
            state.topics.named(topic_key)
            if isinstance(topic_key, str)
            else state.topics.with_id(uuid_of(topic_key))
        )
        if topic is None or records is None or not len(records) > HEADER_BYTES:
            continue
        if len(records) <= topic.batch_max_bytes and topic.rules.opens(parse_header(records)):
            found.append((i, records, topic.rules))
    return found


def _prepare_first(
    state: BrokerState,
    produced: _Produced,
    acks_wanted: int,
    parts: Sequence[ProducePart],
    work: list[_Work],
    size_bytes: int,
) -> None:
    """Have batches opened on a thread; stage when that is done. The connection waits so long."""
    now_ms = state.clock.now_ms()
    connection = produced.request.connection
    connection.hold()

    def prepare() -> dict[int, Prepared]:
        return {i: attempt(partial(_open, records, rules, now_ms)) for i, records, rules in work}

    def done(prepared: dict[int, Prepared] | None, error: SummitError | None) -> None:
        assert prepared is not None
        # Whoever sent it may be gone; it was taken all the same, as without the thread.
        _stage_all(state, produced, acks_wanted, parts, prepared, size_bytes)
        if connection.is_open:
            connection.release()

    state.preparer.run(prepare, done)


def _open(records: memoryview, rules: BatchRules, now_ms: int) -> tuple[Buffer, BatchHeader]:
    return rules.apply(records, validate_batch(records), now_ms)


def _stage_all(
    state: BrokerState,
    produced: _Produced,
    acks_wanted: int,
    parts: Sequence[ProducePart],
    prepared: dict[int, Prepared],
    size_bytes: int,
) -> None:
    acks = produced.acks
    now_ms = state.clock.now_ms()
    staged = produced.staged
    for topic_key, index, records in parts:
        try:
            ready = prepared.get(len(acks)) if prepared else None
            ack = _stage(state, topic_key, index, records, acks_wanted, now_ms, produced, ready)
        except SummitError as error:
            produced.errors[len(acks)] = error
            _count_failure(state, topic_key)
            ack = (topic_key, index, codes.code_of(error), _NO_OFFSET, _NO_TIME, _NO_START)
        acks.append(ack)
    if acks_wanted == 0:
        if produced.errors:
            produced.request.connection.close()
        if staged:
            state.commit.when_durable(_nobody_waits, staged, size_bytes)
        return
    if staged:
        state.commit.when_durable(produced.durable, staged, size_bytes)
    else:
        produced.answer()


def _stage(
    state: BrokerState,
    topic_key: str | bytes,
    index: int,
    records: memoryview | None,
    acks_wanted: int,
    now_ms: int,
    produced: _Produced,
    ready: Prepared | None,
) -> ProduceAck:
    if isinstance(topic_key, str):
        topic = state.topics.named(topic_key)
        if topic is None or not 0 <= index < len(topic.partitions) or topic.is_deleted:
            if produced.access is not None:
                _see_rights(produced, produced.access, topic_key)
            raise Invalid("topic.unknown", topic=f"{topic_key}-{index}")
    else:
        topic = state.topics.with_id(uuid_of(topic_key))
        if topic is None or topic.is_deleted:
            raise Invalid("topic.id_unknown", topic_id=str(uuid_of(topic_key)))
        if not 0 <= index < len(topic.partitions):
            raise Invalid("topic.unknown", topic=f"{topic.name}-{index}")
    if produced.access is not None:
        _see_rights(produced, produced.access, topic.name)
    if acks_wanted not in (-1, 1, 0):
        raise Invalid("produce.acks_invalid", acks=acks_wanted)
    if acks_wanted == -1 and topic.min_insync_replicas > 1:
        raise Unavailable("produce.replicas_missing", least=topic.min_insync_replicas)
    if topic.is_internal:
        raise Invalid("topic.internal", topic=topic.name)
    if records is None:
        raise Invalid("batch.bad_format", reason="no records")
    size = len(records)
    if size > topic.batch_max_bytes:
        raise Invalid("batch.too_large", size_bytes=size, limit_bytes=topic.batch_max_bytes)
    batch, header = _fit(topic.rules, records, now_ms, ready)
    if header.base_offset != 0:
        raise Invalid("batch.bad_format", reason=f"base offset {header.base_offset} instead of 0")
    if header.is_transactional:
        _admit(state, produced, header, topic.name, index)
    partition = topic.partitions[index]
    log = partition.log
    result = log.stage(batch, now_ms, header)
    if not result.published:
        produced.staged.append(log)
    partition.bytes_in += size
    metrics = state.metrics
    metrics.messages_in += header.record_count
    metrics.bytes_in += size
    counters = topic.counters
    counters.messages_in += header.record_count
    counters.bytes_in += size
    return (
        topic_key, index, 0, result.base_offset, result.log_append_time, log.start_offset,
    )  # fmt: skip


def _see_rights(produced: _Produced, access: Access, topic: str) -> None:
    """Raise Invalid("security.denied" | "security.id_denied") where the client may not write."""
    name = produced.transactional_id
    metrics = produced.state.metrics
    if name is not None and not access.may(acls.WRITE, acls.TRANSACTIONAL_ID, name):
        metrics.denied_requests += 1
        raise Invalid("security.id_denied", principal=access.principal, name=name)
    if not access.topic(acls.WRITE, topic):
        metrics.denied_requests += 1
        raise Invalid("security.denied", principal=access.principal, topic=topic)


def _admit(
    state: BrokerState, produced: _Produced, header: BatchHeader, topic: str, index: int
) -> None:
    """Ask the coordinator; what it stages shares the fate of the batch. Raises SummitError."""
    if produced.transactional_id is None:
        raise Invalid("batch.transactional")
    transactions = state.transactions
    staged = transactions.admit(
        produced.transactional_id,
        (header.producer_id, header.producer_epoch),
        (topic, index),
        version=produced.request.version,
    )
    if staged:
        produced.staged.append(transactions.log)


def _fit(
    rules: BatchRules, records: memoryview, now_ms: int, ready: Prepared | None
) -> tuple[Buffer, BatchHeader]:
    """The batch as the topic's settings want it. Raises SummitError."""
    if ready is not None:
        found, error = ready
        if found is None:
            assert error is not None
            raise error
        rules.check_time(found[1], now_ms)
        return found
    header = validate_batch(records)
    rules.check_time(header, now_ms)
    return rules.apply(records, header, now_ms) if rules.opens(header) else (records, header)


def _count_failure(state: BrokerState, topic_key: str | bytes) -> None:
    state.metrics.failed_produce_requests += 1
    table = state.topics
    if isinstance(topic_key, str):
        topic = table.named(topic_key)
    else:
        topic = table.with_id(uuid_of(topic_key))
    if topic is not None:
        topic.counters.failed_produce_requests += 1


def _nobody_waits(error: SummitError | None) -> None:
    """acks=0: whoever sent this does not want to know."""
