"""Produce: key 0, versions 3-13 (advertised from 0).

Behaviour: one record batch per partition; it is checked (format, CRC), given its offsets in place
and stored as it came. Each partition succeeds or fails alone. acks=0 is never answered; an error
then ends the connection, as in Kafka. acks=1 and acks=-1 are answered alike, when the batch is
durable in the sense of the broker's durability setting and visible to readers. A repeated batch
of an idempotent producer is answered with its first offsets.
Versions: 8 error messages · 13 topics by id.
Deviations: acks=1 waits for the sync as well; it costs nothing beyond the group commit. The
request's timeout is not used: an answer waits for the disk only.

This is the hot path: it works on plain tuples (`protocol.produce_fast`) and one small object per
request.
"""

from __future__ import annotations

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.log.partition import PartitionLog
from summit.protocol import codes
from summit.protocol.primitives import uuid_of
from summit.protocol.produce import (
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceResponse,
)
from summit.protocol.produce_fast import ProduceAck, build_produce_response, parse_produce
from summit.records import validate_batch

# Offsets and times of an answer that is an error.
_NO_OFFSET = -1
_NO_TIME = -1
_NO_START = -1


class _Produced:
    """A Produce request between its staging and its answer."""

    __slots__ = ("acks", "messages", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.acks: list[ProduceAck] = []
        self.messages: dict[int, str] = {}  # index in `acks` → error message

    def durable(self, error: SummitError | None) -> None:
        """Answer: what was staged is on the disk, or the disk refused it."""
        if error is not None:
            code, text = codes.code_of(error), str(error)
            for i, (topic, index, own, *_) in enumerate(self.acks):
                if own == codes.NONE:
                    self.acks[i] = (topic, index, code, _NO_OFFSET, _NO_TIME, _NO_START)
                    self.messages[i] = text
        self.answer()

    def answer(self) -> None:
        request = self.request
        if self.messages and request.version >= 8:
            request.reply(self._with_messages())
        else:
            request.respond(
                build_produce_response(request.version, request.correlation_id, self.acks)
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
            topics[-1].partitions.append(
                PartitionProduceResponse(
                    index=index,
                    error_code=error,
                    base_offset=base,
                    log_append_time_ms=append_ms,
                    log_start_offset=start,
                    error_message=self.messages.get(i),
                )
            )
        return ProduceResponse(topics=topics)


def handle(state: BrokerState, request: Request, view: memoryview, position: int) -> None:
    """Stage every batch of the request; answer when they are durable.

    Raises: SummitError for a body that cannot be read.
    """
    _, acks_wanted, _, parts = parse_produce(request.version, view, position)
    produced = _Produced(request)
    acks = produced.acks
    now_ms = state.clock.now_ms()
    staged: list[PartitionLog] = []
    for topic_key, index, records in parts:
        try:
            ack = _stage(state, topic_key, index, records, acks_wanted, now_ms, staged)
        except SummitError as error:
            produced.messages[len(acks)] = str(error)
            ack = (topic_key, index, codes.code_of(error), _NO_OFFSET, _NO_TIME, _NO_START)
        acks.append(ack)
    if acks_wanted == 0:
        if produced.messages:
            request.connection.close()
        if staged:
            state.commit.when_durable(_nobody_waits, staged, len(view))
        return
    request.connection.expect(request)
    if staged:
        state.commit.when_durable(produced.durable, staged, len(view))
    else:
        produced.answer()


def _stage(
    state: BrokerState,
    topic_key: str | bytes,
    index: int,
    records: memoryview | None,
    acks_wanted: int,
    now_ms: int,
    staged: list[PartitionLog],
) -> ProduceAck:
    if isinstance(topic_key, str):
        topic = state.topics.named(topic_key)
        if topic is None or not 0 <= index < len(topic.partitions) or topic.is_deleted:
            raise Invalid("topic.unknown", topic=f"{topic_key}-{index}")
    else:
        topic = state.topics.with_id(uuid_of(topic_key))
        if topic is None or topic.is_deleted:
            raise Invalid("topic.id_unknown", topic_id=str(uuid_of(topic_key)))
        if not 0 <= index < len(topic.partitions):
            raise Invalid("topic.unknown", topic=f"{topic.name}-{index}")
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
    header = validate_batch(records)
    if header.is_transactional:
        raise Invalid("batch.transactional")
    partition = topic.partitions[index]
    log = partition.log
    result = log.stage(records, now_ms, header)
    if not result.published:
        staged.append(log)
    partition.bytes_in += size
    metrics = state.metrics
    metrics.messages_in += header.record_count
    metrics.bytes_in += size
    return (
        topic_key, index, 0, result.base_offset, result.log_append_time, log.start_offset,
    )  # fmt: skip


def _nobody_waits(error: SummitError | None) -> None:
    """acks=0: whoever sent this does not want to know."""
