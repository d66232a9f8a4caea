"""Tokens that somebody else signs: JSON Web Tokens, checked with the issuer's published keys.

The keys are fetched at the start and every few minutes, and once more (not more often than every
ten seconds) when a token names a key that is not known: its sender is refused until they are there.

Source: RFC 7519 (JWT), RFC 7517 (JWK), RFC 8725 (best practices: one kind of algorithm, the issuer
and the audience are checked, keys of the issuer are public keys).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from summit.base.config import Config
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.http_out import HttpClient, HttpConfig
from summit.ingest.checks import at_least, bad_setting

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
SOON_S: Final = 10.0  # between two looks for a key that is not known
JWKS_BYTES_MAX: Final = 1 << 20


class JwtOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose tokens hold.

    Attributes:
        jwks: Where the keys are: an address, `https://idp.example/keys`, or `file:PATH`.
        issuer: What `iss` must say.
        audience: What `aud` must hold.
        algorithms: How tokens may be signed; only with key pairs.
        leeway_s: How far the clocks of both sides may be apart.
        refresh_s: How often the keys are fetched.
    """

    jwks: str
    issuer: str
    audience: str
    algorithms: list[str] = msgspec.field(default_factory=lambda: ["RS256", "ES256", "EdDSA"])
    leeway_s: int = 60
    refresh_s: int = 300

    def check(self) -> None:
        for name in ("issuer", "audience"):
            if not getattr(self, name):
                raise bad_setting(f"/{name}", f"{name} must not be empty")
        if not self.jwks.startswith("file:"):
            url = urlsplit(self.jwks)
            if url.scheme not in ("http", "https") or not url.hostname:
                raise bad_setting("/jwks", "jwks is an address (https://…) or file:PATH")
        unknown = set(self.algorithms) - set(ALGORITHMS)
        if unknown or not self.algorithms:
            raise bad_setting("/algorithms", f"algorithms are among {', '.join(ALGORITHMS)}")
        at_least(self, 0, "leeway_s")
        at_least(self, 1, "refresh_s")


class TokenKeys:
    """The keys of one issuer, between `open` and `close`.

    Raises: Invalid("extra.missing").
    """

    def __init__(self, options: JwtOptions) -> None:
        try:
            import jwt
        except ImportError as missing:
            raise Invalid("extra.missing", what="JWT", extra="jwt") from missing
        self._jwt: Any = jwt
        self._options = options
        self._keys: dict[str, Any] = {}
        self._tasks = Tasks()
        self._wanted = asyncio.Event()  # a token names a key that is not known
        self._client: HttpClient | None = None
        if not options.jwks.startswith("file:"):
            url = urlsplit(options.jwks)
            base = f"{url.scheme}://{url.netloc}"
            self._path = options.jwks[len(base) :] or "/"
            config = HttpConfig(url=base, response_bytes_max=JWKS_BYTES_MAX, retries=1)
            self._client = HttpClient(config, what="the keys of the issuer", extra="jwt")

    async def open(self) -> None:
        """Get the keys. Raises Unavailable, Invalid: there are none."""
        await self._fetch()
        self._tasks.spawn(self._keep_fresh(), "keys of an issuer")

    async def close(self) -> None:
        """Fetch no more."""
        await self._tasks.cancel_all()
        if self._client is not None:
            await self._client.close()

    def check(self, token: str) -> str:
        """Whose token it is (`sub`). Raises Invalid("ingest.unauthorized")."""
        options, jwt = self._options, self._jwt
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._key(kid)
            claims = jwt.decode(
                token, key, algorithms=options.algorithms, audience=options.audience,
                issuer=options.issuer, leeway=options.leeway_s,
                options={"require": ["exp", "iss", "aud"]},
            )  # fmt: skip
        except (jwt.PyJWTError, UnicodeError) as error:
            raise Invalid("ingest.unauthorized", reason=f"the token: {error}") from error
        return str(claims.get("sub", ""))

    def _key(self, kid: Any) -> Any:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            self._wanted.set()
            raise Invalid("ingest.unauthorized", reason="the issuer has no key of the token's kid")
        return key

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(min(SOON_S, self._options.refresh_s))
            self._wanted.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._options.refresh_s - SOON_S)):
                    await self._wanted.wait()
            try:
                await self._fetch()
            except SummitError as error:  # those that are known go on holding
                get_logger(__name__).warning("jwks.not_refreshed", error=str(error))

    async def _fetch(self) -> None:
        """Replace the keys by those that are published now."""
        text = await self._read()
        try:
            listed = msgspec.json.decode(text)["keys"]
            keys = dict(filter(None, map(self._public, listed)))
        except (
            msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, AttributeError,
        ) as error:  # fmt: skip
            raise self._none(f"they are no JWK set ({error})") from error
        if not keys:
            raise self._none("none is a public key for signatures")
        self._keys = keys

    def _public(self, key: dict[str, Any]) -> tuple[str, Any] | None:
        """A key by its id; None for one that checks no signatures, or that is not understood."""
        if key.get("kty") not in _KINDS or key.get("use", "sig") != "sig":
            return None
        try:
            return str(key.get("kid", "")), self._jwt.PyJWK(key)
        except self._jwt.PyJWTError:
            return None

    async def _read(self) -> bytes:
        if self._client is None:
            path = self._options.jwks.removeprefix("file:")
            try:
                with open(path, "rb") as file:
                    return file.read(JWKS_BYTES_MAX)
            except OSError as error:
                raise self._none(str(error)) from error
        answer = await self._client.request("GET", self._path)
        if answer.status != 200:
            raise Unavailable(
                "http.unavailable", what="the keys of the issuer",
                reason=f"{self._options.jwks}: status {answer.status}",
            )  # fmt: skip
        return answer.body

    def _none(self, reason: str) -> Invalid:
        return bad_setting("/auth/jwt/jwks", f"the keys of {self._options.jwks}: {reason}")


_KINDS: Final = ("RSA", "EC", "OKP")
