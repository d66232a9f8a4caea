"""Where markers go: to what a decision covers, and after a crash to what is left open."""

from __future__ import annotations

from tests.sim.faulty_files import FaultyFiles
from tests.sim.log_world import NOW_MS, TOPIC_ID, commit, open_store

from summit.broker.topics import Partition, Topic, TopicTable
from summit.broker.transactions.markers import (
    ends_of,
    open_ones,
    stage_abort,
    stage_markers,
)
from summit.broker.transactions.transaction import Decision
from summit.log import LogStore, PartitionLog
from summit.records import Record, build_batch
from summit.records.batch import TRANSACTIONAL

PRODUCER = 5


class Bench:
    """A topic with two partitions and no broker around it."""

    def __init__(self) -> None:
        self.store: LogStore = open_store(FaultyFiles())
        self.topics = TopicTable()
        topic = Topic("t", TOPIC_ID, {})
        self.logs = self.store.create_partitions("t", TOPIC_ID, range(2))
        topic.partitions = [Partition(topic, log.index, log) for log in self.logs]
        self.topics.add(topic)

    def begin(self, log: PartitionLog) -> None:
        batch = build_batch(
            [Record(0, NOW_MS, None, b"x")],
            attributes=TRANSACTIONAL,
            producer_id=PRODUCER,
            producer_epoch=0,
            base_sequence=0,
        )
        log.stage(batch, NOW_MS)
        commit(self.store)

    def decision(self, *partitions: int) -> Decision:
        ends = ends_of(self.topics, [("t", index) for index in partitions])
        return Decision(
            is_commit=True, producer_id=PRODUCER, marker_epoch=1, ends=ends, offsets={},
            commit_ms=NOW_MS,
        )  # fmt: skip

    def open_ones(self) -> list[int]:
        commit(self.store)
        return [log.index for log in self.logs if log.open_transactions.items()]


def test_a_decision_ends_what_was_open_when_it_was_made() -> None:
    bench = Bench()
    first, second = bench.logs
    bench.begin(first)
    decision = bench.decision(0, 1)
    bench.begin(second)  # a later transaction: it opens where the decision ends
    assert stage_markers(bench.topics, decision, NOW_MS) == [first]
    assert bench.open_ones() == [1]


def test_what_nobody_owns_is_aborted() -> None:
    bench = Bench()
    first, second = bench.logs
    bench.begin(first)
    bench.begin(second)
    assert stage_markers(bench.topics, bench.decision(0), NOW_MS) == [first]
    ((partition, producer_id),) = open_ones(bench.topics)
    assert (partition.log, producer_id) == (second, PRODUCER)
    stage_abort(partition, producer_id, NOW_MS)
    assert open_ones(bench.topics) == []
    assert bench.open_ones() == []
    assert [entry.first_offset for entry in second.aborted_between(0, 9)] == [0]
