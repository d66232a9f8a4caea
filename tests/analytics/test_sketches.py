"""Sketches stay within the error they state, over many seeds; and are the same for any split."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from summit.analytics import distinct, frequent, quantiles
from summit.analytics.columns import Column
from summit.analytics.distinct import Distinct
from summit.analytics.frequent import Frequent
from summit.analytics.quantiles import Ascending, Quantiles

PERCENTS = (0, 0.1, 1, 5, 25, 50, 75, 90, 95, 99, 99.9, 100)


def split(rng: random.Random, values: list[Any], make: Callable[[], Any]) -> Any:
    """The values in a random order, in parts, merged in a random order."""
    values = list(values)
    rng.shuffle(values)
    parts = []
    while values:
        cut = rng.randint(1, max(len(values) // 3, 1))
        part = make()
        part.add(Column(values[:cut]))
        parts.append(type(part).load(part.dump()))
        values = values[cut:]
    rng.shuffle(parts)
    whole = make()
    for part in parts:
        whole.merge(part)
    return whole


def series(rng: np.random.Generator, kind: int, count: int) -> np.ndarray:
    found: np.ndarray = [
        lambda: rng.lognormal(5, 2, count),
        lambda: rng.normal(0, 100, count),
        lambda: rng.pareto(0.7, count) * 10.0 ** rng.integers(-3, 4, count),
        lambda: -rng.exponential(1e6, count),
        lambda: rng.integers(0, 50, count).astype(float),
        lambda: rng.uniform(-1, 1, count) * 10.0 ** rng.integers(-100, 100, count),
        lambda: np.zeros(count),
    ][kind]()
    return found


@pytest.mark.parametrize("seed", range(28))
def test_percentiles_differ_by_no_more_than_they_say(seed: int) -> None:
    rng = random.Random(seed)
    values = series(np.random.default_rng(seed), seed % 7, rng.choice([4_097, 9_000, 30_000]))
    found = split(rng, values.tolist(), lambda: Quantiles(exact=False))
    share = found.error
    assert share is not None
    # Two hundred orders of magnitude need coarser buckets, and the Pareto tail may.
    assert share == quantiles.SHARE or seed % 7 in (2, 5)
    ascending, ordered = found.ascending(), np.sort(values)
    for percent in PERCENTS:
        want = ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]
        got = ascending.percentile(percent, nearest=True)
        assert got is not None
        assert abs(got - want) <= share * abs(want) * (1 + 1e-9)
        # Between neighbours of one sign the same holds; else of the larger of both.
        place = (len(ordered) - 1) * percent / 100
        near = max(abs(ordered[math.floor(place)]), abs(ordered[math.ceil(place)]))
        linear = ascending.percentile(percent)
        assert linear is not None
        assert abs(linear - np.percentile(ordered, percent)) <= share * near * (1 + 1e-9)
    again = split(rng, values.tolist(), lambda: Quantiles(exact=False))
    assert again.count == found.count == len(values)
    assert [again.ascending().percentile(p) for p in PERCENTS] == [
        ascending.percentile(p) for p in PERCENTS
    ]


def test_buckets_are_bounded_whatever_comes() -> None:
    wide = series(np.random.default_rng(1), 5, 60_000).tolist()
    found = Quantiles(exact=False)
    found.add(Column(wide))
    assert found.sketch is not None
    assert found.sketch.level > 0
    assert len(found.sketch.above) + len(found.sketch.below) <= quantiles.BUCKETS_MAX


@pytest.mark.parametrize("seed", range(20))
def test_percentiles_of_few_are_those_of_numpy(seed: int) -> None:
    rng = random.Random(seed)
    values = series(np.random.default_rng(seed), seed % 7, rng.choice([1, 2, 10, 999, 4_096]))
    found = split(rng, values.tolist(), lambda: Quantiles(exact=False))
    assert found.error is None
    for percent in PERCENTS:
        want = float(np.percentile(values, percent))
        assert found.ascending().percentile(percent) == pytest.approx(want, rel=1e-12, abs=1e-300)


def test_percentiles_of_the_design() -> None:
    ten = Ascending([float(n) for n in range(1, 11)])
    assert ten.percentile(95) == pytest.approx(9.55)
    assert ten.percentile(95, nearest=True) == 10
    four = Ascending([1.0, 2.0, 3.0, 4.0])
    assert (four.percentile(50), four.percentile(50, nearest=True)) == (2.5, 2)
    assert (four.percentile(0), four.percentile(100), Ascending([]).percentile(50)) == (1, 4, None)


def test_distinct_counts_keep_to_their_standard_error() -> None:
    errors = []
    for seed in range(60):
        rng = random.Random(seed)
        count = int(10 ** rng.uniform(2.5, 4.6))
        names: list[Any] = [f"{seed}/{n}" if seed % 2 else n * 7 + seed for n in range(count)]
        values = names + rng.choices(names, k=count // 4)
        found = split(rng, values, lambda: Distinct(exact=False))
        assert found.error == distinct.ERROR
        errors.append(found.count() / count - 1)
        assert split(rng, values, lambda: Distinct(exact=False)).count() == found.count()
    in_errors = np.array(errors) / distinct.ERROR
    assert np.abs(in_errors).max() < 4
    assert 0.6 < in_errors.std() < 1.4  # the stated one, neither better nor worse
    assert abs(in_errors.mean()) < 3 / math.sqrt(len(errors))


def test_few_distinct_values_are_counted_exactly_and_by_type() -> None:
    found = Distinct(exact=False)
    found.add(Column([1, 1.0, True, "1", None, "true", [1], [2], {"a": 1}, {"a": 1}, 2**70]))
    assert found.count() == 8  # 1, true, "1", "true", [1], [2], {a: 1}, 2^70
    assert Distinct.load(found.dump()).seen == found.seen
    whole = Distinct(exact=True)
    whole.add(Column(list(range(5_000))))
    assert (whole.count(), whole.error) == (5_000, None)


@pytest.mark.parametrize("seed", range(12))
def test_frequent_values_are_counted_within_their_bound(seed: int) -> None:
    rng = random.Random(seed)
    draw = np.random.default_rng(seed)
    values = [f"v{n}" for n in draw.zipf(1.2, 20_000) % 50_000]
    true = Counter(values)
    found = split(rng, values, lambda: Frequent(exact=False))
    assert 0 < found.error <= len(values) / frequent.EXACT_MAX
    assert len(found.counts) <= frequent.EXACT_MAX
    got = dict(found.top(frequent.EXACT_MAX))
    for value, count in true.items():
        assert count - found.error <= got.get(value, 0) <= count
    few = [value for value in values if true[value] > 40]
    exact = split(rng, few, lambda: Frequent(exact=False))
    assert exact.error == 0
    want = sorted(Counter(few).items(), key=lambda row: (-row[1], row[0]))
    assert exact.top(10) == want[:10]
