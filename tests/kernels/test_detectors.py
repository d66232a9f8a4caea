"""One battery for every detector, and worked examples and oracles for each."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.base.errors import Invalid
from summit.kernels import (
    Adwin,
    Auto,
    Cusum,
    EwmaChart,
    HalfSpaceTrees,
    HoltWinters,
    Iqr,
    IsolationForest,
    Judged,
    MovingAverage,
    PageHinkley,
    RandomCutForest,
    RobustZScore,
    Seasonal,
    Spot,
    ZScore,
    cusum,
    detector_of,
    esd,
    ewma_chart,
    explain,
    iqr,
    isolation_forest,
    load_detector,
    moving_average,
    page_hinkley,
    robust_zscore,
    run,
    zscore,
)  # fmt: skip
from summit.kernels.distributions import normal_two_sided, student_limit

STREAMING: dict[str, Callable[..., Any]] = {
    "zscore": ZScore, "iqr": Iqr, "moving-average": MovingAverage, "mad": RobustZScore,
    "ewma": EwmaChart, "cusum": Cusum, "page-hinkley": PageHinkley, "auto": Auto, "adwin": Adwin,
    "seasonal": Seasonal, "holt-winters": HoltWinters, "spot": Spot,
    "dspot": lambda: Spot(depth=50), "half-space-trees": HalfSpaceTrees,
    "random-cut-forest": RandomCutForest,
}  # fmt: skip
QUICK: dict[str, Callable[..., Any]] = {  # the same, out of their warm-up within a short series
    **STREAMING, "spot": lambda: Spot(warmup=30), "dspot": lambda: Spot(warmup=20, depth=10),
    "half-space-trees": lambda: HalfSpaceTrees(window=20, trees=3, depth=4),
    "random-cut-forest": lambda: RandomCutForest(samples=8, window=16, trees=3, every=4),
    "seasonal": lambda: Seasonal(period=3), "holt-winters": lambda: HoltWinters(period=3),
}  # fmt: skip
STATE_BYTES_MAX = {
    "auto": 40_000, "seasonal": 30_000, "half-space-trees": 40_000, "random-cut-forest": 30_000,
    "spot": 12_000, "dspot": 12_000,
}  # fmt: skip
OF_SERIES: dict[str, Callable[..., Judged]] = {
    "zscore": zscore, "iqr": iqr, "moving-average": moving_average, "mad": robust_zscore,
    "isolation-forest": isolation_forest, "esd": esd, "ewma": ewma_chart, "cusum": cusum,
    "page-hinkley": page_hinkley,
}  # fmt: skip
EVERY: dict[str, Callable[[Any], Judged]] = {
    **{f"{name} of a series": judge for name, judge in OF_SERIES.items()},
    **{
        f"{name} of a stream": (lambda values, make=make: run(make(), values))
        for name, make in STREAMING.items()
    },
}
POINTS = {
    name: judge
    for name, judge in EVERY.items()
    if "page-hinkley" not in name and "adwin" not in name  # made for drifts, not for single values
}
MIXED = st.lists(
    st.one_of(st.floats(-1e3, 1e3), st.none(), st.just(math.nan), st.sampled_from([7.0, 1e300])),
    max_size=120,
)


def noise(size: int = 300, seed: int = 1) -> np.ndarray[Any, Any]:
    return 50 + np.random.default_rng(seed).normal(size=size)


@pytest.mark.parametrize("judge", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("value", [0.0, 0.1, -7e9, 1e-11])
def test_a_constant_series_has_no_anomaly(judge: Any, value: float) -> None:
    judged = judge([value] * 400)
    assert not judged.flagged.any()
    assert judged.seen.any()


@pytest.mark.parametrize("judge", POINTS.values(), ids=POINTS)
@pytest.mark.parametrize("base", [0.0, 100.0])
def test_a_jump_in_a_constant_series_is_flagged_and_finite(judge: Any, base: float) -> None:
    judged = judge([base] * 400 + [base + 400] + [base] * 5)
    assert judged.flagged.nonzero()[0][0] == 400
    assert abs(judged.deviation[400]) <= 1e6
    assert judged.expected[400] == pytest.approx(base)


@pytest.mark.parametrize("name", POINTS)
def test_a_spike_is_flagged_where_it_is(name: str) -> None:
    values = noise(600)
    values[450] += 40
    values[550] -= 40
    judged = POINTS[name](values)
    assert judged.flagged[450:452].any()
    # boxes know no distance: to half-space trees the second spike is as rare as the first was
    assert judged.flagged[550] or "half-space-trees" in name
    assert judged.expected[450] == pytest.approx(50, abs=2)


@pytest.mark.parametrize("judge", EVERY.values(), ids=EVERY)
def test_noise_is_rarely_flagged(judge: Any) -> None:
    share = np.mean([judge(noise(600, seed=seed)).flagged.mean() for seed in range(5)])
    assert share < 0.05


@pytest.mark.parametrize("name", STREAMING)
def test_a_level_shift_is_seen_soon_and_then_taken_as_normal(name: str) -> None:
    values = noise(1600)
    values[700:] += 6
    judged = run(STREAMING[name](), values)
    assert judged.flagged[700:730].any()
    assert judged.flagged[1300:].mean() < 0.05


@pytest.mark.parametrize("judge", EVERY.values(), ids=EVERY)
def test_what_is_missing_changes_nothing_for_the_others(judge: Any) -> None:
    values = noise(120)
    values[80] += 30
    holes = list(values)
    for place in (0, 40, 81, len(holes)):
        holes[place:place] = [None, math.nan, math.inf]
    plain, holed = judge(values), judge(holes)
    real = [place for place, value in enumerate(holes) if value is not None and value < 1e9]
    assert len(holed.flagged) == len(values) + 12
    assert holed.flagged[real].tolist() == plain.flagged.tolist()
    assert np.array_equal(holed.deviation[real], plain.deviation, equal_nan=True)
    assert not np.delete(holed.flagged, real).any()
    assert np.isnan(np.delete(holed.expected, real)).all()


@pytest.mark.parametrize("judge", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("values", [[], [1.0], [None, math.nan], [1.0, 2.0]])
def test_too_little_is_said_not_hidden(judge: Any, values: list[Any]) -> None:
    judged = judge(values)
    assert judged.reason == "not enough data"
    assert (len(judged.flagged), judged.flagged.any()) == (len(values), False)


@settings(deadline=None, max_examples=40)
@given(MIXED)
def test_every_answer_is_finite_and_repeatable(values: list[Any]) -> None:
    for judge in EVERY.values():
        first, again = judge(values), judge(values)
        assert np.isfinite(first.deviation[first.seen]).all()
        assert np.isfinite(first.expected[first.seen]).all()
        assert (np.abs(first.deviation[first.seen]) <= 1e6).all()
        assert np.array_equal(first.deviation, again.deviation, equal_nan=True)


@pytest.mark.parametrize("name", STREAMING)
@settings(deadline=None, max_examples=30)
@given(MIXED, MIXED)
def test_a_loaded_detector_goes_on_as_the_dumped_one(
    name: str, before: list[Any], after: list[Any]
) -> None:
    detector = QUICK[name]()
    for value in before:
        detector.update(value)
    state = json.loads(json.dumps(detector.dump(), allow_nan=False))
    loaded = type(detector).load(state)
    assert [loaded.update(value) for value in after] == [detector.update(value) for value in after]
    assert loaded.dump() == detector.dump()
    assert loaded.skipped == sum(v is None or v != v for v in before + after)


@pytest.mark.parametrize("name", STREAMING)
def test_the_state_is_bounded(name: str) -> None:
    detector = STREAMING[name]()
    sizes = []
    for value in noise(3000).tolist():
        detector.update(value)
        sizes.append(len(json.dumps(detector.dump())) if len(sizes) % 500 == 499 else 0)
    assert max(sizes) < STATE_BYTES_MAX.get(name, 4096)


@pytest.mark.parametrize("name", STREAMING)
def test_times_in_any_order_and_form_of_gap_are_borne(name: str) -> None:
    draw = np.random.default_rng(3)
    times = np.cumsum(draw.integers(-3_600_000, 7_200_000, 1500)).tolist()
    judged = run(QUICK[name](), noise(1500), [at - 1e9 for at in times])
    assert judged.seen[1000:].all()
    assert judged.flagged[1000:].mean() < 0.1


@pytest.mark.parametrize("name", STREAMING)
def test_a_detector_is_made_and_loaded_by_name(name: str) -> None:
    detector = detector_of(name, seed=7)
    values = noise(400).tolist()
    for value in values:
        detector.update(value)
    loaded = load_detector(name, json.loads(json.dumps(detector.dump())))
    assert type(loaded) is type(detector)
    last = [each.update(500.0) for each in (loaded, detector)]
    assert last[0] == last[1]
    said = explain(name, 500.0, last[0])
    assert said.startswith("500 where ")
    assert explain(name, math.nan, loaded.update(None)) == "no finite number"


@pytest.mark.parametrize(
    "make",
    [
        lambda: ZScore(threshold=0), lambda: ZScore(window=5), lambda: Iqr(sensitivity=math.nan),
        lambda: MovingAverage(window=1), lambda: EwmaChart(weight=1.5), lambda: Cusum(mean=1.0),
        lambda: PageHinkley(std=0, mean=0), lambda: isolation_forest([1], share_max=0),
        lambda: Adwin(delta=0), lambda: Spot(risk=1), lambda: Spot(warmup=5),
        lambda: HoltWinters(period=1), lambda: HoltWinters(alpha=0), lambda: Seasonal(period=1),
        lambda: RandomCutForest(samples=50, window=20), lambda: HalfSpaceTrees(trees=0),
        lambda: Auto(limit=0), lambda: detector_of("esd"),
        lambda: IsolationForest(trees=0), lambda: RobustZScore(window=20.5),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(make: Any) -> None:
    with pytest.raises(Invalid):
        make()


# ---- zscore ----


def test_zscore_of_the_guide() -> None:
    judged = zscore([100, 105, 98, 1000])
    assert judged.flagged.tolist() == [False, False, False, True]
    assert judged.expected[3] == pytest.approx(101)
    assert judged.deviation[3] == pytest.approx(249.3 / math.sqrt(4 / 3), abs=0.1)
    assert judged.ratio[3] > 3
    assert zscore([100, 105, 98, 1000], student=True).flagged.tolist() == judged.flagged.tolist()
    mild = zscore([100, 105, 98, 110])
    assert not mild.flagged.any()
    assert mild.deviation[3] == pytest.approx(2.2, abs=0.05)
    assert zscore([100, 105, 98]).reason == "not enough data"


@settings(deadline=None)
@given(st.lists(st.integers(-1000, 1000), min_size=4, max_size=40))
def test_zscore_is_that_of_each_value_against_the_others(values: list[int]) -> None:
    judged = zscore(values)
    for place, value in enumerate(values):
        others = np.delete(np.array(values, float), place)
        assert judged.expected[place] == pytest.approx(others.mean(), abs=1e-6)
        spread = others.std(ddof=1)
        if spread > 1e-3:
            wanted = (value - others.mean()) / (spread * math.sqrt(1 + 1 / len(others)))
            assert judged.deviation[place] == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_a_huge_value_does_not_drown_the_others() -> None:
    judged = zscore([1.0, 2.0, 1.0, 2.0, 1e14, 1.0, 2.0])
    assert judged.flagged.nonzero()[0].tolist() == [4]
    assert judged.deviation[4] == 1e6


def test_one_spike_does_not_blind_the_stream() -> None:
    values = noise(150)
    values[100], values[105] = 1000, 60
    flagged = run(ZScore(), values).flagged.nonzero()[0].tolist()
    assert {100, 105} <= set(flagged)


def test_a_new_level_is_taken_as_it_is_after_ten_flags_in_a_row() -> None:
    flagged = run(ZScore(), [100.0] * 50 + [200.0] * 100).flagged.nonzero()[0].tolist()
    assert flagged[:10] == list(range(50, 60))
    assert len(flagged) < 20  # the old values still weigh for a few more


# ---- iqr, mad, moving average ----


def test_iqr_is_tukeys() -> None:
    values = [100.0 + place % 10 for place in range(50)] + [1000]
    judged = iqr(values)
    first, third = np.percentile(values, [25, 75])
    assert judged.flagged.nonzero()[0].tolist() == [50]
    assert judged.expected[0] == (first + third) / 2
    assert judged.deviation[50] == pytest.approx((1000 - judged.expected[0]) / (third - first))
    assert judged.limit == 2


def test_mad_of_the_guide() -> None:
    judged = robust_zscore([100, 105, 98, 1000])
    assert judged.flagged.tolist() == [False, False, False, True]
    assert judged.deviation[3] == pytest.approx(173, abs=0.1)
    assert np.abs(judged.deviation[:3]).max() == pytest.approx(0.87, abs=0.01)


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=7, max_size=40), st.integers(2, 6))
def test_moving_average_is_that_of_the_window_before(values: list[float], window: int) -> None:
    judged = moving_average(values, sensitivity=2, window=window)
    assert np.isnan(judged.expected[:window]).all()
    for place in range(window, len(values)):
        before = np.array(values[place - window : place])
        assert judged.expected[place] == pytest.approx(before.mean(), abs=1e-6)
        if before.std() > 1:
            wanted = (values[place] - before.mean()) / before.std()
            assert judged.deviation[place] == pytest.approx(wanted, rel=1e-6, abs=1e-6)


# ---- esd ----


@pytest.mark.parametrize(
    ("values", "outliers"),
    [
        ([100, 105, 98, 1000], [1000]), ([100, 105, 98, 1000, 1000], [1000, 1000]),
        ([100, 105, 98, 101], []), ([5, 5, 5, 5, 9], [9]),
    ],
)  # fmt: skip
def test_esd_of_the_design(values: list[int], outliers: list[int]) -> None:
    judged = esd(values)
    assert [v for v, is_out in zip(values, judged.flagged, strict=True) if is_out] == outliers


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-100, 100), min_size=5, max_size=25), st.booleans())
def test_esd_takes_the_worst_away_again_and_again(values: list[int], is_wild: bool) -> None:
    if is_wild:
        values = [*values, 5000, 5003]
    left, found = [float(value) for value in values], 0
    taken = []
    most = min((len(values) - 1) // 2, max(2, len(values) // 4))
    for step in range(1, most + 1):
        spread = np.std(left, ddof=1)
        if spread == 0:
            break
        mean, size = np.mean(left), len(left)
        taken.append(max(left, key=lambda value: (abs(value - mean), value)))
        t = student_limit(normal_two_sided(3), size - 2)
        if abs(taken[-1] - mean) / spread > (size - 1) * t / math.sqrt((size - 2 + t * t) * size):
            found = step
        left.remove(taken[-1])
    flagged = np.array(values, float)[esd(values).flagged]
    assert sorted(flagged) == sorted(taken[:found])


def test_of_two_levels_neither_is_made_of_outliers() -> None:
    assert not esd([0.0, 1.0] * 20).flagged.any()


# ---- charts ----


def test_cusum_of_the_design() -> None:
    judged = cusum([0] * 10 + [1.5] * 6, mean=0, std=1)
    assert judged.flagged.nonzero()[0].tolist() == [15]
    assert judged.deviation[15] == 6
    assert cusum([0] * 10 + [-1.5] * 6, mean=0, std=1).deviation[15] == -6


@settings(deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=60), st.floats(0.05, 1))
def test_charts_are_their_closed_forms_up_to_the_alarm(values: list[float], weight: float) -> None:
    z = np.array(values)
    ups = np.cumsum(z - 0.5)
    ups -= np.minimum.accumulate(np.minimum(ups, 0))
    downs = np.cumsum(-z - 0.5)
    downs -= np.minimum.accumulate(np.minimum(downs, 0))
    judged = cusum(z, mean=0, std=1, limit=1e5)
    assert np.abs(judged.deviation) == pytest.approx(np.maximum(ups, downs), abs=1e-9)
    judged = ewma_chart(z, mean=0, std=1, weight=weight, limit=1e5)
    t = np.arange(1, len(z) + 1)
    sums = [sum(weight * (1 - weight) ** (k - i) * z[i] for i in range(k + 1)) for k in t - 1]
    roots = np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * t)))
    assert judged.deviation == pytest.approx(sums / roots, abs=1e-9)
    judged = page_hinkley(z, mean=0, std=1, limit=1e5, delta=0.01)
    risen = np.cumsum(z - np.cumsum(z) / t - 0.01)
    fallen = np.cumsum(z - np.cumsum(z) / t + 0.01)
    risen -= np.minimum.accumulate(np.minimum(risen, 0))
    fallen = np.maximum.accumulate(np.maximum(fallen, 0)) - fallen
    assert np.abs(judged.deviation) == pytest.approx(np.maximum(risen, fallen), abs=1e-9)


@pytest.mark.parametrize("make", [EwmaChart, Cusum])
def test_charts_see_a_shift_of_one_standard_deviation(make: Any) -> None:
    values = noise(400)
    values[300:] += 1.5
    judged = run(make(mean=50.0, std=1.0), values)
    assert judged.flagged[300:330].any()


def test_a_chart_learns_mean_and_sample_spread_from_the_first_values() -> None:
    judged = ewma_chart([1.0, 2.0, 6.0, 7.0], weight=1.0, warmup=3)
    assert np.isnan(judged.deviation[:3]).all()
    assert judged.expected[3] == pytest.approx(3)
    assert judged.deviation[3] == pytest.approx(4 / math.sqrt(7))


# ---- isolation forest ----


def test_the_forest_hangs_on_its_seed_only() -> None:
    rows = np.random.default_rng(5).normal(size=(400, 2))
    scores = [IsolationForest(seed=seed).fit(rows).score(rows) for seed in (3, 3, 4)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])
    assert ((scores[0] > 0) & (scores[0] < 1)).all()


def test_the_forest_ranks_what_is_apart_first() -> None:
    draw = np.random.default_rng(6)
    rows = np.vstack(
        [draw.normal(size=(300, 2)), draw.normal(size=(300, 2)) + 12, [[6, 6], [20, -8]]]
    )
    scores = IsolationForest().fit(rows).score(rows)
    assert set(np.argsort(scores)[-2:].tolist()) == {600, 601}


def test_one_cut_is_enough_for_two_different_rows() -> None:
    rows = np.array([[0.0], [1.0]])
    scores = IsolationForest().fit(rows).score(rows)
    assert scores.tolist() == [0.5, 0.5]  # depth 1 of a mean depth of 1


def test_the_forest_takes_no_offence_at_the_first_values() -> None:
    assert not isolation_forest([7.0, -7.0] * 40).flagged.any()
    assert isolation_forest([7.0, -7.0] * 40 + [30.0]).flagged.nonzero()[0].tolist() == [80]


def test_the_forest_flags_at_most_the_share() -> None:
    values = noise()
    values[[50, 100, 150, 200]] += [20, 30, 40, 50]
    assert isolation_forest(values).flagged[[50, 100, 150, 200]].all()
    assert isolation_forest(values, share_max=0.01).flagged.sum() <= 3
