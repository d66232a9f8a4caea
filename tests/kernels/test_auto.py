"""`auto` and what it is made of: rarity by the past, the season, and alarms told once."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from summit.kernels import Auto, Seasonal, find_anomalies
from summit.kernels.detectors.pareto import fit, tail_log10
from summit.kernels.detectors.season import DAY_MS, Season
from summit.kernels.detectors.tail_score import TailScore

MINUTE = 60_000


def draws(size: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=size)


# ---- rarity ----


@pytest.mark.parametrize("tail", [1, 2, 3])
def test_a_score_is_about_the_power_of_ten_of_the_chance(tail: int) -> None:
    scores = []
    for seed in range(20):
        rarity = TailScore()
        sizes = np.random.default_rng(seed).exponential(size=5000)
        for size in sizes.tolist():
            rarity.score(size)
        scores.append(
            TailScore.load(json.loads(json.dumps(rarity.dump()))).score(tail * math.log(10))
        )
    assert np.mean(scores) == pytest.approx(tail, abs=0.15)


def test_larger_is_never_less_rare_and_every_bin_has_a_score() -> None:
    rarity = TailScore()
    for size in np.abs(draws(4000)).tolist():
        rarity.score(size)
    state = rarity.dump()
    edges = [2.0 ** (n / 4) for n in range(-60, 20)]
    sizes = sorted([0.0, *edges, *(math.nextafter(edge, 0) for edge in edges)])
    scores = [TailScore.load(state).score(size) for size in sizes]
    assert scores == sorted(scores)
    assert scores[0] < 0.001


def test_the_pareto_fit_finds_what_was_drawn() -> None:
    for shape in (-0.2, 0.0, 0.3):
        found = []
        for seed in range(20):
            chance = np.random.default_rng(seed).random(400)
            sizes = -np.log(chance) if not shape else (chance**-shape - 1) / shape
            found.append(fit((2 * sizes).tolist()))
        assert np.mean([f[0] for f in found]) == pytest.approx(shape, abs=0.06)
        assert np.mean([f[1] for f in found]) == pytest.approx(2, rel=0.08)
    assert tail_log10(2 * math.log(1000), 0.0, 2.0) == pytest.approx(3)
    assert tail_log10(1e9, -0.2, 2.0) == 300


# ---- season ----


def test_the_season_is_the_day_where_times_are_given() -> None:
    season = Season()
    slots = [season.step(float(at))[0] for at in range(0, 2 * DAY_MS, 10 * MINUTE)]
    assert slots[:4] == [0, 0, 0, 1]
    assert slots[:144] == slots[144:]
    assert max(slots) == 47
    assert season.step(-5.0 * MINUTE)[0] == 47  # before 1970 too


def test_a_season_is_learned_and_keeps_its_place() -> None:
    season = Season()
    wave = np.sin(np.arange(600) * 2 * np.pi / 24)
    for value in wave.tolist():
        season.step(None)
        season.learn(value)
    assert season.period == 24
    slot = season.step(None)[0]
    assert slot == 600 % 24
    season.learn(None)
    assert season.step(None)[0] == 601 % 24


def test_daily_times_are_no_days() -> None:
    season = Season()
    for n in range(200):
        season.step(float(n * DAY_MS))
        season.learn([5, 5, 5, 5, 5, 0, 0][n % 7] + 0.1 * math.sin(n * n))
    assert season.period == 7


def test_what_is_usual_at_another_time_of_day_is_none_at_this_one() -> None:
    values = np.where(np.arange(2016) % 288 < 144, 10.0, 50.0) + draws(2016)
    values[1600] = 50.0 if values[1600] < 30 else 10.0
    times = [5.0 * MINUTE * n for n in range(len(values))]
    for make in (Auto, Seasonal):
        detector = make()
        scores = [detector.update(v, at) for v, at in zip(values.tolist(), times, strict=True)]
        assert scores[1600].flagged, make
        assert sum(score.flagged for score in scores[1000:]) <= 6, make


# ---- the ensemble ----


def test_an_alarm_is_told_once() -> None:
    values = draws(1500)
    values[1000:1040] += 12
    detector = Auto()
    flagged = [n for n, v in enumerate(values.tolist()) if detector.update(v).flagged]
    during = [n for n in flagged if 1000 <= n < 1140]
    assert during[0] == 1000
    assert len(during) <= 5


def test_what_comes_again_and_again_becomes_no_news() -> None:
    values = draws(6000, 1)
    values[500::250] += 9
    detector = Auto()
    heights = {n: detector.update(v).deviation or 0.0 for n, v in enumerate(values.tolist())}
    spikes = [heights[n] for n in range(500, 6000, 250)]
    assert spikes[0] > detector.limit
    assert np.mean(spikes[-8:]) < np.mean(spikes[:4]) - 1


def test_parts_say_what_was_rare() -> None:
    detector = Auto()
    for value in draws(800).tolist():
        detector.update(value)
    score = detector.update(40.0)
    assert score.parts is not None
    assert max(score.parts, key=lambda name: score.parts[name]) in {"season", "extreme"}  # type: ignore[index]
    assert score.ratio > 2


def test_no_point_ahead_is_looked_at() -> None:
    values = draws(900, 2)
    first, second = Auto(), Auto()
    half = [first.update(v) for v in values[:600].tolist()]
    whole = [second.update(v) for v in [*values[:600], *(values[600:] * 50)]]
    assert half == whole[:600]


def test_by_name_with_few_values_it_says_what_it_used() -> None:
    points = [{"timestamp": n, "value": v} for n, v in enumerate([100, 105, 98, 1000])]
    found = find_anomalies(points, {"method": "auto"})
    assert found.method_used == "zscore"
    assert [a.value for a in found] == [1000]
    assert found[0].explanation.startswith("1000 where 101 is expected: 216 standard deviations")
