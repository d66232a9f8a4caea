"""Times of events, windows and watermarks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.events.times import TIME_MS_MAX, TIME_MS_MIN, epoch_ms
from summit.events.watermarks import NO_TIME_MS, Watermarks
from summit.events.windows import (
    Window,
    joins_session,
    sliding_windows,
    tumbling_window,
    within,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (1_700_000_000_123, 1_700_000_000_123),
        (12.9, 12),
        (-0.5, -1),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01.5z", 1_500),
        ("1970-01-01 01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2024-02-29T23:59:59.123456789-05:30", 1_709_270_999_123),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("0001-01-01T00:00:00Z", TIME_MS_MIN),
        ("9999-12-31T23:59:59.999Z", TIME_MS_MAX),
        # no times
        (None, None), (True, None), ([], None), ("", None), ("0", None), ("now", None),
        ("2024-01-01", None), ("2024-01-01T00:00:00", None), ("2023-02-29T00:00:00Z", None),
        ("2024-01-01T24:00:00Z", None), ("2024-01-01T00:00:61Z", None),
        ("2024-01-01T00:00:00+25:00", None), ("2024-01-01T00:00:00+01:99", None),
        ("\u0662024-01-01T00:00:00Z", None),
        (TIME_MS_MAX + 1, None), (10**400, None), (float("inf"), None), (float("nan"), None),
    ],
)  # fmt: skip
def test_epoch_ms(value, expected):
    assert epoch_ms(value) == expected


@given(st.integers(TIME_MS_MIN + 86_400_000, TIME_MS_MAX - 86_400_000))
def test_text_and_number_are_the_same_instant(ms):
    whole = datetime.fromtimestamp(ms // 1_000, UTC).isoformat()
    text = f"{whole.removesuffix('+00:00')}.{ms % 1_000:03d}Z"
    assert epoch_ms(text) == epoch_ms(ms) == ms


#  size 100, slide 50                     125
#  window 0     |--------------------|     .
#  window 50              |----------------.--|
#  window 100                     |--------.-----------|
#               0         50      100      .     200
@pytest.mark.parametrize(
    ("at", "size", "slide", "starts"),
    [
        (125, 100, 50, [50, 100]),
        (150, 100, 50, [100, 150]),
        (149, 100, 50, [50, 100]),
        (0, 100, 50, [-50, 0]),
        (125, 100, 100, [100]),
        (125, 100, 30, [30, 60, 90, 120]),
        (125, 20, 50, []),
        (119, 20, 50, [100]),
    ],
)
def test_sliding_windows(at, size, slide, starts):
    found = sliding_windows(at, size, slide)
    assert [window.start_ms for window in found] == starts
    assert all(window.holds(at) for window in found)


@given(st.integers(-10_000, 10_000), st.integers(1, 300), st.integers(1, 300))
def test_sliding_windows_are_all_that_hold_the_time(at, size, slide):
    expected = [
        start for start in range(at // slide * slide - 2 * size - slide, at + 1)
        if start % slide == 0 and start <= at < start + size
    ]  # fmt: skip
    assert [window.start_ms for window in sliding_windows(at, size, slide)] == expected


@given(st.integers(-10_000, 10_000), st.integers(1, 300))
def test_a_tumbling_window_is_the_sliding_one_that_hops_by_its_size(at, size):
    assert [tumbling_window(at, size)] == sliding_windows(at, size, size)


def test_ends_are_outside_but_a_sessions_gap_is_inside():
    assert Window(10, 20).holds(10)
    assert not Window(10, 20).holds(20)
    assert within(0, 59_999, 60_000)
    assert not within(0, 60_000, 60_000)
    assert joins_session(1_000, 6_000, 5_000)
    assert not joins_session(1_000, 6_001, 5_000)


def test_watermarks():
    a, b = ("t", 0), ("t", 1)
    marks = Watermarks([a, b], delay_ms=10)
    assert marks.frontier_ms() == NO_TIME_MS
    assert not marks.observe(a, 100)
    assert marks.of(a) == 90
    assert marks.frontier_ms() == NO_TIME_MS  # b has had no event
    assert not marks.observe(a, 90)  # exactly the watermark: not late
    assert marks.observe(a, 89)
    assert not marks.observe(b, 50)  # late for a, not for its own partition
    assert marks.frontier_ms() == 40
    marks.set_idle(b)
    assert marks.frontier_ms() == 90
    assert not marks.observe(b, 60)  # active again, but the frontier never goes back
    assert (marks.of(b), marks.frontier_ms()) == (50, 90)
    marks.remove(b)
    marks.observe(a, 300)
    assert marks.frontier_ms() == 290
    marks.add(("u", 0))
    assert marks.frontier_ms() == 290
