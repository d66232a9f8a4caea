"""What every answer and every request goes through, whoever asks: the browser's side of safety.

Pages of other sites ask nothing here unless their origin is listed, whatever certificate or address
the browser brings along. Where nobody is asked who they are, the Host header must name this machine
too: a name that a page has pointed at 127.0.0.1 does not.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from summit.base.errors import Invalid
from summit.web.problems import problem_response
from summit.web.responses import Response

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Answers are data; a page says for itself what it loads.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")
_ASKED_FOR: Final = b"GET, POST, PUT, PATCH, DELETE"
_PREFLIGHT_S: Final = b"600"
_SENT: Final = (
    b"Authorization, X-API-Key, Content-Type, If-Match, If-None-Match, Idempotency-Key,"
    b" Last-Event-ID, X-Request-ID"
)


class Shield:
    """An application behind checks of Host and Origin, with headers on its answers.

    Args:
        tls: Whether it is asked by https.
        cors_origins: Whose pages may ask.
        hosts: Names that Host may have beside those of this machine; None = whatever it says.
    """

    def __init__(
        self, app: ASGIApp, *, tls: bool = False, cors_origins: Iterable[str] = (),
        hosts: Iterable[str] | None = None,
    ) -> None:  # fmt: skip
        self._app = app
        self._headers = (*_HEADERS, _HSTS) if tls else _HEADERS
        self._origins = {origin.encode("latin-1", "replace") for origin in cors_origins}
        self._hosts = None if hosts is None else {name.lower() for name in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI wants it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = _one(scope, b"origin")
        allowed = origin if origin in self._origins else None

        async def shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._complete(message, allowed)
            await send(message)

        try:
            self._check(scope, origin)
        except Invalid as refused:
            await problem_response(refused, scope)(scope, receive, shielded)
            return
        if (
            allowed
            and scope["method"] == "OPTIONS"
            and _one(scope, b"access-control-request-method")
        ):
            await Response(status_code=204)(scope, receive, shielded)
            return
        await self._app(scope, receive, shielded)

    def _check(self, scope: Scope, origin: bytes | None) -> None:
        host = (_one(scope, b"host") or b"").decode("latin-1")
        if self._hosts is not None and not self._is_ours(host):
            raise Invalid("auth.host", host=host[:200])
        if origin is not None:
            if origin not in self._origins and not _is_same(origin.decode("latin-1"), host):
                reason = f"its origin is {origin.decode('latin-1')[:200]}"
                raise Invalid("auth.origin", reason=reason)
        elif _one(scope, b"sec-fetch-site") in (b"cross-site", b"same-site"):
            # A link that is followed is no request of the page; what a page loads from here is.
            is_link = _one(scope, b"sec-fetch-mode") == b"navigate"
            if not is_link or scope["method"] not in ("GET", "HEAD"):
                raise Invalid("auth.origin", reason="the browser says that it is of another site")

    def _is_ours(self, host: str) -> bool:
        name = _name_of(host)
        if name is None:
            return not host  # HTTP/1.0; no browser
        if name == "localhost" or name.endswith(".localhost"):
            return True
        assert self._hosts is not None
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True  # an address is no name that somebody could have pointed here

    def _complete(self, message: Message, allowed: bytes | None) -> None:
        headers = list(message.get("headers", ()))
        there = {name.lower() for name, _ in headers}
        headers += [pair for pair in self._headers if pair[0] not in there]
        if self._origins:
            headers.append((b"vary", b"Origin"))
        if allowed is not None:
            headers += [
                (b"access-control-allow-origin", allowed),
                (b"access-control-allow-methods", _ASKED_FOR),
                (b"access-control-allow-headers", _SENT),
                (b"access-control-expose-headers", b"ETag, Link, Retry-After, X-Request-ID"),
                (b"access-control-max-age", _PREFLIGHT_S),
            ]  # fmt: skip
        message["headers"] = headers


def _one(scope: Scope, name: bytes) -> bytes | None:
    """A header; joined where it stands several times, so that no two readers see different ones."""
    found = [value for key, value in scope["headers"] if key == name]
    return b", ".join(found) if found else None


def _name_of(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_same(origin: str, host: str) -> bool:
    """Whether a page of this origin came from this host; a proxy may have taken off the TLS."""
    scheme, _, place = origin.partition("://")
    return scheme in ("http", "https") and place.lower() == host.lower() != ""
