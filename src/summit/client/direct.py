"""Transactions in two or three round trips where brokers know `transaction.version` 2 (KIP-890).

    Produce, TxnOffsetCommit ─► Produce (what is known only then), EndTxn

librdkafka speaks the older protocol: it names partitions and the group to the coordinator first,
each with a round trip that is synced, and waits a millisecond before it does so, twice. Here they
join by what is written to them, and every end raises the epoch, so that nothing of an earlier
transaction can reach a later one. The end travels right behind the last records where one broker
takes both: it takes the requests of a connection in their order. Should it refuse those, the
transaction stands without them, and is told like one without a clean answer.

Only the way on which everything goes well is here. Whatever else an answer says: the transaction is
aborted, and librdkafka is to write it anew (`NotDirect`), with all that it knows of leaders that
move and of records that are refused. After a commit without a clean answer nobody knows what became
of it, as in `transactor.py`. Blocking; for one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from summit.base.clock import Clock
from summit.base.errors import Closed, Conflict, SummitError, Unavailable
from summit.base.rand import Rand
from summit.client.addresses import format_address
from summit.client.blocking_link import BlockingLink
from summit.client.placement import keyed_partition
from summit.client.proof import Proof
from summit.client.settings import ProducerConfig
from summit.client.types import Outgoing, TopicPartition, Written
from summit.protocol import codes
from summit.protocol.end_txn import END_TXN, EndTxnRequest
from summit.protocol.find_coordinator import FIND_COORDINATOR, FindCoordinatorRequest
from summit.protocol.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from summit.protocol.metadata import METADATA, MetadataRequest, MetadataRequestTopic
from summit.protocol.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from summit.protocol.txn_offset_commit import (
    TXN_OFFSET_COMMIT,
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from summit.records import Record, build_batch
from summit.records.batch import TRANSACTIONAL

_FEATURE: Final = "transaction.version"
_PRODUCE_VERSION: Final = 12  # topics by name; partitions join by it
_OFFSETS_VERSION: Final = 5  # the group joins by it
_END_VERSION: Final = 5  # raises the epoch
_NEEDED: Final = (
    (PRODUCE, _PRODUCE_VERSION), (TXN_OFFSET_COMMIT, _OFFSETS_VERSION), (END_TXN, _END_VERSION)
)  # fmt: skip
_GROUP, _TRANSACTION = 0, 1  # kinds of coordinators
_METADATA_MS: Final = 300_000  # between two looks at where the partitions are, as librdkafka's
_PAUSE_S: Final = 0.005
_RECORD_BYTES: Final = 64  # more than a record takes beside its key, value and headers
_OF_ANOTHER: Final = frozenset(
    (codes.PRODUCER_FENCED, codes.INVALID_PRODUCER_EPOCH, codes.INVALID_PRODUCER_ID_MAPPING)
)
_NOT_HERE: Final = (codes.NOT_COORDINATOR, codes.COORDINATOR_NOT_AVAILABLE)
_REBALANCED: Final = frozenset(
    (codes.ILLEGAL_GENERATION, codes.UNKNOWN_MEMBER_ID, codes.REBALANCE_IN_PROGRESS)
)
_COME_AGAIN: Final = frozenset(  # nothing was done: the transaction before is still being ended
    (codes.CONCURRENT_TRANSACTIONS, codes.COORDINATOR_LOAD_IN_PROGRESS)
)

Closing = Callable[[list[Written]], Sequence[Outgoing]]
_Batches = dict[TopicPartition, bytearray]


class NotDirect(Exception):
    """Nothing is open and nothing was written that counts: it is to be written another way.

    Args:
        for_good: The brokers do not know the newer protocol.
    """

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good


class _Refused(Exception):
    """A Kafka error code before the transaction's end."""

    def __init__(self, code: int) -> None:
        super().__init__(codes.name_of(code))
        self.code = code


class _NoCoordinator(OSError):
    """No broker keeps it now, by a Kafka error code."""

    def __init__(self, code: int) -> None:
        super().__init__(codes.name_of(code))
        self.code = code


