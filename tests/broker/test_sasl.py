"""SASL, TLS and listeners of the broker: real clients, and bytes that no client would send."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
import trustme
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from tests.broker.wire import Wire

from summit.base.errors import Invalid
from summit.base.files import OsFiles
from summit.broker import BrokerSettings, BrokerThread
from summit.broker.security.first_users import FILE, lay_down
from summit.protocol import codes, scram
from summit.protocol.api_versions import API_VERSIONS, ApiVersionsRequest
from summit.protocol.metadata import METADATA, MetadataRequest
from summit.protocol.sasl_authenticate import SASL_AUTHENTICATE, SaslAuthenticateRequest
from summit.protocol.sasl_handshake import SASL_HANDSHAKE, SaslHandshakeRequest

Start = Callable[..., BrokerThread]
PASSWORD = "a=b,c ü"
FIRST = {"initial_user": "alice", "initial_password": PASSWORD, "auto_create_topics": True}


class Certificates:
    def __init__(self, path: Path) -> None:
        self.authority = trustme.CA()
        self.ca = str(path / "ca.pem")
        self.authority.cert_pem.write_to_path(self.ca)
        self.path = path
        self.certfile, self.keyfile = self.make("broker", "localhost", "127.0.0.1")
        self.client_certfile, self.client_keyfile = self.make(
            "client", "client.example.com", common_name="carol"
        )

    def make(self, name: str, *hosts: str, common_name: str | None = None) -> tuple[str, str]:
        made = self.authority.issue_cert(*hosts, common_name=common_name)
        cert, key = self.path / f"{name}.pem", self.path / f"{name}.key"
        made.private_key_pem.write_to_path(str(key))
        cert.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
        return str(cert), str(key)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[dict[str, int]]:
    """Ports of one broker's listeners, by name."""
    settings = BrokerSettings(
        listeners="SASL_PLAINTEXT://127.0.0.1:0,SASL_SSL://127.0.0.1:0,SSL://127.0.0.1:0,"
        "CLEAR://127.0.0.1:0",
        listener_security_protocol_map="CLEAR:SASL_PLAINTEXT",
        sasl_enabled_mechanisms="PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        ssl_certfile=certificates.certfile, ssl_keyfile=certificates.keyfile,
        ssl_cafile=certificates.ca, ssl_client_auth="requested",
        data_dir=str(tmp_path_factory.mktemp("secured")), durability="os", **FIRST,
    )  # fmt: skip
    thread = BrokerThread(settings)
    thread.start()
    yield {name: port for name, (_, port) in thread.addresses.items()}
    thread.stop()


def sasl(port: int, mechanism: str, password: str = PASSWORD, **more: str) -> dict[str, Any]:
    """Settings of librdkafka."""
    return {
        "bootstrap.servers": f"127.0.0.1:{port}", "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism, "sasl.username": "alice", "sasl.password": password, **more,
    }  # fmt: skip


