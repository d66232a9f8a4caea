"""Options of MQTT collectors."""

from __future__ import annotations

import ssl
from typing import Literal

import msgspec

from summit.base import limits
from summit.base.config import Config
from summit.base.errors import Invalid
from summit.base.secrets import is_secret_reference
from summit.identity.tls import load_key
from summit.ingest.checks import at_least, bad_setting
from summit.ingest.mqtt.mapping import check_filter, check_key


class MqttTls(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TLS to the MQTT broker; files in PEM form.

    Attributes:
        ca_file: Whose certificates the broker's must be; None for those that the system trusts.
        cert_file: The collector's own certificate, where the broker asks for one.
        key_file: Its private key, not encrypted.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    def client_context(self) -> ssl.SSLContext:
        """A context that checks the broker's name. Raises Invalid for files of no use."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.cert_file is not None:
                load_key(context, self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            reason = f"the TLS files cannot be used: {error}"
            raise Invalid("config.invalid", reason=reason, pointer="/mqtt/tls") from error
        return context


class MqttRoute(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where messages of some MQTT topics go: `sensors/+/temp` to `sensors.temp`, key `${1}`.

    Attributes:
        filter: An MQTT topic filter; the first route that fits a message counts.
        topic: The topic of ours.
        key: The record key; `${1}` is what the first wildcard stands for. Default: the
            collector's own key.
    """

    filter: str
    topic: str
    key: str | None = None

    def check(self) -> None:
        check_filter(self.filter, "/filter")
        if not self.topic:
            raise bad_setting("/topic", "topic must not be empty")
        if self.key is not None:
            check_key(self.key, self.filter)


class MqttOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of an MQTT collector; `host` and `port` are those of the MQTT broker.

    Attributes:
        topics: Topic filters that are subscribed to.
        qos: The quality of service that is asked for.
        version: Of the protocol.
        client_id: Under which name the broker keeps the session; default `summit-` and the name.
        clean_start: Forget at the start what the broker kept from earlier days; nothing later.
        session_expiry_s: How long the broker keeps the session of a collector that is away
            (version 5; in 3.1.1 the broker decides).
        shared_group: Share the messages with other collectors of this group
            (`$share/GROUP/FILTER`).
        username: Who connects.
        password: Reference to the password, `${NAME}` or `file:PATH`.
        tls: TLS to the broker; None for none.
        keepalive_s: How often the connection is known to live.
        receive_maximum: Messages of QoS 1 and 2 that may wait for their acknowledgement
            (version 5; in 3.1.1 the broker decides).
        queue_max: Messages of QoS 0 that wait; more are dropped and counted as rejected.
        codec: `json`: a payload is an event or an array of them, else a dead letter. `raw`: an
            event is made around the payload. `auto`: what is no JSON object is treated as raw.
        retained: Whether retained messages are taken.
        routes: Topics of ours, and keys, by MQTT topic.
        headers: Record headers that every event gets.
        max_event_bytes: Largest single event.
        max_in_flight_bytes: Bytes handed to the broker and not yet acknowledged.
        ack_timeout_ms: How long to wait for the broker's acknowledgement before trying again.
        connect_timeout_ms: How long a start waits for the MQTT broker.
    """

    topics: list[str] = msgspec.field(default_factory=lambda: ["#"])
    qos: Literal[0, 1, 2] = 1
    version: Literal["3.1.1", "5"] = "5"
    client_id: str | None = None
    clean_start: bool = False
    session_expiry_s: int = 86_400
    shared_group: str | None = None
    username: str | None = None
    password: str | None = None
    tls: MqttTls | None = None
    keepalive_s: int = 30
    receive_maximum: int = 1_000
    queue_max: int = 10_000
    codec: Literal["auto", "json", "raw"] = "auto"
    retained: bool = True
    routes: list[MqttRoute] = msgspec.field(default_factory=list)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    max_event_bytes: int = limits.INGEST_EVENT_BYTES_MAX
    max_in_flight_bytes: int = limits.INGEST_IN_FLIGHT_BYTES_MAX
    ack_timeout_ms: int = limits.INGEST_ACK_TIMEOUT_MS
    connect_timeout_ms: int = 5_000

    def check(self) -> None:
        at_least(self, 1, "receive_maximum", "queue_max", "max_event_bytes", "keepalive_s")
        at_least(self, 1, "max_in_flight_bytes", "ack_timeout_ms", "connect_timeout_ms")
        at_least(self, 0, "session_expiry_s")
        if self.receive_maximum > 65_535:
            raise bad_setting("/receiveMaximum", "receiveMaximum is at most 65535")
        if not self.topics:
            raise bad_setting("/topics", "name at least one topic filter")
        for index, one in enumerate(self.topics):
            check_filter(one, f"/topics/{index}")
        if self.shared_group is not None and not (
            self.shared_group and not set(self.shared_group) & set("/+#")
        ):
            raise bad_setting("/sharedGroup", "sharedGroup is a name without / + #")
        if self.password is not None:
            if self.username is None:
                raise bad_setting("/password", "password goes with username")
            if not is_secret_reference(self.password):
                raise bad_setting("/password", "name the secret (${NAME} or file:PATH)")
