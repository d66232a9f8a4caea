"""SaslAuthenticate: key 36, versions 0-2, flexible from 2.

Behaviour: carries one token of the mechanism that SaslHandshake v1 named, and the answer to it.
Versions: 1 lifetime of the session (KIP-368) · 2 flexible.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import BYTES, INT16, INT64, STRING, Message, field


class SaslAuthenticateRequest(Message):
    auth_bytes: bytes = field(BYTES, "0+")


class SaslAuthenticateResponse(Message):
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    auth_bytes: bytes = field(BYTES, "0+", default=b"")
    session_lifetime_ms: int = field(INT64, "1+", default=0)


SASL_AUTHENTICATE = Api(
    key=36,
    name="SaslAuthenticate",
    versions="0-2",
    flexible="2+",
    request=SaslAuthenticateRequest,
    response=SaslAuthenticateResponse,
)
