"""Who may send: none (on the loopback address), API key, basic, bearer, JWT, or signed bodies.

Secrets are named, `${NAME}` of the environment or `file:PATH`, and read at the start of a
collector; several hold at once, so that they can be changed without a gap. Comparing takes the
same time whatever is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.base.secrets import is_secret_reference, read_secret
from summit.identity import basic_of, bearer_of, digest, is_loopback, same_as_one
from summit.identity.tokens import JwtOptions, TokenKeys
from summit.ingest.checks import at_least, bad_setting

API_KEY_HEADER: Final = "X-API-Key"
TOLERANCE_MS: Final = 5 * 60 * 1000


class AuthOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How senders prove who they are.

    Attributes:
        type: `none` is for the loopback address only, unless `insecure` says otherwise.
        header: apiKey: the header of the key. signature, preset hmac: that of the signature.
        secrets: References to keys, tokens or signing secrets; any of them holds.
        jwt: jwt: whose tokens hold; they come as bearer tokens.
        users: basic: the reference to each user's password.
        preset: signature: whose way of signing.
        algorithm: signature, preset hmac: the hash.
        encoding: signature, preset hmac: how the signature is written.
        prefix: signature, preset hmac: what stands before it.
        tolerance_ms: signature: how old a signed request may be, where the preset signs a time.
        insecure: type none: listen on other addresses than the loopback one.
    """

    type: Literal["none", "apiKey", "basic", "bearer", "jwt", "signature"] = "none"
    header: str | None = None
    secrets: list[str] = msgspec.field(default_factory=list)
    jwt: JwtOptions | None = None
    users: dict[str, str] = msgspec.field(default_factory=dict)
    preset: Literal["standard", "github", "stripe", "slack", "hmac"] = "standard"
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    tolerance_ms: int = TOLERANCE_MS
    insecure: bool = False

    def check(self) -> None:
        at_least(self, 1000, "tolerance_ms")
        needs_secrets = self.type in ("apiKey", "bearer", "signature")
        if needs_secrets != bool(self.secrets):
            raise bad_setting("/secrets", f"type {self.type} " + (
                "needs secrets" if needs_secrets else "has no secrets"
            ))  # fmt: skip
        if (self.type == "jwt") != (self.jwt is not None):
            raise bad_setting("/jwt", "type jwt, and only that, needs the block jwt")
        if (self.type == "basic") != bool(self.users):
            raise bad_setting("/users", "type basic, and only that, needs users")
        for pointer, text in (
            *((f"/secrets/{n}", one) for n, one in enumerate(self.secrets)),
            *((f"/users/{name}", one) for name, one in self.users.items()),
        ):
            if not is_secret_reference(text):
                raise bad_setting(pointer, "name the secret (${NAME} or file:PATH), never write it")

    def check_host(self, host: str, pointer: str) -> None:
        """Refuse to listen to everybody without asking who it is."""
        if self.type == "none" and not self.insecure and not is_loopback(host):
            raise bad_setting(
                f"{pointer}/type",
                f"host {host} can be reached by others: choose a type of auth, or set insecure",
            )


class Authenticator:
    """Checks what stands in the headers of a request; made at a collector's start.

    Raises: Invalid("secret.missing").
    """

    def __init__(self, options: AuthOptions) -> None:
        self._type = options.type
        self._header = (options.header or API_KEY_HEADER).lower()
        self._secrets = [digest(read_secret(one)) for one in options.secrets]
        self._users = {
            name.encode(): digest(read_secret(one)) for name, one in options.users.items()
        }
        self._keys = None if options.jwt is None else TokenKeys(options.jwt)

    async def open(self) -> None:
        """Get what stands elsewhere. Raises Unavailable, Invalid."""
        if self._keys is not None:
            await self._keys.open()

    async def close(self) -> None:
        """Get nothing more."""
        if self._keys is not None:
            await self._keys.close()

    @property
    def challenge(self) -> str | None:
        """What WWW-Authenticate says."""
        names = {
            "basic": 'Basic realm="summit", charset="UTF-8"',
            "bearer": "Bearer",
            "jwt": "Bearer",
        }
        return names.get(self._type)

    def check(self, headers: Mapping[str, str], token: str | None = None) -> str:
        """Who sends; empty where nobody is asked, and where only the body tells.

        Args:
            headers: Those of the request, by names in lower case.
            token: A key or token that came another way (browsers set no headers of WebSockets).
        Raises: Invalid("ingest.unauthorized").
        """
        if self._type == "basic":
            return self._basic(headers.get("authorization", ""))
        if self._type == "apiKey":
            given = headers.get(self._header) or token
            self._one_of(given, f"the header {self._header} is missing")
        elif self._type in ("bearer", "jwt"):
            given = bearer_of(headers.get("authorization", "")) or token
            if self._keys is not None:
                if not given:
                    raise Invalid("ingest.unauthorized", reason="there is no bearer token")
                return self._subject(self._keys, given)
            self._one_of(given, "there is no bearer token")
        return ""

    def _subject(self, keys: TokenKeys, token: str) -> str:
        try:
            return keys.check(token)
        except Invalid as refused:
            reason = refused.details["reason"]
            raise Invalid("ingest.unauthorized", reason=reason) from refused

    def _one_of(self, given: str | None, missing: str) -> None:
        if not given:
            raise Invalid("ingest.unauthorized", reason=missing)
        if not same_as_one(digest(given.encode(errors="surrogateescape")), self._secrets):
            raise Invalid("ingest.unauthorized", reason="the key is not one of ours")

    def _basic(self, header: str) -> str:
        try:
            found = basic_of(header)
        except ValueError:  # binascii.Error is one; so is what it says of letters beyond ASCII
            raise Invalid("ingest.unauthorized", reason="it is not base64") from None
        if found is None:
            raise Invalid("ingest.unauthorized", reason="there is no basic authorization")
        name, password = found
        # An unknown name is compared too, with what nothing equals.
        if not same_as_one(digest(password), [self._users.get(name, b"")]):
            raise Invalid("ingest.unauthorized", reason="name or password is wrong")
        return name.decode(errors="replace")
