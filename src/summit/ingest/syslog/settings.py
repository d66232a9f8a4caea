"""Options of syslog collectors."""

from __future__ import annotations

import ipaddress
from typing import Literal

import msgspec

from summit.base import limits
from summit.base.config import Config
from summit.identity import is_loopback
from summit.identity.tls import TlsOptions
from summit.ingest.checks import at_least, bad_setting
from summit.ingest.syslog.framing import Framing

Transport = Literal["tcp", "udp"]


class SyslogOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a syslog collector. Syslog has no passwords: who may send is told by address, or
    by the certificate of a client.

    Attributes:
        transports: What it listens to, on one port. Default: both; with `tls` only TCP.
        tls: TLS on its TCP connections; with `clientCaFile` senders must show a certificate.
        allowed_senders: Addresses and networks (`10.0.0.0/8`) that may send; others are cut off
            and counted. Addresses of datagrams can be forged.
        insecure: Anybody who reaches `host` may send.
        framing: How messages of a connection end; `auto` decides between `octetCounting` and
            `newline` by its first bytes. `nul`: messages may have lines.
        malformed: What becomes of a message without a priority and a time: a dead letter, or an
            event of type `log.line`.
        headers: Record headers that every event gets.
        utc_offset_minutes: The zone of times that name none.
        max_message_bytes: A longer message is a dead letter of its beginning.
        max_connections: Connections at one time, those in a TLS handshake too; more are closed at
            once and counted.
        message_timeout_ms: How long a message of a connection may take from its first byte to its
            last, and a TLS handshake; then the connection is closed.
        idle_timeout_ms: A connection that sends nothing for so long is closed; None: never, since
            a sender does not notice that what it sends into a closed connection is lost.
        max_unacked: Messages handed to the broker and not yet acknowledged, of all senders; above
            it no connection is read, and datagrams wait.
        queue_max: Datagrams that wait; more are dropped and counted.
        max_in_flight_bytes: Bytes handed to the broker and not yet acknowledged; also those of
            datagrams that wait.
        ack_timeout_ms: How long to wait for the broker's acknowledgement before trying again.
        receive_buffer_bytes: What the system may hold of datagrams, as far as it allows.
    """

    transports: list[Transport] | None = None
    tls: TlsOptions | None = None
    allowed_senders: list[str] = msgspec.field(default_factory=list)
    insecure: bool = False
    framing: Framing = "auto"
    malformed: Literal["deadLetter", "keep"] = "deadLetter"
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    utc_offset_minutes: int = 0
    max_message_bytes: int = limits.SYSLOG_MESSAGE_BYTES_MAX
    max_connections: int = limits.INGEST_CONNECTIONS_MAX
    message_timeout_ms: int = limits.SYSLOG_MESSAGE_TIMEOUT_MS
    idle_timeout_ms: int | None = None
    max_unacked: int = 10_000
    queue_max: int = 10_000
    max_in_flight_bytes: int = limits.INGEST_IN_FLIGHT_BYTES_MAX
    ack_timeout_ms: int = limits.INGEST_ACK_TIMEOUT_MS
    receive_buffer_bytes: int = limits.SYSLOG_RECEIVE_BUFFER_BYTES

    def check(self) -> None:
        at_least(self, 16, "max_message_bytes")
        at_least(self, 1, "max_connections", "message_timeout_ms", "idle_timeout_ms", "max_unacked")
        at_least(self, 1, "queue_max", "max_in_flight_bytes", "ack_timeout_ms")
        at_least(self, 1, "receive_buffer_bytes")
        if self.transports is not None and not self.transports:
            raise bad_setting("/transports", "name tcp, udp or both")
        if self.tls is not None and "tcp" not in self.listens_to:
            raise bad_setting("/tls", "tls goes with the transport tcp")
        if abs(self.utc_offset_minutes) >= 24 * 60:
            raise bad_setting("/utcOffsetMinutes", "utcOffsetMinutes is less than a day")
        for index, text in enumerate(self.allowed_senders):
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError as error:
                raise bad_setting(f"/allowedSenders/{index}", str(error)) from error

    @property
    def listens_to(self) -> tuple[Transport, ...]:
        """Its transports, each once."""
        if self.transports is None:
            return ("tcp",) if self.tls is not None else ("tcp", "udp")
        return tuple(dict.fromkeys(self.transports))

    def check_host(self, host: str, pointer: str) -> None:
        """Refuse to listen to everybody without knowing who may send."""
        is_known = self.tls is not None and self.tls.client_ca_file and "udp" not in self.listens_to
        if not (is_known or self.allowed_senders or self.insecure or is_loopback(host)):
            raise bad_setting(
                f"{pointer}/allowedSenders",
                f"host {host} can be reached by others: name allowedSenders, or ask for client"
                " certificates (tls.clientCaFile, without udp), or set insecure",
            )
