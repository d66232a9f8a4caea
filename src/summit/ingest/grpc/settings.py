"""Options of gRPC collectors."""

from __future__ import annotations

from typing import Literal

import msgspec

from summit.base import limits
from summit.base.config import Config
from summit.identity.tls import TlsOptions
from summit.ingest.auth import AuthOptions
from summit.ingest.checks import at_least, bad_setting, hours_fit, rate_fits


class GrpcOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a gRPC collector.

    Attributes:
        headers: Record headers that every event gets.
        on_error: `atomic`: an event that is refused refuses its whole call of `Publish`. `skip`:
            the others are written, and the answer says which were not.
        acks: Of `PublishStream`. `each`: every message is answered. `cumulative`: messages without
            an id are answered together, by the number of the last one. `none`: only refusals are
            told.
        max_unacked: Messages of one stream that wait for the broker; then no more are read.
        max_message_bytes: Largest message, unfolded; larger ones are RESOURCE_EXHAUSTED.
        max_events_per_message: Most events of a message.
        max_event_bytes: Largest single event.
        max_connections: Connections at one time, those in a TLS handshake too; more are closed.
        max_calls: Calls and streams at one time; more are RESOURCE_EXHAUSTED.
        max_results: Above this count the answer to `Publish` leaves out `results`.
        rate_limit: Events a second of one client address: calls above it are refused, streams are
            read more slowly.
        rate_burst: Events that a quiet client may send at once; default one second's worth.
        max_in_flight_bytes: Bytes handed to the broker and not yet acknowledged; above it calls
            are refused and no stream is read.
        ack_timeout_ms: How long a call or message waits for the broker's acknowledgement.
        request_timeout_ms: How long the message of a call may take to come.
        ping_interval_ms: How often a connection is asked whether it lives.
        ping_timeout_ms: How long its answer may take.
        reflection: Whether clients may ask for the services and their messages.
        otlp: Whether logs of OpenTelemetry are taken on the same port.
        otlp_event_type: The `eventType` of log records that have no event name.
        auth: How senders prove who they are, in the metadata. Messages are not signed here.
        tls: Certificate and key; None for plain HTTP/2.
        idempotency_hours: How long ids of calls and numbers of clients are remembered.
    """

    headers: dict[str, str] = msgspec.field(default_factory=dict)
    on_error: Literal["atomic", "skip"] = "atomic"
    acks: Literal["each", "cumulative", "none"] = "each"
    max_unacked: int = 1_000
    max_message_bytes: int = 4 * 1024 * 1024
    max_events_per_message: int = limits.INGEST_EVENTS_PER_REQUEST_MAX
    max_event_bytes: int = limits.INGEST_EVENT_BYTES_MAX
    max_connections: int = limits.INGEST_CONNECTIONS_MAX
    max_calls: int = limits.INGEST_CONNECTIONS_MAX
    max_results: int = limits.INGEST_RESULTS_MAX
    rate_limit: float | None = None
    rate_burst: int | None = None
    max_in_flight_bytes: int = limits.INGEST_IN_FLIGHT_BYTES_MAX
    ack_timeout_ms: int = limits.INGEST_ACK_TIMEOUT_MS
    request_timeout_ms: int = limits.INGEST_REQUEST_TIMEOUT_MS
    ping_interval_ms: int = 20_000
    ping_timeout_ms: int = 20_000
    reflection: bool = True
    otlp: bool = True
    otlp_event_type: str = "log.record"
    auth: AuthOptions = AuthOptions()
    tls: TlsOptions | None = None
    idempotency_hours: float = 24.0

    def check(self) -> None:
        at_least(self, 1, "max_unacked", "max_message_bytes", "max_events_per_message")
        at_least(self, 1, "max_event_bytes", "max_in_flight_bytes", "ack_timeout_ms", "max_calls")
        at_least(self, 1, "max_connections")
        at_least(self, 0, "max_results")
        at_least(self, 100, "request_timeout_ms", "ping_interval_ms", "ping_timeout_ms")
        rate_fits(self.rate_limit, self.rate_burst)
        hours_fit(self.idempotency_hours)
        if self.auth.type == "signature":
            raise bad_setting("/auth/type", "messages of gRPC are not signed")
        if not self.otlp_event_type:
            raise bad_setting("/otlpEventType", "otlpEventType must not be empty")
