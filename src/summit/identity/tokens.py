"""Tokens that somebody else signs: JSON Web Tokens, checked with the issuer's published keys.

The keys are fetched at the start and every few minutes, and once more (not more often than every
ten seconds) when a token names a key that is not known: its sender is refused until they are there.
When no fetch comes out for `maxAgeS`, nobody knows any more which keys hold: all tokens are told to
try again later until one does.

A key serves the algorithm that it names (`alg`), else all of its type, an elliptic curve's its own.
A token names its key (`kid`); one that names none is held to every key that serves its algorithm,
and one whose key is not known to those without a name.

Source: RFC 7519 (JWT), RFC 7515 4.1.4 and RFC 7517 (JWK: `kid` and `alg` may be missing, two keys
may share a `kid`), RFC 7518 3.1 (which type and curve an algorithm takes), RFC 8725 (best
practices: one kind of algorithm, the issuer and the audience are checked, keys of the issuer are
public keys).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.config import Config, camel_name
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.http_out import HttpClient, HttpConfig

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_SERVES: Final[dict[tuple[str, str | None], tuple[str, ...]]] = {  # by type and curve
    ("RSA", None): _RSA, ("OKP", "Ed25519"): ("EdDSA",),
    ("EC", "P-256"): ("ES256",), ("EC", "P-384"): ("ES384",), ("EC", "P-521"): ("ES512",),
}  # fmt: skip
ALGORITHMS: Final = tuple(name for names in _SERVES.values() for name in names)
SOON_S: Final = 10.0  # between two looks for a key that is not known
JWKS_BYTES_MAX: Final = 1 << 20
KEYS_MAX: Final = 64  # a token without a name costs a check by each at worst


class JwtOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose tokens hold.

    Attributes:
        jwks: Where the keys are: an address, `https://idp.example/keys`, or `file:PATH`.
        issuer: What `iss` must say.
        audience: What `aud` must hold.
        algorithms: How tokens may be signed; only with key pairs.
        leeway_s: How far the clocks of both sides may be apart.
        refresh_s: How often the keys are fetched.
        max_age_s: How long keys hold after the last fetch that came out.
    """

    jwks: str
    issuer: str
    audience: str
    algorithms: list[str] = msgspec.field(default_factory=lambda: ["RS256", "ES256", "EdDSA"])
    leeway_s: int = 60
    refresh_s: int = 300
    max_age_s: int = 24 * 3600

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
        for name, least in (("leeway_s", 0), ("refresh_s", 1), ("max_age_s", self.refresh_s)):
            if getattr(self, name) < least:
                wire = camel_name(name)
                raise bad_setting(f"/{wire}", f"{wire} must be at least {least}")


@dataclass(frozen=True, slots=True)
class _Key:
    """A public key: its name, if it has one, and the algorithms that it serves."""

    kid: str | None
    algorithms: tuple[str, ...]
    key: Any


