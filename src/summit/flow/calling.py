"""Webhooks: calls that triggers ask for are made once their match is committed, and retried.

A worker writes a call into `_summit.calls` in the transaction of its match; the workers share that
topic as a group of its own, and a call is done with when it is answered. So a call is made at least
once whatever ends meanwhile, and `Idempotency-Key`, the id of the match, tells a repetition. One
that is refused, or not answered for half a minute, goes to `_summit.calls.dlq`.

    POST url    Content-Type: application/json     Idempotency-Key: <id of the match>
                X-Summit-Signature: t=<seconds>,v1=<hex HMAC-SHA256 of "<seconds>.<body>">
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Corrupt, Invalid
from summit.base.limits import HTTP_CLIENTS_MAX
from summit.base.logs import get_logger
from summit.base.secrets import read_secret
from summit.client.admin import Admin
from summit.client.consumer import StreamConsumer
from summit.client.types import ConsumerRecord
from summit.flow.effects import Call
from summit.flow.kinds import Plan
from summit.flow.metrics import WorkerMetrics
from summit.flow.reading import actions_of
from summit.flow.settings import WorkerSettings
from summit.http_out import HttpClient, HttpConfig
from summit.journal.topics import CALLS_TOPIC

SIGNATURE: Final = "X-Summit-Signature"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_WHAT: Final = "the webhook"
_RETRIES: Final = 5  # after the first, with pauses of 1, 2, 4, 8, 10 seconds
_PAUSE_MS: Final = 1_000
_SHOWN_BYTES: Final = 200


def calls_for(plans: Iterable[Plan]) -> bool:
    """Whether some pattern may ask for a call."""
    return any(action.url is not None for action in actions_of(plans))


class _CallRecord(msgspec.Struct, frozen=True):
    id: str
    url: str
    secret: str | None
    body: str


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_CallRecord)


def encode_call(call: Call) -> bytes:
    """A call as the value of a record; it holds no secret, only the reference to one."""
    return _ENCODER.encode(_CallRecord(call.id, call.url, call.secret, call.body.decode()))


def decode_call(value: bytes) -> Call:
    """The call of a record's value. Raises Corrupt("call.record")."""
    try:
        found = _DECODER.decode(value)
    except msgspec.MsgspecError as error:
        raise Corrupt("call.record", reason=str(error)) from error
    return Call(found.id, found.url, found.secret, found.body.encode())


def sign(secret: bytes, body: bytes, time_s: int) -> str:
    """The value of the header that signs a body; who receives it computes the same.

    >>> sign(b"secret", b"{}", 1700000000)[:18]
    't=1700000000,v1=b8'
    """
    digest = hmac.new(secret, f"{time_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={time_s},v1={digest}"


class Caller:
    """Makes calls; one loop's. Connections are kept, to the addresses called last.

    Args:
        secrets: Secrets by name; None = the environment's.
        allow_internal: Whether addresses of this machine and of private networks may be called.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        secrets: Mapping[str, str] | None = None,
        allow_internal: bool = False,
    ) -> None:
        self._clock = clock
        self._secrets = secrets
        self._allow_internal = allow_internal
        self._clients: dict[str, HttpClient] = {}

    async def call(self, call: Call) -> int:
        """Make a call; returns its status, which is one of success.

        Raises: Invalid("call.refused") for another status; Unavailable("http.unavailable") when
            nobody answers; Invalid("secret.missing", "http.internal", "extra.missing").
        """
        parts = urlsplit(call.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {IDEMPOTENCY_KEY: call.id}
        if call.secret is not None:
            secret = read_secret(call.secret, self._secrets)
            headers[SIGNATURE] = sign(secret, call.body, self._clock.now_ms() // 1000)
        client = await self._client(f"{parts.scheme}://{parts.netloc}")
        answer = await client.request(
            "POST", path, body=call.body, content_type="application/json", headers=headers
        )
        if not 200 <= answer.status < 300:
            shown = answer.body[:_SHOWN_BYTES].decode("utf-8", "replace")
            raise Invalid("call.refused", url=call.url, status=answer.status, answer=shown)
        return answer.status

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    async def _client(self, base: str) -> HttpClient:
        client = self._clients.pop(base, None)
        if client is None:
            config = HttpConfig(url=base, retries=1, allow_internal_addresses=self._allow_internal)
            client = HttpClient(config, what=_WHAT, extra="http")
            if len(self._clients) >= HTTP_CLIENTS_MAX:
                await self._clients.pop(next(iter(self._clients))).close()
        self._clients[base] = client
        return client


class Calls:
    """A worker's share of the calls: reads them and makes them, until it is stopped."""

    def __init__(self, settings: WorkerSettings, clock: Clock, metrics: WorkerMetrics) -> None:
        self._metrics = metrics
        self._caller = Caller(clock, allow_internal=settings.allow_internal_addresses)
        config: dict[str, Any] = {
            "clientId": f"{settings.name}-calls",
            "groupId": f"{settings.group_id}-calls",
            "bootstrapServers": settings.servers,
            "autoOffsetReset": "earliest",
            "isolationLevel": "read_committed",
            "sessionTimeoutMs": settings.session_timeout_ms,
            "heartbeatIntervalMs": max(1, settings.session_timeout_ms // 5),
            "autoCommitIntervalMs": 1_000,
            "fetchMaxWaitMs": 100,
            "handlerRetries": _RETRIES,
            "handlerBackoffMs": _PAUSE_MS,
            "onHandlerFailure": "dead-letter",
        }
        self._config = {name: config[name] for name in ("clientId", "bootstrapServers")}
        self._consumer = StreamConsumer(config)

    async def are_there(self) -> bool:
        """Whether there is, or was, any call. Raises: Unavailable; Invalid("topic.unknown")."""
        async with Admin(self._config) as admin:
            bounds = await admin.offsets(CALLS_TOPIC)
        return any(end > 0 for _, end in bounds.values())

    async def start(self) -> None:
        """Begin; the topic must exist. Raises: Unavailable where no broker answers."""
        await self._consumer.connect()
        await self._consumer.subscribe(CALLS_TOPIC)
        await self._consumer.start(self._handle)

    async def stop(self) -> None:
        """Finish the calls under way and end. Idempotent."""
        await self._consumer.close()
        await self._caller.close()

    async def _handle(self, record: ConsumerRecord) -> None:
        call = decode_call(record.value or b"")
        try:
            status = await self._caller.call(call)
        except Exception:
            self._metrics.calls_failed += 1
            raise
        self._metrics.calls += 1
        get_logger(__name__).info("call.made", id=call.id, url=call.url, status=status)
