"""Producers without transactions: plain ones, and idempotent ones that send everything once.

An idempotent producer sends up to five batches of a partition before the first is answered. When
one fails it waits for the others and sends all that is not acknowledged again, in order, as often
as it takes: no batch is skipped, so what it sent must be there once, whole and in order.
"""

from __future__ import annotations

from collections import deque

from tests.sim.actors.actor import AGAIN, Actor, Stage
from tests.sim.actors.client import Lost
from tests.sim.actors.history import Batch, Topic, Transaction

from summit.protocol import codes
from summit.protocol.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from summit.protocol.produce import (
    PRODUCE,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    TopicProduceData,
)
from summit.records import Record, build_batch
from summit.records.batch import SEQUENCE_MAX, TRANSACTIONAL

IN_FLIGHT_MAX = 5
_KEYS = 6


class Writer(Actor):
    """Makes batches and puts them into requests."""

    def __init__(self, stage: Stage, name: str, topics: list[Topic]) -> None:
        super().__init__(stage, name)
        self.topics = topics
        self.producer_id = -1
        self.epoch = -1
        self._orders: dict[tuple[str, int], int] = {}
        self.codec = self.chance.choice([0, 0, 1, 2, 3, 4])
        self.value_bytes = self.chance.choice([10, 10, 60, 400])

    def new_batch(
        self,
        topic: Topic,
        index: int,
        *,
        is_once: bool,
        transaction: Transaction | None = None,
    ) -> Batch:
        where = (topic.name, index)
        order = self._orders[where] = self._orders.get(where, 0) + 1
        names = [
            self.history.new_name(self.name) for _ in range(self.chance.choice([1, 1, 2, 3, 8]))
        ]
        values: list[bytes | None] = [
            name + b"x" * self.chance.randint(0, self.value_bytes) for name in names
        ]
        keys: list[bytes | None] = [None] * len(names)
        if topic.is_compacted:
            keys = [b"k%d" % self.chance.randrange(_KEYS) for _ in names]
            values = [None if self.chance.random() < 0.15 else value for value in values]
        batch = Batch(self.name, topic, index, order, values, keys, names, is_once, transaction)
        self.history.sent(batch)
        return batch

    def encode(self, batch: Batch, sequence: int = -1) -> bytes:
        """The batch's bytes; the same every time but for the clock."""
        now_ms = self.now_ms()
        records = [
            Record(0, now_ms, key, value, () if value is not None else (("name", name),))
            for key, value, name in zip(batch.keys, batch.values, batch.names, strict=True)
        ]
        return bytes(
            build_batch(
                records,
                codec=self.codec,
                attributes=TRANSACTIONAL if batch.transaction is not None else 0,
                producer_id=self.producer_id,
                producer_epoch=self.epoch,
                base_sequence=sequence,
            )
        )

    def request(
        self, parts: list[tuple[Batch, bytes]], version: int, *, acks: int = -1
    ) -> ProduceRequest:
        topics: list[TopicProduceData] = []
        transactional_id = None
        for batch, data in parts:
            part = PartitionProduceData(index=batch.index, records=data)
            if version >= 13:
                topics.append(TopicProduceData(topic_id=batch.topic.topic_id, partitions=[part]))
            else:
                topics.append(TopicProduceData(name=batch.topic.name, partitions=[part]))
            if batch.transaction is not None:
                transactional_id = batch.transaction.name
        return ProduceRequest(
            transactional_id=transactional_id, acks=acks, timeout_ms=5_000, topics=topics
        )

    def a_place(self) -> tuple[Topic, int]:
        topic = self.chance.choice(self.topics)
        return topic, self.chance.randrange(topic.partition_count)