class TokenKeys:
    """The keys of one issuer, between `open` and `close`.

    Raises: Invalid("extra.missing").
    """

    def __init__(self, options: JwtOptions, clock: Clock | None = None) -> None:
        try:
            import jwt
        except ImportError as missing:
            raise Invalid("extra.missing", what="JWT", extra="jwt") from missing
        self._jwt: Any = jwt
        self._options = options
        self._clock = clock or SystemClock()
        self._keys: list[_Key] = []
        self._fetched_ms = 0.0  # by the monotonic clock
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
        """Whose token it is (`sub`); errors as `claims`."""
        return str(self.claims(token).get("sub", ""))

    def claims(self, token: str) -> dict[str, Any]:
        """What a token says that holds.

        Raises: Invalid("auth.refused"); Unavailable("http.unavailable"): the keys are too
            old to be trusted.
        """
        options, jwt = self._options, self._jwt
        self._check_age()
        try:
            header = jwt.get_unverified_header(token)
            claims: dict[str, Any] | None = None
            for key in self._fitting(header):
                with contextlib.suppress(jwt.InvalidSignatureError):
                    claims = jwt.decode(
                        token, key.key, algorithms=[header["alg"]], audience=options.audience,
                        issuer=options.issuer, leeway=options.leeway_s,
                        options={"require": ["exp", "iss", "aud"]},
                    )  # fmt: skip
                    break
        except (jwt.PyJWTError, UnicodeError) as error:
            raise Invalid("auth.refused", reason=f"the token: {error}") from error
        if claims is None:
            self._wanted.set()  # they may have changed
            raise Invalid("auth.refused", reason="no key of the issuer signed the token")
        return claims

    def _check_age(self) -> None:
        age_s = (self._clock.monotonic_ms() - self._fetched_ms) / 1000
        if age_s > self._options.max_age_s:
            self._wanted.set()
            raise Unavailable(
                "http.unavailable", what="the issuer of the tokens' keys",
                reason=f"they could not be fetched for {age_s:.0f} s (maxAgeS is "
                       f"{self._options.max_age_s})",
                retry_after_ms=int(SOON_S * 1000),
            )  # fmt: skip

    def _fitting(self, header: dict[str, Any]) -> list[_Key]:
        """The keys that may have signed a token, by its header; at least one."""
        kid, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in self._options.algorithms:
            raise Invalid("auth.refused", reason=f"tokens by {algorithm} are not taken")
        named = [key for key in self._keys if kid is None or key.kid == kid]
        if kid is not None and not named:
            self._wanted.set()
            named = [key for key in self._keys if key.kid is None]
        if not named:
            raise Invalid("auth.refused", reason="the issuer has no key of the token's kid")
        found = [key for key in named if algorithm in key.algorithms]
        if not found:
            raise Invalid("auth.refused", reason=f"that key is not one for {algorithm}")
        return found

    async def _keep_fresh(self) -> None:
        failed = False
        while True:
            await asyncio.sleep(min(SOON_S, self._options.refresh_s))
            if not failed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, self._options.refresh_s - SOON_S)):
                        await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._fetch()
                failed = False
            except SummitError as error:  # those that are known go on holding
                failed = True
                get_logger(__name__).warning("jwks.not_refreshed", error=str(error))

    async def _fetch(self) -> None:
        """Replace the keys by those that are published now."""
        text = await self._read()
        try:
            listed = msgspec.json.decode(text)["keys"]
            keys = list(filter(None, map(self._public, listed)))
        except (
            msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, AttributeError,
        ) as error:  # fmt: skip
            raise self._none(f"they are no JWK set ({error})") from error
        if not keys:
            raise self._none("none is a public key for signatures")
        if len(keys) > KEYS_MAX:
            raise self._none(f"they are {len(keys)}, at most {KEYS_MAX} are taken")
        self._keys, self._fetched_ms = keys, self._clock.monotonic_ms()

    def _public(self, key: dict[str, Any]) -> _Key | None:
        """A key; None for one that checks no signatures, or that is not understood."""
        kid = key.get("kid")
        try:
            curve = None if key["kty"] == "RSA" else key["crv"]
            serves = _SERVES.get((key["kty"], curve), ())
            if "alg" in key:
                serves = tuple(name for name in serves if name == key["alg"])
            if not serves or key.get("use", "sig") != "sig":
                return None
            if "verify" not in key.get("key_ops", ["verify"]):
                return None
            found = self._jwt.PyJWK(key, algorithm=serves[0]).key
        except (self._jwt.PyJWTError, LookupError, TypeError):
            return None
        return _Key(None if kid is None else str(kid), serves, found)

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
        return bad_setting("/jwt/jwks", f"the keys of {self._options.jwks}: {reason}")


def bad_setting(pointer: str, reason: str) -> Invalid:
    """The error for one setting."""
    return Invalid("config.invalid", reason=reason, pointer=pointer)
