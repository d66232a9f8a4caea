"""Matchers: what they mean, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from summit.alerts.matchers import Matchers, entities_of, read_matchers
from summit.base.errors import Invalid

ALERT: tuple[Any, ...] = ("high", "brute", ("ssh", "prod"), {"ip": "10.0.0.1", "port": 1}, (
    "ip=10.0.0.1", "port=1",
))  # fmt: skip


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ({"severity": "high"}, True),
        ({"severity": ["low", "high"]}, True),
        ({"severity": ["low"]}, False),
        ({"rule": "brute"}, True),
        ({"rule": "scan"}, False),
        ({"tags": ["ssh", "prod"]}, True),
        ({"tags": ["ssh", "test"]}, False),
        ({"key": {"ip": "10.0.0.1"}}, True),
        ({"key": {"port": 1.0}}, True),
        ({"key": {"port": "1"}}, False),
        ({"key": {"port": True}}, False),
        ({"key": {"user": "x"}}, False),
        ({"entity": "ip=10.0.0.1"}, True),
        ({"entity": "ip=10.0.0.2"}, False),
        ({"severity": "high", "tags": "none"}, False),
    ],
)
def test_every_member_given_must_hold(values: dict[str, Any], holds: bool) -> None:
    assert read_matchers(values).matches(*ALERT) is holds


@pytest.mark.parametrize(
    "values",
    [None, [], "high", {}, {"severity": []}, {"severity": "urgent"}, {"severity": 3},
     {"tags": [1]}, {"key": "x"}, {"colour": "red"}],
)  # fmt: skip
def test_what_means_nothing_or_everything_is_refused(values: Any) -> None:
    with pytest.raises(Invalid, match="matchers"):
        read_matchers(values)


def test_entities_are_the_fields_of_the_key() -> None:
    assert entities_of({}) == ()
    assert entities_of({"a": None, "b": 2.5}) == ("a=null", "b=2.5")
    assert Matchers() == Matchers(severity=())
