"""By what one proves who one is: tokens of an issuer, client certificates; limits; streams that end
with the credentials of who reads them; where nobody is asked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from tests.services.running import Services, services

from summit.identity import CertificateRule
from summit.identity.claims import IssuerOptions
from summit.identity.tls import TlsOptions
from summit.services import gated
from summit.services.security import SecuritySettings

ADMIN_KEY = "the-admin-key-of-these-tests-is-long-enough"
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)
PUBLIC_PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
QUERY = {
    "id": "q", "eventTypes": ["x"], "window": {"type": "tumbling", "size": "1m"},
    "metrics": [{"name": "n", "function": "count"}],
}  # fmt: skip


def token(key: Any = RSA_KEY, algorithm: str = "RS256", **changes: Any) -> str:
    claims = {
        "iss": "idp", "aud": "summit", "sub": "ann", "exp": time.time() + 600,
        "realm": {"roles": ["soc"]}, **changes,
    }  # fmt: skip
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers={"kid": "one"})


def signed_by_hand(header: dict[str, Any], key: bytes, **changes: Any) -> str:
    """A token as nobody's library makes it."""
    claims = {"iss": "idp", "aud": "summit", "sub": "eve", "exp": time.time() + 600,
              "realm": {"roles": ["admins"]}, **changes}  # fmt: skip
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
             for part in (header, claims)]  # fmt: skip
    text = ".".join(parts)
    signature = hmac.digest(key, text.encode(), hashlib.sha256) if key else b""
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    directory = tmp_path_factory.mktemp("ways")
    public = {**json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())), "kid": "one"}
    (directory / "keys").write_text(json.dumps({"keys": [public]}))
    issuer = IssuerOptions(
        jwks=f"file:{directory}/keys", issuer="idp", audience="summit", roles_claim="realm.roles",
        roles={"soc": "analyst", "admins": "admin"}, grants_claim="grants", leeway_s=0,
    )  # fmt: skip
    patch = pytest.MonkeyPatch()
    patch.setenv("SUMMIT_ADMIN_KEY", ADMIN_KEY)
    security = SecuritySettings(admin_key="${SUMMIT_ADMIN_KEY}", jwt=issuer, rate_limit=1e6)
    with services(directory / "data", security) as found:
        yield found
    patch.undo()


def test_a_token_s_claims_make_its_bearer(running: Services) -> None:
    def who(**changes: Any) -> Any:
        status, answer, _ = running.ask("streaming", "GET", "/api/whoami", token(**changes))
        return (answer["name"], answer["role"], answer["grants"]) if status == 200 else status

    assert who() == ("ann", "analyst", [])
    assert who(realm={"roles": ["soc", "admins"]}) == ("ann", "admin", None)
    assert who(grants=["read:orders."]) == ("ann", "analyst", ["read:orders."])
    assert who(realm={"roles": ["others"]}) == 401
    assert who(realm=None) == 401
    assert who(grants=["own:everything"]) == 401
    assert who(sub=None) == 401
    assert who(sub={"a": 1}) == 401


def test_tokens_that_do_not_hold(running: Services) -> None:
    admin = {"realm": {"roles": ["admins"]}}
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    good = token(**admin)
    tokens = [
        token(exp=time.time() - 1, **admin), token(exp=None, **admin), token(iss="evil", **admin),
        token(aud="others", **admin), token(aud=None, **admin),
        token(nbf=time.time() + 60, **admin),
        token(OTHER_KEY, **admin),
        signed_by_hand({"alg": "none"}, b""), signed_by_hand({"alg": "None", "kid": "one"}, b""),
        signed_by_hand({"alg": "HS256", "kid": "one"}, PUBLIC_PEM),  # the public key as a secret
        signed_by_hand({"alg": "HS256", "kid": "one"}, b"secret"),
        signed_by_hand({"alg": "RS256", "kid": "../../keys"}, b"x"),
        signed_by_hand({"alg": "RS256", "kid": ["one"]}, b"x"),
        signed_by_hand({"alg": "RS256", "jku": "http://evil.example/keys"}, b"x"),
        good[:-4] + "AAAA", good.rpartition(".")[0] + ".", f"{none}.{good.split('.')[1]}.",
        "..", "a.b.c", "a" * 5_000,
    ]  # fmt: skip
    for text in tokens:
        status, answer, _ = running.ask("streaming", "GET", "/api/keys", text)
        assert status in (401, 429), (text, answer)
    # Whoever shares the address with somebody who guesses is not locked out.
    assert running.ask("streaming", "GET", "/api/keys", good)[0] == 200
    assert running.ask("streaming", "GET", "/api/keys", "guess")[0] == 429