def round_trip(settings: dict[str, Any], topic: str) -> None:
    producer = confluent_kafka.Producer(settings)
    producer.produce(topic, b"x" * 300_000)
    assert producer.flush(20) == 0
    consumer = confluent_kafka.Consumer(
        {**settings, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert message.error() is None
    assert message.value() == b"x" * 300_000


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("listener", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_librdkafka(
    secured: dict[str, int], certificates: Certificates, mechanism: str, listener: str
) -> None:
    more = {"security.protocol": listener, "ssl.ca.location": certificates.ca}
    round_trip(sasl(secured[listener], mechanism, **more), f"r-{mechanism}-{listener}")


def test_librdkafka_with_a_certificate(secured: dict[str, int], certificates: Certificates) -> None:
    settings = {
        "bootstrap.servers": f"127.0.0.1:{secured['SSL']}", "security.protocol": "SSL",
        "ssl.ca.location": certificates.ca,
        "ssl.certificate.location": certificates.client_certfile,
        "ssl.key.location": certificates.client_keyfile,
    }  # fmt: skip
    round_trip(settings, "mutual")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_kafka_python(secured: dict[str, int], certificates: Certificates, mechanism: str) -> None:
    import kafka

    producer = kafka.KafkaProducer(
        bootstrap_servers=f"127.0.0.1:{secured['SASL_SSL']}", security_protocol="SASL_SSL",
        ssl_cafile=certificates.ca, sasl_mechanism=mechanism, sasl_plain_username="alice",
        sasl_plain_password=PASSWORD,
    )  # fmt: skip
    assert producer.send("kafka-python", b"v").get(20).topic == "kafka-python"
    producer.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_aiokafka(secured: dict[str, int], certificates: Certificates, mechanism: str) -> None:
    import aiokafka

    async def main() -> int:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=f"127.0.0.1:{secured['SASL_SSL']}", security_protocol="SASL_SSL",
            ssl_context=ssl.create_default_context(cafile=certificates.ca),
            sasl_mechanism=mechanism, sasl_plain_username="alice", sasl_plain_password=PASSWORD,
        )  # fmt: skip
        await producer.start()
        try:
            return (await producer.send_and_wait("aiokafka", b"v")).offset
        finally:
            await producer.stop()

    assert asyncio.run(main()) >= 0


# ---- who is not let in ----


def login(wire: Wire, mechanism: str, username: str, password: str, version: int = 2) -> Any:
    """Authenticate as our own client would; the last answer."""
    answer = wire.ask(SASL_HANDSHAKE, 1, SaslHandshakeRequest(mechanism=mechanism))
    assert answer.error_code == 0
    if mechanism == "PLAIN":
        return tell(wire, scram.plain_message(username, password), version)
    exchange = scram.ClientExchange(mechanism, username, password, "nonce")
    answer = tell(wire, exchange.first, version)
    if answer.error_code:
        return answer
    answer = tell(wire, exchange.final(bytes(answer.auth_bytes)), version)
    if not answer.error_code:
        exchange.check(bytes(answer.auth_bytes))
    return answer


def tell(wire: Wire, token: bytes, version: int = 2) -> Any:
    return wire.ask(SASL_AUTHENTICATE, version, SaslAuthenticateRequest(auth_bytes=token))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("nobody", PASSWORD)])
def test_wrong_passwords_and_users_are_told_alike(
    secured: dict[str, int], mechanism: str, user: str, password: str
) -> None:
    with Wire(secured["SASL_PLAINTEXT"]) as wire:
        answer = login(wire, mechanism, user, password)
        assert answer.error_code == codes.SASL_AUTHENTICATION_FAILED
        assert "no such user" in answer.error_message
        assert wire.is_closed_by_broker()


@pytest.mark.parametrize(
    "token",
    [
        b"", b"alice", b"\0alice", b"bob\0alice\0" + PASSWORD.encode(), b"\0\0\0", b"\xff\0\xff\0x",
        b"\0alice\0" + PASSWORD.encode() + b"\0",
    ],
)  # fmt: skip
def test_bad_tokens_of_plain(secured: dict[str, int], token: bytes) -> None:
    with Wire(secured["CLEAR"]) as wire:
        wire.ask(SASL_HANDSHAKE, 1, SaslHandshakeRequest(mechanism="PLAIN"))
        assert tell(wire, token).error_code == codes.SASL_AUTHENTICATION_FAILED
        assert wire.is_closed_by_broker()


@pytest.mark.parametrize(
    "token",
    [
        b"", b"n,,n=alice", b"p=tls-unique,,n=alice,r=x", b"n,a=bob,n=alice,r=x", b"n,,n==2,r=x",
        b"n,,m=1,n=alice,r=x", b"n,,n=alice,r=x,n=alice", b"n,,r=x", b"\xff" * 9,
        b"n,," + b"," * 999,
    ],
)  # fmt: skip
def test_bad_first_tokens_of_scram(secured: dict[str, int], token: bytes) -> None:
    with Wire(secured["CLEAR"]) as wire:
        wire.ask(SASL_HANDSHAKE, 1, SaslHandshakeRequest(mechanism="SCRAM-SHA-256"))
        assert tell(wire, token).error_code == codes.SASL_AUTHENTICATION_FAILED


