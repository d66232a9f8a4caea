"""What all connections share of security: users, the gates' worker, who is still unknown."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.base.logs import get_logger
from summit.base.secrets import INNER_USER
from summit.broker.disk_thread import Threads, Worker
from summit.broker.metrics import Metrics
from summit.broker.security.access import Access
from summit.broker.security.acls import Acls
from summit.broker.security.gate import Gate
from summit.broker.security.listeners import INNER, Listener, names_of
from summit.broker.security.settings import SecuritySettings
from summit.broker.security.tls import principal_of
from summit.broker.security.users import Users
from summit.protocol import scram
from summit.protocol.scram import ScramCredential

if TYPE_CHECKING:
    from summit.broker.connection import Connection
    from summit.identity.tokens import TokenKeys


class InnerAccess(NamedTuple):
    """How the parts of this machine's own platform reach the broker."""

    host: str
    port: int
    password: str


_REPORTS_PER_TICK_MAX: Final = (
    20  # lines of the log a second: strangers decide how often it happens
)

_PROVED_MAX: Final = 1_000

_log = get_logger(__name__)


class Security:
    """Of one broker. Loop thread only.

    Attributes:
        worker: Does what takes milliseconds on purpose.
        expired: Sessions that were used after their end.
    """

    def __init__(
        self,
        settings: SecuritySettings,
        users: Users,
        acls: Acls,
        metrics: Metrics,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        threads: Threads,
    ) -> None:
        self.settings = settings
        self.users = users
        self.metrics = metrics
        self.clock = clock
        self.loop = loop
        self.expired = 0
        self.acls = acls
        self._super_users = set(names_of(settings.super_users, ";"))
        if settings.initial_user is not None:
            self._super_users.add(f"User:{settings.initial_user}")
        self.inner_password = settings.inner_password or secrets.token_urlsafe(24)
        self._threads = threads
        self._worker: Worker | None = None
        self._tokens: TokenKeys | None = None
        self._inner: ScramCredential | None = None
        self._sessions: dict[str, dict[Connection, None]] = {}  # of users with a password
        self._proved: dict[tuple[str, bytes], bytes] = {}  # passwords that were right, as digests
        self._proof_key = secrets.token_bytes(32)
        users.on_deleted = self._user_deleted
        self._strangers: dict[Connection, int] = {}  # and the tick at which each came
        self._reports = 0

    @property
    def worker(self) -> Worker:
        """Begun when it is needed first."""
        if self._worker is None:
            self._worker = self._threads("summit-authentication", self.loop)
        return self._worker

    def close(self) -> None:
        """End the worker. Blocks."""
        if self._worker is not None:
            self._worker.close()

    # ---- tokens ----

    async def open(self) -> None:
        """Get the keys that tokens are signed with. Raises SummitError: there are none."""
        options = self.settings.token_options()
        if options is not None:
            from summit.identity.tokens import TokenKeys  # most brokers take no tokens

            self._tokens = TokenKeys(options, self.clock)
            await self._tokens.open()

    async def part(self) -> None:
        """Fetch no more keys."""
        if self._tokens is not None:
            await self._tokens.close()

    def bearer(self, token: str) -> tuple[str, int]:
        """The user of a token and how many milliseconds it holds yet, at least one.

        Raises: Invalid("auth.refused"); Unavailable("http.unavailable"): the keys are too old.
        """
        if self._tokens is None:
            raise Invalid("auth.refused", reason="no tokens are taken")
        claims = self._tokens.claims(token)
        claim = self.settings.sasl_oauthbearer_sub_claim_name
        user = claims.get(claim)
        if not isinstance(user, str) or not user:
            raise Invalid("auth.refused", reason=f"the token names no user ({claim})")
        ends_s = float(claims["exp"]) + self.settings.sasl_oauthbearer_clock_skew_seconds
        return user, max(1, int(ends_s * 1000) - self.clock.now_ms())

    # ---- connections ----

    def opened(self, connection: Connection, listener: Listener, tick: int) -> bool:
        """Take a new connection in; False when too many are unauthenticated."""
        if listener.is_tls:
            connection.principal = principal_of(connection.certificate()) or connection.principal
        if listener.is_sasl:
            if len(self._strangers) >= self.settings.strangers_max:
                self.report("connection.refused", connection, reason="too many unauthenticated")
                return False
            self._strangers[connection] = tick
            connection.gate = Gate(connection, listener, self)
            connection.limit(0, self.settings.sasl_max_receive_bytes)
        return True

    def authenticated(self, connection: Connection, *, by_password: bool) -> None:
        """Lift the limits of a connection."""
        self._strangers.pop(connection, None)
        if by_password:
            self._sessions.setdefault(connection.principal, {})[connection] = None
        connection.limit()

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._strangers.pop(connection, None)
        sessions = self._sessions.get(connection.principal)
        if sessions is not None and connection in sessions:
            del sessions[connection]
            if not sessions:
                del self._sessions[connection.principal]

    def _user_deleted(self, user: str) -> None:
        for connection in list(self._sessions.get(f"User:{user}", ())):
            if connection.listener.name != INNER:
                self.report("session.user_deleted", connection, user=user)
                connection.finish()

    def tick(self, tick: int) -> None:
        """Count a second: end who did not say in time who it is."""
        self._reports = 0
        longest = -(-self.settings.authentication_timeout_ms // 1000)
        while self._strangers:
            connection, came = next(iter(self._strangers.items()))
            if came + longest >= tick:
                return
            del self._strangers[connection]
            self.metrics.failed_authentications += 1
            self.report("authentication.too_late", connection)
            connection.abort()

    def report(self, event: str, connection: Connection, **fields: Any) -> None:
        """Write to the log, unless there is too much of it this second."""
        self._reports += 1
        if self._reports <= _REPORTS_PER_TICK_MAX:
            _log.warning(event, peer=connection.peer_host, **fields)

    @property
    def is_guarded(self) -> bool:
        """Whether access control lists are asked."""
        return self.settings.authorizer == "acl"

    def access(self, connection: Connection) -> Access | None:
        """What a client may do, where lists are asked; None where that is everything."""
        principal = connection.principal
        if principal in self._super_users or connection.listener.name == INNER:
            return None
        return Access(self.acls, principal, connection.peer_host)

    # ---- passwords ----

    def is_user(self, listener: Listener, user: str) -> bool:
        """Whether a user of a listener is there, yet."""
        return listener.name == INNER or bool(self.users.credentials(user))

    def is_proved(self, user: str, credential: ScramCredential, password: str) -> bool:
        """Whether this very password was right before; False = it must be worked out.

        To work it out takes milliseconds on purpose. A client that has shown the password has a
        digest of it here, under a key of this process, as long as the credential stays.
        """
        known = self._proved.get((user, credential.stored_key))
        return known is not None and hmac.compare_digest(known, self._proof(password))

    def prove(self, user: str, credential: ScramCredential, password: str) -> None:
        """Remember that a password is right."""
        while len(self._proved) >= _PROVED_MAX:
            del self._proved[next(iter(self._proved))]
        self._proved[user, credential.stored_key] = self._proof(password)

    def _proof(self, password: str) -> bytes:
        return hmac.digest(self._proof_key, password.encode(), "sha256")

    # ---- credentials ----

    def credential(
        self, listener: Listener, user: str, mechanism: str
    ) -> tuple[ScramCredential, bool]:
        """A user's credential on a listener, and whether it is one: else a decoy."""
        if listener.name != INNER:
            return self.users.credential_or_decoy(user, mechanism)
        decoy, _ = self.users.credential_or_decoy("\0" + user, mechanism)
        if user != INNER_USER or mechanism != scram.SCRAM_SHA_256:
            return decoy, False
        if self._inner is None:
            self._inner = scram.make_credential(
                mechanism, self.inner_password, secrets.token_bytes(scram.SALT_BYTES),
                scram.ITERATIONS_MIN,
            )  # fmt: skip
        return self._inner, True

    def any_credential(self, listener: Listener, user: str) -> tuple[str, ScramCredential, bool]:
        """The same with any mechanism, to check a password against."""
        for mechanism in self.users.credentials(user):
            return mechanism, *self.credential(listener, user, mechanism)
        mechanism = scram.SCRAM_SHA_512
        return mechanism, *self.credential(listener, user, mechanism)
