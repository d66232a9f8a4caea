"""SaslHandshake: key 17, versions 0-1, never flexible.

Behaviour: names the SASL mechanism that the connection shall be authenticated with.
Versions: 0 what follows are tokens without headers · 1 tokens are sent with SaslAuthenticate.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, STRING, Message, field


class SaslHandshakeRequest(Message):
    mechanism: str = field(STRING, "0+")


class SaslHandshakeResponse(Message):
    error_code: int = field(INT16, "0+")
    mechanisms: list[str] = field(ARRAY(STRING), "0+")


SASL_HANDSHAKE = Api(
    key=17,
    name="SaslHandshake",
    versions="0-1",
    flexible="",
    request=SaslHandshakeRequest,
    response=SaslHandshakeResponse,
)
