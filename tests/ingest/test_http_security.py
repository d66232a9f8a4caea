"""The HTTP collector's senders: who they are, what they sign, TLS."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from tests.ingest.memory_log import MemoryLog

from summit.base.clock import ManualClock
from summit.base.errors import Invalid
from summit.identity.tls import TlsOptions
from summit.ingest import CollectorConfig, HttpCollector
from summit.ingest.mqtt.settings import MqttTls

NOW_S = 1_800_000_000


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST", "one")
    monkeypatch.setenv("SECOND", "two")
    monkeypatch.setenv("SIGNING", "whsec_" + base64.b64encode(b"k" * 24).decode())


def run(
    http: dict[str, Any],
    body: Callable[[httpx.AsyncClient], Awaitable[Any]],
    log: MemoryLog | None = None,
    *,
    verify: Any = True,
    cert: Any = None,
) -> HttpCollector:
    async def go() -> HttpCollector:
        config = {"name": "web", "type": "http", "port": 0, "topic": "t", "http": http}
        clock = ManualClock(now_ms=NOW_S * 1000)
        collector = HttpCollector(CollectorConfig.from_dict(config), clock=clock)
        await collector.start(log or MemoryLog(1))
        scheme = "https" if "tls" in http else "http"
        base = f"{scheme}://localhost:{collector.port}"
        try:
            async with httpx.AsyncClient(
                base_url=base, trust_env=False, timeout=60, verify=verify, cert=cert
            ) as client:
                await body(client)
        finally:
            await collector.stop()
        return collector

    return asyncio.run(go())


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("auth", "good", "bad", "challenge"),
    [
        (
            {"type": "apiKey", "secrets": ["${FIRST}", "${SECOND}"]},
            [{"X-API-Key": "one"}, {"x-api-key": "two"}],
            [{}, {"X-API-Key": "three"}, {"X-API-Key": ""}, {"X-API-Key": "on"}],
            None,
        ),
        (
            {"type": "apiKey", "header": "X-Token", "secrets": ["${FIRST}"]},
            [{"X-Token": "one"}],
            [{"X-API-Key": "one"}],
            None,
        ),
        (
            {"type": "bearer", "secrets": ["${FIRST}"]},
            [{"Authorization": "Bearer one"}, {"Authorization": "bearer  one"}],
            [{}, *({"Authorization": one} for one in ("Bearer two", "one", b"Bearer \xe9"))],
            "Bearer",
        ),
        (
            {"type": "basic", "users": {"ann": "${FIRST}", "bob": "${SECOND}"}},
            [{"Authorization": basic("ann", "one")}, {"Authorization": basic("bob", "two")}],
            [
                {},
                {"Authorization": basic("ann", "two")},
                {"Authorization": basic("eve", "one")},
                {"Authorization": "Basic !!!"},
                {"Authorization": b"Basic \xe9"},
                {"Authorization": "Basic " + base64.b64encode(b"ann").decode()},
            ],
            "Basic",
        ),
    ],
)
def test_credentials(
    auth: Any, good: list[dict[str, str]], bad: list[dict[str, Any]], challenge: str | None
) -> None:
    log = MemoryLog(1)

    async def body(client: httpx.AsyncClient) -> None:
        for headers in good:
            assert (await client.post("/ingest", json={}, headers=headers)).status_code == 200
        for headers in bad:
            reply = await client.post("/ingest", json={}, headers=headers)
            assert (reply.status_code, reply.json()["code"]) == (401, "ingest.unauthorized")
            assert (reply.headers.get("www-authenticate") or "").startswith(challenge or "")
            assert "one" not in reply.text.replace("one of ours", "")

    collector = run({"auth": auth}, body, log)
    assert len(log.records("t")) == len(good)
    assert collector.status().rejected == len(bad)


def test_a_secret_that_is_not_there_fails_the_start(tmp_path: Path) -> None:
    async def body(_: httpx.AsyncClient) -> None:
        raise AssertionError

    with pytest.raises(Invalid, match="NOT_SET"):
        run({"auth": {"type": "bearer", "secrets": ["${NOT_SET}"]}}, body)


def standard(body: bytes, *, key: bytes = b"k" * 24, id_: str = "m1", at: int = NOW_S) -> Any:
    digest = hmac.new(key, f"{id_}.{at}.".encode() + body, "sha256").digest()
    signature = "v1a,zzz v1," + base64.b64encode(digest).decode()
    return {"webhook-id": id_, "webhook-timestamp": str(at), "webhook-signature": signature}


def github(body: bytes, key: bytes = b"one") -> dict[str, str]:
    digest = hmac.new(key, body, "sha256").hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Delivery": "d-1"}


def stripe(body: bytes, key: bytes = b"one", at: int = NOW_S) -> dict[str, str]:
    digest = hmac.new(key, f"{at}.".encode() + body, "sha256").hexdigest()
    return {"Stripe-Signature": f"t={at},v1={'0' * 64},v1={digest},v0=x"}


def slack(body: bytes, key: bytes = b"one", at: int = NOW_S) -> dict[str, str]:
    digest = hmac.new(key, f"v0:{at}:".encode() + body, "sha256").hexdigest()
    return {"X-Slack-Signature": f"v0={digest}", "X-Slack-Request-Timestamp": str(at)}


def plain(body: bytes, key: bytes = b"one") -> dict[str, str]:
    return {"X-Sig": "h " + base64.b64encode(hmac.new(key, body, "sha512").digest()).decode()}


CONTENT = b'{"id":"evt_1","n":1}'


@pytest.mark.parametrize(
    ("auth", "sign", "bad"),
    [
        (
            {"preset": "standard", "secrets": ["${FIRST}", "${SIGNING}"]},
            standard,
            [standard(CONTENT, key=b"x"), standard(CONTENT, at=NOW_S - 301),
             standard(CONTENT, at=NOW_S + 301), {**standard(CONTENT), "webhook-id": "m2"},
             {**standard(CONTENT), "webhook-timestamp": "soon"},
             {**standard(CONTENT), "webhook-signature": "v2,abc"}],
        ),
        ({"preset": "github", "secrets": ["${FIRST}"]}, github,
         [github(CONTENT, b"two"), {"X-Hub-Signature-256": "sha1=00"}]),
        ({"preset": "stripe", "secrets": ["${FIRST}"]}, stripe,
         [stripe(CONTENT, b"two"), stripe(CONTENT, at=NOW_S - 400), {"Stripe-Signature": "v1=0"}]),
        ({"preset": "slack", "secrets": ["${FIRST}"]}, slack,
         [slack(CONTENT, b"two"), slack(CONTENT, at=NOW_S - 400), {"X-Slack-Signature": "v0=0"}]),
        (
            {"preset": "hmac", "header": "X-Sig", "algorithm": "sha512", "encoding": "base64",
             "prefix": "h ", "secrets": ["${FIRST}"]},
            plain,
            [plain(CONTENT, b"two"), {"X-Sig": "h x"}, {"X-Sig": "x" * 5000}],
        ),
    ],
)  # fmt: skip
def test_signatures(auth: dict[str, Any], sign: Any, bad: list[dict[str, str]]) -> None:
    log = MemoryLog(1)

    async def body(client: httpx.AsyncClient) -> None:
        first = await client.post("/ingest", content=CONTENT, headers=sign(CONTENT))
        assert (first.status_code, first.json()["accepted"]) == (200, 1)
        for headers in [{}, *bad]:
            reply = await client.post("/ingest", content=CONTENT, headers=headers)
            assert (reply.status_code, reply.json()["code"]) == (401, "ingest.signature_refused")
        changed = await client.post("/ingest", content=CONTENT + b" ", headers=sign(CONTENT))
        assert changed.status_code == 401
        # A replay within the tolerance gets the answer that was given, and writes nothing.
        again = await client.post("/ingest", content=CONTENT, headers=sign(CONTENT))
        assert again.json() == first.json() or auth["preset"] == "hmac"

    run({"auth": {"type": "signature", **auth}}, body, log)
    assert len(log.records("t")) == (2 if auth["preset"] == "hmac" else 1)


def test_slack_asks_who_answers() -> None:
    log = MemoryLog(1)
    content = json.dumps({"type": "url_verification", "challenge": "c-1"}).encode()

    async def body(client: httpx.AsyncClient) -> None:
        reply = await client.post("/ingest", content=content, headers=slack(content))
        assert reply.json() == {"challenge": "c-1"}

    auth = {"type": "signature", "preset": "slack", "secrets": ["${FIRST}"]}
    run({"auth": auth}, body, log)
    assert not log.records("t")


def test_tls_and_client_certificates(tmp_path: Path) -> None:
    authority = trustme.CA()
    server = authority.issue_cert("localhost")
    cert, key, ca = (str(tmp_path / name) for name in ("cert.pem", "key.pem", "ca.pem"))
    Path(cert).write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    server.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    trusting = ssl.create_default_context(cafile=ca)
    known = ssl.create_default_context(cafile=ca)
    authority.issue_cert("sender@example.org").configure_cert(known)

    async def body(client: httpx.AsyncClient) -> None:
        assert (await client.post("/ingest", json={"n": 1})).status_code == 200

    async def refused(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.TransportError):
            await client.post("/ingest", json={"n": 1})

    run({"tls": {"certFile": cert, "keyFile": key}}, body, verify=trusting)
    mutual = {"tls": {"certFile": cert, "keyFile": key, "clientCaFile": ca}}
    run(mutual, body, verify=known)
    run(mutual, refused, verify=trusting)
    with pytest.raises(Invalid, match="TLS files"):
        run({"tls": {"certFile": str(tmp_path / "none.pem")}}, body)


def test_an_encrypted_key_is_an_error_and_asks_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pem = trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes()
    key = load_pem_private_key(pem, None)
    closed = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"some password")
    )
    (tmp_path / "key.pem").write_bytes(closed)
    (tmp_path / "cert.pem").write_bytes(pem)
    files = {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}
    for make in (TlsOptions(**files).server_context, MqttTls(**files).client_context):
        with pytest.raises(Invalid, match="cannot be used"):
            make()
    assert "pass phrase" not in capfd.readouterr().err


def test_a_second_try_of_a_signed_webhook_is_known_by_its_body() -> None:
    named = b'{"id":"evt_1","event_id":"Ev1","n":1}'

    def tries(sign: Any, body: bytes) -> Any:
        async def go(client: httpx.AsyncClient) -> None:
            for headers in (sign(body, at=NOW_S - 60), sign(body)):
                reply = await client.post("/ingest", content=body, headers=headers)
                assert reply.status_code == 200

        return go

    def delivered(body: bytes, at: int = 0) -> dict[str, str]:
        return {**github(body), "X-GitHub-Delivery": str(at)}

    counts = []
    for preset, sign in (("stripe", stripe), ("slack", slack), ("github", delivered)):
        for body in (named, b'{"n":1}'):
            log = MemoryLog(1)
            auth = {"type": "signature", "preset": preset, "secrets": ["${FIRST}"]}
            run({"auth": auth}, tries(sign, body), log)
            counts.append(len(log.records("t")))
    assert counts == [1, 2, 1, 2, 1, 1]
