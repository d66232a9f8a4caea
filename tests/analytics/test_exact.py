"""Sums, means and variances are the exact ones, whatever the order and the split."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest

from summit.analytics.columns import Column
from summit.analytics.exact import ExactSum, expansion
from summit.analytics.numbers import Numbers


def draw(rng: random.Random, count: int) -> list[float]:
    kinds = [
        lambda: rng.randint(-(10**6), 10**6),
        lambda: rng.uniform(-1e3, 1e3),
        lambda: rng.uniform(-1, 1) * 10.0 ** rng.randint(-140, 140),
        lambda: rng.choice([0.1, -0.1, 1e16, -1e16, 0.0, 1e-300, 3]),
        lambda: rng.randint(-(1 << 62), 1 << 62),
    ]
    kind = rng.choice(kinds)
    return [kind() for _ in range(count)]


@pytest.mark.parametrize("seed", range(60))
def test_any_order_and_split_gives_the_exact_numbers(seed: int) -> None:
    rng = random.Random(seed)
    values = draw(rng, rng.choice([1, 2, 7, 100, 700]))
    exact = sum(map(Fraction, values))
    rounded = float(exact) if float in map(type, values) else int(exact)
    exact_variance = (
        sum(Fraction(v) ** 2 for v in values) / len(values) - (exact / len(values)) ** 2
    )
    for _ in range(3):
        rng.shuffle(values)
        parts = []
        rest = values
        while rest:
            cut = rng.randint(1, len(rest))
            part = Numbers(squares=True)
            part.add(Column(rest[:cut]))
            parts.append(Numbers.load(part.dump()) if rng.random() < 0.5 else part)
            rest = rest[cut:]
        rng.shuffle(parts)
        whole = Numbers(squares=True)
        for part in parts:
            whole.merge(part)
        assert whole.count == len(values)
        assert whole.total.value() == rounded
        assert whole.mean() == float(exact / len(values))
        assert (whole.smallest, whole.largest) == (min(values), max(values))
        variance = whole.variance(sample=False)
        assert variance is not None
        # Exact but for squares below 1e-320, which have fewer digits.
        assert math.isclose(variance, float(exact_variance), rel_tol=1e-15, abs_tol=1e-290)


def test_what_is_taken_away_leaves_no_trace() -> None:
    rng = random.Random(5)
    first, second = draw(rng, 50), [rng.uniform(-1e100, 1e100) for _ in range(50)]
    total, gone, left = ExactSum(), ExactSum(), ExactSum()
    total.add_floats([*map(float, first), *second])
    gone.add_floats(list(second))
    left.add_floats(list(map(float, first)))
    total.subtract(gone)
    assert total.fraction()[0] / (1 << total.fraction()[1]) == left.value()


def test_an_expansion_is_short() -> None:
    rng = random.Random(1)
    assert len(expansion([rng.gauss(0, 1) for _ in range(1_000)])) <= 3
    assert expansion([]) == []
    assert expansion([1e300, 1.0, -1e300]) == [1.0]


def test_whole_numbers_stay_whole_and_others_do_not() -> None:
    numbers = Numbers(squares=False)
    numbers.add(Column([1, 2, True, None, "3", float("inf"), 10**200]))
    assert (numbers.total.value(), type(numbers.total.value()), numbers.count) == (3, int, 2)
    numbers.add(Column([1.0]))
    assert (numbers.total.value(), type(numbers.total.value())) == (4.0, float)
    assert Numbers(squares=True).variance(sample=False) is None
