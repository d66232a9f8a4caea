"""OAUTHBEARER: the one message by which a client shows a token, and how it is told of a failure.

    client   n,a=alice,^Aauth=Bearer <token>^A<key>=<value>^A^A      (^A = one byte of value 1)
    server   nothing, or {"status":"invalid_token"}, to which the client says ^A and is refused

Source: RFC 7628, KIP-255.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from summit.base.errors import Invalid

OAUTHBEARER: Final = "OAUTHBEARER"
INVALID_TOKEN: Final = b'{"status":"invalid_token"}'

_FORM: Final = re.compile(
    rb"n,(?:a=(?P<name>[^,\x00\x01]+))?,\x01(?P<pairs>(?:[A-Za-z]+=[\x09\x0a\x0d\x20-\x7e]*\x01)*)\x01"
)
_BEARER: Final = "bearer "


class TokenMessage(NamedTuple):
    """A client's message, read: the token, and the user that it means to be (may be empty)."""

    token: str
    name: str


def read_token(message: bytes) -> TokenMessage:
    """The token of a client's message. Raises: Invalid("security.sasl_malformed")."""
    match = _FORM.fullmatch(message)
    if match is None:
        raise _malformed("an OAUTHBEARER message is n,,^Aauth=Bearer <token>^A^A")
    pairs = dict(pair.split(b"=", 1) for pair in match["pairs"].split(b"\1") if pair)
    value = pairs.get(b"auth", b"").decode("ascii")
    if value[: len(_BEARER)].lower() != _BEARER or not value[len(_BEARER) :].strip():
        raise _malformed("an OAUTHBEARER message has auth=Bearer and a token")
    name = (match["name"] or b"").replace(b"=2C", b",").replace(b"=3D", b"=")
    try:
        return TokenMessage(value[len(_BEARER) :].strip(), name.decode())
    except UnicodeDecodeError:
        raise _malformed("user names are UTF-8") from None


def _malformed(reason: str) -> Invalid:
    return Invalid("security.sasl_malformed", reason=reason)
