"""SaslAuthenticate: key 36, versions 0-2.

Behaviour: hands a token to the mechanism that SaslHandshake began. A failure is answered after a
moment, without saying whether the user exists, and ends the connection.
Versions: 1 lifetime of the session.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.security.gate import Outcome
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.oauthbearer import OAUTHBEARER
from summit.protocol.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse

_FAILED = "Authentication failed: the password is wrong or there is no such user"
_REFUSED = "Authentication failed: the token does not hold"


def handle(state: BrokerState, request: Request, message: SaslAuthenticateRequest) -> None:
    """Go one step on."""
    gate = request.connection.gate
    if gate is None or gate.mechanism is None:
        request.reply(
            SaslAuthenticateResponse(
                error_code=codes.ILLEGAL_SASL_STATE,
                error_message="SaslAuthenticate comes after SaslHandshake",
            )
        )
        request.connection.finish()
        return

    failed = _REFUSED if gate.mechanism == OAUTHBEARER else _FAILED

    def answer(outcome: Outcome) -> None:
        if outcome.failure is not None:
            request.reply(
                SaslAuthenticateResponse(
                    error_code=codes.SASL_AUTHENTICATION_FAILED, error_message=failed
                )
            )
            return
        request.reply(
            SaslAuthenticateResponse(
                error_code=codes.NONE,
                auth_bytes=outcome.token,
                session_lifetime_ms=outcome.lifetime_ms,
            )
        )

    gate.step(bytes(message.auth_bytes), answer)
