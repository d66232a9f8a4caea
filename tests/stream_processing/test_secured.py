"""A `MessageBroker` that asks who its clients are, and our own clients, which say so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from summit.base.clock import SystemClock
from summit.base.errors import Invalid
from summit.base.memory_files import MemoryFiles
from summit.broker import BrokerSettings, BrokerThread
from summit.client.admin import AccessRule
from summit.client.direct import DirectTransactions
from summit.client.security import ClientSecurity
from summit.client.types import Outgoing
from summit.stream_processing import (
    Admin,
    AdminConfig,
    ConsumerConfig,
    EmbeddedBroker,
    MessageBroker,
    ProducerConfig,
    StreamConsumer,
    StreamProducer,
)

SASL = {"username": "alice", "password": "hunter2"}


def known_as(ca: str | None, mechanism: str, password: str = SASL["password"]) -> ClientSecurity:
    return ClientSecurity(
        security_protocol="SASL_SSL" if ca else "SASL_PLAINTEXT", ssl_cafile=ca,
        sasl_mechanism=mechanism, sasl_username=SASL["username"], sasl_password=password,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, str]:
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    made.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "broker.pem"))
    return {"certFile": str(tmp_path / "broker.pem"), "ca": str(tmp_path / "ca.pem")}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_our_clients_over_tls(tls: dict[str, str], mechanism: str) -> None:
    async def go() -> None:
        broker = MessageBroker(
            in_memory=True, port=0, host="127.0.0.1", tls={"certFile": tls["certFile"]}, sasl=SASL
        )
        async with broker:
            await broker.create_topic({"name": "t", "partitions": 2})  # its own way in
            security = known_as(tls["ca"], mechanism)
            common: dict[str, Any] = {"bootstrap_servers": broker.address, "security": security}
            producer = StreamProducer(ProducerConfig(**common, transactional_id="x"))
            async with producer:
                await producer.begin_transaction()
                await producer.send({"topic": "t", "value": b"v"})
                await producer.commit_transaction()
            consumer = StreamConsumer(
                ConsumerConfig(**common, group_id="g", auto_offset_reset="earliest")
            )
            async with consumer:
                await consumer.subscribe(["t"])
                records: list[Any] = []
                async with asyncio.timeout(30):
                    while not records:
                        records = await consumer.poll(1000)
            assert [record.value for record in records] == [b"v"]
            async with Admin(AdminConfig(**common)) as admin:
                await admin.set_user("bob", "secret")
                assert [each.name for each in await admin.list_users()] == ["alice", "bob"]
                await admin.delete_user("bob")
                with pytest.raises(Invalid, match="no user 'bob'"):
                    await admin.delete_user("bob")
                assert (await admin.describe_cluster()).live

    asyncio.run(go())


def test_transactions_of_our_own_protocol(tls: dict[str, str]) -> None:
    with EmbeddedBroker.in_memory(
        tls={"certFile": tls["certFile"]}, sasl={**SASL, "sessionLifetimeMs": 60_000},
    ) as broker:  # fmt: skip
        config = ProducerConfig(
            bootstrap_servers=broker.address, transactional_id="d",
            security=known_as(tls["ca"], "SCRAM-SHA-256"),
        )  # fmt: skip

        async def make_topic() -> None:
            security = config.security
            async with Admin(
                AdminConfig(bootstrap_servers=broker.address, security=security)
            ) as admin:
                await admin.create_topic({"name": "t", "partitions": 1})

        asyncio.run(make_topic())
        clock = SystemClock()
        direct = DirectTransactions(config, clock)
        direct.begin(clock.monotonic_ms() + 30_000)
        for _ in range(3):
            outgoing = Outgoing(topic="t", key=None, value=b"v" * 100_000)
            written = direct.write(
                [outgoing], [], {}, None, lambda _: [], clock.monotonic_ms() + 30_000
            )
            assert len(written) == 1
        direct.close()


def test_who_is_not_let_in_hears_why(tls: dict[str, str]) -> None:
    async def go(security: ClientSecurity, text: str) -> None:
        config = AdminConfig(bootstrap_servers=broker.address, security=security)
        with pytest.raises(Exception, match=text):
            async with Admin(config):
                pass

    with EmbeddedBroker.in_memory(tls={"certFile": tls["certFile"]}, sasl=SASL) as broker:
        asyncio.run(go(known_as(tls["ca"], "PLAIN", "wrong"), "password is wrong"))
        asyncio.run(go(known_as(None, "PLAIN"), "cannot be reached|no broker"))
        strangers = ClientSecurity(
            security_protocol="SASL_SSL", sasl_username="a", sasl_password="b"
        )
        asyncio.run(go(strangers, "CERTIFICATE_VERIFY_FAILED"))


def test_the_environment_says_who_clients_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ClientSecurity.of_environment() == ClientSecurity()
    monkeypatch.setenv("SUMMIT_CLIENT__SECURITY_PROTOCOL", "SASL_SSL")
    with pytest.raises(Invalid, match="needs sasl_username"):
        ClientSecurity.of_environment()
    monkeypatch.setenv("SUMMIT_CLIENT__SASL_USERNAME", "alice")
    monkeypatch.setenv("SUMMIT_CLIENT__SASL_PASSWORD", "${HIDDEN}")
    monkeypatch.setenv("HIDDEN", "hunter2")
    assert AdminConfig().known_as.password == "hunter2"
    assert AdminConfig().known_as.librdkafka()["sasl.password"] == "hunter2"


def test_rights_are_given_found_and_taken() -> None:
    async def go() -> None:
        settings = BrokerSettings(
            listeners="SASL_PLAINTEXT://127.0.0.1:0", authorizer="acl", durability="os",
            data_dir="/memory", initial_user="alice", initial_password=SASL["password"],
        )  # fmt: skip
        broker = BrokerThread(settings, files=MemoryFiles())
        await asyncio.to_thread(broker.start)
        config = AdminConfig(
            bootstrap_servers=f"127.0.0.1:{broker.port}", security=known_as(None, "SCRAM-SHA-512")
        )
        async with Admin(config) as admin:
            rule = AccessRule(
                resource="topic", name="a", pattern="prefixed", principal="User:bob",
                operation="read",
            )  # fmt: skip
            await admin.create_access(rule)
            whole = msgspec.structs.replace(rule, host="*", permission="allow")
            assert await admin.list_access() == [whole]
            said = AccessRule(resource="topic", name="abc", pattern="match")
            assert await admin.list_access(said) == [whole]
            assert await admin.list_access(AccessRule(principal="User:eve")) == []
            with pytest.raises(Invalid, match="operation does not belong"):
                await admin.create_access(msgspec.structs.replace(rule, operation="cluster-action"))
            with pytest.raises(Invalid, match="'fly' is not one of"):
                await admin.create_access(msgspec.structs.replace(rule, operation="fly"))
            assert await admin.delete_access(said) == [whole]
            assert await admin.list_access() == []
        await asyncio.to_thread(broker.stop)

    asyncio.run(go())
