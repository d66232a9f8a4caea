"""How a client makes itself known to brokers: TLS, and SASL by PLAIN or SCRAM.

One set of settings for librdkafka and for the connections that are our own. Where a client's
configuration says nothing, `SUMMIT_CLIENT__*` of the environment does, so that every part of a
process, and every command, finds the brokers' secret in one place.
"""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final

from summit.base.client_section import OF_COMMANDS, SecurityFields
from summit.base.config import environment, resolve
from summit.base.errors import Invalid
from summit.base.secrets import is_secret_reference, read_secret
from summit.protocol import codes, scram
from summit.protocol.api import Api
from summit.protocol.sasl_authenticate import (
    SASL_AUTHENTICATE,
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
)
from summit.protocol.sasl_handshake import SASL_HANDSHAKE, SaslHandshakeRequest

Question = tuple[Api[Any, Any], int, Any]  # API, version, request
Steps = Generator[Question, Any, float]

SECTION: Final = "client"
_OTHERS: Final = frozenset(f"SUMMIT_CLIENT__{name.upper()}" for name in OF_COMMANDS)
_RENEW: Final = 0.8  # of a session's lifetime: then a connection is not used any more


class ClientSecurity(SecurityFields, frozen=True, kw_only=True):
    """The same, with what connections make of it."""

    @classmethod
    def of_environment(cls) -> ClientSecurity:
        """What `SUMMIT_CLIENT__*` says; plain text where it says nothing. Raises Invalid."""
        env = {name: text for name, text in environment().items() if name not in _OTHERS}
        return resolve(cls, SECTION, flags={}, env=env, file={})

    @property
    def is_tls(self) -> bool:
        """Whether the brokers speak TLS."""
        return self.security_protocol in ("SSL", "SASL_SSL")

    @property
    def password(self) -> str:
        """The password, or the secret that it names. Raises Invalid("secret.missing")."""
        text = self.sasl_password or ""
        return read_secret(text).decode() if is_secret_reference(text) else text

    def librdkafka(self) -> dict[str, Any]:
        """The same in librdkafka's words."""
        if self.security_protocol == "PLAINTEXT":
            return {}
        found: dict[str, Any] = {"security.protocol": self.security_protocol}
        if self.is_sasl:
            found |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_username,
                "sasl.password": self.password,
            }
        if self.is_tls:
            files = {
                "ssl.ca.location": self.ssl_cafile,
                "ssl.certificate.location": self.ssl_certfile,
                "ssl.key.location": self.ssl_keyfile,
                "ssl.key.password": self.ssl_key_password,
            }
            found |= {name: value for name, value in files.items() if value is not None}
            found["ssl.endpoint.identification.algorithm"] = (
                "https" if self.ssl_check_hostname else "none"
            )
        return found

    def tls_context(self) -> ssl.SSLContext | None:
        """For our own connections; None without TLS. Raises Invalid("security.certificate")."""
        if not self.is_tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ssl_cafile)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.check_hostname = self.ssl_check_hostname
            if self.ssl_certfile:
                password = self.ssl_key_password or ""
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, password)
        except (OSError, ssl.SSLError) as error:
            raise Invalid("security.certificate", reason=str(error)) from error
        return context

    def steps(self) -> Steps:
        """What a new connection has to ask first; each yield wants the answer.

        Returns: When the connection should not be used any more, by `time.monotonic`.
        Raises: Invalid("client.not_authenticated" | "security.sasl_malformed").
        """
        if not self.is_sasl:
            return float("inf")
        mechanism, username, password = self.sasl_mechanism, self.sasl_username, self.password
        assert username is not None
        answer = yield SASL_HANDSHAKE, 1, SaslHandshakeRequest(mechanism=mechanism)
        if answer.error_code != codes.NONE:
            offered = ", ".join(answer.mechanisms) or "nothing"
            raise Invalid("client.not_authenticated", reason=f"{mechanism} is not of {offered}")
        if mechanism == scram.PLAIN:
            told = yield _token(scram.plain_message(username, password))
            _see(told)
        else:
            nonce = secrets.token_urlsafe(scram.NONCE_BYTES)
            exchange = scram.ClientExchange(mechanism, username, password, nonce)
            told = yield _token(exchange.first)
            told = yield _token(exchange.final(_see(told)))
            exchange.check(_see(told))
        lifetime_ms = told.session_lifetime_ms
        return time.monotonic() + _RENEW * lifetime_ms / 1000 if lifetime_ms else float("inf")


async def log_in(steps: Steps, exchange: Callable[..., Awaitable[Any]]) -> float:
    """Take the steps; `exchange(api, version, request)` gives an answer. As `steps`."""
    answer: Any = None
    while True:
        try:
            question = steps.send(answer)
        except StopIteration as end:
            return float(end.value)
        answer = await exchange(*question)


def log_in_blocking(steps: Steps, exchange: Callable[..., Any]) -> float:
    """The same on a thread of one's own."""
    answer: Any = None
    while True:
        try:
            question = steps.send(answer)
        except StopIteration as end:
            return float(end.value)
        answer = exchange(*question)


def _token(token: bytes) -> Question:
    return SASL_AUTHENTICATE, 1, SaslAuthenticateRequest(auth_bytes=token)


def _see(answer: SaslAuthenticateResponse) -> bytes:
    if answer.error_code != codes.NONE:
        reason = answer.error_message or codes.name_of(answer.error_code)
        raise Invalid("client.not_authenticated", reason=reason)
    return bytes(answer.auth_bytes)