def test_a_proof_of_another_exchange_does_not_hold(secured: dict[str, int]) -> None:
    exchange = scram.ClientExchange("SCRAM-SHA-256", "alice", PASSWORD, "nonce")
    finals = []
    for _ in range(2):
        with Wire(secured["CLEAR"]) as wire:
            wire.ask(SASL_HANDSHAKE, 1, SaslHandshakeRequest(mechanism="SCRAM-SHA-256"))
            first = bytes(tell(wire, exchange.first).auth_bytes)
            finals.append(exchange.final(first))
            answer = tell(wire, finals[0])
    assert answer.error_code == codes.SASL_AUTHENTICATION_FAILED


def test_nothing_else_passes_before(secured: dict[str, int]) -> None:
    with Wire(secured["CLEAR"]) as wire:
        assert wire.ask(API_VERSIONS, 3, ApiVersionsRequest()).error_code == 0
        wire.send(METADATA, 9, MetadataRequest(topics=None))
        assert wire.is_closed_by_broker()
    with Wire(secured["CLEAR"]) as wire:
        answer = wire.ask(SASL_HANDSHAKE, 1, SaslHandshakeRequest(mechanism="GSSAPI"))
        assert answer.error_code == codes.UNSUPPORTED_SASL_MECHANISM
        assert set(answer.mechanisms) == {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}
        assert wire.is_closed_by_broker()
    with Wire(secured["CLEAR"]) as wire:
        assert tell(wire, b"x").error_code == codes.ILLEGAL_SASL_STATE
        assert wire.is_closed_by_broker()
    with Wire(secured["CLEAR"]) as wire:  # nothing large is taken in
        wire.send_raw((1 << 20).to_bytes(4, "big") + b"\0\x24\0\2" + b"x" * 100)
        assert wire.is_closed_by_broker()
    with Wire(secured["CLEAR"]) as wire:  # a request sent behind a token waits for its outcome
        wire.ask(SASL_HANDSHAKE, 1, SaslHandshakeRequest(mechanism="PLAIN"))
        token = scram.plain_message("alice", "wrong")
        wire.send(SASL_AUTHENTICATE, 2, SaslAuthenticateRequest(auth_bytes=token))
        wire.send(METADATA, 9, MetadataRequest(topics=None))
        answer = wire.receive(SASL_AUTHENTICATE, 2)
        assert answer.error_code == codes.SASL_AUTHENTICATION_FAILED
        assert wire.is_closed_by_broker()


def test_tokens_without_headers(secured: dict[str, int]) -> None:
    with Wire(secured["CLEAR"]) as wire:
        wire.ask(SASL_HANDSHAKE, 0, SaslHandshakeRequest(mechanism="PLAIN"))
        token = scram.plain_message("alice", PASSWORD)
        wire.send_raw(len(token).to_bytes(4, "big") + token)
        assert wire.read_frame() == b""
        assert wire.ask(METADATA, 9, MetadataRequest(topics=[])).brokers
    with Wire(secured["CLEAR"]) as wire:
        wire.ask(SASL_HANDSHAKE, 0, SaslHandshakeRequest(mechanism="PLAIN"))
        wire.send_raw((3).to_bytes(4, "big") + b"\0a\0")
        assert wire.is_closed_by_broker()


def test_who_does_not_say_who_it_is_has_to_go(start_broker: Start) -> None:
    broker = start_broker(
        listeners="SASL_PLAINTEXT://127.0.0.1:0", strangers_max=2,
        authentication_timeout_ms=1_000, **FIRST,
    )  # fmt: skip
    with Wire(broker.port) as one, Wire(broker.port) as two, Wire(broker.port) as three:
        assert three.is_closed_by_broker()
        assert login(one, "SCRAM-SHA-256", "alice", PASSWORD).error_code == 0
        assert two.is_closed_by_broker()
        assert one.ask(METADATA, 9, MetadataRequest(topics=[])).brokers
    assert broker.metrics()["failed_authentications"] == 1


