"""Cooperative rebalances and static members with librdkafka, unmodified, against our broker."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError
from tests.interop.processes import BrokerProcess
from tests.interop.test_confluent import consumer, produce, take, wait_for

pytestmark = pytest.mark.interop


def test_a_cooperative_rebalance_takes_only_what_moves(
    broker: BrokerProcess, topic: str, group: str
) -> None:
    produce(broker, topic, 40)
    config = {"partition.assignment.strategy": "cooperative-sticky"}
    first, second = consumer(broker, group, **config), consumer(broker, group, **config)
    revoked: list[int] = []
    first.subscribe(
        [topic], on_revoke=lambda _, parts: revoked.extend(part.partition for part in parts)
    )
    assert len(take(first, 40)) == 40
    second.subscribe([topic])

    def shared() -> bool:
        first.poll(0.05)
        second.poll(0.05)
        return len(first.assignment()) == len(second.assignment()) == 2

    wait_for(shared)
    assert sorted(revoked) == sorted(part.partition for part in second.assignment())
    second.close()
    wait_for(lambda: first.poll(0.05) is not None or len(first.assignment()) == 4)
    first.close()


def test_a_second_static_member_of_the_same_name_fences_the_first(
    broker: BrokerProcess, topic: str, group: str
) -> None:
    produce(broker, topic, 40)
    errors: list[int] = []
    config: dict[str, Any] = {"group.instance.id": "one", "session.timeout.ms": 10000}
    first = consumer(broker, group, log_level=0, **config)
    first.subscribe([topic])
    assert len(take(first, 40)) == 40
    second = consumer(broker, group, **config)
    second.subscribe([topic])

    def fenced() -> bool:
        message = first.poll(0.05)
        if message is not None and message.error() is not None:
            errors.append(message.error().code())
        second.poll(0.05)
        return KafkaError._FATAL in errors

    wait_for(fenced)
    wait_for(lambda: second.poll(0.05) is not None or len(second.assignment()) == 4)
    second.close()
    first.close()
