"""SaslHandshake: key 17, versions 0-1.

Behaviour: a mechanism that the listener offers is begun; another one ends the connection after the
answer, which names those it offers. Where nobody is to authenticate, or has done so for good, it is
ILLEGAL_SASL_STATE.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse


def handle(state: BrokerState, request: Request, message: SaslHandshakeRequest) -> None:
    """Begin, or say what could be begun."""
    gate = request.connection.gate
    if gate is None:
        request.reply(SaslHandshakeResponse(error_code=codes.ILLEGAL_SASL_STATE, mechanisms=[]))
        return
    is_offered = message.mechanism in gate.mechanisms
    if is_offered:
        gate.begin(message.mechanism, raw=request.version == 0)
    code = codes.NONE if is_offered else codes.UNSUPPORTED_SASL_MECHANISM
    request.reply(SaslHandshakeResponse(error_code=code, mechanisms=list(gate.mechanisms)))
    if not is_offered:
        request.connection.finish()
