"""Fixtures for other people's tests: a Kafka-protocol broker in the test's own process.

pytest finds this by its entry point; no part of the product imports it, and it imports the product
only when a fixture is used. The brokers are real ones on real TCP, with nothing on a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from summit.stream_processing import EmbeddedBroker

# As people know it from a broker in a container: a topic is there when it is first used.
_DEFAULTS = {"auto_create_topics": True, "num_partitions": 1}


@pytest.fixture
def summit_broker_factory() -> Iterator[Callable[..., EmbeddedBroker]]:
    """Makes brokers: `summit_broker_factory(num_partitions=6)` has started one.

    Takes any field of `BrokerConfig`. All of them end with the test.
    """
    from summit.stream_processing import EmbeddedBroker

    brokers: list[EmbeddedBroker] = []

    def make(**fields: Any) -> EmbeddedBroker:
        broker = EmbeddedBroker.in_memory(**{**_DEFAULTS, **fields})
        broker.start()
        brokers.append(broker)
        return broker

    yield make
    for broker in reversed(brokers):
        broker.stop()


@pytest.fixture
def summit_broker(summit_broker_factory: Callable[..., EmbeddedBroker]) -> EmbeddedBroker:
    """A broker of the test's own; clients dial `summit_broker.address`.

    Topics come into being when they are used, with one partition each.
    """
    return summit_broker_factory()
