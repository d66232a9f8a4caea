"""What waits for its time, held to a sorted list."""

from __future__ import annotations

import random

import pytest

from summit.keyed.in_order import InOrder


@pytest.mark.parametrize("seed", range(100))
def test_what_is_due_comes_in_order_whatever_came_when(seed: int) -> None:
    rand = random.Random(seed)
    bag: InOrder[tuple[int, int]] = InOrder()
    plain: list[tuple[int, int]] = []
    for number in range(rand.randrange(300)):
        if rand.random() < 0.8:
            item = (rand.randrange(40), number)
            bag.add(item)
            plain.append(item)
        else:
            before = rand.randrange(45)
            due = sorted(item for item in plain if item[0] < before)
            assert bag.take(before) == due
            plain = [item for item in plain if item[0] >= before]
        if rand.random() < 0.3:
            assert bag.first_ms == min((item[0] for item in plain), default=float("inf"))
        assert len(bag) == len(plain)
    assert sorted(bag) == sorted(plain)


def test_lists_stay_few() -> None:
    bag: InOrder[tuple[int, int]] = InOrder()
    for number in range(20_000):
        bag.add((number * 7_919 % 20_011, number))
        if number % 3 == 0:
            bag.take(0)
    assert len(bag._sorted) < 20
    assert [at for at, _ in bag.take(1 << 40)] == sorted(n * 7_919 % 20_011 for n in range(20_000))
