"""The gate in front of a service: who asks is found out, what they may is looked up, it is told.

    request → who is it → how often → route → may they → handler → audit → answer

A call of the gate stands before the routes and lets nobody unknown pass but to what is public;
`admit` is asked by the table of routes itself, with the very row that answers, so that no way of
writing a path leads past it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.hosts import network_of
from summit.identity import ANONYMOUS, LOCAL, AuditEntry, FailedAttempts, Principal, RateLimit
from summit.services.access import ACCESS, ADMINS_ONLY, Access, access_of
from summit.services.audit_trail import AuditTrail
from summit.services.identities import Identities
from summit.services.permission import PRINCIPAL, forbidden, principal_of, require_topic
from summit.services.security import SecuritySettings
from summit.web import PEER, Request, problem_response, request_id_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

RATE_ASKED: Final = 500.0  # requests a second of one principal, where everybody is asked
_ROW: Final = "summit.row"  # in a request's scope: what its route needs, and the route
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="summit"'}
_TARGET_CHARS_MAX: Final = 300


class Gate:
    """The gate of one service.

    Args:
        service: Its name, for the audit.
        asks: Whether everybody is asked who they are; else all are `LOCAL`.
    """

    def __init__(
        self, service: str, security: SecuritySettings, identities: Identities,
        audit: AuditTrail | None, clock: Clock, *, asks: bool,
    ) -> None:  # fmt: skip
        self._service = service
        self._identities = identities
        self._audit = audit
        self._clock = clock
        self._asks = asks
        rate = security.rate_limit or (RATE_ASKED if asks else None)
        burst = security.rate_burst or (None if rate is None else max(1, round(2 * rate)))
        self._rate = rate
        self._burst = burst or 0
        self._limit = RateLimit.of(rate, burst, clock)
        self._failed = FailedAttempts(clock)
        self._public = {path for (_, path), row in ACCESS.items() if row.role == "public"}
        if security.public_metrics:
            self._public.add("/metrics")

    def before(self, app: App) -> App:
        """An application behind this gate."""

        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await self._take(app, scope, receive, send)

        return gated

    async def admit(self, request: Request, method: str, path: str) -> None:
        """Refuse who may not do what a row of the table of routes does.

        Raises: Invalid("auth.required"), ("auth.forbidden").
        """
        access = access_of(method, path)
        request.scope[_ROW] = access, path
        principal = principal_of(request)
        if access.role == "public" or path in self._public:
            return
        if principal is ANONYMOUS:
            raise Invalid("auth.required")
        if access.role != "any" and not principal.has_role(access.role):
            raise forbidden(principal, access.needed)
        if access.action and access.topic != "body":
            topic = access.topic
            if topic.startswith("{"):
                topic = request.path_params[topic[1:-1]]
            require_topic(request, access.action, topic)

    async def _take(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        address = str(client[0]) if client else ""
        principal = LOCAL
        exchange = _Exchange(self, scope, receive, send, address)
        try:
            if self._asks:
                principal = self._identify(scope, address)
            exchange.principal = principal
            exchange.limited = self._count(principal, address)
            if principal is ANONYMOUS and scope["path"] not in self._public:
                raise Invalid("auth.required")
        except SummitError as refused:
            headers = _CHALLENGE if refused.http_status == 401 else {}
            exchange.code = refused.code
            await problem_response(refused, scope, {**headers})(scope, receive, exchange.send)
            return
        scope[PRINCIPAL] = principal
        await app(scope, exchange.receive, exchange.send)

    def _identify(self, scope: Scope, address: str) -> Principal:
        """Who sends. Raises Invalid("auth.refused"); Unavailable("auth.throttled")."""
        try:
            return self._identities.identify(scope["headers"], scope.get(PEER))
        except Invalid as refused:
            wait_ms = self._failed.note(address)
            if wait_ms:
                raise Unavailable("auth.throttled", retry_after_ms=wait_ms) from refused
            raise

    def _count(self, principal: Principal, address: str) -> tuple[int, int] | None:
        """The limit, and what is left of it. Raises Unavailable("auth.rate")."""
        if self._limit is None or self._rate is None:
            return None
        who = principal.key_id or principal.name
        client = (
            network_of(address) if principal in (ANONYMOUS, LOCAL) else f"{principal.kind} {who}"
        )
        wait_ms = self._limit.take(client, 1)
        if wait_ms:
            raise Unavailable("auth.rate", limit=f"{self._rate:g}", retry_after_ms=wait_ms)
        return self._burst, self._limit.left(client)

    def holds(self, principal: Principal) -> bool:
        """Whether the sender of a request that goes on is still somebody."""
        return not self._asks or self._identities.holds(principal)

    async def tell(self, exchange: _Exchange, status: int) -> None:
        """Tell the audit what became of a request, before its sender hears of it."""
        if self._audit is None or status == 429:
            return
        access, path = exchange.scope.get(_ROW, (ADMINS_ONLY, ""))
        is_refused = status in (401, 403)
        if not is_refused and not (path and access.audited):
            return
        entry = self._entry(exchange, access, path, status, is_refused=is_refused)
        if entry.outcome == "done":
            await self._audit.write(entry)
        else:
            self._audit.note(entry)

    def _entry(
        self, exchange: _Exchange, access: Access, path: str, status: int, *, is_refused: bool
    ) -> AuditEntry:
        scope = exchange.scope
        done = "done" if status < 400 else "failed"
        values = scope.get("path_params") or {}
        target = " ".join(map(str, values.values())) if path else scope["path"]
        return AuditEntry.of(
            exchange.principal, at=self._clock.now_ms(), address=exchange.address,
            action=f"{scope['method']} {path or '?'}", target=target[:_TARGET_CHARS_MAX],
            outcome="refused" if is_refused else done, status=status, code=exchange.code,
            request_id=request_id_of(scope), service=self._service,
        )  # fmt: skip


class _Exchange:
    """One request and its answer."""

    __slots__ = (
        "_cut", "_gate", "_receive", "_send", "address", "code", "limited", "principal", "scope"
    )  # fmt: skip

    def __init__(
        self, gate: Gate, scope: Scope, receive: Receive, send: Send, address: str
    ) -> None:
        self._gate = gate
        self._receive = receive
        self._send = send
        self._cut = False
        self.scope = scope
        self.address = address
        self.principal = ANONYMOUS
        self.limited: tuple[int, int] | None = None
        self.code = ""

    async def receive(self) -> Any:
        """The next message of the client."""
        return {"type": "http.disconnect"} if self._cut else await self._receive()

    async def send(self, message: Any) -> None:
        """A message of the answer; one that goes on ends when its reader's credentials do."""
        if self._cut:
            return
        if message["type"] == "http.response.start":
            if self.limited is not None:
                limit, left = self.limited
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-ratelimit-limit", b"%d" % limit),
                    (b"x-ratelimit-remaining", b"%d" % left),
                ]
            await self._gate.tell(self, message["status"])
        elif message.get("more_body") and not self._gate.holds(self.principal):
            self._cut = True
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)
