"""Quotas: what is set, what of it holds for whom, and that who is over it has to rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.broker.wire import Wire, batch_of, fetch_request, produce_request

from summit.broker import BrokerThread
from summit.protocol import codes, frames
from summit.protocol.alter_client_quotas import (
    ALTER_CLIENT_QUOTAS,
    AlterClientQuotasRequest,
    QuotaAlteration,
    QuotaOperation,
)
from summit.protocol.describe_client_quotas import (
    DESCRIBE_CLIENT_QUOTAS,
    DescribeClientQuotasRequest,
    QuotaComponent,
    QuotaEntity,
)
from summit.protocol.fetch import FETCH
from summit.protocol.produce import PRODUCE

RATE = 24_200.0  # ten seconds of it are let through at once
Entity = dict[str, str | None]


def alter(
    wire: Wire, entity: Entity, version: int = 1, check: bool = False, **values: float | None
) -> int:
    entry = QuotaAlteration(
        entity=[QuotaEntity(entity_type=k, entity_name=n) for k, n in entity.items()],
        ops=[QuotaOperation(key=k, value=v or 0, remove=v is None) for k, v in values.items()],
    )
    request = AlterClientQuotasRequest(entries=[entry], validate_only=check)
    (result,) = wire.ask(ALTER_CLIENT_QUOTAS, version, request).entries
    assert {each.entity_type: each.entity_name for each in result.entity} == entity
    return int(result.error_code)


def described(wire: Wire, *components: tuple[str, int, str | None], strict: bool = False) -> Any:
    request = DescribeClientQuotasRequest(
        components=[QuotaComponent(entity_type=k, match_type=t, match=m) for k, t, m in components],
        strict=strict,
    )
    answer = wire.ask(DESCRIBE_CLIENT_QUOTAS, 1, request)
    if answer.error_code:
        return answer.error_code
    return [
        ({e.entity_type: e.entity_name for e in entry.entity},
         {v.key: v.value for v in entry.values})
        for entry in answer.entries
    ]  # fmt: skip


def test_quotas_are_set_found_removed_and_last(start_broker: Callable[..., BrokerThread]) -> None:
    broker = start_broker()
    with Wire(broker.port) as wire:
        assert alter(wire, {"user": "ann"}, producer_byte_rate=1.5, consumer_byte_rate=7) == 0
        assert alter(wire, {"client-id": None}, 0, consumer_byte_rate=8) == 0
        assert alter(wire, {"client-id": "c", "user": None}, producer_byte_rate=9) == 0
        assert alter(wire, {"user": "ann"}, check=True, producer_byte_rate=99) == 0
    broker.stop()
    broker = start_broker()
    with Wire(broker.port) as wire:
        ann = ({"user": "ann"}, {"producer_byte_rate": 1.5, "consumer_byte_rate": 7.0})
        both = ({"client-id": "c", "user": None}, {"producer_byte_rate": 9.0})
        assert len(described(wire)) == 3
        assert described(wire, ("user", 0, "ann")) == [ann]
        assert described(wire, ("user", 1, None)) == [both]
        assert described(wire, ("user", 2, None)) == [both, ann]
        assert described(wire, ("user", 2, None), strict=True) == [ann]
        assert described(wire, ("ip", 2, None)) == []
        assert described(wire, ("planet", 2, None)) == codes.UNSUPPORTED_VERSION
        assert described(wire, ("user", 2, None), ("user", 1, None)) == codes.INVALID_REQUEST
        assert alter(wire, {"user": "ann"}, producer_byte_rate=None) == 0
        assert described(wire, ("user", 0, "ann"))[0][1] == {"consumer_byte_rate": 7.0}
        assert alter(wire, {"user": "ann"}, consumer_byte_rate=None) == 0
        assert described(wire, ("user", 0, "ann")) == []


@pytest.mark.parametrize(
    ("entity", "values"),
    [
        ({}, {"producer_byte_rate": 1}), ({"planet": "x"}, {"producer_byte_rate": 1}),
        ({"ip": "127.0.0.1"}, {"connection_creation_rate": 1}),
        ({"user": ""}, {"producer_byte_rate": 1}), ({"user": "a"}, {"request_percentage": 50}),
        ({"user": "a"}, {"producer_byte_rate": 0}), ({"user": "a"}, {"producer_byte_rate": -1}),
        ({"user": "a"}, {"producer_byte_rate": float("nan")}),
        ({"user": "a"}, {"producer_byte_rate": float("inf")}),
    ],
)  # fmt: skip
def test_what_nothing_would_hold_is_refused(
    wire: Wire, entity: Entity, values: dict[str, float]
) -> None:
    assert alter(wire, entity, **values) == codes.INVALID_REQUEST
    assert described(wire) == []


def test_who_is_over_its_rate_rests(wire: Wire, broker: BrokerThread, topic: str) -> None:
    """Both ways; another client, and the same one when the quota is gone, do not."""
    batch = batch_of(b"x" * 250_000)
    assert alter(wire, {"client-id": "wire"}, producer_byte_rate=RATE, consumer_byte_rate=RATE) == 0
    try:
        with Wire(broker.port) as other:
            asked = produce_request(topic, batch)
            frame = frames.encode_request_frame(PRODUCE, 9, 1, asked, "another")
            other.send_raw(frame)
            assert other.receive(PRODUCE, 9).throttle_time_ms == 0
        for api, version, message in (
            (PRODUCE, 9, produce_request(topic, batch)),
            (PRODUCE, 7, produce_request(topic, batch)),
            (FETCH, 12, fetch_request([(topic, 0, 0)])),
            (FETCH, 4, fetch_request([(topic, 0, 0)])),
        ):
            alter(wire, {"client-id": "wire"}, producer_byte_rate=RATE)  # a fresh measure
            with Wire(broker.port, timeout_s=60) as over:
                begun = time.monotonic()
                rest_ms = over.ask(api, version, message).throttle_time_ms
                assert 100 < rest_ms <= 10_000
                with Wire(broker.port) as own:
                    assert own.metadata().brokers, "only the connection rests"
                over.metadata()
                assert time.monotonic() - begun > rest_ms / 1000 - 0.1
    finally:
        alter(wire, {"client-id": "wire"}, producer_byte_rate=None, consumer_byte_rate=None)
    assert wire.ask(PRODUCE, 9, produce_request(topic, batch)).throttle_time_ms == 0
