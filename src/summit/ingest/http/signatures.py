"""Signed bodies: Standard Webhooks, and the ways of GitHub, Stripe and Slack; or a plain HMAC.

    standard  webhook-id, webhook-timestamp, webhook-signature: "v1,<base64>", several by spaces;
              HMAC-SHA256 of "<id>.<timestamp>.<body>"; a secret `whsec_…` is base64
    github    X-Hub-Signature-256: "sha256=<hex>" of the body
    stripe    Stripe-Signature: "t=<seconds>,v1=<hex>,…" of "<t>.<body>"
    slack     X-Slack-Signature: "v0=<hex>" of "v0:<timestamp>:<body>", X-Slack-Request-Timestamp
    hmac      a header of one's own, of the body

The bytes that are signed are those that were sent. What is signed with a time is refused when that
is farther from now than the tolerance. The replay key makes of a repeated request one that was
answered before; it is made of what is signed, so that a replay cannot carry another one:

    standard  the id
    github    the body (two deliveries of the same bytes are one)
    stripe    the body where that has an `id`, as events have; else time and body: a second try of
              Stripe has another time, and is written again
    slack     the same, by `event_id`
    hmac      none: an Idempotency-Key counts

Sources: standardwebhooks.com; the signing pages of GitHub, Stripe and Slack.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from summit.base.errors import Invalid
from summit.base.secrets import read_secret
from summit.identity import same_as_one
from summit.ingest.auth import AuthOptions

Headers = Mapping[str, str]
_WHSEC: Final = b"whsec_"


class Signatures:
    """Checks signed requests; made at a collector's start. Raises Invalid("secret.missing")."""

    def __init__(self, options: AuthOptions) -> None:
        self._options = options
        self._secrets = [read_secret(one) for one in options.secrets]
        self._checks: dict[str, Callable[[Headers, bytes, int], str | None]] = {
            "standard": self._standard,
            "github": self._github,
            "stripe": self._stripe,
            "slack": self._slack,
            "hmac": self._plain,
        }

    def check(self, headers: Headers, body: bytes, now_ms: int) -> str | None:
        """The key by which a replay of this request is known; None where the preset has none.

        Args:
            headers: By names in lower case.
            body: As it was sent, before any decompression.
        Raises: Invalid("ingest.signature_refused").
        """
        return self._checks[self._options.preset](headers, body, now_ms)

    def _standard(self, headers: Headers, body: bytes, now_ms: int) -> str:
        id_ = _header(headers, "webhook-id")
        at = self._fresh(_header(headers, "webhook-timestamp"), now_ms)
        signed = id_.encode() + b"." + at + b"." + body
        given = [
            text.removeprefix("v1,")
            for text in _header(headers, "webhook-signature").split(" ")
            if text.startswith("v1,")
        ]
        self._one_holds(given, signed, "base64", decode=True)
        return f"standard:{id_}"

    def _github(self, headers: Headers, body: bytes, _: int) -> str:
        given = _header(headers, "x-hub-signature-256")
        if not given.startswith("sha256="):
            raise _refused("X-Hub-Signature-256 does not begin with sha256=")
        self._one_holds([given[7:]], body, "hex")
        # X-GitHub-Delivery is not signed: a replay may carry another one.
        return f"github:{_hash_of(body)}"

    def _stripe(self, headers: Headers, body: bytes, now_ms: int) -> str:
        parts = [text.partition("=") for text in _header(headers, "stripe-signature").split(",")]
        times = [value for name, _, value in parts if name.strip() == "t"]
        if not times:
            raise _refused("Stripe-Signature has no t")
        at = self._fresh(times[0], now_ms)
        given = [value for name, _, value in parts if name.strip() == "v1"]
        self._one_holds(given, at + b"." + body, "hex")
        return f"stripe:{_key_of(at, body, _named(body).id)}"

    def _slack(self, headers: Headers, body: bytes, now_ms: int) -> str:
        at = self._fresh(_header(headers, "x-slack-request-timestamp"), now_ms)
        given = _header(headers, "x-slack-signature")
        if not given.startswith("v0="):
            raise _refused("X-Slack-Signature does not begin with v0=")
        self._one_holds([given[3:]], b"v0:" + at + b":" + body, "hex")
        return f"slack:{_key_of(at, body, _named(body).event_id)}"

    def _plain(self, headers: Headers, body: bytes, _: int) -> None:
        options = self._options
        given = _header(headers, (options.header or "X-Signature").lower())
        if not given.startswith(options.prefix):
            raise _refused(f"it does not begin with {options.prefix}")
        given = given.removeprefix(options.prefix)
        self._one_holds([given], body, options.encoding, options.algorithm)

    def _fresh(self, text: str, now_ms: int) -> bytes:
        """The time of a request as it stands there, unless that is too far from now."""
        if not (text.isascii() and text.isdigit() and len(text) <= 12):
            raise _refused("its time is no number of seconds")
        if abs(now_ms - int(text) * 1000) > self._options.tolerance_ms:
            raise _refused("its time is too far from now")
        return text.encode()

    def _one_holds(
        self, given: list[str], signed: bytes, encoding: str, algorithm: str = "sha256",
        *, decode: bool = False,
    ) -> None:  # fmt: skip
        if not given:
            raise _refused("there is none of a known version")
        expected = []
        for secret in self._secrets:
            key = _standard_secret(secret) if decode else secret
            digest = hmac.new(key, signed, algorithm).digest()
            expected.append(digest.hex().encode() if encoding == "hex" else b64encode(digest))
        texts = [(text.lower() if encoding == "hex" else text).encode() for text in given[:10]]
        if not any(same_as_one(text, expected) for text in texts):
            raise _refused("it is not made of this body with a secret of ours")


def _standard_secret(secret: bytes) -> bytes:
    if not secret.startswith(_WHSEC):
        return secret
    try:
        return b64decode(secret.removeprefix(_WHSEC), validate=True)
    except binascii.Error:
        return secret


class _Named(msgspec.Struct, frozen=True):
    id: str = ""
    event_id: str = ""


def _named(body: bytes) -> _Named:
    """What names the event of a body."""
    try:
        return msgspec.json.decode(body, type=_Named)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Named()


def _key_of(at: bytes, body: bytes, id_: str) -> str:
    """A body that names its event is that event at any time; of others there may be two alike."""
    return _hash_of(body) if id_ else f"{at.decode()}:{_hash_of(body)}"


def _hash_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


def _header(headers: Headers, name: str) -> str:
    text = headers.get(name)
    if not text:
        raise _refused(f"the header {name} is missing")
    return text


def _refused(reason: str) -> Invalid:
    return Invalid("ingest.signature_refused", reason=reason)
