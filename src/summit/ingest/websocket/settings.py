"""Options of WebSocket collectors."""

from __future__ import annotations

from typing import Literal

import msgspec

from summit.base import limits
from summit.base.config import Config
from summit.identity.tls import TlsOptions
from summit.ingest.auth import AuthOptions
from summit.ingest.checks import at_least, bad_setting, hours_fit, rate_fits


class WebSocketOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a WebSocket collector.

    Attributes:
        headers: Record headers that every event gets.
        acks: `each`: every message is answered. `cumulative`: messages without an id are answered
            together, by the number of the last one. `none`: only refusals are told.
        max_unacked: Messages of one connection that wait for the broker; then no more are read.
        max_message_bytes: Largest message.
        max_events_per_message: Most events of a message.
        max_event_bytes: Largest single event.
        rate_limit: Events a second of one connection; it is read more slowly then.
        rate_burst: Events that a quiet connection may send at once; default one second's worth.
        max_in_flight_bytes: Bytes handed to the broker and not yet acknowledged, of all
            connections; above it none is read.
        ack_timeout_ms: How long a message waits for the broker's acknowledgement.
        max_connections: Connections at one time; more are closed with 1013.
        ping_interval_ms: How often a connection is asked whether it lives.
        ping_timeout_ms: How long its answer may take.
        origins: Origins of pages that may connect, as `https://app.example`; `*` for all. A client
            that is no browser sends none, and may connect.
        auth: How senders prove who they are; a key or token may also stand in the query
            parameter `access_token`. Bodies are not signed here.
        tls: Certificate and key; None for plain WebSockets.
        idempotency_hours: How long a client's last number is remembered.
    """

    headers: dict[str, str] = msgspec.field(default_factory=dict)
    acks: Literal["each", "cumulative", "none"] = "each"
    max_unacked: int = 1_000
    max_message_bytes: int = limits.INGEST_EVENT_BYTES_MAX
    max_events_per_message: int = limits.INGEST_EVENTS_PER_REQUEST_MAX
    max_event_bytes: int = limits.INGEST_EVENT_BYTES_MAX
    rate_limit: float | None = None
    rate_burst: int | None = None
    max_in_flight_bytes: int = limits.INGEST_IN_FLIGHT_BYTES_MAX
    ack_timeout_ms: int = limits.INGEST_ACK_TIMEOUT_MS
    max_connections: int = limits.INGEST_CONNECTIONS_MAX
    ping_interval_ms: int = 20_000
    ping_timeout_ms: int = 20_000
    origins: list[str] = msgspec.field(default_factory=list)
    auth: AuthOptions = AuthOptions()
    tls: TlsOptions | None = None
    idempotency_hours: float = 24.0

    def check(self) -> None:
        at_least(self, 1, "max_unacked", "max_message_bytes", "max_events_per_message")
        at_least(self, 1, "max_event_bytes", "max_in_flight_bytes", "ack_timeout_ms")
        at_least(self, 1, "max_connections")
        at_least(self, 100, "ping_interval_ms", "ping_timeout_ms")
        rate_fits(self.rate_limit, self.rate_burst)
        if self.auth.type == "signature":
            raise bad_setting("/auth/type", "messages of WebSockets are not signed")
        hours_fit(self.idempotency_hours)
