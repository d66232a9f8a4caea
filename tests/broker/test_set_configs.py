"""A topic's configs changed while it is in use."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest
from tests.broker.wire import Wire, batch_of

from summit.base.errors import SummitError
from summit.broker import Broker
from summit.protocol import codes
from summit.protocol.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from summit.records import parse_header


def set_configs(thread: Any, topic: str, **configs: str | None) -> SummitError | None:
    """Call `Catalogue.set_configs` on the broker's loop and wait for its answer."""
    broker: Broker = thread._broker
    state = broker._state
    assert state is not None
    told: concurrent.futures.Future[SummitError | None] = concurrent.futures.Future()

    def act() -> None:
        try:
            found = state.topics.named(topic)
            assert found is not None
            named = {key.replace("_", "."): value for key, value in configs.items()}
            state.catalogue.set_configs(found, named, told.set_result)
        except SummitError as error:
            told.set_result(error)

    state.loop.call_soon_threadsafe(act)
    return told.result(10)


def described(wire: Wire, topic: str) -> dict[str, Any]:
    resource = DescribeConfigsResource(
        resource_type=2, resource_name=topic, configuration_keys=None
    )
    request = DescribeConfigsRequest(resources=[resource], include_synonyms=True)
    (result,) = wire.ask(DESCRIBE_CONFIGS, 4, request).results
    return {config.name: config for config in result.configs}


def test_they_hold_at_once_and_after_a_restart(start_broker: Any) -> None:
    broker = start_broker()
    with Wire(broker.port) as wire:
        wire.create_topic("t", max_message_bytes="200", retention_ms="5000")
        assert wire.produce("t", batch_of(b"x" * 300)).error_code == codes.MESSAGE_TOO_LARGE
        assert set_configs(broker, "t", compression_type="gzip", segment_bytes="2048") is None
        assert wire.produce("t", batch_of(b"x" * 3000)).error_code == 0
        assert parse_header(bytes(wire.fetch("t", 0).records)).codec == 1
        error = set_configs(broker, "t", segment_bytes="1")
        assert error is not None
        assert error.kafka_code == "INVALID_CONFIG"
    broker.stop()
    with Wire(start_broker().port) as wire:
        configs = described(wire, "t")
        own = {name for name, config in configs.items() if config.config_source == 1}
        assert own == {"compression.type", "segment.bytes"}
        assert configs["segment.bytes"].value == "2048"
        assert [s.value for s in configs["segment.bytes"].synonyms] == ["2048", str(1 << 30)]


def test_every_key_is_described_with_its_default(wire: Wire) -> None:
    wire.create_topic("plain")
    values = {name: config.value for name, config in described(wire, "plain").items()}
    for_ever = str(2**63 - 1)
    assert (
        values
        | {
            "compression.type": "producer",
            "flush.messages": for_ever,
            "flush.ms": for_ever,
            "index.interval.bytes": "4096",
            "message.timestamp.after.max.ms": "3600000",
            "message.timestamp.before.max.ms": for_ever,
            "message.timestamp.type": "CreateTime",
            "segment.index.bytes": "10485760",
        }
        == values
    )


@pytest.mark.parametrize("configs", [{"compression_type": None}, {}])
def test_what_is_left_out_falls_to_the_default(start_broker: Any, configs: dict[str, Any]) -> None:
    broker = start_broker()
    with Wire(broker.port) as wire:
        wire.create_topic("t", compression_type="gzip")
        assert set_configs(broker, "t", **configs) is None
        wire.produce("t", batch_of(b"x" * 300))
        assert parse_header(bytes(wire.fetch("t", 0).records)).codec == 0
