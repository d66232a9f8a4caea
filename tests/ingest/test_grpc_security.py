"""The gRPC collector beside its events: health, reflection, credentials, TLS, hostile senders."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from tests.ingest.grpc_calls import CODE, numbers, refusal, run, some
from tests.ingest.memory_log import MemoryLog

from summit.base.errors import Conflict, Invalid
from summit.ingest import Collector, make_collector
from summit.ingest.grpc.stub import IngestStub, PublishRequest

pytestmark = pytest.mark.timeout(120)


# ---- beside it ----


def test_health_and_reflection() -> None:
    async def body(collector: Collector, stub: IngestStub) -> None:
        async with grpc.aio.insecure_channel(str(collector.address)) as channel:
            health = HealthStub(channel)
            names = ("", "summit.ingest.v1.Ingest")
            for name in names:
                reply = await health.Check(HealthCheckRequest(service=name))
                assert reply.status == HealthCheckResponse.SERVING
            await collector.pause()
            for name in names:
                reply = await health.Check(HealthCheckRequest(service=name))
                assert reply.status == HealthCheckResponse.NOT_SERVING
            await collector.resume()
            assert (await stub.Publish(some(1))).accepted == 1
        await asyncio.to_thread(reflect, str(collector.address))

    def reflect(address: str) -> None:
        with grpc.insecure_channel(address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            assert "summit.ingest.v1.Ingest" in database.get_services()
            pool = DescriptorPool(database)
            service = pool.FindServiceByName("summit.ingest.v1.Ingest")
            assert [one.name for one in service.methods] == [
                "Publish",
                "PublishMany",
                "PublishStream",
            ]

    run(body)


CREDENTIALS = [
    ({"type": "apiKey", "secrets": ["${ONE}"]}, {"x-api-key": "one"}, {"x-api-key": "two"}),
    (
        {"type": "bearer", "secrets": ["${ONE}"]},
        {"authorization": "Bearer one"},
        {"authorization": "Bearer two"},
    ),
    (
        {"type": "basic", "users": {"ann": "${ONE}"}},
        {"authorization": "Basic YW5uOm9uZQ=="},
        {"authorization": "Basic YW5uOnR3bw=="},
    ),
]


@pytest.mark.parametrize(("auth", "good", "bad"), CREDENTIALS)
def test_credentials_in_the_metadata(
    monkeypatch: pytest.MonkeyPatch, auth: Any, good: dict[str, str], bad: dict[str, str]
) -> None:
    monkeypatch.setenv("ONE", "one")

    async def body(_: Collector, stub: IngestStub) -> None:
        for metadata in (None, tuple(bad.items())):
            assert await refusal(stub.Publish(some(1), metadata=metadata)) == (
                CODE.UNAUTHENTICATED,
                "ingest.unauthorized",
            )
            call = stub.PublishStream(metadata=metadata)
            assert (await refusal(call.read()))[0] == CODE.UNAUTHENTICATED
        metadata = tuple(good.items())
        assert (await stub.Publish(some(1), metadata=metadata)).accepted == 1
        call = stub.PublishStream(metadata=metadata)
        await call.write(some(2))
        assert (await call.read()).accepted == 1

    log = MemoryLog(1)
    assert run(body, log, {"auth": auth}).status().rejected == 4
    assert numbers(log) == [1, 2]


def test_tls_and_client_certificates(tmp_path: Path) -> None:
    authority = trustme.CA()
    cert, ca = tmp_path / "cert.pem", tmp_path / "ca.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(cert)
    authority.cert_pem.write_to_path(ca)
    known = authority.issue_cert("sender@example.org")
    roots = ca.read_bytes()
    own = (known.private_key_pem.bytes(), known.cert_chain_pems[0].bytes())

    async def body(collector: Collector, plain: IngestStub) -> None:
        place = f"localhost:{collector.port}"  # type: ignore[attr-defined]
        with pytest.raises(grpc.aio.AioRpcError):
            await plain.Publish(some(1), timeout=20)
        for identity, is_good in ((own, True), ((None, None), False)):
            credentials = grpc.ssl_channel_credentials(roots, *identity)
            async with grpc.aio.secure_channel(place, credentials) as channel:
                call = IngestStub(channel).Publish(some(1), timeout=20)
                if is_good:
                    assert (await call).accepted == 1
                else:
                    with pytest.raises(grpc.aio.AioRpcError):
                        await call

    tls = {"certFile": str(cert), "clientCaFile": str(ca)}
    run(body, block={"tls": tls})
    with pytest.raises(Invalid, match="TLS files"):
        run(body, block={"tls": {"certFile": str(ca)}})


def test_a_port_that_is_taken_and_one_that_cannot_be() -> None:
    async def body(collector: Collector, _: IngestStub) -> None:
        port = collector.port  # type: ignore[attr-defined]
        config = {"name": "h", "type": "grpc", "port": port, "topic": "t"}
        other = make_collector(config)
        with pytest.raises(Conflict) as caught:
            await other.start(MemoryLog(1))
        assert caught.value.code == "web.port_in_use"
        assert other.state == "failed"
        elsewhere = make_collector({**config, "host": "192.0.2.1", "grpc": AUTH})
        with pytest.raises(Invalid, match=r"192\.0\.2\.1"):
            await elsewhere.start(MemoryLog(1))

    run(body)
    with pytest.raises(Invalid, match="can be reached by others"):
        make_collector({"name": "h", "type": "grpc", "topic": "t", "host": "0.0.0.0"})
    signed = {"auth": {"type": "signature", "secrets": ["${X}"]}}
    with pytest.raises(Invalid, match="not signed"):
        make_collector({"name": "h", "type": "grpc", "topic": "t", "grpc": signed})


AUTH = {"auth": {"type": "none", "insecure": True}}


# ---- hostile senders ----


def test_frames_that_are_too_large_or_none_at_all() -> None:
    log = MemoryLog(1)

    async def body(collector: Collector, stub: IngestStub) -> None:
        host, port = str(collector.address).split(":")
        big = PublishRequest(json=b'{"n": "' + b"x" * 200_000 + b'"}')
        zeros = PublishRequest(json=b'{"n": "' + b"0" * 50_000_000 + b'"}')
        for request, more in ((big, {}), (zeros, {"compression": grpc.Compression.Gzip})):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Publish(request, **more)
            assert caught.value.code() == CODE.RESOURCE_EXHAUSTED
            call = stub.PublishStream(**more)
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await call.write(request)
                assert await call.read() is grpc.aio.EOF
            assert await call.code() == CODE.RESOURCE_EXHAUSTED
        folded = await stub.Publish(some(1), compression=grpc.Compression.Gzip)
        assert folded.accepted == 1
        for junk in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(5_000), http2_bomb()):
            with contextlib.suppress(OSError), socket.create_connection((host, int(port))) as sock:
                sock.sendall(junk)
        assert (await stub.Publish(some(2))).accepted == 1
        assert collector.status().details["inFlightBytes"] == 0

    run(body, log, {"maxMessageBytes": 100_000})
    assert numbers(log) == [1, 2]


def http2_bomb() -> bytes:
    """A frame that says it is of 16 MiB."""
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">I", 0xFFFFFF00) + b"\x04" * 5_000


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff" * 50,  # no Protobuf at all
        b"\x1a\x04\x0a\x02\xc3\x28",  # an Event whose text is not UTF-8
        b"\x2a\x09{\"n\":\"\xc3\x28\"}"[:11],  # bytes that are not UTF-8
        b"\x2a\xa0\x8d\x06" + b'{"a":' * 20_000,  # deep JSON
        b"\x2a\x90\x4e" + b"[" * 10_000,
        zlib.compress(b"x" * 1000),
    ],
)  # fmt: skip
def test_bytes_that_are_no_message_are_refused(raw: bytes) -> None:
    log = MemoryLog(1)

    async def body(collector: Collector, stub: IngestStub) -> None:
        address = str(collector.address)
        async with grpc.aio.insecure_channel(address) as channel:
            publish = channel.unary_unary("/summit.ingest.v1.Ingest/Publish")
            refused = (CODE.INVALID_ARGUMENT, "ingest.event_invalid")
            assert await refusal(publish(raw)) == refused
            call = channel.stream_stream("/summit.ingest.v1.Ingest/PublishStream")()
            await call.write(raw)
            await call.write(some(1).SerializeToString())
            assert b"ingest.event_invalid" in await call.read()
            assert b"ingest" not in await call.read()

    assert run(body, log).status().rejected == 2
    assert numbers(log) == [1]
