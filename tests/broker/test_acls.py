"""Access control lists: what is decided, what every API does without rights, some with few."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from tests.broker.test_sasl import PASSWORD, login
from tests.broker.wire import Wire, batch_of, fetch_request

from summit.base.files import OsFiles
from summit.broker import BrokerSettings, BrokerThread
from summit.broker.api import fetch
from summit.broker.dispatch import HANDLERS, SERVED
from summit.broker.metadata_log import AccessEntry
from summit.broker.security.acls import Acls, Filter
from summit.broker.security.first_users import lay_down
from summit.protocol import acls, codes
from summit.protocol.alter_user_scram_credentials import ScramCredentialDeletion
from summit.protocol.apis import APIS
from summit.protocol.fetch import FETCH
from summit.protocol.message import Message
from summit.protocol.metadata import MetadataRequest, MetadataRequestTopic

ROOT = {"initial_user": "root", "initial_password": "r"}
_serial = itertools.count()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerThread]:
    settings = BrokerSettings(
        listeners="SASL_PLAINTEXT://127.0.0.1:0", authorizer="acl", durability="os",
        data_dir=str(tmp_path_factory.mktemp("acls")), **ROOT,
    )  # fmt: skip
    thread = BrokerThread(settings)
    thread.start()
    admin = AdminClient(client(thread, "root", "r"))
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    for name in ("alice", "eve"):
        made = UserScramCredentialUpsertion(name, info, PASSWORD.encode())
        admin.alter_user_scram_credentials([made])[name].result(20)
    admin.create_topics([NewTopic("secret", 1), NewTopic("open", 1)])["secret"].result(20)
    yield thread
    thread.stop()


def client(broker: BrokerThread, user: str, password: str, **more: Any) -> dict[str, Any]:
    return {
        "bootstrap.servers": f"127.0.0.1:{broker.port}", "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": user, "sasl.password": password, **more,
    }  # fmt: skip


def alice(broker: BrokerThread, **more: Any) -> dict[str, Any]:
    return client(broker, "alice", PASSWORD, **more)


def allow(broker: BrokerThread, *rows: tuple[ResourceType, str, AclOperation]) -> None:
    admin = AdminClient(client(broker, "root", "r"))
    bindings = [
        AclBinding(
            kind, name.rstrip("*") or "*",
            ResourcePatternType.PREFIXED if name.endswith("*") and len(name) > 1
            else ResourcePatternType.LITERAL,
            "User:alice", "*", operation, AclPermissionType.ALLOW,
        )
        for kind, name, operation in rows
    ]  # fmt: skip
    for future in admin.create_acls(bindings).values():
        future.result(20)


# ---- every API without rights ----

NAMES = {"name": "secret", "topic": "secret", "resource_name": "secret", "topic_names": ["secret"]}


def some(table: type[Message], version: int, **given: Any) -> Message:
    """A message with one of everything, about what alice may not see."""
    values: dict[str, Any] = {}
    for row in table.FIELDS:
        inner = row.type.item.message if row.type.kind == "array" else None
        if row.name in given:
            values[row.name] = given[row.name]
        elif inner is not None:
            values[row.name] = [some(inner, version)]
        elif row.name in NAMES:
            values[row.name] = NAMES[row.name]
        elif row.type.kind == "string":
            values[row.name] = "secret"
        elif row.type.kind == "array":
            values[row.name] = ["secret" if row.type.item.kind == "string" else 0]
        else:
            values[row.name] = row.zero
    return table(**values)


WITHOUT = {17, 18, 36}  # anybody may authenticate
FILTERED = {16, 66}  # what is not to be seen is left out
BY_NAME = {0: 12, 1: 12, 3: 9, 8: 9, 9: 9, 20: 5}  # the last version that names topics
CLOSED = {27}  # for super users


def errors(message: Any) -> list[int]:
    found = []
    for row in message.FIELDS:
        value = getattr(message, row.name)
        if row.name.endswith("error_code") and "config" not in row.name:
            found.append(value)
        elif isinstance(value, list):
            for part in value:
                found += errors(part) if isinstance(part, Message) else []
    return found


@pytest.mark.parametrize("key", sorted(SERVED - WITHOUT - {60}))
def test_no_api_serves_who_has_no_rights(broker: BrokerThread, key: int) -> None:
    api = APIS[key]
    last = min(api.versions.last, BY_NAME.get(key, api.versions.last))
    for version in (api.versions.first, last):
        message = some(api.request, version)
        for row in message.FIELDS:
            value = getattr(message, row.name)
            if row.name == "resources":
                value[0].resource_type = 2
            if row.name == "cursor":
                message.cursor = None  # type: ignore[attr-defined]
            if row.name == "acks":
                message.acks = -1  # type: ignore[attr-defined]
        with Wire(broker.port) as wire:
            assert login(wire, "SCRAM-SHA-256", "eve", PASSWORD).error_code == 0
            if key in CLOSED:
                wire.send(api, version, message)
                assert wire.is_closed_by_broker()
                continue
            answer = wire.ask(api, version, message)
        if key in FILTERED:
            rows = answer.groups if key == 16 else answer.transaction_states
            assert "secret" not in str(rows)
            continue
        seen = [code for code in errors(answer) if code not in (0, codes.OPERATION_NOT_ATTEMPTED)]
        wanted = {
            codes.TOPIC_AUTHORIZATION_FAILED, codes.GROUP_AUTHORIZATION_FAILED,
            codes.CLUSTER_AUTHORIZATION_FAILED, codes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        }  # fmt: skip
        assert seen, answer
        assert set(seen) <= wanted, answer


def test_an_id_is_no_way_around(broker: BrokerThread) -> None:
    def ask(user: str, password: str, key: int, version: int, message: Any) -> Any:
        with Wire(broker.port) as wire:
            assert login(wire, "SCRAM-SHA-256", user, password).error_code == 0
            return wire.ask(APIS[key], version, message)

    asked = MetadataRequest(topics=[MetadataRequestTopic(name="secret")])
    topic_id = ask("root", "r", 3, 12, asked).topics[0].topic_id
    by_id = MetadataRequest(topics=[MetadataRequestTopic(name=None, topic_id=topic_id)])
    (topic,) = ask("eve", PASSWORD, 3, 12, by_id).topics
    assert (topic.name, topic.error_code) == (None, codes.UNKNOWN_TOPIC_ID)
    allow(broker, (ResourceType.GROUP, "secret", AclOperation.READ))
    for user, key, version in (
        ("eve", 0, 13), ("eve", 1, 17), ("eve", 20, 6), ("alice", 8, 10), ("alice", 9, 10),
    ):  # fmt: skip
        message = some(APIS[key].request, version, acks=-1, transactional_id=None)
        seen = errors(ask(user, PASSWORD, key, version, with_id(message, topic_id)))
        assert codes.TOPIC_AUTHORIZATION_FAILED in seen


def with_id(message: Any, topic_id: Any) -> Any:
    for row in message.FIELDS:
        value = getattr(message, row.name)
        if row.name == "topic_id":
            message.topic_id = topic_id
        elif row.name == "acks":
            message.acks = -1
        elif isinstance(value, list):
            for part in value:
                if isinstance(part, Message):
                    with_id(part, topic_id)
    return message


def test_credentials_are_not_altered_without_rights(broker: BrokerThread) -> None:
    with Wire(broker.port) as wire:
        login(wire, "SCRAM-SHA-256", "eve", PASSWORD)
        rows = [ScramCredentialDeletion(name="root", mechanism=1)]
        api = APIS[51]
        answer = wire.ask(api, 0, api.request(deletions=rows, upsertions=[]))
    assert [each.error_code for each in answer.results] == [codes.CLUSTER_AUTHORIZATION_FAILED]
    with Wire(broker.port) as wire:
        assert login(wire, "SCRAM-SHA-256", "root", "r").error_code == 0


# ---- real clients ----


def test_producers_and_consumers_with_just_enough(broker: BrokerThread) -> None:
    topic, group = f"orders-{next(_serial)}", f"readers-{next(_serial)}"
    admin = AdminClient(client(broker, "root", "r"))
    admin.create_topics([NewTopic(topic, 1)])[topic].result(20)
    failed: list[Any] = []
    producer = confluent_kafka.Producer(alice(broker, **{"message.timeout.ms": 10_000}))
    producer.produce("secret", b"v", on_delivery=lambda error, _: failed.append(error))
    producer.flush(20)
    assert [error.name() for error in failed] == ["TOPIC_AUTHORIZATION_FAILED"]
    allow(broker, (ResourceType.TOPIC, "orders-*", AclOperation.WRITE))
    producer.produce(topic, b"v", on_delivery=lambda error, _: failed.append(error))
    assert producer.flush(20) == 0
    assert failed[1:] == [None]

    settings = alice(broker, **{"group.id": group, "auto.offset.reset": "earliest"})
    consumer = confluent_kafka.Consumer(settings)
    consumer.subscribe([topic])
    message = consumer.poll(20)
    assert message is not None
    assert message.error().name() == "GROUP_AUTHORIZATION_FAILED"
    consumer.close()
    allow(
        broker, (ResourceType.TOPIC, topic, AclOperation.READ),
        (ResourceType.GROUP, "readers-*", AclOperation.READ),
    )  # fmt: skip
    consumer = confluent_kafka.Consumer(settings)
    consumer.subscribe([topic])
    message = consumer.poll(20)
    assert message is not None
    assert message.error() is None
    consumer.commit(asynchronous=False)
    consumer.close()
    assert topic in AdminClient(alice(broker)).list_topics(timeout=20).topics
    assert "secret" not in AdminClient(alice(broker)).list_topics(timeout=20).topics
    assert broker.metrics()["denied_requests"] > 0


def test_transactions_need_their_id(broker: BrokerThread) -> None:
    allow(broker, (ResourceType.TOPIC, "open", AclOperation.WRITE))
    producer = confluent_kafka.Producer(alice(broker, **{"transactional.id": "tx-1"}))
    with pytest.raises(confluent_kafka.KafkaException) as raised:
        producer.init_transactions(20)
    assert raised.value.args[0].name() == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"
    allow(broker, (ResourceType.TRANSACTIONAL_ID, "tx-*", AclOperation.WRITE))
    producer = confluent_kafka.Producer(alice(broker, **{"transactional.id": "tx-1"}))
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce("open", b"v")
    producer.commit_transaction(20)


def test_entries_are_found_deleted_and_last(tmp_path: Path) -> None:
    settings = BrokerSettings(
        listeners="SASL_PLAINTEXT://127.0.0.1:0", authorizer="acl", durability="os",
        data_dir=str(tmp_path / "data"), **ROOT,
    )  # fmt: skip
    thread = BrokerThread(settings)
    thread.start()
    allow(thread, (ResourceType.TOPIC, "a*", AclOperation.READ))
    allow(thread, (ResourceType.TOPIC, "abc", AclOperation.WRITE))
    thread.stop()
    thread = BrokerThread(settings)
    thread.start()
    admin = AdminClient(client(thread, "root", "r"))
    speaking_of = AclBindingFilter(
        ResourceType.TOPIC, "abc", ResourcePatternType.MATCH, None, None, AclOperation.ANY,
        AclPermissionType.ANY,
    )  # fmt: skip
    assert len(admin.describe_acls(speaking_of).result(20)) == 2
    (future,) = admin.delete_acls([speaking_of]).values()
    assert len(future.result(20)) == 2
    assert admin.describe_acls(speaking_of).result(20) == []
    thread.stop()


# ---- decisions ----


def entry(**fields: Any) -> AccessEntry:
    values = {
        "resource": acls.TOPIC, "name": "t", "pattern": acls.LITERAL, "principal": "User:a",
        "host": "*", "operation": acls.READ, "permission": acls.ALLOW,
    }  # fmt: skip
    return AccessEntry(**{**values, **fields})


@pytest.mark.parametrize(
    ("entries", "operation", "allowed"),
    [
        ([], acls.READ, False),
        ([entry()], acls.READ, True),
        ([entry()], acls.DESCRIBE, True),
        ([entry()], acls.WRITE, False),
        ([entry(operation=acls.DESCRIBE)], acls.READ, False),
        ([entry(operation=acls.ALTER_CONFIGS)], acls.DESCRIBE_CONFIGS, True),
        ([entry(operation=acls.ALL)], acls.DELETE, True),
        ([entry(name="*")], acls.READ, True),
        ([entry(name="", pattern=acls.PREFIXED)], acls.READ, True),
        ([entry(name="*", pattern=acls.PREFIXED)], acls.READ, False),
        ([entry(name="T")], acls.READ, False),
        ([entry(principal="User:*")], acls.READ, True),
        ([entry(principal="User:b")], acls.READ, False),
        ([entry(host="10.0.0.1")], acls.READ, True),
        ([entry(host="10.0.0.2")], acls.READ, False),
        ([entry(resource=acls.GROUP)], acls.READ, False),
        ([entry(), entry(permission=acls.DENY, principal="User:*")], acls.READ, False),
        ([entry(), entry(permission=acls.DENY, operation=acls.ALL, name="*")], acls.READ, False),
        ([entry(), entry(permission=acls.DENY)], acls.DESCRIBE, True),
        ([entry(permission=acls.DENY, operation=acls.DESCRIBE), entry()], acls.READ, True),
    ],
)
def test_decisions(entries: list[AccessEntry], operation: int, allowed: bool) -> None:
    store = Acls(None, None)  # type: ignore[arg-type]
    store.restore(entries)
    for _ in range(2):  # decided, then remembered
        assert store.allows("User:a", "10.0.0.1", operation, acls.TOPIC, "t") == allowed


def test_filters() -> None:
    literal, prefixed, wild = entry(name="abc"), entry(name="ab", pattern=4), entry(name="*")
    store = Acls(None, None)  # type: ignore[arg-type]
    store.restore([literal, prefixed, wild])

    def found(name: str | None, pattern: int) -> list[AccessEntry]:
        return store.find(Filter(acls.TOPIC, name, pattern, None, None, acls.ANY, acls.ANY))

    assert found("abc", acls.MATCH) == [literal, prefixed, wild]
    assert found("abc", acls.LITERAL) == [literal]
    assert found("ab", acls.PREFIXED) == [prefixed]
    assert found(None, acls.ANY) == [literal, prefixed, wild]
    assert found("*", acls.LITERAL) == [wild]


def test_nobody_is_super_by_a_name_that_is_not_set(tmp_path: Path) -> None:
    data_dir = str(tmp_path / "data")
    lay_down(OsFiles(), data_dir, "None", "n")
    settings = BrokerSettings(
        listeners="SASL_PLAINTEXT://127.0.0.1:0", authorizer="acl", durability="os",
        data_dir=data_dir, super_users="User:a;User:CN=b,O=c",
    )  # fmt: skip
    thread = BrokerThread(settings)
    thread.start()
    with Wire(thread.port) as wire:
        assert login(wire, "SCRAM-SHA-256", "None", "n").error_code == 0
        message = some(APIS[29].request, 1)
        assert wire.ask(APIS[29], 1, message).error_code == codes.CLUSTER_AUTHORIZATION_FAILED
    thread.stop()


def test_plain_fetches_are_served_from_their_bytes_as_far_as_rights_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = BrokerSettings(
        security_protocol="SASL_PLAINTEXT", port=0, data_dir=str(tmp_path), durability="os",
        initial_user="root", initial_password="r", authorizer="acl", auto_create_topics=True,
    )  # fmt: skip
    decoded: list[str] = []
    original = fetch.handle
    monkeypatch.setitem(HANDLERS, 1, lambda *given: (decoded.append("fetch"), original(*given))[1])
    broker = BrokerThread(settings)
    broker.start()
    try:
        state = broker._broker._state
        assert state is not None
        rights = entry(resource=acls.TOPIC, name="mine", principal="User:bob", operation=acls.READ)
        with Wire(broker.port) as root, Wire(broker.port) as bob:
            assert login(root, "SCRAM-SHA-256", "root", "r").error_code == 0
            admin = AdminClient(client(broker, "root", "r"))
            scram_info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
            made = UserScramCredentialUpsertion("bob", scram_info, b"pw")
            admin.alter_user_scram_credentials([made])["bob"].result(20)
            for name in ("mine", "other"):
                assert root.create_topic(name).error_code == 0
                assert root.produce(name, batch_of(b"v")).error_code == 0
            assert root.fetch_values("mine") == [b"v"]
            assert login(bob, "SCRAM-SHA-256", "bob", "pw").error_code == 0
            assert bob.fetch("mine", 0).error_code == codes.TOPIC_AUTHORIZATION_FAILED
            alter(state, [rights], [])
            decoded.clear()
            for _ in range(3):
                assert bob.fetch_values("mine") == [b"v"]
            assert not decoded, "it was decoded in full"
            both = fetch_request([("mine", 0, 0), ("other", 0, 0)])
            answer = bob.ask(FETCH, 12, both)
            assert {t.name: t.partitions[0].error_code for t in answer.topics} == {
                "mine": codes.NONE, "other": codes.TOPIC_AUTHORIZATION_FAILED,
            }  # fmt: skip
            alter(state, [], [rights])
            assert bob.fetch("mine", 0).error_code == codes.TOPIC_AUTHORIZATION_FAILED
    finally:
        broker.stop()


def alter(state: Any, made: list[AccessEntry], gone: list[AccessEntry]) -> None:
    """Change the lists on the broker's loop, and wait until that is durable."""
    done = threading.Event()
    state.loop.call_soon_threadsafe(
        lambda: state.security.acls.alter(made, gone, lambda error: done.set())
    )
    assert done.wait(20)
