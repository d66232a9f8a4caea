"""Counters of a broker: true by topic and in sum, failures told apart."""

from __future__ import annotations

from collections.abc import Callable

from tests.broker.wire import Wire, batch_of

from summit.broker import BrokerThread
from summit.broker.metrics import TopicCounters, busiest
from summit.protocol import codes


def test_what_went_in_and_out_and_what_failed(start_broker: Callable[..., BrokerThread]) -> None:
    broker = start_broker()
    with Wire(broker.port) as wire:
        assert wire.create_topic("a").error_code == 0
        assert wire.create_topic("b").error_code == 0
        batch = batch_of(b"one", b"two")
        for _ in range(3):
            assert wire.produce("a", batch).error_code == 0
        bad = bytearray(batch)
        bad[-1] ^= 1
        assert wire.produce("b", bytes(bad)).error_code == codes.CORRUPT_MESSAGE
        assert wire.produce("none", batch).error_code == codes.UNKNOWN_TOPIC_OR_PARTITION
        assert len(wire.fetch_values("a")) == 6
        assert wire.fetch("b", 99).error_code == codes.OFFSET_OUT_OF_RANGE
        found = broker.metrics()
    assert found["by_topic"] == {
        "a": {
            "messages_in": 6, "bytes_in": 3 * len(batch), "messages_out": 6,
            "bytes_out": 3 * len(batch), "failed_produce_requests": 0, "failed_fetch_requests": 0,
        },
        "b": {
            "messages_in": 0, "bytes_in": 0, "messages_out": 0, "bytes_out": 0,
            "failed_produce_requests": 1, "failed_fetch_requests": 1,
        },
    }  # fmt: skip
    assert (found["failed_produce_requests"], found["failed_fetch_requests"]) == (2, 1)
    assert (found["messages_in"], found["bytes_in"]) == (6, 3 * len(batch))
    assert (found["by_api"]["Produce"], found["by_api"]["Fetch"]) == (5, 2)


def test_only_the_busiest_topics_are_told() -> None:
    counters = [(f"t{n}", TopicCounters()) for n in range(10)]
    for n, (_, each) in enumerate(counters):
        each.bytes_in = n
    assert list(busiest(counters, 3)) == ["t9", "t8", "t7"]
    assert len(busiest(counters, 100)) == 9  # one has moved nothing