def test_a_stream_ends_with_the_credentials_of_who_reads_it(
    running: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("summit.services.definition_routes.ACTIVE_TIMEOUT_MS", 1)
    monkeypatch.setattr(running.component._node.streams, "heartbeat_s", 0.05)
    assert running.ask("correlation", "POST", "/api/analytics/queries", ADMIN_KEY, QUERY)[0] == 200
    body = {"name": "reader", "role": "viewer"}
    made = running.ask("streaming", "POST", "/api/keys", ADMIN_KEY, body)[1]
    place = urlsplit(running.urls["correlation"])
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        connection.request(
            "GET", "/api/analytics/queries/q/live",
            headers={"Authorization": f"Bearer {made['key']}"},
        )  # fmt: skip
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.readline()
        assert running.ask("streaming", "DELETE", f"/api/keys/{made['id']}", ADMIN_KEY)[0] == 200
        for _ in range(10_000):
            if not answer.readline():
                break
        else:
            pytest.fail("it goes on")
    finally:
        connection.close()


# ---- TLS ----


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def with_tls(
    tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA
) -> Iterator[tuple[Services, Path]]:
    directory = tmp_path_factory.mktemp("tls")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(directory / "server.pem")
    )
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    security = SecuritySettings(
        tls=TlsOptions(
            cert_file=str(directory / "server.pem"), client_ca_file=str(directory / "ca.pem")
        ),
        certificates=[
            CertificateRule(subject="CN=c1", role="operator"),
            CertificateRule(subject="email:ada@example.org", role="viewer"),
        ],
    )
    patch = pytest.MonkeyPatch()
    patch.setattr(gated, "TLS_LOOK_S", 0.05)
    with services(directory / "data", security) as found:
        yield found, directory
    patch.undo()


def _over_tls(
    running: Services, authority: trustme.CA, client: Any = None, path: str = "/api/whoami"
) -> tuple[int, Any, Any]:
    """Status, JSON, and the server's certificate."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if client is not None:
        client.configure_cert(context)
    place = urlsplit(running.urls["streaming"])
    assert place.scheme == "https"
    connection = http.client.HTTPSConnection(place.netloc, context=context, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        return answer.status, content, connection.sock.getpeercert(binary_form=True)
    finally:
        connection.close()


def test_client_certificates(with_tls: tuple[Services, Path], authority: trustme.CA) -> None:
    running, _ = with_tls
    assert _over_tls(running, authority)[0] == 401
    assert _over_tls(running, authority, path="/livez")[0] == 200
    known = authority.issue_cert("c1.example.org", common_name="c1")
    status, answer, _ = _over_tls(running, authority, known)
    assert (status, answer["kind"], answer["role"]) == (200, "certificate", "operator")
    assert "CN=c1" in answer["name"]
    named = authority.issue_cert("ada@example.org")
    assert _over_tls(running, authority, named)[1]["role"] == "viewer"
    # A subject that looks like two parts is one.
    forged = authority.issue_cert("c2.example.org", common_name="c2,CN=c1")
    assert _over_tls(running, authority, forged)[0] == 401
    stranger = trustme.CA().issue_cert("c1.example.org", common_name="c1")
    with pytest.raises((ssl.SSLError, OSError)):
        _over_tls(running, authority, stranger)


def test_a_new_certificate_is_used_without_a_restart(
    with_tls: tuple[Services, Path], authority: trustme.CA
) -> None:
    running, directory = with_tls
    before = _over_tls(running, authority, path="/livez")[2]
    (directory / "server.pem").write_text("half written")
    time.sleep(0.2)  # it is looked at meanwhile, and refused
    assert _over_tls(running, authority, path="/livez")[2] == before
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(directory / "server.pem")
    )
    deadline = time.monotonic() + 30
    while _over_tls(running, authority, path="/livez")[2] == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


# ---- limits, and where nobody is asked ----


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    security = SecuritySettings(
        rate_limit=1, rate_burst=25, allowed_hosts=["summit.test"],
        cors_origins=["https://console.example"], max_connections=20,
    )  # fmt: skip
    with services(tmp_path_factory.mktemp("open") / "data", security) as found:
        yield found


def test_names_that_pages_point_here_are_refused(open_to_all: Services) -> None:
    """What a browser is told of DNS is no reason to let its page in where nobody is asked."""
    for host, status in (
        ("rebound.evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost", 200),
        ("LOCALHOST:99", 200), ("[::1]:1", 200), ("summit.test", 200), ("evil@localhost", 200),
        ("localhost.evil.example:3000", 421), ("[", 421),
    ):  # fmt: skip
        got, answer, _ = open_to_all.ask("streaming", "GET", "/api/whoami", headers={"Host": host})
        assert got == status, (host, answer)
    assert open_to_all.ask("streaming", "GET", "/api/whoami")[1]["kind"] == "local"


def test_origins_that_are_listed_may_ask(open_to_all: Services) -> None:
    asked = {"Origin": "https://console.example", "Access-Control-Request-Method": "DELETE"}
    status, _, told = open_to_all.ask("streaming", "OPTIONS", "/api/topics", headers=asked)
    assert (status, told["access-control-allow-origin"]) == (204, "https://console.example")
    assert "Authorization" in told["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in told
    status, _, told = open_to_all.ask(
        "streaming", "OPTIONS", "/api/topics", headers={**asked, "Origin": "https://evil.example"}
    )
    assert (status, told.get("access-control-allow-origin")) == (403, None)


def test_connections_are_bounded(open_to_all: Services) -> None:
    place = urlsplit(open_to_all.urls["correlation"])
    held = [socket.create_connection((place.hostname, place.port), 30) for _ in range(20)]
    try:
        refused = False
        for _ in range(100):  # the server takes them in its own time
            try:
                open_to_all.ask("correlation", "GET", "/livez")
            except (OSError, http.client.HTTPException):
                refused = True
                break
        assert refused
    finally:
        for sock in held:
            sock.close()


def test_too_many_requests_are_told_when_to_come_again(open_to_all: Services) -> None:
    for _ in range(60):
        status, answer, told = open_to_all.ask("streaming", "GET", "/livez")
        if status == 429:
            break
    assert (status, answer["code"]) == (429, "auth.rate")
    assert int(told["retry-after"]) >= 1
