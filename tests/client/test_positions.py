"""Handed out, finished, committed."""

from __future__ import annotations

from summit.client.positions import Positions
from summit.client.types import ConsumerRecord, TopicPartition

P0, P1 = TopicPartition("a-b", 0), TopicPartition("a-b", 1)


def record(partition: int, offset: int) -> ConsumerRecord:
    return ConsumerRecord("a-b", partition, offset, 0)


def test_only_what_is_finished_is_due() -> None:
    positions = Positions()
    positions.hand_out([record(0, 4), record(1, 9), record(0, 5)])
    assert positions.handed() == {P0: 6, P1: 10}
    assert positions.due() == {}
    positions.finish(record(0, 4))
    assert positions.due() == {P0: 5}
    positions.commit({P0: 5})
    assert positions.due() == {}
    positions.finish_handed()
    assert positions.due() == {P0: 6, P1: 10}


def test_records_given_back_are_not_finished_by_the_next_poll() -> None:
    positions = Positions()
    positions.hand_out([record(0, 4), record(0, 5), record(0, 6)])
    positions.finish(record(0, 4))
    positions.hand_back([record(0, 5), record(0, 6)])
    positions.finish_handed()
    assert positions.due() == {P0: 5}


def test_a_seek_forgets_what_was_finished() -> None:
    positions = Positions()
    positions.hand_out([record(0, 4)])
    positions.finish_handed()
    positions.commit({P0: 5})
    positions.move(P0, 2)
    assert positions.position(P0) == 2
    assert positions.due() == {}
    positions.hand_out([record(0, 2)])
    positions.finish_handed()
    assert positions.due() == {P0: 3}  # lower than before: that is where reading is now
    positions.move(P0, None)
    assert positions.position(P0) is None


def test_partitions_that_went_away_are_forgotten() -> None:
    positions = Positions()
    positions.hand_out([record(0, 4), record(1, 4)])
    positions.finish_handed()
    positions.forget([P0])
    assert positions.due() == {P1: 5}