# ---- sessions ----


def test_a_session_ends_unless_it_is_renewed(start_broker: Start) -> None:
    broker = start_broker(
        listeners="SASL_PLAINTEXT://127.0.0.1:0", connections_max_reauth_ms=1_500, **FIRST
    )
    with Wire(broker.port) as wire, Wire(broker.port) as idle:
        assert login(wire, "SCRAM-SHA-512", "alice", PASSWORD).session_lifetime_ms == 1_500
        assert login(idle, "SCRAM-SHA-512", "alice", PASSWORD).session_lifetime_ms == 1_500
        end = time.monotonic() + 2
        while time.monotonic() < end:
            assert wire.ask(METADATA, 9, MetadataRequest(topics=[])).brokers
            assert login(wire, "SCRAM-SHA-256", "alice", PASSWORD).error_code == 0
        idle.send(METADATA, 9, MetadataRequest(topics=[]))
        assert idle.is_closed_by_broker()


def test_librdkafka_lives_through_the_ends_of_sessions(start_broker: Start) -> None:
    broker = start_broker(
        listeners="SASL_PLAINTEXT://127.0.0.1:0", connections_max_reauth_ms=1_000, **FIRST
    )
    producer = confluent_kafka.Producer(sasl(broker.port, "SCRAM-SHA-256"))
    failed = []
    end = time.monotonic() + 3
    while time.monotonic() < end:
        producer.produce("t", b"v", on_delivery=lambda error, _: error and failed.append(error))
        assert producer.flush(20) == 0
        time.sleep(0.1)
    assert failed == []


# ---- users ----


def test_users_are_made_changed_and_deleted_over_the_wire(start_broker: Start) -> None:
    listeners = "SASL_PLAINTEXT://127.0.0.1:0"
    broker = start_broker(listeners=listeners, **FIRST)
    admin = AdminClient(sasl(broker.port, "SCRAM-SHA-256"))
    sha_512 = ScramMechanism.SCRAM_SHA_512
    made = UserScramCredentialUpsertion("bob", ScramCredentialInfo(sha_512, 4096), b"hunter2")
    admin.alter_user_scram_credentials([made])["bob"].result(20)
    weak = UserScramCredentialUpsertion("eve", ScramCredentialInfo(sha_512, 100), b"x")
    with pytest.raises(confluent_kafka.KafkaException, match="4096"):
        admin.alter_user_scram_credentials([weak])["eve"].result(20)
    found = admin.describe_user_scram_credentials().result(20)
    assert {user: len(each.scram_credential_infos) for user, each in found.items()} == {
        "alice": 2,
        "bob": 1,
    }
    with Wire(broker.port) as wire:
        assert login(wire, "SCRAM-SHA-512", "bob", "hunter2").error_code == 0
    broker.stop()  # they last
    for path in Path(broker.settings.data_dir).rglob("*"):
        if path.is_file():
            assert b"hunter2" not in path.read_bytes()
            assert PASSWORD.encode() not in path.read_bytes()
    broker = start_broker(listeners=listeners)
    with Wire(broker.port) as wire:
        assert login(wire, "SCRAM-SHA-512", "bob", "hunter2").error_code == 0
    with Wire(broker.port) as wire:
        assert login(wire, "SCRAM-SHA-256", "bob", "hunter2").error_code != 0
    admin = AdminClient(sasl(broker.port, "SCRAM-SHA-256"))
    gone = UserScramCredentialDeletion("bob", sha_512)
    admin.alter_user_scram_credentials([gone])["bob"].result(20)
    with pytest.raises(confluent_kafka.KafkaException):
        admin.describe_user_scram_credentials(["bob"])["bob"].result(20)
    with Wire(broker.port) as wire:
        assert login(wire, "SCRAM-SHA-512", "bob", "hunter2").error_code != 0


