"""The frontier: slowest partition that still matters."""

from __future__ import annotations

from summit.flow.frontier import NOTHING_OVER, Frontier


def test_the_slowest_partition_holds_it_back() -> None:
    frontier = Frontier(idle_ms=1_000)
    assert frontier.at(0) == NOTHING_OVER
    frontier.add("a/0", NOTHING_OVER, 0)
    frontier.add("a/1", NOTHING_OVER, 0)
    frontier.read("a/0", 5_000, 10)
    assert frontier.at(10) == NOTHING_OVER
    frontier.read("a/1", 4_000, 10)
    assert frontier.at(10_000) == 4_000
    frontier.remove("a/1")
    assert frontier.at(10_000) == 5_000


def test_an_empty_partition_holds_nothing_back() -> None:
    frontier = Frontier(idle_ms=1_000)
    frontier.add("a/0", NOTHING_OVER, 0)
    frontier.add("a/1", NOTHING_OVER, 0)
    frontier.read("a/0", 5_000, 0)
    frontier.reached_end("a/1")
    assert frontier.at(0) == 5_000


def test_time_flows_on_in_a_silent_partition_and_then_it_no_longer_counts() -> None:
    frontier = Frontier(idle_ms=1_000)
    for name in ("a/0", "a/1"):
        frontier.add(name, NOTHING_OVER, 0)
    frontier.read("a/0", 9_000, 0)
    frontier.read("a/1", 5_000, 0)
    frontier.reached_end("a/1")
    assert frontier.at(400) == 5_400
    assert frontier.at(1_001) == 9_000
    frontier.read("a/1", 5_100, 1_002)
    assert frontier.at(1_002) == 5_100
    assert frontier.watermark("a/1") == 5_100


def test_with_all_silent_nothing_more_is_over() -> None:
    frontier = Frontier(idle_ms=1_000)
    frontier.add("a/0", 5_000, 0)
    frontier.reached_end("a/0")
    assert frontier.at(900) == 5_900
    assert frontier.at(2_000) == NOTHING_OVER
