"""The scorer of labelled series: hand-made cases, and a threshold search held to brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bench.analytics.nab_score import Labelled, best, curve, score_at


def labelled(size: int = 1000, windows: Any = ((400, 499),)) -> Labelled:
    return Labelled("x", np.arange(size), np.zeros(size), list(windows))


def at(each: Labelled, places: list[int]) -> float:
    scores = np.zeros(len(each.values))
    scores[places] = 1
    return score_at([each], [scores], 0.5)


def test_perfect_is_100_silent_is_0_and_false_ones_cost() -> None:
    each = labelled()
    assert at(each, [400]) == pytest.approx(100)
    assert at(each, []) == 0
    assert at(each, [10]) == 0  # probation
    assert at(each, [200]) == pytest.approx(-100 * 0.11 / 2)
    assert at(each, [200, 400]) == pytest.approx(100 - 100 * 0.11 / 2)
    assert at(each, [900]) == pytest.approx(-100 * 0.11 / 2)


def test_of_a_window_the_first_counts_and_sooner_is_worth_more() -> None:
    each = labelled()
    middle = at(each, [450])
    assert middle == pytest.approx(100 * (curve(-0.5) / curve(-1.0) + 1) / 2)
    assert at(each, [450, 470, 499]) == middle
    assert at(each, [499]) < middle < at(each, [410])
    # just behind the window hardly costs
    assert at(each, [450, 501]) > middle - 1


def test_the_best_threshold_is_that_of_brute_force() -> None:
    draw = np.random.default_rng(1)
    corpus = [labelled(300, [(100, 129), (200, 229)]), labelled(400, []), labelled(200, [(60, 79)])]
    scores = [draw.integers(0, 40, len(each.values)).astype(float) for each in corpus]
    for each, score in zip(corpus, scores, strict=True):
        for first, _ in each.windows:
            score[first + 3] += 25
    threshold, reached = best(corpus, scores)
    tried = {t: _slow(corpus, scores, t) for t in range(70)}
    assert reached == pytest.approx(max(tried.values()))
    assert tried[int(threshold)] == pytest.approx(reached)
    for t, wanted in tried.items():
        assert score_at(corpus, scores, t) == pytest.approx(wanted)


def _slow(corpus: list[Labelled], scores: list[Any], threshold: float) -> float:
    total, windows = 0.0, 0
    for each, score in zip(corpus, scores, strict=True):
        size = len(score)
        told = [n for n in range(min(int(0.15 * size), 750), size) if score[n] >= threshold]
        for first, last in each.windows:
            windows += 1
            inside = [n for n in told if first <= n <= last]
            if inside:
                y = -(last - inside[0] + 1) / (last - first + 1)
                total += 1 + float(curve(y) / curve(-1.0))
        for n in told:
            if any(first <= n <= last for first, last in each.windows):
                continue
            behind = [(first, last) for first, last in each.windows if last < n]
            if behind:
                first, last = behind[-1]
                total += 0.11 * float(curve((n - last) / (last - first)))
            else:
                total -= 0.11
    return 100 * total / (2 * windows)
