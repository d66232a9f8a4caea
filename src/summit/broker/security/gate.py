"""The gate before a connection on a SASL listener: what passes until it is known who speaks.

    ApiVersions*  SaslHandshake  SaslAuthenticate+   then everything, until the session ends

Anything else ends the connection. Where sessions have a lifetime the gate stays, and lets the
client authenticate anew as the same user (KIP-368). After SaslHandshake v0 the tokens are frames
without headers.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from summit.base.errors import Invalid, SummitError
from summit.broker.request import Request
from summit.broker.security.listeners import Listener
from summit.protocol import scram
from summit.protocol.api_versions import API_VERSIONS
from summit.protocol.oauthbearer import INVALID_TOKEN, OAUTHBEARER, read_token
from summit.protocol.sasl_authenticate import SASL_AUTHENTICATE
from summit.protocol.sasl_handshake import SASL_HANDSHAKE

if TYPE_CHECKING:
    from summit.broker.connection import Connection
    from summit.broker.security.security import Security

FRAMES_MAX: Final = 32  # requests of who is not authenticated
_FAILURE_DELAY_S: Final = 0.1  # before who failed hears of it

_BEFORE: Final = frozenset((API_VERSIONS.key, SASL_HANDSHAKE.key, SASL_AUTHENTICATE.key))
_ANEW: Final = frozenset((SASL_HANDSHAKE.key, SASL_AUTHENTICATE.key))


class Outcome(NamedTuple):
    """What one token led to.

    Attributes:
        token: What the mechanism answers.
        lifetime_ms: How long the session lasts, when it began with a lifetime.
        failure: Why it failed; the connection is to be closed after the answer.
    """

    token: bytes = b""
    lifetime_ms: int = 0
    failure: str | None = None


Answer = Callable[[Outcome], None]


class Gate:
    """Of one connection. Loop thread only.

    Attributes:
        mechanism: What SaslHandshake has named and is not through yet.
        is_raw: Tokens come without headers.
    """

    def __init__(self, connection: Connection, listener: Listener, security: Security) -> None:
        self.mechanism: str | None = None
        self.is_raw = False
        self._connection = connection
        self._listener = listener
        self._security = security
        self._is_open = False
        self._ends_ms = 0.0
        self._frames = 0
        self._exchange: scram.ServerExchange | None = None
        self._username = ""
        self._is_known = False
        self._refused: str | None = None  # why a token does not hold, until its bearer has heard it

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What the listener offers."""
        return self._listener.mechanisms

    def takes(self, frame: bytearray) -> bool:
        """Whether a frame ends here: it was a token, or may not pass and ended the connection."""
        connection, security = self._connection, self._security
        if self.is_raw and self.mechanism is not None:
            self._take_raw(frame)
            return True
        key = int.from_bytes(frame[:2], "big")
        if self._is_open:
            if security.clock.monotonic_ms() < self._ends_ms or key in _ANEW:
                return False
            security.expired += 1
            security.report("session.ended", connection, user=self._username)
        else:
            self._frames += 1
            if key in _BEFORE and self._frames <= FRAMES_MAX:
                return False
            security.metrics.failed_authentications += 1
            security.report("request.before_authentication", connection, api_key=key)
        connection.close()
        return True

    def begin(self, mechanism: str, *, raw: bool) -> None:
        """Begin with a mechanism of the listener's."""
        self.mechanism, self.is_raw, self._exchange = mechanism, raw, None
        self._refused = None

    def step(self, token: bytes, answer: Answer) -> None:
        """Take a token; `answer` hears the outcome, possibly later, when all waits for it."""
        assert self.mechanism is not None
        try:
            if self.mechanism == OAUTHBEARER:
                self._token(token, answer)
            elif self.mechanism == scram.PLAIN:
                self._plain(token, answer)
            elif self._exchange is None:
                answer(Outcome(self._first(token)))
            else:
                final = self._exchange.final(token)
                if final is None or not self._is_known:
                    self._fail("the password is wrong or there is no such user", answer)
                else:
                    self._succeed(final, answer)
        except SummitError as error:
            self._fail(str(error), answer)

    # ---- mechanisms ----

    def _first(self, token: bytes) -> bytes:
        assert self.mechanism is not None
        first = scram.read_client_first(token)
        self._username = first.username
        credential, self._is_known = self._security.credential(
            self._listener, first.username, self.mechanism
        )
        nonce = secrets.token_urlsafe(scram.NONCE_BYTES)
        self._exchange = scram.ServerExchange(self.mechanism, first, nonce, credential)
        return self._exchange.first

    def _token(self, token: bytes, answer: Answer) -> None:
        if self._refused is not None:
            self._fail(self._refused, answer)
            return
        shown = read_token(token)
        try:
            self._username, lifetime_ms = self._security.bearer(shown.token)
            if shown.name not in ("", self._username):
                raise Invalid("auth.refused", reason="the token is another user's")
        except SummitError as error:
            self._refused = str(error)
            answer(Outcome(INVALID_TOKEN))
            return
        self._succeed(b"", answer, lifetime_ms)

    def _plain(self, token: bytes, answer: Answer) -> None:
        self._username, password = scram.read_plain(token)
        mechanism, credential, is_known = self._security.any_credential(
            self._listener, self._username
        )
        connection, security = self._connection, self._security
        if is_known and security.is_proved(self._username, credential, password):
            self._succeed(b"", answer)
            return
        connection.hold()

        def check() -> bool:
            return scram.is_password(mechanism, credential, password) and is_known

        def checked(is_right: bool | None, error: SummitError | None) -> None:
            if is_right:
                security.prove(self._username, credential, password)
                self._succeed(b"", answer)
                connection.release()
            else:
                self._fail("the password is wrong or there is no such user", answer)

        security.worker.run(check, checked)

    # ---- ends ----

    def _succeed(self, token: bytes, answer: Answer, lifetime_ms: int = 0) -> None:
        connection, security = self._connection, self._security
        principal = f"User:{self._username}"
        if self._is_open and principal != connection.principal:
            self._fail("a session goes on for the user it began with", answer)
            return
        by_password = self.mechanism != OAUTHBEARER
        if by_password and not security.is_user(self._listener, self._username):
            self._fail("the user was deleted meanwhile", answer)
            return
        self.mechanism = self._exchange = None
        lifetimes = (security.settings.connections_max_reauth_ms, lifetime_ms)
        lifetime_ms = min(filter(None, lifetimes), default=0)
        connection.principal = principal
        self._is_open = True
        if lifetime_ms:
            self._ends_ms = security.clock.monotonic_ms() + lifetime_ms
        else:
            connection.gate = None
        security.authenticated(connection, by_password=by_password)
        answer(Outcome(token, lifetime_ms))

    def _fail(self, reason: str, answer: Answer) -> None:
        connection, security = self._connection, self._security
        security.metrics.failed_authentications += 1
        security.report(
            "authentication.failed", connection,
            user=self._username[:100], mechanism=self.mechanism, reason=reason,
        )  # fmt: skip
        self.mechanism = self._exchange = None
        connection.hold()

        def told() -> None:
            if connection.is_open:
                answer(Outcome(failure=reason))
                connection.finish()

        security.loop.call_later(_FAILURE_DELAY_S, told)

    def _take_raw(self, frame: bytearray) -> None:
        request = Request(self._connection, SASL_AUTHENTICATE, 0, 0, None)
        self._connection.expect(request)

        def answer(outcome: Outcome) -> None:
            # Of a failure a client of this version hears by the end of the connection.
            token = outcome.token
            request.respond(b"" if outcome.failure else len(token).to_bytes(4, "big") + token)

        self.step(bytes(frame), answer)