class DirectTransactions:
    """One transactional id; see the module."""

    def __init__(self, config: ProducerConfig, clock: Clock) -> None:
        assert config.transactional_id is not None
        self._config = config
        self._id = config.transactional_id
        self._clock = clock
        self._rand = Rand()
        self._pause = threading.Event()
        self._links: dict[str, BlockingLink] = {}
        self._brokers: dict[int, str] = {}  # node → `host:port`
        self._away: set[str] = set()  # those that did not answer are asked last
        self._leaders: dict[str, list[int]] = {}  # topic → leader by partition
        self._looked_ms = 0.0
        self._coordinators: dict[tuple[int, str], str] = {}
        self._who = (-1, -1)  # producer id and epoch
        self._sequences: dict[tuple[str, int], int] = {}  # of the transaction under way

    def begin(self, deadline_ms: float) -> None:
        """Take the id over; what an older one has left open is settled. Raises NotDirect."""
        request = InitProducerIdRequest(
            transactional_id=self._id,
            transaction_timeout_ms=self._config.transaction_timeout_ms,
        )
        while True:
            try:
                answer = self._coordinator(_TRANSACTION, self._id).ask(INIT_PRODUCER_ID, 5, request)
                code = answer.error_code
            except _NoCoordinator as missing:
                code = missing.code
            except (OSError, EOFError, ValueError, SummitError) as error:
                raise NotDirect(str(error)) from error
            if code == codes.NONE:
                self._who = answer.producer_id, answer.producer_epoch
                return
            if code not in (*_COME_AGAIN, *_NOT_HERE) or self._is_late(deadline_ms):
                raise NotDirect(codes.name_of(code))
            self._coordinators.clear()
            self._pause.wait(10 * _PAUSE_S)

    def close(self) -> None:
        """End the connections. Idempotent."""
        links, self._links = self._links, {}
        for link in links.values():
            link.close()

    def write(
        self,
        watched: Sequence[Outgoing],
        others: Sequence[Outgoing],
        offsets: Mapping[TopicPartition, int],
        proof: Proof | None,
        closing: Closing,
        deadline_ms: float,
    ) -> list[Written]:
        """One transaction; the meaning is `Transactor.write`'s.

        Args:
            proof: None where there are no offsets.
        Raises: NotDirect; Closed, Unavailable: begin anew.
        """
        self._sequences = {}
        try:
            for place, link in list(self._links.items()):
                if not link.is_alive:  # brokers end those that rest
                    self._drop(place)
            written, last = self._fill(watched, others, offsets, proof, closing, deadline_ms)
        except _Refused as refused:
            if refused.code in _OF_ANOTHER:
                raise Closed("client.fenced", reason=str(refused)) from refused
            self.close()  # more answers may be on their way
            self._abort(deadline_ms)
            if refused.code in _REBALANCED:
                raise Conflict("consumer.rebalanced", reason=str(refused)) from refused
            raise NotDirect(str(refused)) from refused
        except (OSError, EOFError, SummitError) as error:
            self.close()
            self._abort(deadline_ms)
            raise NotDirect(str(error)) from error
        if offsets or self._sequences or last:  # of nothing the coordinator knows of no beginning
            self._commit(deadline_ms, last)
        return written

    # ---- a transaction ----

    def _fill(
        self,
        watched: Sequence[Outgoing],
        others: Sequence[Outgoing],
        offsets: Mapping[TopicPartition, int],
        proof: Proof | None,
        closing: Closing,
        deadline_ms: float,
    ) -> tuple[list[Written], _Batches]:
        """Write it but for its end; where `watched` stand, and what is to travel with the end."""
        last = None if watched else closing([])  # known already: one round trip less
        beside = None
        if offsets:
            assert proof is not None
            beside = _Beside(self._coordinator(_GROUP, proof.group_id), self._asked(offsets, proof))
        found = self._produce([*others, *watched, *(last or ())], deadline_ms, beside)
        found = found[len(others) : len(others) + len(watched)]
        if beside is not None:
            self._see_through(beside, deadline_ms)
        if last is not None:
            return found, {}
        last = closing(found)
        batches = self._for_the_end(last)
        if batches is None:
            self._produce(last, deadline_ms)
        return found, batches or {}

    def _for_the_end(self, records: Sequence[Outgoing]) -> _Batches | None:
        """A batch for each partition; None where others take them, or one would be too large."""
        by_place = self._by_place(records)
        coordinator = self._coordinator(_TRANSACTION, self._id)
        nodes = self._by_leader(by_place)
        if any(self._link(self._brokers[node]) is not coordinator for node in nodes):
            return None
        batches: _Batches = {}
        for place, indexes in by_place.items():
            part, *more = _batches(records, indexes, self._config.batch_size)
            if more:
                return None
            batches[place] = self._batch(records, part, place)
        return batches

    def _produce(
        self, records: Sequence[Outgoing], deadline_ms: float, beside: _Beside | None = None
    ) -> list[Written]:
        """Write records, those of a partition in their order; where they stand."""
        written: list[Written] = [Written(-1, -1)] * len(records)
        waiting = {
            place: list(_batches(records, indexes, self._config.batch_size))
            for place, indexes in self._by_place(records).items()
        }
        while waiting:  # one batch of each partition at a time
            batches = {
                place: self._batch(records, parts[0], place) for place, parts in waiting.items()
            }
            for place, base in self._exchange(batches, deadline_ms, beside).items():
                part = waiting[place].pop(0)
                self._sequences[place] = self._sequences.get(place, 0) + len(part)
                for offset, index in enumerate(part, base):
                    written[index] = Written(place.partition, offset)
                if not waiting[place]:
                    del waiting[place]
        return written

    def _batch(
        self, records: Sequence[Outgoing], indexes: Iterable[int], place: TopicPartition
    ) -> bytearray:
        now_ms = self._clock.now_ms()
        producer_id, epoch = self._who
        return build_batch(
            [
                Record(
                    0, each.timestamp_ms or now_ms, each.key, each.value, tuple(each.headers or ())
                )
                for each in map(records.__getitem__, indexes)
            ],
            attributes=TRANSACTIONAL,
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=self._sequences.get(place, 0),
        )

    def _exchange(
        self,
        batches: Mapping[TopicPartition, bytearray],
        deadline_ms: float,
        beside: _Beside | None,
    ) -> dict[TopicPartition, int]:
        """Send a batch to each partition; the offsets of their first records. Raises _Refused."""
        bases: dict[TopicPartition, int] = {}
        while len(bases) < len(batches):
            asked = []
            for node, places in self._by_leader(batches.keys() - bases.keys()).items():
                link = self._link(self._brokers[node])
                link.send(PRODUCE, _PRODUCE_VERSION, self._request(places, batches))
                asked.append(link)
            if beside is not None and beside.is_due:
                beside.send()
            again = False
            for link in asked:
                again |= self._bases(link.receive(PRODUCE, _PRODUCE_VERSION), bases, deadline_ms)
            if beside is not None:
                beside.hear()
            if again:
                self._pause.wait(_PAUSE_S)
        return bases

    def _request(
        self, places: Iterable[TopicPartition], batches: Mapping[TopicPartition, bytearray]
    ) -> ProduceRequest:
        topics: dict[str, TopicProduceData] = {}
        for place in sorted(places):
            topic = topics.setdefault(
                place.topic, TopicProduceData(name=place.topic, partitions=[])
            )
            topic.partitions.append(
                PartitionProduceData(index=place.partition, records=batches[place])
            )
        return ProduceRequest(
            transactional_id=self._id, acks=-1, timeout_ms=self._config.request_timeout_ms,
            topics=list(topics.values()),
        )  # fmt: skip

    def _bases(
        self, answer: ProduceResponse, bases: dict[TopicPartition, int], deadline_ms: float
    ) -> bool:
        """Note the offsets of an answer; whether some of it is to be sent again."""
        again = False
        for topic in answer.topics:
            for each in topic.partitions:
                if each.error_code == codes.NONE:
                    bases[TopicPartition(topic.name, each.index)] = each.base_offset
                elif each.error_code in _COME_AGAIN and not self._is_late(deadline_ms):
                    again = True
                else:
                    raise _Refused(each.error_code)
        return again

    def _asked(self, offsets: Mapping[TopicPartition, int], proof: Proof) -> TxnOffsetCommitRequest:
        topics: dict[str, TxnOffsetCommitRequestTopic] = {}
        for place, offset in offsets.items():
            topic = topics.setdefault(
                place.topic, TxnOffsetCommitRequestTopic(name=place.topic, partitions=[])
            )
            topic.partitions.append(
                TxnOffsetCommitRequestPartition(
                    partition_index=place.partition, committed_offset=offset
                )
            )
        producer_id, epoch = self._who
        return TxnOffsetCommitRequest(
            transactional_id=self._id, group_id=proof.group_id, producer_id=producer_id,
            producer_epoch=epoch, generation_id=proof.generation, member_id=proof.member_id,
            group_instance_id=proof.instance_id, topics=list(topics.values()),
        )  # fmt: skip

    def _see_through(self, beside: _Beside, deadline_ms: float) -> None:
        """Until the group's offsets are taken. Raises _Refused."""
        while True:
            if beside.is_due:
                beside.send()
            beside.hear()
            if beside.code == codes.NONE:
                return
            if beside.code not in _COME_AGAIN or self._is_late(deadline_ms):
                raise _Refused(beside.code)
            self._pause.wait(_PAUSE_S)
            beside.is_due = True

    # ---- its end ----

    def _commit(self, deadline_ms: float, last: _Batches) -> None:
        while True:
            try:
                code = self._end(is_commit=True, last=last)
            except (OSError, EOFError, SummitError) as error:
                self.close()
                raise Unavailable("client.broker_fault", reason=str(error)) from error
            if code == codes.NONE:
                return
            if code in _OF_ANOTHER:
                raise Closed("client.fenced", reason=codes.name_of(code))
            if code == codes.TRANSACTION_ABORTABLE:
                self._abort(deadline_ms)
                raise NotDirect(codes.name_of(code))
            if code == codes.NOT_COORDINATOR:  # it has moved, and nothing was done
                self._coordinators.clear()
            elif code not in _COME_AGAIN:
                raise Unavailable("client.broker_fault", reason=codes.name_of(code))
            if self._is_late(deadline_ms):
                raise Unavailable("client.timeout", reason=codes.name_of(code))
            last = {}  # it stands
            self._pause.wait(_PAUSE_S)

    def _abort(self, deadline_ms: float) -> None:
        """Prove that the id is this one's still and that nothing of the transaction counts.

        Raises: Closed, Unavailable.
        """
        while True:
            reason = ""
            try:
                code = self._end(is_commit=False)
                if code == codes.NONE:
                    return
                reason = codes.name_of(code)
                if code in _OF_ANOTHER:
                    raise Closed("client.fenced", reason=reason)
                if code in _NOT_HERE:
                    self._coordinators.clear()
                elif code not in _COME_AGAIN:
                    raise Unavailable("client.broker_fault", reason=reason)
            except (OSError, EOFError) as error:
                self.close()
                self._coordinators.clear()  # it may have moved
                reason = str(error)
            if self._is_late(deadline_ms):
                raise Unavailable("client.timeout", reason=reason)
            self._pause.wait(10 * _PAUSE_S)

    def _end(self, *, is_commit: bool, last: _Batches | None = None) -> int:
        """Ask for the end, behind these batches; the code.

        Raises: OSError, EOFError; Unavailable where the batches are refused.
        """
        producer_id, epoch = self._who
        request = EndTxnRequest(
            transactional_id=self._id, producer_id=producer_id, producer_epoch=epoch,
            committed=is_commit,
        )  # fmt: skip
        link = self._coordinator(_TRANSACTION, self._id)
        if last:
            link.send(PRODUCE, _PRODUCE_VERSION, self._request(last, last))
        link.send(END_TXN, _END_VERSION, request)
        refused = self._refusal(link) if last else codes.NONE
        answer = link.receive(END_TXN, _END_VERSION)
        code = answer.error_code
        if code == codes.NONE:
            self._who = answer.producer_id, answer.producer_epoch
        if refused != codes.NONE and code not in _OF_ANOTHER:
            reason = (
                f"{codes.name_of(refused)} of the last records, {codes.name_of(code)} of the end"
            )
            raise Unavailable("client.broker_fault", reason=reason)
        return code

    def _refusal(self, link: BlockingLink) -> int:
        """Why the batches that were sent last are not taken; NONE where they are."""
        try:
            self._bases(link.receive(PRODUCE, _PRODUCE_VERSION), {}, self._clock.monotonic_ms())
        except _Refused as refused:
            return refused.code
        return codes.NONE

    # ---- who is where ----

    def _by_place(self, records: Sequence[Outgoing]) -> dict[TopicPartition, list[int]]:
        """Indexes of what goes to each partition, in order."""
        found: dict[TopicPartition, list[int]] = {}
        for index, place in enumerate(self._places(records)):
            found.setdefault(place, []).append(index)
        return found

    def _places(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """Where each goes; those without a key and a partition stay together."""
        late = self._clock.monotonic_ms() - self._looked_ms > _METADATA_MS
        topics = {record.topic for record in records}
        if late or not topics <= self._leaders.keys():
            self._look(topics if not late else topics | self._leaders.keys())
        chosen = {topic: self._rand.randint(0, len(self._leaders[topic]) - 1) for topic in topics}
        return [
            TopicPartition(
                record.topic,
                record.partition if record.partition >= 0
                else chosen[record.topic] if record.key is None
                else keyed_partition(record.key, len(self._leaders[record.topic])),
            )
            for record in records
        ]  # fmt: skip

    def _look(self, topics: Iterable[str]) -> None:
        """Raises _Refused where one is not there, or has no leader now."""
        asked = [MetadataRequestTopic(name=topic) for topic in sorted(topics)]
        request = MetadataRequest(topics=asked, allow_auto_topic_creation=False)
        answer = self._any_link().ask(METADATA, 12, request)
        self._brokers = {
            each.node_id: format_address(each.host, each.port) for each in answer.brokers
        }
        for topic in answer.topics:
            name = topic.name or ""
            self._leaders.pop(name, None)
            faults = [topic.error_code, *(each.error_code for each in topic.partitions)]
            leaders = {each.partition_index: each.leader_id for each in topic.partitions}
            if any(faults) or sorted(leaders) != list(range(len(leaders))) or not leaders:
                raise _Refused(next(filter(None, faults), codes.UNKNOWN_TOPIC_OR_PARTITION))
            self._leaders[name] = [leaders[index] for index in range(len(leaders))]
        self._looked_ms = self._clock.monotonic_ms()

    def _by_leader(self, places: Iterable[TopicPartition]) -> dict[int, list[TopicPartition]]:
        found: dict[int, list[TopicPartition]] = {}
        for place in places:
            leaders = self._leaders[place.topic]
            if place.partition >= len(leaders) or leaders[place.partition] not in self._brokers:
                raise _Refused(codes.UNKNOWN_TOPIC_OR_PARTITION)
            found.setdefault(leaders[place.partition], []).append(place)
        return found

    def _coordinator(self, kind: int, key: str) -> BlockingLink:
        """A link to who keeps a group or a transactional id. Raises OSError; Unavailable."""
        if (kind, key) not in self._coordinators:
            request = FindCoordinatorRequest(key=key, key_type=kind, coordinator_keys=[key])
            answer = self._any_link().ask(FIND_COORDINATOR, 4, request)
            found = answer.coordinators[0] if answer.coordinators else answer
            if found.error_code != codes.NONE:
                raise _NoCoordinator(found.error_code)
            self._coordinators[kind, key] = format_address(found.host, found.port)
        return self._link(self._coordinators[kind, key])

    def _any_link(self) -> BlockingLink:
        """A link to any broker. Raises OSError where none is there."""
        failure: Exception = OSError("no brokers")
        known = dict.fromkeys([*self._links, *self._brokers.values(), *self._config.servers])
        for place in sorted(known, key=self._away.__contains__):
            try:
                link = self._link(place)
            except (OSError, EOFError, ValueError, SummitError) as error:
                failure = error
                self._away.add(place)
            else:
                self._away.discard(place)
                return link
        raise failure

    def _link(self, place: str) -> BlockingLink:
        link = self._links.get(place)
        if link is None:
            timeout_s = min(self._config.request_timeout_ms, self._config.transaction_timeout_ms)
            security = self._config.known_as
            link = BlockingLink(place, self._config.client_id, timeout_s / 1000, security)
            speaks = all(link.newest(api, version) >= version for api, version in _NEEDED)
            if not speaks or link.features.get(_FEATURE, 0) < 2:
                link.close()
                # One that has just started may not know yet which features are in force.
                for_good = not speaks or _FEATURE in link.features
                raise NotDirect("the broker does not know transaction.version 2", for_good=for_good)
            self._links[place] = link
        return link

    def _drop(self, place: str) -> None:
        self._links.pop(place).close()

    def _is_late(self, deadline_ms: float) -> bool:
        return self._clock.monotonic_ms() >= deadline_ms


class _Beside:
    """The group's offsets, on their way while records are written.

    Attributes:
        is_due: They are to be sent.
        code: What the coordinator has said; -1 before.
    """

    def __init__(self, link: BlockingLink, request: TxnOffsetCommitRequest) -> None:
        self._link = link
        self._request = request
        self._is_awaited = False
        self.is_due = True
        self.code = -1

    def send(self) -> None:
        """Send them. Raises OSError."""
        self._link.send(TXN_OFFSET_COMMIT, _OFFSETS_VERSION, self._request)
        self.is_due, self._is_awaited = False, True

    def hear(self) -> None:
        """Take the answer that is awaited, if one is. Raises OSError, EOFError."""
        if not self._is_awaited:
            return
        answer = self._link.receive(TXN_OFFSET_COMMIT, _OFFSETS_VERSION)
        self._is_awaited = False
        faults = (each.error_code for topic in answer.topics for each in topic.partitions)
        self.code = next(filter(None, faults), codes.NONE)


def _batches(
    records: Sequence[Outgoing], indexes: Sequence[int], most_bytes: int
) -> Iterator[list[int]]:
    """Cut what goes to one partition into batches of about `most_bytes`."""
    part: list[int] = []
    size = 0
    for index in indexes:
        record = records[index]
        more = _RECORD_BYTES + len(record.key or b"") + len(record.value or b"")
        for name, value in record.headers or ():
            more += len(name) + len(value or b"") + 8
        if part and size + more > most_bytes:
            yield part
            part, size = [], 0
        part.append(index)
        size += more
    if part:
        yield part
