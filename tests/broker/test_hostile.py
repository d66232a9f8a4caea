"""Clients that are broken or mean: each is refused in its own way, and the others never notice."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.broker.wire import Wire, batch_of, fetch_request, produce_request

from summit.broker import BrokerThread
from summit.protocol import frames
from summit.protocol.apis import APIS
from summit.protocol.fetch import FETCH
from summit.protocol.metadata import METADATA, MetadataRequest
from summit.protocol.produce import PRODUCE


@pytest.fixture(autouse=True)
def _others_are_served(broker: BrokerThread, topic: str) -> Iterator[None]:
    """Before and after each attack another client writes and reads."""
    with Wire(broker.port) as other:
        assert other.produce(topic, batch_of(b"before")).base_offset == 0
        yield
        assert other.produce(topic, batch_of(b"after")).error_code == 0
        values = other.fetch_values(topic)
        assert values[0] == b"before"
        assert values[-1] == b"after"


@pytest.mark.parametrize("size", [-1, -(2**31), 0, 1, 9, 100 * 2**20 + 1, 2**31 - 1])
def test_frame_lengths_that_cannot_be(wire: Wire, size: int) -> None:
    wire.send_raw(struct.pack(">i", size) + b"\0" * 20)
    assert wire.is_closed_by_broker()


def test_a_long_frame_of_a_small_api(wire: Wire) -> None:
    wire.send_raw(struct.pack(">ihhi", 50 * 2**20, METADATA.key, 9, 1) + b"\0" * 4096)
    assert wire.is_closed_by_broker()


def test_a_http_client(wire: Wire) -> None:
    wire.send_raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert wire.is_closed_by_broker()


def test_a_tls_client(wire: Wire) -> None:
    wire.send_raw(bytes.fromhex("16030100c8010000c40303") + bytes(200))
    assert wire.is_closed_by_broker()


@pytest.mark.parametrize("key", [-1, 4, 99, 1000, 32767])
def test_unknown_apis_end_the_connection(wire: Wire, key: int) -> None:
    wire.send_raw(struct.pack(">ihhih", 10, key, 0, 1, -1))
    assert wire.is_closed_by_broker()


@pytest.mark.parametrize("key", sorted(set(APIS) - {18}))
def test_unknown_versions_end_the_connection(broker: BrokerThread, key: int) -> None:
    for version in (-1, APIS[key].versions.last + 1, 32767):
        with Wire(broker.port) as wire:
            wire.send_raw(struct.pack(">ihhih", 10, key, version, 1, -1))
            assert wire.is_closed_by_broker()


@pytest.mark.parametrize("version", [0, 1, 2])
def test_produce_versions_that_are_advertised_but_not_served(wire: Wire, version: int) -> None:
    wire.send_raw(struct.pack(">ihhih", 10, PRODUCE.key, version, 1, -1))
    assert wire.is_closed_by_broker()


@pytest.mark.parametrize("key", sorted(APIS))
def test_truncated_and_garbage_bodies(broker: BrokerThread, key: int) -> None:
    chance = random.Random(key)
    api = APIS[key]
    for version in range(api.versions.first, api.versions.last + 1):
        for size in (0, 1, 7, 40):
            body = chance.randbytes(size)
            head = frames.encode_request_header(api, version, 1, "mean")
            with Wire(broker.port) as wire:
                wire.send_raw(struct.pack(">i", len(head) + size) + head + body)
                wire.socket.shutdown(socket.SHUT_WR)
                drain(wire)


def drain(wire: Wire) -> None:
    """Read what comes until the broker hangs up; it must, and soon."""
    try:
        while wire.socket.recv(65536):
            pass
    except ConnectionResetError:
        pass


def test_whole_frames_with_bytes_turned(broker: BrokerThread, topic: str) -> None:
    chance = random.Random(7)
    frame = frames.encode_request_frame(
        PRODUCE, 9, 1, produce_request("turned", batch_of(b"abc", b"def")), "mean"
    )
    for _ in range(300):
        data = bytearray(frame)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(4, len(data))] = chance.randrange(256)
        with Wire(broker.port) as wire:
            wire.send_raw(bytes(data))
            wire.socket.shutdown(socket.SHUT_WR)
            drain(wire)


def test_lengths_inside_a_body_that_promise_gigabytes(wire: Wire) -> None:
    head = frames.encode_request_header(METADATA, 1, 1, None)
    body = struct.pack(">i", 2**31 - 1)
    wire.send_raw(struct.pack(">i", len(head) + 4) + head + body)
    assert wire.is_closed_by_broker()


def test_half_a_frame_and_silence(broker: BrokerThread) -> None:
    silent = []
    for size in (1, 3, 6, 100, 300_000):
        wire = Wire(broker.port)
        wire.send_raw((struct.pack(">ihh", 1_000_000, 0, 9) + b"\0" * size)[:size])
        silent.append(wire)
    with Wire(broker.port) as other:
        assert other.metadata().brokers
    for wire in silent:
        wire.close()


def test_a_client_that_never_reads(broker: BrokerThread, wire: Wire) -> None:
    """Its answers pile up to a bound, then it is not listened to; the others are."""
    wire.create_topic("unread")
    wire.produce("unread", batch_of(b"x" * 500_000))
    deaf = socket.create_connection(("127.0.0.1", broker.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.settimeout(0.5)
    frame = frames.encode_request_frame(FETCH, 12, 1, fetch_request([("unread", 0, 0)]), None)
    sent = 0
    try:
        while sent < 200_000:
            deaf.sendall(frame * 100)
            sent += 100
    except TimeoutError:
        pass
    assert sent < 200_000, "it was listened to for ever"
    assert wire.fetch_values("unread")
    deaf.close()


def test_clients_that_vanish_before_their_answers(broker: BrokerThread, topic: str) -> None:
    request = frames.encode_request_frame(
        FETCH, 12, 1, fetch_request([(topic, 0, 1)], max_wait_ms=200), None
    )
    produce = frames.encode_request_frame(
        PRODUCE, 9, 1, produce_request(topic, batch_of(b"x")), None
    )
    for data in (request, produce * 20, request + produce):
        for _ in range(10):
            connection = socket.create_connection(("127.0.0.1", broker.port))
            linger = struct.pack("ii", 1, 0)  # the close is a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.sendall(data)
            connection.close()
    time.sleep(0.3)
    assert broker.is_running


def test_many_connections_come_and_go(broker: BrokerThread) -> None:
    crowd = [Wire(broker.port) for _ in range(200)]
    for wire in crowd[::3]:
        assert wire.ask(METADATA, 9, MetadataRequest(topics=[])).brokers
    for wire in crowd:
        wire.close()
    end = time.monotonic() + 10
    while broker.metrics()["connections"] > 50:
        assert time.monotonic() < end, "connections are leaking"
        time.sleep(0.02)


def test_too_many_connections_are_refused(start_broker: Any) -> None:
    broker = start_broker(connections_max=3)
    crowd = [Wire(broker.port) for _ in range(3)]
    for wire in crowd:
        assert wire.metadata().brokers
    with Wire(broker.port) as late:
        assert late.is_closed_by_broker()
    crowd.pop().close()
    time.sleep(0.1)
    with Wire(broker.port) as next_one:
        assert next_one.metadata().brokers
    for wire in crowd:
        wire.close()


def test_a_long_queue_is_bounded_and_in_order(start_broker: Any) -> None:
    broker = start_broker(request_queue_max=5)
    with Wire(broker.port) as wire:
        wire.create_topic("q")
        first = wire.send(FETCH, 12, fetch_request([("q", 0, 0)], max_wait_ms=300))
        sent = [wire.send(PRODUCE, 9, produce_request("q", batch_of(b"x"))) for _ in range(500)]
        wire.receive(FETCH, 12, first)
        offsets = [
            wire.receive(PRODUCE, 9, each).topics[0].partitions[0].base_offset for each in sent
        ]
    assert offsets == list(range(500))
