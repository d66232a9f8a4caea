"""Who a request's sender is: by API key, the admin key, a token, or a client certificate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.identity import (
    ANONYMOUS,
    KEY_PREFIX,
    KeyRing,
    Principal,
    bearer_of,
    digest,
    same_as_one,
)
from summit.identity.certificates import certificate_principal
from summit.identity.claims import token_principal
from summit.identity.tokens import TokenKeys
from summit.services.security import SecuritySettings

Headers = Iterable[tuple[bytes, bytes]]
ADMIN: Final = Principal("admin", "key", "admin")


class Identities:
    """Everything by which somebody can prove who they are.

    Args:
        ring: The API keys that the log has.
    Raises: Invalid: the admin key is named and not there, or too short.
    """

    def __init__(self, security: SecuritySettings, ring: KeyRing, clock: Clock) -> None:
        self._rules = security.certificates
        self._ring = ring
        self._clock = clock
        admin_key = security.read_admin_key()
        self._issuer = security.jwt
        self._tokens = None if security.jwt is None else TokenKeys(security.jwt, clock)
        self._admin = [] if admin_key is None else [digest(admin_key)]

    async def open(self) -> None:
        """Get the keys of who signs tokens. Raises Unavailable, Invalid: there are none."""
        if self._tokens is not None:
            await self._tokens.open()

    async def close(self) -> None:
        """Get nothing more."""
        if self._tokens is not None:
            await self._tokens.close()

    def identify(self, headers: Headers, peer: Mapping[str, Any] | None) -> Principal:
        """Who sends; `ANONYMOUS` where nothing was brought along.

        Args:
            headers: Those of the request, names in lower case.
            peer: The client's certificate, as `ssl` tells it.
        Raises: Invalid("auth.refused"); Unavailable: the keys of tokens are too old.
        """
        given = _credential(headers)
        if given is not None:
            return self._of_text(given)
        if peer is not None:
            found = certificate_principal(peer, self._rules)
            if found is None:
                raise Invalid("auth.refused", reason="no rule knows the client's certificate")
            return found
        return ANONYMOUS

    def holds(self, principal: Principal) -> bool:
        """Whether the principal is still somebody: for answers that go on."""
        now_ms = self._clock.now_ms()
        if principal.expires_ms is not None and principal.expires_ms <= now_ms:
            return False
        return self._ring.holds(principal, now_ms)

    def _of_text(self, text: str) -> Principal:
        if same_as_one(digest(text.encode("latin-1")), self._admin):
            return ADMIN
        if text.startswith(KEY_PREFIX):
            return self._ring.check(text, self._clock.now_ms())
        if self._tokens is not None and self._issuer is not None:
            return token_principal(self._tokens.claims(text), self._issuer)
        raise Invalid("auth.refused", reason="it is no API key of ours")


def _credential(headers: Headers) -> str | None:
    """The one key or token of a request; None where it has none. Raises Invalid."""
    given = []
    for name, value in headers:
        if name == b"authorization":
            token = bearer_of(value.decode("latin-1"))
            if not token:
                raise Invalid("auth.refused", reason="Authorization is not 'Bearer <key or token>'")
            given.append(token)
        elif name == b"x-api-key":
            given.append(value.decode("latin-1").strip())
    if len(given) > 1:  # somebody in between might have looked at another one
        raise Invalid("auth.refused", reason="there is more than one key or token")
    if given and not given[0]:
        raise Invalid("auth.refused", reason="the key is empty")
    return given[0] if given else None
