"""How far back a restart reads: far enough for every unfinished match, and not much farther."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from summit.base.limits import WATERMARK_UNKNOWN
from summit.flow.read_back import ReadBack


def test_the_drawing_of_the_module() -> None:
    back = ReadBack(60_000)
    back.begin("a/0", 0, WATERMARK_UNKNOWN)
    for offset, watermark in ((400, 0), (800, 30_000), (1_200, 70_000)):
        back.note("a/0", offset, watermark)
    assert back.low(float("-inf")) == {"a/0": (0, WATERMARK_UNKNOWN)}
    assert back.low(59_999) == {"a/0": (0, WATERMARK_UNKNOWN)}
    assert back.low(70_000) == {"a/0": (400, 0)}
    assert back.low(90_000) == {"a/0": (800, 30_000)}
    assert back.low(10**9) == {"a/0": (1_200, 70_000)}


def test_rules_of_one_event_need_nothing_from_before() -> None:
    back = ReadBack(0)
    back.begin("a/0", 5, WATERMARK_UNKNOWN)
    back.note("a/0", 9, 100)
    back.note("a/0", 12, 100)
    assert back.low(float("-inf")) == {"a/0": (12, 100)}


def test_it_never_goes_back_behind_what_was_finished() -> None:
    back = ReadBack(1_000)
    back.begin("a/0", 0, WATERMARK_UNKNOWN)
    back.note("a/0", 4, 100)
    assert back.nothing_unfinished() == {"a/0": (4, 100)}
    back.note("a/0", 9, 500)
    assert back.low(500) == {"a/0": (4, 100)}


def test_partitions_come_and_go() -> None:
    back = ReadBack(10)
    back.begin("a/0", 5, 7)
    back.begin("a/1", 0, WATERMARK_UNKNOWN)
    back.remove("a/0")
    assert back.low(0) == {"a/1": (0, WATERMARK_UNKNOWN)}


@given(
    steps=st.lists(st.tuples(st.integers(1, 9), st.integers(-50, 200)), max_size=80),
    within=st.integers(1, 500),
)
def test_no_event_of_a_live_run_lies_before_it_and_little_else_behind(
    steps: list[tuple[int, int]], within: int
) -> None:
    back = ReadBack(within)
    back.begin("a/0", 0, WATERMARK_UNKNOWN)
    offset, watermark = 0, 1_000
    taken: list[int] = []  # per offset, the time it was taken at
    for count, advance in steps:
        for _ in range(count):
            watermark = max(watermark, watermark + advance)
            taken.append(watermark)
        offset += count
        back.note("a/0", offset, watermark)
    low, before = back.low(watermark)["a/0"]
    alive = [n for n, time in enumerate(taken) if time > watermark - within]
    assert all(n >= low for n in alive)
    assert before == (taken[low - 1] if low else WATERMARK_UNKNOWN)
