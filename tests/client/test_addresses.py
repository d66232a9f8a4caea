"""Whom `connect(brokers)` dials."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from summit.base.errors import Invalid, Unavailable
from summit.client.addresses import parse_address, resolve_addresses

BROKER = SimpleNamespace(address="10.0.0.1:9093")


@pytest.mark.parametrize(
    ("brokers", "addresses"),
    [
        (None, ["conf:9092"]),
        ("a:1", ["a:1"]),
        ("a:1, b", ["a:1", "b:9092"]),
        (["a:1", "b:2", "a:1"], ["a:1", "b:2"]),
        ({0: "a:1", 1: "b:2"}, ["a:1", "b:2"]),
        (["a:1,b", "c:3"], ["a:1", "b:9092", "c:3"]),  # `[broker.address]` of a cluster
        (BROKER, ["10.0.0.1:9093"]),
        ([BROKER, "b:2"], ["10.0.0.1:9093", "b:2"]),
        ({0: BROKER}, ["10.0.0.1:9093"]),
        ("[::1]:7", ["[::1]:7"]),
        ("[::1]", ["[::1]:9092"]),
    ],
)
def test_addresses(brokers: Any, addresses: list[str]) -> None:
    assert resolve_addresses(brokers, ["conf"]) == addresses


@pytest.mark.parametrize("brokers", [None, [], {}, "", " , "])
def test_no_address_is_no_broker(brokers: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        resolve_addresses(brokers, [])
    assert caught.value.code == "client.no_brokers"


@pytest.mark.parametrize(
    "text", ["a:x", "a:0", "a:65536", ":9092", "::1", "::1:9092", "http://a:1", "a b:1", "a:-1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_address(text)
    assert caught.value.code == "client.address"


def test_things_that_are_no_brokers_are_refused() -> None:
    with pytest.raises(Invalid):
        resolve_addresses(7, [])