def test_who_may_write_the_data_directory_may_make_users(
    start_broker: Start, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    lay_down(OsFiles(), str(data_dir), "root", "first")
    assert b"first" not in (data_dir / FILE).read_bytes()
    broker = start_broker(listeners="SASL_PLAINTEXT://127.0.0.1:0")
    with Wire(broker.port) as wire:
        assert login(wire, "SCRAM-SHA-256", "root", "first").error_code == 0
    lay_down(OsFiles(), str(data_dir), "root", "second")
    end = time.monotonic() + 30
    while (data_dir / FILE).exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    with Wire(broker.port) as wire:
        assert login(wire, "SCRAM-SHA-512", "root", "second").error_code == 0


# ---- listeners ----


def test_clients_are_told_the_listener_they_came_in_on(start_broker: Start) -> None:
    broker = start_broker(
        listeners="INTERNAL://127.0.0.1:0,EXTERNAL://127.0.0.1:0",
        listener_security_protocol_map="INTERNAL:PLAINTEXT,EXTERNAL:SASL_PLAINTEXT",
        advertised_listeners="EXTERNAL://broker.example.com:19093", **FIRST,
    )  # fmt: skip
    with Wire(broker.addresses["EXTERNAL"][1]) as wire:
        login(wire, "SCRAM-SHA-256", "alice", PASSWORD)
        told = wire.ask(METADATA, 9, MetadataRequest(topics=[])).brokers[0]
    assert (told.host, told.port) == ("broker.example.com", 19093)
    with Wire(broker.addresses["INTERNAL"][1]) as wire:
        told = wire.ask(METADATA, 9, MetadataRequest(topics=[])).brokers[0]
    assert (told.host, told.port) == broker.addresses["INTERNAL"]


@pytest.mark.parametrize(
    "fields",
    [
        {"listeners": "nonsense"},
        {"listeners": "FOO://127.0.0.1:0"},
        {"listeners": "SSL://127.0.0.1:0"},
        {"listeners": "PLAINTEXT://127.0.0.1:1,PLAINTEXT://127.0.0.1:2"},
        {"listeners": "PLAINTEXT://127.0.0.1:99999"},
        {
            "listeners": "SUMMIT_INNER://127.0.0.1:0",
            "listener_security_protocol_map": "SUMMIT_INNER:PLAINTEXT",
        },
        {"advertised_listeners": "OTHER://a:1"},
        {"advertised_listeners": "PLAINTEXT://:1"},
        {"sasl_enabled_mechanisms": "GSSAPI"},
        {"initial_user": "alice"},
        {"ssl_client_auth": "required"},
        {"listener_security_protocol_map": "A:B"},
    ],
)
def test_settings_that_cannot_be(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as raised:
        BrokerSettings(**fields)
    assert raised.value.code == "config.invalid"


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::"])
def test_it_does_not_listen_to_the_world_without_authentication(
    start_broker: Start, host: str
) -> None:
    for fields in (
        {"host": host},
        {"listeners": f"PLAINTEXT://{f'[{host}]' if ':' in host else host}:0"},
    ):
        with pytest.raises(Invalid) as raised:
            start_broker(**fields)
        assert raised.value.code == "security.exposed"
    start_broker(listeners=f"SASL_PLAINTEXT://{f'[{host}]' if ':' in host else host}:0")


def test_insecure_is_said_aloud(start_broker: Start) -> None:
    broker = start_broker(host="0.0.0.0", insecure=True)
    with Wire(broker.port) as wire:
        assert wire.ask(METADATA, 9, MetadataRequest(topics=[])).brokers


def test_certificates_that_are_of_no_use(start_broker: Start, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    for path in ("bad.pem", "missing.pem"):
        with pytest.raises(Invalid) as raised:
            start_broker(listeners="SASL_SSL://127.0.0.1:0", ssl_certfile=str(tmp_path / path))
        assert raised.value.code == "security.certificate"


def test_a_certificate_is_demanded(start_broker: Start, certificates: Certificates) -> None:
    broker = start_broker(
        listeners="SSL://127.0.0.1:0", ssl_certfile=certificates.certfile,
        ssl_keyfile=certificates.keyfile, ssl_cafile=certificates.ca, ssl_client_auth="required",
    )  # fmt: skip
    settings = {
        "bootstrap.servers": f"127.0.0.1:{broker.port}", "security.protocol": "SSL",
        "ssl.ca.location": certificates.ca,
    }  # fmt: skip
    with pytest.raises(confluent_kafka.KafkaException):
        AdminClient(settings).list_topics(timeout=3)
    settings |= {
        "ssl.certificate.location": certificates.client_certfile,
        "ssl.key.location": certificates.client_keyfile,
    }
    assert AdminClient(settings).list_topics(timeout=20).brokers


def test_a_deleted_user_s_connections_end(start_broker: Start) -> None:
    from summit.protocol.alter_user_scram_credentials import (
        ALTER_USER_SCRAM_CREDENTIALS,
        AlterUserScramCredentialsRequest,
        ScramCredentialDeletion,
        ScramCredentialUpsertion,
    )

    broker = start_broker(
        listeners="SASL_PLAINTEXT://127.0.0.1:0", sasl_enabled_mechanisms="PLAIN,SCRAM-SHA-256",
        **FIRST,
    )  # fmt: skip
    salt = b"s" * 24
    salted = scram.salted_password(scram.SCRAM_SHA_256, "pw", salt, scram.ITERATIONS_MIN)
    made = ScramCredentialUpsertion(
        name="bob", mechanism=1, iterations=scram.ITERATIONS_MIN, salt=salt, salted_password=salted
    )
    with Wire(broker.port) as admin, Wire(broker.port) as first, Wire(broker.port) as second:
        assert login(admin, "SCRAM-SHA-256", "alice", PASSWORD).error_code == codes.NONE

        def alter(**fields: Any) -> None:
            request = AlterUserScramCredentialsRequest(
                **{"deletions": [], "upsertions": [], **fields}
            )
            (result,) = admin.ask(ALTER_USER_SCRAM_CREDENTIALS, 0, request).results
            assert result.error_code == codes.NONE

        alter(upsertions=[made])
        assert login(first, "PLAIN", "bob", "pw").error_code == codes.NONE
        assert login(second, "SCRAM-SHA-256", "bob", "pw").error_code == codes.NONE
        assert first.metadata().brokers
        alter(deletions=[ScramCredentialDeletion(name="bob", mechanism=1)])
        assert first.is_closed_by_broker()
        assert second.is_closed_by_broker()
        assert admin.metadata().brokers, "of nobody else"
    with Wire(broker.port) as wire:  # what was right once is not right for ever
        assert login(wire, "PLAIN", "bob", "pw").error_code == codes.SASL_AUTHENTICATION_FAILED


def test_a_password_is_worked_out_once(start_broker: Start) -> None:
    """And a wrong one is wrong after a right one, by the same user."""
    broker = start_broker(
        listeners="SASL_PLAINTEXT://127.0.0.1:0", sasl_enabled_mechanisms="PLAIN", **FIRST
    )
    state = broker._broker._state
    assert state is not None
    jobs = []
    run = state.security.worker.run

    def counted(*arguments: Any) -> None:
        jobs.append(arguments)
        run(*arguments)

    state.security.worker.run = counted  # type: ignore[method-assign]
    for password, code, worked_out in (
        (PASSWORD, codes.NONE, 1), (PASSWORD, codes.NONE, 1), (PASSWORD, codes.NONE, 1),
        ("wrong", codes.SASL_AUTHENTICATION_FAILED, 2), (PASSWORD, codes.NONE, 2),
    ):  # fmt: skip
        with Wire(broker.port) as wire:
            assert login(wire, "PLAIN", "alice", password).error_code == code
        assert len(jobs) == worked_out
