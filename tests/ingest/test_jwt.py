"""Tokens of an issuer over HTTP, WebSockets and gRPC; keys that are changed; forged tokens."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from tests.ingest.memory_log import MemoryLog
from tests.ingest.subjects import reason_of
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from summit.base.clock import ManualClock
from summit.base.errors import Invalid, Unavailable
from summit.identity import tokens as jwks
from summit.ingest import make_collector
from summit.ingest.grpc.stub import IngestStub, PublishRequest

pytestmark = pytest.mark.timeout(120)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
EVENT = {"n": 1}


def public(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    found: dict[str, Any] = json.loads(kind.to_jwk(key.public_key()))
    return {**found, **({} if kid is None else {"kid": kid}), **more}


def token(key: Any = RSA, kid: str | None = "one", algorithm: str = "RS256", **changes: Any) -> str:
    claims = {"iss": "idp", "aud": "summit", "sub": "ann", "exp": time.time() + 600, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


class Issuer:
    """A server of keys on the loopback address."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [public(RSA, "one"), public(EC, "two")]
        self.asked = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                self.send_response(200 if self.path == "/keys?a=1" else 404)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": issuer.keys}).encode())

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys?a=1"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    yield found
    found.server.shutdown()
    found.server.server_close()
    found.thread.join(10)


def collector_of(kind: str, jwks_url: str, **options: Any) -> Any:
    auth = {
        "type": "jwt",
        "jwt": {"jwks": jwks_url, "issuer": "idp", "audience": "summit", **options},
    }
    config = {"name": "j", "type": kind, "port": 0, "topic": "t", kind: {"auth": auth}}
    return make_collector(config)


async def send(kind: str, address: str, bearer: str | None) -> bool:
    """Whether a token is taken."""
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    if kind == "http":
        async with httpx.AsyncClient(trust_env=False) as client:
            reply = await client.post(f"http://{address}/ingest", json=EVENT, headers=headers)
        assert reply.status_code == 200 or reply.json()["code"] == "ingest.unauthorized"
        return reply.status_code == 200
    if kind == "websocket":
        try:
            async with connect(
                f"ws://{address}/", proxy=None, additional_headers=headers
            ) as socket:
                await socket.send(json.dumps(EVENT))
                return "ack_seq" in json.loads(await socket.recv())
        except InvalidStatus as error:
            return error.response.status_code != 401
    metadata = tuple((name.lower(), text) for name, text in headers.items())
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            call = IngestStub(channel).Publish(PublishRequest(json=b"{}"), metadata=metadata)
            return bool((await call).accepted == 1)
        except grpc.aio.AioRpcError as error:
            return reason_of(error) != "ingest.unauthorized"


@pytest.mark.parametrize("kind", ["http", "websocket", "grpc"])
def test_whose_tokens_hold(kind: str, issuer: Issuer) -> None:
    hmac_with_public_key = jwt.encode(
        {"iss": "idp", "aud": "summit", "exp": time.time() + 600},
        json.dumps(public(RSA, "one"))[1:], algorithm="HS256", headers={"kid": "one"},
    )  # fmt: skip
    bad = [
        None, "x", "a.b.c", token(OTHER), token(OTHER, kid=None), token(kid="three"),
        token(exp=time.time() - 600), token(exp=None), token(iss="else"), token(iss=None),
        token(aud="else"), token(aud=None), token(nbf=time.time() + 600),
        token(None, algorithm="none"), hmac_with_public_key, token(algorithm="RS512"),
        token(EC, "one", "ES256"), token()[:-8] + "AAAAAAAA",
    ]  # fmt: skip
    good = [
        token(),
        token(EC, "two", "ES256"),
        token(kid=None),
        token(aud=["x", "summit"], exp=time.time() - 5),
    ]
    if kind != "http":  # the same code behind it: a few are enough
        bad = bad[:1] + bad[4:8]

    async def go() -> None:
        collector = collector_of(kind, issuer.url)
        await collector.start(MemoryLog(1))
        try:
            for one in good:
                assert await send(kind, collector.address, one)
            for one in bad:
                assert not await send(kind, collector.address, one), one
        finally:
            await collector.stop()

    asyncio.run(go())


def test_keys_are_changed_and_the_issuer_goes_away(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "SOON_S", 0.05)

    async def go() -> None:
        collector = collector_of("http", issuer.url)
        await collector.start(MemoryLog(1))
        try:
            assert await send("http", collector.address, token())
            issuer.keys = [public(OTHER, "new")]
            async with asyncio.timeout(60):  # an unknown key is looked for
                while not await send("http", collector.address, token(OTHER, "new")):
                    await asyncio.sleep(0.02)
            assert not await send("http", collector.address, token())
            issuer.keys = []
            asked = issuer.asked
            async with asyncio.timeout(60):
                while issuer.asked < asked + 2:
                    assert not await send("http", collector.address, token())
                    await asyncio.sleep(0.02)
            assert await send("http", collector.address, token(OTHER, "new"))  # goes on holding
        finally:
            await collector.stop()

    asyncio.run(go())


