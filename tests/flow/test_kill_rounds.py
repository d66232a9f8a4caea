"""The reference of `bench/flow/kills.py` finds something of every kind, and its check can fail."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from bench.flow.kill_check import Reference, Written, differences
from bench.flow.kill_load import PARTITIONS, TOPICS, Row, Traffic, expected


def rows_of(seed: int, bursts: int) -> list[Row]:
    traffic = Traffic(random.Random(seed))
    ends: Counter[tuple[str, int]] = Counter()
    rows: list[Row] = []
    parts = [traffic.burst() for _ in range(bursts)]
    parts += [(topic, n, [traffic.pause()]) for topic in TOPICS for n in range(PARTITIONS)]
    for topic, partition, events in parts:
        for event in events:
            rows.append(Row(topic, partition, ends[topic, partition], event))
            ends[topic, partition] += 1
    return rows


def test_the_reference_finds_something_of_every_kind() -> None:
    wanted = expected(rows_of(1, 120))
    assert {name for name, *_ in wanted.alerts} == {"five", "five-timed", "unanswered"}
    assert {name for name, *_ in wanted.windows} == {"hourly", "trailing", "visit"}
    assert {reason for _, _, reason, _ in wanted.groups} == {None, "max", "window"}
    assert len(wanted.results) > 100
    assert sum(wanted.chained.values()) > 3
    assert sum(wanted.forwarded.values()) == 5 * sum(n == "five" for n, *_ in wanted.alerts)


@pytest.mark.parametrize("once", [True, False])
def test_nothing_written_differs_from_what_must_be_there(once: bool) -> None:
    wanted = expected(rows_of(2, 60))
    told = differences(Reference(wanted, ["a"], ["g"], {}), Written(), once=once)
    names = [text.partition(":")[0] for text in told]
    assert names == [
        "alerts", "window rules", "chained", "forwarded", "correlated groups", "results",
        "ids of alerts", "ids of groups",
    ]  # fmt: skip
    assert f" {wanted.alerts.total()} missing, 0 too many" in told[0]
