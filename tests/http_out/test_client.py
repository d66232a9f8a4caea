"""Outgoing HTTP over TLS, and without its library. The rest is in the tests of the registry."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.serde.registry_server import RegistryServer

from summit.base.errors import Invalid, Unavailable
from summit.http_out import HttpClient, HttpConfig


def own_authority(path: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that signs itself, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = path / "cert.pem", path / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(cert_file), str(key_file)


def ask(config: HttpConfig) -> int:
    async def go() -> int:
        client = HttpClient(config, what="it", extra="registry")
        try:
            return (await client.request("GET", "/subjects")).status
        finally:
            await client.close()

    return asyncio.run(go())


def test_whom_it_trusts_and_who_it_is(tmp_path: Path) -> None:
    cert_file, key_file = own_authority(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=cert_file)
    tls.load_cert_chain(cert_file, key_file)
    tls.verify_mode = ssl.CERT_REQUIRED
    with RegistryServer(tls=tls) as server:
        known = {"ca_file": cert_file, "cert_file": cert_file, "key_file": key_file}
        assert ask(HttpConfig(url=server.url, retries=0, **known)) == 200
        with pytest.raises(Unavailable, match="certificate"):
            ask(HttpConfig(url=server.url, retries=0))
        with pytest.raises(Unavailable):  # it has to say who it is
            ask(HttpConfig(url=server.url, retries=0, ca_file=cert_file))
        elsewhere = server.url.replace("127.0.0.1", "localhost")
        with pytest.raises(Unavailable, match="localhost"):
            ask(HttpConfig(url=elsewhere, retries=0, **known))
    with pytest.raises(Invalid, match="cannot be used"):
        ask(HttpConfig(url="https://127.0.0.1:1", ca_file=str(tmp_path / "none.pem")))


def test_internal_addresses_may_be_out_of_bounds() -> None:
    """By number or by name; told at once, as it would not pass."""
    with RegistryServer() as server:
        for host in ("127.0.0.1", "localhost"):
            url = server.url.replace("127.0.0.1", host)
            assert ask(HttpConfig(url=url)) == 200
            with pytest.raises(Invalid, match="internal") as caught:
                ask(HttpConfig(url=url, allow_internal_addresses=False))
            assert caught.value.code == "http.internal"
        assert len(server.requests) == 2


def test_without_its_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(Invalid) as caught:
        ask(HttpConfig(url="http://127.0.0.1:1"))
    assert "pip install 'summit-streams[registry]'" in str(caught.value)
