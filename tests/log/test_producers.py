"""Idempotent producers: duplicates, gaps, epochs, wrap-around, taking back, expiry."""

from __future__ import annotations

import pytest

from summit.base.errors import Closed, Conflict
from summit.log import producers as module
from summit.log.producers import ProducedBatch, ProducerStates


def wrote(states: ProducerStates, first: int, last: int, epoch: int = 0, now_ms: int = 0) -> None:
    assert states.check(1, epoch, first, last) is None
    states.put(1, epoch, ProducedBatch(first, last, first + 100, last + 100), now_ms)


def test_the_first_number_of_an_unknown_producer_may_be_any() -> None:
    assert ProducerStates().check(1, 3, 77, 80) is None


def test_the_last_five_batches_are_recognised() -> None:
    states = ProducerStates()
    for first in range(0, 14, 2):
        wrote(states, first, first + 1)
    for first in range(4, 14, 2):
        assert states.check(1, 0, first, first + 1) == (first, first + 1, first + 100, first + 101)
    for first in (0, 2):
        with pytest.raises(Conflict):
            states.check(1, 0, first, first + 1)


@pytest.mark.parametrize(("first", "last"), [(2, 3), (0, 0), (0, 2), (5, 5)])
def test_a_gap_or_another_cut_is_refused(first: int, last: int) -> None:
    states = ProducerStates()
    wrote(states, 0, 1)
    if first == 2:
        assert states.check(1, 0, first, last) is None
        return
    with pytest.raises(Conflict) as caught:
        states.check(1, 0, first, last)
    assert caught.value.kafka_code == "OUT_OF_ORDER_SEQUENCE_NUMBER"


def test_epochs_fence() -> None:
    states = ProducerStates()
    wrote(states, 0, 4, epoch=1)
    with pytest.raises(Closed) as caught:
        states.check(1, 0, 5, 5)
    assert caught.value.kafka_code == "INVALID_PRODUCER_EPOCH"
    with pytest.raises(Conflict):
        states.check(1, 2, 5, 5)  # a new epoch starts at 0
    wrote(states, 0, 0, epoch=2)
    with pytest.raises(Closed):
        states.check(1, 1, 5, 5)


def test_numbers_go_on_at_zero() -> None:
    states = ProducerStates()
    wrote(states, 2**31 - 3, 2**31 - 1)
    assert states.check(1, 0, 0, 4) is None
    with pytest.raises(Conflict):
        states.check(1, 0, 1, 4)


def test_put_is_taken_back() -> None:
    states = ProducerStates()
    first = states.put(1, 0, ProducedBatch(0, 0, 0, 0), 5)
    second = states.put(1, 0, ProducedBatch(1, 1, 1, 1), 6)
    third = states.put(1, 1, ProducedBatch(0, 0, 2, 2), 7)
    states.restore(1, third)
    assert states.check(1, 0, 2, 2) is None
    states.restore(1, second)
    states.restore(1, first)
    assert states.get(1) is None
    assert len(states) == 0


def test_silent_producers_are_forgotten() -> None:
    states = ProducerStates()
    states.put(1, 0, ProducedBatch(0, 0, 0, 0), 1000)
    states.put(2, 0, ProducedBatch(0, 0, 1, 1), 2000)
    assert states.expire(2000) == 1
    assert list(states.entries()) == [2]


def test_the_number_of_producers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRODUCERS_PER_PARTITION_MAX", 20)
    states = ProducerStates()
    for number in range(100):
        states.put(number, 0, ProducedBatch(0, 0, number, number), number)
    assert len(states) <= 20
    assert {98, 99} <= set(states.entries())


def test_producers_of_lost_batches_are_forgotten() -> None:
    states = ProducerStates()
    states.put(1, 0, ProducedBatch(0, 4, 0, 4), 0)
    states.put(2, 0, ProducedBatch(0, 4, 5, 9), 0)
    states.forget_from(9)
    assert list(states.entries()) == [1]
