"""Where markers go: to what a decision covers, and after a crash to what no decision does."""

from __future__ import annotations

import pytest
from tests.sim.faulty_files import FaultyFiles
from tests.sim.log_world import NOW_MS, TOPIC_ID, commit, open_store

from summit.broker.topics import Partition, Topic, TopicTable
from summit.broker.transactions.markers import (
    ends_of,
    stage_aborts_of_strangers,
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


@pytest.mark.parametrize("is_decided", [True, False])
def test_what_no_decision_covers_is_aborted(is_decided: bool) -> None:
    """Also of a producer that has a decided transaction elsewhere."""
    bench = Bench()
    first, second = bench.logs
    bench.begin(first)
    bench.begin(second)
    decisions = {PRODUCER: bench.decision(0)} if is_decided else {}
    expected = [second] if is_decided else [first, second]
    assert stage_aborts_of_strangers(bench.topics, decisions, NOW_MS) == expected
    assert bench.open_ones() == ([0] if is_decided else [])
    assert [entry.first_offset for entry in second.aborted_between(0, 9)] == [0]
