"""A kill in the middle of a group that is not atomic: its first writes are there, the others not.

That is so where nothing is synced before the answer. A kill spares what was written, so all that
was answered must hold, and a transaction is whole or not there.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from tests.broker.wire import batch_of, fetch_request
from tests.sim.actors.client import Client, Lost
from tests.sim.world.loop import SimLoop
from tests.sim.world.machine import Machine
from tests.sim.world.network import Network, Weather
from tests.sim.world.scheduler import World
from tests.sim.world.threads import simulated_locks

from summit.broker import BrokerSettings
from summit.protocol import codes
from summit.protocol.end_txn import END_TXN, EndTxnRequest
from summit.protocol.fetch import FETCH
from summit.protocol.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from summit.protocol.metadata import METADATA, MetadataRequest, MetadataRequestTopic
from summit.protocol.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestTopic,
)
from summit.protocol.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from summit.protocol.txn_offset_commit import (
    TXN_OFFSET_COMMIT,
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from summit.records.batch import TRANSACTIONAL

OFFSETS_LOG, STATE_LOG = "__consumer_offsets-0", "__transaction_state-0"


class Stand:
    """A machine with a broker in `os` durability, and one transactional client."""

    def __init__(self) -> None:
        self.world = World(1)
        self.network = Network(self.world, Weather())
        settings = BrokerSettings(
            host="10.0.0.1", insecure=True, data_dir="/data", durability="os",
            auto_create_topics=True,
            num_partitions=1, wal_file_bytes=64 << 10,
        )  # fmt: skip
        self.machine = Machine(self.world, self.network, settings)
        self.errors: list[Any] = []
        self.loop = SimLoop(self.world, "client", on_error=self.errors.append)
        self.client = Client(self.world, self.loop, self.network, "client")
        self.identity = (-1, -1)

    def boot(self) -> None:
        self.machine.boot()
        assert self.world.run(lambda: self.machine.broker is not None, 60)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        task = self.loop.create_task(work)
        assert self.world.run(task.done, 60)
        return task.result()

    async def create(self, topic: str) -> None:
        """By asking for it."""
        request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
        answer = await self.client.ask(METADATA, 9, request)
        assert answer.topics[0].error_code == codes.NONE

    async def init(self) -> None:
        request = InitProducerIdRequest(transactional_id="p", transaction_timeout_ms=60_000)
        answer = await self.client.ask(INIT_PRODUCER_ID, 4, request)
        assert answer.error_code == codes.NONE
        self.identity = (answer.producer_id, answer.producer_epoch)

    async def produce(self, topic: str, value: bytes, sequence: int = 0) -> int:
        records = batch_of(
            value, attributes=TRANSACTIONAL, producer_id=self.identity[0],
            producer_epoch=self.identity[1], base_sequence=sequence,
        )  # fmt: skip
        part = PartitionProduceData(index=0, records=records)
        request = ProduceRequest(
            transactional_id="p", acks=-1, timeout_ms=5_000,
            topics=[TopicProduceData(name=topic, partitions=[part])],
        )  # fmt: skip
        answer = await self.client.ask(PRODUCE, 12, request)
        return int(answer.topics[0].partitions[0].error_code)

    async def commit_offset(self, offset: int) -> None:
        part = TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
        request = TxnOffsetCommitRequest(
            transactional_id="p", group_id="g", producer_id=self.identity[0],
            producer_epoch=self.identity[1],
            topics=[TxnOffsetCommitRequestTopic(name="a", partitions=[part])],
        )  # fmt: skip
        answer = await self.client.ask(TXN_OFFSET_COMMIT, 5, request)
        assert answer.topics[0].partitions[0].error_code == codes.NONE

    async def commit(self) -> int:
        request = EndTxnRequest(
            transactional_id="p", producer_id=self.identity[0], producer_epoch=self.identity[1],
            committed=True,
        )  # fmt: skip
        answer = await self.client.ask(END_TXN, 5, request)
        self.identity = (answer.producer_id, answer.producer_epoch)
        return int(answer.error_code)

    async def is_committed(self, topic: str) -> bool:
        """Whether a reader of committed data gets the topic's only batch."""
        request = fetch_request([(topic, 0, 0)], isolation_level=1, max_wait_ms=500)
        answer = await self.client.ask(FETCH, 12, request)
        part = answer.topics[0].partitions[0]
        assert part.last_stable_offset == part.high_watermark, "a transaction hangs"
        return bool(part.high_watermark) and not part.aborted_transactions

    async def offset(self) -> int:
        topics = [OffsetFetchRequestTopic(name="a", partition_indexes=[0])]
        request = OffsetFetchRequest(group_id="g", topics=topics)
        answer = await self.client.ask(OFFSET_FETCH, 7, request)
        return int(answer.topics[0].partitions[0].committed_offset)

    def killed_while(self, path: str, work: Coroutine[Any, Any, Any], passing: int = 0) -> None:
        """Do something that meets a kill before a write to a file; then start again.

        Args:
            passing: Writes to that file that come through.
        """
        self.machine.disk.stop_before = ("pwrite", path, passing)
        with pytest.raises(Lost):
            self.do(work)
        assert self.machine.disk.stop_before is None
        assert self.world.run(lambda: not self.machine.is_up, 60)
        self.boot()


@pytest.fixture
def stand() -> Iterator[Stand]:
    with simulated_locks():
        made = Stand()
        made.boot()
        made.do(made.create("a"))
        made.do(made.create("b"))
        made.do(made.init())
        yield made
        made.machine.kill()
        made.world.run(lambda: not made.machine.is_up, 60)
        made.loop.die()
        assert made.errors == [] == made.machine.uncaught


@pytest.mark.parametrize("path", [OFFSETS_LOG, STATE_LOG])
def test_a_decision_and_its_offsets(stand: Stand, path: str) -> None:
    assert stand.do(stand.produce("a", b"x")) == codes.NONE
    stand.do(stand.commit_offset(7))
    stand.killed_while(path, stand.commit())
    is_committed = stand.do(stand.is_committed("a"))
    assert stand.do(stand.offset()) == (7 if is_committed else -1)
    assert is_committed == (path == OFFSETS_LOG), "the decision is written before what follows it"


@pytest.mark.parametrize(("path", "passing"), [("a-0/", 0), ("b-0/", 0), (STATE_LOG, 1)])
def test_markers_and_the_state_after_them(stand: Stand, path: str, passing: int) -> None:
    """The commit was answered: whatever is missing of what follows, it stays one."""
    for topic in ("a", "b"):
        assert stand.do(stand.produce(topic, b"x")) == codes.NONE

    async def commit_and_go_on() -> None:
        assert await stand.commit() == codes.NONE
        await stand.produce("a", b"y")

    stand.killed_while(path, commit_and_go_on(), passing)
    for topic in ("a", "b"):
        assert stand.do(stand.is_committed(topic))


@pytest.mark.parametrize("is_begun", [True, False])
def test_a_batch_whose_partition_has_not_joined(stand: Stand, is_begun: bool) -> None:
    """It was not answered. Sent again, it must not be taken for one that came through."""
    if is_begun:
        assert stand.do(stand.produce("a", b"x")) == codes.NONE
    stand.killed_while(STATE_LOG, stand.produce("b", b"x"))
    assert stand.do(stand.produce("b", b"x")) == codes.INVALID_PRODUCER_EPOCH
    assert not stand.do(stand.is_committed("b"))
    stand.do(stand.init())
    assert stand.do(stand.produce("b", b"y")) == codes.NONE
    assert stand.do(stand.commit()) == codes.NONE
    assert not stand.do(stand.is_committed("b")), "the aborted one has come with it"
