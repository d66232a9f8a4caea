"""SASL OAUTHBEARER: tokens of an issuer whose keys are known, by real clients and by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.broker.test_sasl import round_trip, tell
from tests.broker.wire import Wire

from summit.base.errors import Invalid
from summit.broker import BrokerSettings, BrokerThread
from summit.protocol import codes
from summit.protocol.oauthbearer import INVALID_TOKEN, read_token
from summit.protocol.sasl_handshake import SASL_HANDSHAKE, SaslHandshakeRequest

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def token(key: Any = KEY, life_s: float = 600, **changes: Any) -> str:
    claims = {"iss": "idp", "aud": "summit", "sub": "ann", "exp": time.time() + life_s, **changes}
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, key, algorithm="RS256", headers={"kid": "one"})


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    path = tmp_path_factory.mktemp("oauth")
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    (path / "keys").write_text(json.dumps({"keys": [{**public, "kid": "one", "use": "sig"}]}))
    thread = BrokerThread(
        BrokerSettings(
            security_protocol="SASL_PLAINTEXT", port=0, data_dir=str(path / "data"),
            durability="os", auto_create_topics=True, sasl_enabled_mechanisms="OAUTHBEARER",
            sasl_oauthbearer_jwks_endpoint_url=f"file:{path}/keys",
            sasl_oauthbearer_expected_issuer="idp", sasl_oauthbearer_expected_audience="summit",
            sasl_oauthbearer_clock_skew_seconds=0, authorizer="acl", super_users="User:ann",
        )
    )  # fmt: skip
    thread.start()
    yield thread.port
    thread.stop()


def message(shown: str, head: str = "n,,") -> bytes:
    return f"{head}\1auth=Bearer {shown}\1\1".encode()


def begin(wire: Wire) -> None:
    answer = wire.ask(SASL_HANDSHAKE, 1, SaslHandshakeRequest(mechanism="OAUTHBEARER"))
    assert (answer.error_code, answer.mechanisms) == (codes.NONE, ["OAUTHBEARER"])


def test_librdkafka(port: int) -> None:
    """Its topic is one that only the token's user may write."""
    settings = {
        "bootstrap.servers": f"127.0.0.1:{port}", "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "OAUTHBEARER", "oauth_cb": lambda _: (token(), time.time() + 600),
    }  # fmt: skip
    round_trip(settings, "by-token")
    assert confluent_kafka.Producer(settings).list_topics("by-token", 20).topics


def test_a_session_lasts_as_long_as_its_token(port: int) -> None:
    with Wire(port) as wire:
        begin(wire)
        answer = tell(wire, message(token(life_s=3)))
        assert answer.error_code == codes.NONE
        assert 0 < answer.session_lifetime_ms <= 3000
        begin(wire)  # anew, with one that holds longer (KIP-368)
        answer = tell(wire, message(token(life_s=500)))
        assert 490_000 < answer.session_lifetime_ms <= 500_000
        begin(wire)
        tell(wire, message(token(sub="bob")))
        assert wire.is_closed_by_broker(), "a session is its user's"
    with Wire(port) as wire:
        begin(wire)
        assert tell(wire, message(token(life_s=2))).error_code == codes.NONE
        with pytest.raises((EOFError, ConnectionError)):
            ask_on(wire)


def ask_on(wire: Wire) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        wire.metadata("by-token")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "shown",
    [
        token(STRANGER), token(life_s=-1), token(iss="another"), token(aud="another"),
        token(sub=None), token(sub=""), token(exp=None), "x.y.z", token()[:-8],
    ],
    ids=["key", "expired", "issuer", "audience", "nobody", "empty", "endless", "none", "cut"],
)  # fmt: skip
def test_a_token_that_does_not_hold(port: int, shown: str) -> None:
    with Wire(port) as wire:
        begin(wire)
        answer = tell(wire, message(shown))
        assert (answer.error_code, bytes(answer.auth_bytes)) == (codes.NONE, INVALID_TOKEN)
        answer = tell(wire, b"\1")
        assert answer.error_code == codes.SASL_AUTHENTICATION_FAILED
        assert wire.is_closed_by_broker()


def test_a_token_of_another_user_is_not_taken(port: int) -> None:
    with Wire(port) as wire:
        begin(wire)
        assert bytes(tell(wire, message(token(), "n,a=bob,")).auth_bytes) == INVALID_TOKEN
    with Wire(port) as wire:
        begin(wire)
        assert not bytes(tell(wire, message(token(), "n,a=ann,")).auth_bytes)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\1", b"n,,", b"n,,\1\1", b"n,,\1auth=Basic x\1\1", b"n,,\1auth=Bearer \1\1",
        b"p,,\1auth=Bearer x\1\1", b"n,,\1auth=Bearer x\1", b"n,a=\xff,\1auth=Bearer x\1\1",
        b"n,,\1auth=Bearer x\1\1more",
    ],
)  # fmt: skip
def test_malformed_messages_end_the_connection(port: int, data: bytes) -> None:
    with pytest.raises(Invalid):
        read_token(data)
    with Wire(port) as wire:
        begin(wire)
        assert tell(wire, data).error_code == codes.SASL_AUTHENTICATION_FAILED
        assert wire.is_closed_by_broker()


def test_extensions_and_names_are_read() -> None:
    found = read_token(b"n,a=a=2Cb=3Dc,\1auth=bearer tok\1traceId=12 3\1\1")
    assert found == ("tok", "a,b=c")


def test_keys_must_be_named_and_there(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="OAUTHBEARER"):
        BrokerSettings(security_protocol="SASL_SSL", ssl_certfile="x",
                       sasl_enabled_mechanisms="OAUTHBEARER")  # fmt: skip
    with pytest.raises(Invalid, match="issuer"):
        BrokerSettings(sasl_oauthbearer_jwks_endpoint_url="file:x")
