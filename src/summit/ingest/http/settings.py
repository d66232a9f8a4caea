"""Options of HTTP collectors."""

from __future__ import annotations

from typing import Literal

import msgspec

from summit.base import limits
from summit.base.config import Config
from summit.identity.tls import TlsOptions
from summit.ingest.auth import AuthOptions
from summit.ingest.checks import at_least, bad_setting, hours_fit, rate_fits


class HttpOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of an HTTP collector.

    Attributes:
        headers: Record headers that every event gets.
        request_headers: Names of request headers that are copied to record headers.
        max_body_bytes: Largest body of a request.
        max_events_per_request: Most events of a request.
        max_event_bytes: Largest single event.
        rate_limit: Events a second that one client address may send; None for no limit.
        rate_burst: Events that a quiet client may send at once; default one second's worth.
        max_in_flight_bytes: Bytes handed to the broker and not yet acknowledged; above it
            requests are refused with 429.
        ack_timeout_ms: How long a request waits for the broker's acknowledgement.
        request_timeout_ms: How long the body of a request may take to come.
        max_connections: Connections at one time; more are closed at once.
        on_error: `atomic`: an event that is refused refuses its whole request. `skip`: the others
            are written, and the answer says which were not.
        auth: How senders prove who they are.
        tls: Certificate and key; None for plain HTTP.
        idempotency_hours: How long an `Idempotency-Key` is remembered with its answer.
        otlp: Whether logs of OpenTelemetry are taken at `/v1/logs`.
        otlp_event_type: The `eventType` of log records that have no event name.
        max_results: Above this count the answer leaves out `results`, unless `?results=true`.
    """

    headers: dict[str, str] = msgspec.field(default_factory=dict)
    request_headers: list[str] = msgspec.field(default_factory=list)
    max_body_bytes: int = limits.HTTP_BODY_BYTES_MAX
    max_events_per_request: int = limits.INGEST_EVENTS_PER_REQUEST_MAX
    max_event_bytes: int = limits.INGEST_EVENT_BYTES_MAX
    rate_limit: float | None = None
    rate_burst: int | None = None
    max_in_flight_bytes: int = limits.INGEST_IN_FLIGHT_BYTES_MAX
    ack_timeout_ms: int = limits.INGEST_ACK_TIMEOUT_MS
    request_timeout_ms: int = limits.INGEST_REQUEST_TIMEOUT_MS
    max_connections: int = limits.INGEST_CONNECTIONS_MAX
    on_error: Literal["atomic", "skip"] = "atomic"
    auth: AuthOptions = AuthOptions()
    tls: TlsOptions | None = None
    idempotency_hours: float = 24.0
    otlp: bool = False
    otlp_event_type: str = "log.record"
    max_results: int = limits.INGEST_RESULTS_MAX

    def check(self) -> None:
        at_least(self, 1, "max_body_bytes", "max_events_per_request", "max_event_bytes")
        at_least(self, 1, "max_in_flight_bytes", "ack_timeout_ms")
        at_least(self, 0, "max_results")
        at_least(self, 100, "request_timeout_ms")
        at_least(self, 1, "max_connections")
        if not self.otlp_event_type:
            raise bad_setting("/otlpEventType", "otlpEventType must not be empty")
        if self.otlp and self.auth.type == "signature":
            raise bad_setting("/otlp", "logs of OpenTelemetry are not signed")
        hours_fit(self.idempotency_hours)
        rate_fits(self.rate_limit, self.rate_burst)