def test_keys_of_a_file_and_starts_that_fail(tmp_path: Path, issuer: Issuer) -> None:
    path = tmp_path / "keys.json"

    async def start(url: str) -> bool:
        collector = collector_of("http", url)
        await collector.start(MemoryLog(1))
        try:
            return await send("http", collector.address, token(kid=None))
        finally:
            await collector.stop()

    secret = {"kty": "oct", "k": "AAAA", "kid": "one"}
    for text in (b"{", b"[]", b'{"keys": [7]}', json.dumps({"keys": [secret]}).encode()):
        path.write_bytes(text)
        with pytest.raises(Invalid, match="keys of"):
            asyncio.run(start(f"file:{path}"))
    unusable = [
        {**public(OTHER, "enc"), "use": "enc", "alg": "RSA-OAEP"},
        {"kty": "OKP", "crv": "X25519", "x": "AAAA", "kid": "x"},
    ]
    path.write_text(json.dumps({"keys": unusable}))
    with pytest.raises(Invalid, match="none is a public key for signatures"):
        asyncio.run(start(f"file:{path}"))
    path.write_text(json.dumps({"keys": [secret, *unusable, public(RSA, "one")]}))
    assert asyncio.run(start(f"file:{path}"))
    with pytest.raises(Invalid, match="No such file"):
        asyncio.run(start(f"file:{path}.not"))
    with pytest.raises(Unavailable, match="404"):
        asyncio.run(start(issuer.url + "1"))
    for changes in (
        {"jwks": "keys"}, {"issuer": ""}, {"algorithms": ["HS256"]}, {"algorithms": []},
    ):  # fmt: skip
        with pytest.raises(Invalid, match=next(iter(changes))):
            collector_of("http", "file:x", **changes)
    with pytest.raises(Invalid, match="block jwt"):
        make_collector(
            {"name": "j", "type": "http", "topic": "t", "http": {"auth": {"type": "jwt"}}}
        )


def keys_of(tmp_path: Path, keys: list[Any], **options: Any) -> tuple[jwks.TokenKeys, ManualClock]:
    """The keys of a file, and the clock by which they age."""
    path, clock = tmp_path / "keys.json", ManualClock()
    path.write_text(json.dumps({"keys": keys}))
    every = {"jwks": f"file:{path}", "issuer": "idp", "audience": "summit", **options}
    every.setdefault("algorithms", list(jwks.ALGORITHMS))
    return jwks.TokenKeys(jwks.JwtOptions(**every), clock), clock


CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def test_what_a_key_serves(tmp_path: Path) -> None:
    """Each algorithm of its type without `alg`, its own with it; a curve its own only."""
    curves = {name: ec.generate_private_key(curve) for name, curve in CURVES.items()}
    of_rsa = [name for name in jwks.ALGORITHMS if name[:2] in ("RS", "PS")]
    published = [
        public(RSA, "one"), public(OTHER, "fixed", alg="PS384"),
        *(public(key, name) for name, key in curves.items()),
        {"kty": ["RSA"]}, {"kty": "EC"}, public(RSA, "ops", key_ops=["sign"]),
        public(curves["ES384"], "crossed", alg="ES256"),
    ]  # fmt: skip

    async def go() -> None:
        keys, _ = keys_of(tmp_path, published)
        await keys.open()
        try:
            for name in of_rsa:
                assert keys.check(token(RSA, "one", name)) == "ann"
                if name != "PS384":
                    with pytest.raises(Invalid, match="not one for"):
                        keys.check(token(OTHER, "fixed", name))
            assert keys.check(token(OTHER, "fixed", "PS384")) == "ann"
            for name, key in curves.items():
                assert keys.check(token(key, name, name)) == "ann"
            with pytest.raises(Invalid, match="not one for ES384"):
                keys.check(token(curves["ES384"], "ES256", "ES384"))
            for gone in ("ops", "crossed"):
                with pytest.raises(Invalid, match="no key of the token's kid"):
                    keys.check(token(RSA, gone))
        finally:
            await keys.close()

    asyncio.run(go())


def test_keys_without_a_name_are_all_tried(tmp_path: Path) -> None:
    third = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    published = [public(RSA, None), public(EC, None), public(OTHER, None), public(OTHER, "a")]
    same = [public(RSA, "same"), public(OTHER, "same")]

    async def go() -> None:
        keys, _ = keys_of(tmp_path, published)
        await keys.open()
        for key, algorithm in ((RSA, "RS256"), (OTHER, "RS512"), (EC, "ES256")):
            for kid in (None, "unknown"):
                assert keys.check(token(key, kid, algorithm)) == "ann"
        with pytest.raises(Invalid, match="no key of the issuer signed"):
            keys.check(token(third, None))
        with pytest.raises(Invalid, match="expired"):  # of the key that signed it
            keys.check(token(OTHER, None, exp=time.time() - 600))
        await keys.close()
        keys, _ = keys_of(tmp_path, same)
        await keys.open()
        assert keys.check(token(RSA, "same")) == keys.check(token(OTHER, "same")) == "ann"
        await keys.close()
        keys, _ = keys_of(tmp_path, [public(RSA, None)] * (jwks.KEYS_MAX + 1))
        with pytest.raises(Invalid, match="at most 64"):
            await keys.open()

    asyncio.run(go())


def test_keys_that_cannot_be_fetched_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "SOON_S", 0.01)

    async def go() -> None:
        keys, clock = keys_of(tmp_path, [public(RSA, "one")], max_age_s=600)
        text = (tmp_path / "keys.json").read_bytes()
        await keys.open()
        (tmp_path / "keys.json").unlink()
        clock.advance(600_000)
        assert keys.check(token()) == "ann"
        clock.advance(1)
        with pytest.raises(Unavailable, match="600 s"):
            keys.check(token())
        (tmp_path / "keys.json").write_bytes(text)  # it is asked again by itself
        async with asyncio.timeout(60):
            while True:
                try:
                    assert keys.check(token()) == "ann"
                    break
                except Unavailable:
                    await asyncio.sleep(0.01)
        await keys.close()

    asyncio.run(go())
    with pytest.raises(Invalid, match="maxAgeS"):
        keys_of(tmp_path, [], max_age_s=299)
