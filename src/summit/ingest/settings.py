"""Configuration of collectors: the guide's fields, and one block of options per type.

    {"name": "web", "type": "http", "port": 8080, "path": "/ingest", "topic": "raw-events",
     "keyField": "user.id", "http": {"maxEventBytes": 65536}}
    {"name": "auth", "type": "file", "path": "/var/log/auth.log", "topic": "auth.sshd",
     "file": {"mode": "tail", "format": "sshd"}}

A type or an option that is not built yet is refused here, never stored and ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from summit.base import limits
from summit.base.config import Config
from summit.base.errors import Invalid
from summit.documents.collector import PLUGIN
from summit.events.fields import parse_path
from summit.ingest.checks import at_least, bad_setting, rate_fits
from summit.ingest.database.settings import DatabaseOptions
from summit.ingest.files.settings import FileOptions
from summit.ingest.grpc.settings import GrpcOptions
from summit.ingest.http.settings import HttpOptions
from summit.ingest.mqtt.settings import MqttOptions
from summit.ingest.syslog.settings import SyslogOptions
from summit.ingest.templates import compile_template, compile_topics
from summit.ingest.websocket.settings import WebSocketOptions
from summit.serde.json_schema import schema_check

OnInvalid = Literal["reject", "deadLetter", "tag"]


# What a configuration may say of the events of every type.
SHAPING: Final = frozenset(
    {
        "key_field", "key_template", "topic_template", "allowed_topics", "batch_size",
        "flush_interval", "sample_rate", "rate_limit", "rate_burst", "event_schema", "on_invalid",
    }
)  # fmt: skip


class FeedingOptions(Config, frozen=True, kw_only=True):
    """What every collector that takes events needs; the same for all that feed theirs.

    Attributes:
        headers: Record headers that every event gets.
        max_in_flight_bytes: Bytes handed to the broker and not yet acknowledged.
        ack_timeout_ms: How long to wait for the broker's acknowledgement before sending again.
    """

    headers: dict[str, str] = msgspec.field(default_factory=dict)
    max_in_flight_bytes: int = limits.INGEST_IN_FLIGHT_BYTES_MAX
    ack_timeout_ms: int = limits.INGEST_ACK_TIMEOUT_MS


class TypeRow(NamedTuple):
    """What the configuration knows of a type of collectors.

    Attributes:
        block: Its own options; they stand under the type's name.
        port: Its default port; None when it has none.
        path: Its default path; None when it has none by default.
    """

    block: type[Config]
    port: int | None = None
    path: str | None = None


TYPES: Final[Mapping[str, TypeRow]] = {
    "http": TypeRow(HttpOptions, port=8080, path="/ingest"),
    "websocket": TypeRow(WebSocketOptions, port=8081, path="/"),
    "mqtt": TypeRow(MqttOptions, port=1883),
    "grpc": TypeRow(GrpcOptions, port=50_051),
    "syslog": TypeRow(SyslogOptions, port=5140),
    "file": TypeRow(FileOptions),
    "database": TypeRow(DatabaseOptions),
}


class CollectorConfig(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of one collector.

    Attributes:
        name: The collector's name, unique in its manager.
        type: What it is: a row of `TYPES`, or `plugin:` and the name of an installed plugin.
        topic: The topic that its events are written to.
        host: The address to listen on; mqtt: where the MQTT broker is.
        port: The port to listen on, 0 takes any free one; mqtt: that of the MQTT broker.
        path: http, websocket: the path of its route. file: a file or glob pattern.
        key_field: Dot path of the event field that becomes the record key.
        key_template: Instead: a text with holes, `${tenant}/${user.id}`.
        topic_template: The topic by the event, `logs.${service}`, among `allowed_topics`.
        allowed_topics: Names and globs; http: senders may choose one of these by the path.
        batch_size: Hand events to the broker in groups of this many.
        flush_interval: Hand over a smaller group after this long, milliseconds.
        sample_rate: The share of events that is kept, above 0 and up to 1; the same event always
            falls the same way.
        rate_limit: Events a second that the whole collector takes; senders are made to wait.
        rate_burst: Events that it takes at once after a quiet time; default one second's worth.
        event_schema: A JSON Schema that every event must fit.
        on_invalid: What becomes of an event that does not: it goes back to its sender, into
            the dead letters, or on with the header `summit.invalid`.
        paused: It starts, and takes nothing until it is resumed.
        options: The settings of a plugin.
    Raises: Invalid("config.invalid") with a pointer.
    """

    name: str
    type: str
    topic: str
    host: str = "127.0.0.1"
    port: int | None = None
    path: str | None = None
    key_field: str | None = None
    key_template: str | None = None
    topic_template: str | None = None
    allowed_topics: list[str] = msgspec.field(default_factory=list)
    batch_size: int | None = None
    flush_interval: int | None = None
    sample_rate: float | None = None
    rate_limit: float | None = None
    rate_burst: int | None = None
    event_schema: dict[str, Any] | None = None
    on_invalid: OnInvalid = "reject"
    paused: bool = False
    http: HttpOptions | None = None
    websocket: WebSocketOptions | None = None
    mqtt: MqttOptions | None = None
    grpc: GrpcOptions | None = None
    syslog: SyslogOptions | None = None
    file: FileOptions | None = None
    database: DatabaseOptions | None = None
    options: dict[str, Any] | None = None

    def check(self) -> None:
        if self.type not in TYPES and not self.is_plugin:
            known = ", ".join(TYPES)
            raise Invalid(
                "config.invalid", type=self.type, available=known, pointer="/type",
                reason=f"there are no collectors of type '{self.type}'; there are: {known}",
            )  # fmt: skip
        for field in ("name", "topic"):
            if not getattr(self, field):
                raise bad_setting(f"/{field}", f"{field} must not be empty")
        at_least(self, 1, "batch_size", "flush_interval")
        if self.flush_interval is not None and self.batch_size is None:
            raise bad_setting("/flushInterval", "flushInterval goes with batchSize")
        self._check_shaping()
        for name in TYPES:
            if name != self.type and getattr(self, name) is not None:
                raise bad_setting(
                    f"/{name}", f"the block '{name}' belongs to collectors of type {name}"
                )
        if self.options is not None and not self.is_plugin:
            raise bad_setting("/options", "options belong to plugins")
        if self.type == "file":
            self._check_file()
        elif self.type == "database":
            self._check_database()
        else:
            self._check_place()

    @property
    def is_plugin(self) -> bool:
        """Whether the type is a plugin's."""
        return self.type.startswith(PLUGIN)

    @property
    def row(self) -> TypeRow:
        """What is known of its type."""
        return TYPES.get(self.type, _PLUGIN_ROW)

    @property
    def listen_port(self) -> int:
        """The port to listen on, before the system chose one."""
        return self.row.port or 0 if self.port is None else self.port

    @property
    def route(self) -> str:
        """The path of its route."""
        return self.path or self.row.path or "/"

    @property
    def block(self) -> Any:
        """The options of its type, or their defaults."""
        return getattr(self, self.type, None) or self.row.block()

    @property
    def http_options(self) -> HttpOptions:
        """The block `http`, or its defaults."""
        return self.http or HttpOptions()

    @property
    def file_options(self) -> FileOptions:
        """The block `file`, or its defaults."""
        return self.file or FileOptions()

    @property
    def file_patterns(self) -> list[str]:
        """`path` and `file.paths` together."""
        return ([self.path] if self.path else []) + self.file_options.paths

    def check_known(self, known: frozenset[str]) -> None:
        """Refuse what a plugin does not obey. Raises Invalid("config.invalid")."""
        bare = CollectorConfig(name=self.name, type=self.type, topic=self.topic)
        for field in self.__struct_fields__:
            if field in (*known, "name", "type", "topic", "options", "paused"):
                continue
            if getattr(self, field) != getattr(bare, field):
                member = field.split("_")[0] + "".join(map(str.title, field.split("_")[1:]))
                raise bad_setting(f"/{member}", f"{self.type} does not know {member}")

    def _check_shaping(self) -> None:
        if self.key_field is not None:
            parse_path(self.key_field)
            if self.key_template is not None:
                raise bad_setting("/keyTemplate", "name keyField or keyTemplate, not both")
        if self.key_template is not None:
            compile_template(self.key_template, "/keyTemplate")
        if self.topic_template is not None:
            compile_topics(self.topic_template, self.allowed_topics, self.topic)
        if self.topic_template is not None and not self.allowed_topics:
            raise bad_setting("/allowedTopics", "topicTemplate goes with allowedTopics")
        if self.allowed_topics and self.topic_template is None and self.type != "http":
            raise bad_setting("/allowedTopics", "allowedTopics goes with topicTemplate")
        if self.sample_rate is not None and not 0 < self.sample_rate <= 1:
            raise bad_setting("/sampleRate", "sampleRate is above 0 and at most 1")
        rate_fits(self.rate_limit, self.rate_burst)
        if self.event_schema is not None:
            try:
                schema_check(self.event_schema)
            except Invalid as error:
                error.details.setdefault("pointer", "/eventSchema")
                raise
        if self.event_schema is None and self.on_invalid != "reject" and not self.topic_template:
            raise bad_setting("/onInvalid", "onInvalid goes with eventSchema or topicTemplate")

    def _check_place(self) -> None:
        if self.port is not None and not 0 <= self.port <= 65_535:
            raise bad_setting("/port", "port goes from 0 to 65535")
        if self.path is not None and (not self.path.startswith("/") or "{" in self.path):
            raise bad_setting("/path", "path must begin with / and have no parameters")
        auth = getattr(self.block, "auth", None) if not self.is_plugin else None
        if auth is not None:
            auth.check_host(self.host, f"/{self.type}/auth")
        if self.type == "syslog":
            if self.path is not None:
                raise bad_setting("/path", "a syslog collector has no path")
            self.block.check_host(self.host, "/syslog")

    def _check_database(self) -> None:
        for field in ("port", "path"):
            if getattr(self, field) is not None:
                raise bad_setting(f"/{field}", f"a database has its {field} in database.url")
        if not self.block.url:
            raise bad_setting("/database/url", "a database collector needs database.url")

    def _check_file(self) -> None:
        if self.port is not None:
            raise bad_setting("/port", "a file collector has no port")
        if not self.file_patterns:
            raise bad_setting("/path", "a file collector needs path or file.paths")
        if "-" in self.file_patterns and self.file_options.mode == "tail":
            raise bad_setting("/file/mode", "standard input (-) goes with mode batch")
        if not all(self.file_patterns):
            raise bad_setting("/file/paths", "a path must not be empty")


_PLUGIN_ROW: Final = TypeRow(FeedingOptions)
