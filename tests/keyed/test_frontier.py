"""How far time has come: by events, by the clock, and for whom."""

from __future__ import annotations

import pytest

from summit.keyed.frontier import Frontier, View

NEVER = float("inf")
A, B, C = ("t", 0), ("t", 1), ("u", 0)


@pytest.fixture
def frontier() -> Frontier:
    made = Frontier()
    for place in (A, B, C):
        made.open(place, 10)
    return made


def test_it_is_the_slowest_partition_less_the_delay(frontier: Frontier) -> None:
    frontier.close(C)
    assert frontier.now == -NEVER
    frontier.reach(A, 100)
    assert frontier.now == -NEVER
    frontier.reach(B, 70)
    frontier.reach(B, 60)
    assert frontier.now == 60
    assert frontier.others(B) == 90
    frontier.close(B)
    assert frontier.now == 90
    assert frontier.others(A) == NEVER
    frontier.raise_to(500)
    assert frontier.all() == {A: 510}


def test_each_partition_has_its_own_delay() -> None:
    frontier = Frontier()
    frontier.open(A, 0)
    frontier.open(B, 50)
    frontier.reach(A, 100)
    frontier.reach(B, 120)
    assert frontier.now == 70
    frontier.open(B, 5)
    assert frontier.now == 100


def test_a_view_counts_what_it_sees(frontier: Frontier) -> None:
    view = View(frontier, lambda topic: topic == "u")
    assert view.now == -NEVER
    frontier.reach(C, 100)
    assert view.now == 90
    assert view.others(C) == NEVER
    frontier.open(("u", 1), 0)
    assert view.now == -NEVER
    frontier.close(("u", 1))
    assert view.now == 90
    frontier.close(C)
    assert view.now == -NEVER


def test_the_clock_moves_timers_and_nothing_else(frontier: Frontier) -> None:
    view = View(frontier, lambda topic: topic == "t")
    for place, time in ((A, 100), (B, 200), (C, 300)):
        frontier.reach(place, time)
    frontier.rest(A, 150, idle=False)
    assert (view.now, frontier.now, frontier.reached(A)) == (140, 90, 100)
    frontier.rest(A, 900, idle=False)
    assert view.now == 190
    frontier.wake(A)
    assert view.now == 90


def test_idle_partitions_count_only_when_all_are(frontier: Frontier) -> None:
    view = View(frontier, lambda topic: topic == "t")
    frontier.reach(A, 100)
    frontier.reach(B, 200)
    frontier.reach(C, 300)
    frontier.rest(A, 110, idle=True)
    assert (view.now, view.others(B), frontier.now) == (190, NEVER, 190)
    frontier.rest(B, 250, idle=True)
    assert (view.now, frontier.now) == (240, 290)
    frontier.wake(A)
    assert view.now == 90


def test_the_clock_says_nothing_of_a_partition_without_events(frontier: Frontier) -> None:
    view = View(frontier, lambda topic: topic == "t")
    frontier.reach(A, 100)
    frontier.rest(B, 500, idle=False)
    assert view.now == -NEVER
    frontier.rest(("unknown", 3), 500, idle=True)
    frontier.wake(("unknown", 3))
    assert ("unknown", 3) not in frontier.partitions
