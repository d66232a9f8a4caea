"""The id of an alert depends on what it was made from and on nothing else."""

from __future__ import annotations

import pytest

from summit.alerts.identity import alert_id, source_coordinate

BASE = {
    "kind": "pattern",
    "rule_id": "r",
    "semantic_hash": "h",
    "key": ("a",),
    "identity": [("s1", ("t", 0, 7)), ("s2", ("t", 0, 9))],
}


def test_the_id_is_stable_across_versions_of_this_program() -> None:
    assert alert_id("pattern", "r", "h", ["a"], [("s", ("t", 0, 7))]) == (
        "a7bbe6ce8b6634d1b8e2e4d386811e96"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "window"},
        {"rule_id": "r2"},
        {"semantic_hash": "h2"},
        {"key": ("b",)},
        {"key": (1,)},
        {"key": (None,)},
        {"key": ("a", "a")},
        {"identity": [("s2", ("t", 0, 7)), ("s1", ("t", 0, 9))]},
        {"identity": [("s1", ("t", 0, 9)), ("s2", ("t", 0, 7))]},
        {"identity": [("s1", ("t", 1, 7)), ("s2", ("t", 0, 9))]},
        {"identity": [("s1", "file:x:7:0"), ("s2", ("t", 0, 9))]},
    ],
    ids=",".join,
)
def test_every_part_counts(change: dict) -> None:
    assert alert_id(**{**BASE, **change}) != alert_id(**BASE)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (1, "1", False),
        (1, True, False),
        (0, False, False),
        ("null", None, False),
        (1.5, "1.5", False),
        (2**62, float(2**62), True),
    ],
)
def test_keys_keep_their_types(left: object, right: object, same: bool) -> None:
    ids = [alert_id("pattern", "r", "h", [key], []) for key in (left, right)]
    assert (ids[0] == ids[1]) is same


def test_a_collector_position_wins_over_the_place_in_the_log() -> None:
    assert source_coordinate("file:a:0:0", "t", 0, 7) == source_coordinate("file:a:0:0", "u", 3, 1)
    assert source_coordinate(None, "t", 0, 7) == ("t", 0, 7)
    assert source_coordinate("", "t", 0, 7) == ""