class PlainProducer(Writer):
    """Sends and does not care: what is lost on the way it may send again, or not."""

    async def run(self) -> None:
        while not self.stage.is_closing:
            batch = self.new_batch(*self.a_place(), is_once=False)
            acks = self.chance.choice([-1, 1, -1, 0])
            await self._send(batch, acks)
            await self.sleep_ms(1, 400)

    async def _send(self, batch: Batch, acks: int) -> None:
        self.doing = "producing"
        for _ in range(self.chance.randint(1, 4)):
            version = self.version(PRODUCE)
            request = self.request([(batch, self.encode(batch))], version, acks=acks)
            try:
                if acks == 0:
                    await self.client.connect()
                    self.client.tell(PRODUCE, version, request)
                    return
                answer = await self.client.ask(PRODUCE, version, request)
            except Lost:
                await self.sleep_ms(20, 300)
                continue
            part = answer.topics[0].partitions[0]
            if part.error_code == codes.NONE:
                self.history.acked(batch, part.base_offset)
                return
            if part.error_code not in AGAIN:
                raise self.wrong(f"produce was answered {codes.name_of(part.error_code)}")


class IdempotentProducer(Writer):
    """Sends everything once and in order."""

    first_version = 0

    def __init__(self, stage: Stage, name: str, topics: list[Topic]) -> None:
        super().__init__(stage, name, topics)
        self._queues: dict[tuple[str, int], deque[tuple[Batch, int, bytes]]] = {}
        self._next: dict[tuple[str, int], int] = {}
        self.in_flight = self.chance.randint(1, IN_FLIGHT_MAX)
        self.first_sequence = self.chance.choice([0, 0, 0, SEQUENCE_MAX - 7])

    async def run(self) -> None:
        await self._init()
        while not self.stage.is_closing:
            for _ in range(self.chance.randint(1, self.in_flight)):
                self._queue(*self.a_place())
            await self._flush()
            await self.sleep_ms(0, self.chance.choice([5, 50, 500]))
            if self.chance.random() < 0.01:
                await self._init()

    async def _init(self) -> None:
        answer, error = await self.insist(
            INIT_PRODUCER_ID,
            self.version(INIT_PRODUCER_ID),
            lambda: InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0),
            lambda answer: int(answer.error_code),
        )
        if error != codes.NONE:
            raise self.wrong(f"InitProducerId was answered {codes.name_of(error)}")
        self.history.given_id(answer.producer_id)
        self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
        self._next.clear()

    def _queue(self, topic: Topic, index: int) -> None:
        where = (topic.name, index)
        batch = self.new_batch(topic, index, is_once=True)
        sequence = self._next.get(where, self.first_sequence)
        self._next[where] = (sequence + len(batch.values)) & SEQUENCE_MAX
        item = (batch, sequence, self.encode(batch, sequence))
        self._queues.setdefault(where, deque()).append(item)

    async def _flush(self) -> None:
        """Send until all is acknowledged."""
        rounds = 0
        while any(self._queues.values()):
            rounds += 1
            self.doing = f"producing, round {rounds}"
            try:
                await self.client.connect()
                is_over = await self._round()
            except Lost:
                is_over = False
            if not is_over:
                await self.sleep_ms(10, 300)

    async def _round(self) -> bool:
        """Send everything that waits once. Returns: whether all of it was acknowledged."""
        version = self.version(PRODUCE, self.first_version)
        sent = []
        for queue in self._queues.values():
            for batch, _, data in list(queue)[: self.in_flight]:
                future = self.client.send(PRODUCE, version, self.request([(batch, data)], version))
                sent.append((queue, batch, future))
        all_good = True
        failed: set[int] = set()
        for queue, batch, future in sent:
            try:
                answer = await self.client.wait(future)
            except Lost:
                self.history.count("lost answers")
                all_good = False
                failed.add(id(queue))
                continue
            part = answer.topics[0].partitions[0]
            if part.error_code != codes.NONE:
                all_good = False
                self._refused(part, is_first=id(queue) not in failed, batch=batch)
                failed.add(id(queue))
                continue
            self.history.acked(batch, part.base_offset)
            # An earlier one of this partition may be missing: then it is sent again, alone.
            kept = [item for item in queue if item[0] is not batch]
            queue.clear()
            queue.extend(kept)
        return all_good

    def _refused(self, part: PartitionProduceResponse, *, is_first: bool, batch: Batch) -> None:
        error = part.error_code
        if error == codes.OUT_OF_ORDER_SEQUENCE_NUMBER and not is_first:
            return  # one before it has failed
        if error not in AGAIN:
            raise self.wrong(
                f"batch {batch.order} for {batch.topic.name}-{batch.index} was answered "
                f"{codes.name_of(error)}"
            )
