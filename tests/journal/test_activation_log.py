"""From recorded activations to the phases of a replay."""

from __future__ import annotations

import pytest

from summit.base.errors import Corrupt
from summit.journal.activation_log import (
    Activation,
    Phase,
    decode_activation,
    encode_activation,
    moved_activation,
    phases_of,
)

LOG = [
    Activation(3, {"a/0": 0, "b/0": 5}),
    Activation(3, {"a/0": 7}),  # somebody else took it over
    Activation(8, {"a/0": 10, "b/0": 5}),
    Activation(9, {"a/0": 20, "c/0": 0}),
    Activation(9, {"b/0": 30}),
]


def test_each_phase_ends_where_the_next_begins() -> None:
    assert phases_of(LOG, dict.fromkeys(("a/0", "b/0", "c/0"), 0)) == [
        Phase(3, {"a/0": 10, "b/0": 5, "c/0": 0}),
        Phase(8, {"a/0": 20, "b/0": 30, "c/0": 0}),
        Phase(9, {}),
    ]


def test_a_phase_that_is_over_before_the_start_is_left_out() -> None:
    assert phases_of(LOG, {"a/0": 12, "b/0": 5}) == [
        Phase(8, {"a/0": 20, "b/0": 30}),
        Phase(9, {}),
    ]
    assert phases_of(LOG, {"c/0": 4}) == [Phase(9, {})]
    assert phases_of(LOG, {"d/0": 0}) == []
    assert phases_of([], {"a/0": 0}) == []


def test_a_worker_that_was_behind_changes_nothing_before_it_came() -> None:
    late = [*LOG[:3], Activation(3, {"a/0": 12})]
    assert phases_of(late, {"a/0": 0})[0] == Phase(3, {"a/0": 10})


def test_there_and_back() -> None:
    (first, *_) = LOG
    assert decode_activation(encode_activation(first)) == first
    moved = moved_activation(
        encode_activation(first), lambda topic, _p, at, _s: (at - 1 if topic == "b" else at, None),
        ("_summit.definitions", 0),
    )  # fmt: skip
    assert decode_activation(moved) == Activation(3, {"a/0": 0, "b/0": 4})
    with pytest.raises(Corrupt):
        decode_activation(b'{"definitions": "x"}')
