"""Configuration of collectors: the guide's fields, and one block of options per type.

    {"name": "web", "type": "http", "port": 8080, "path": "/ingest", "topic": "raw-events",
     "keyField": "user.id", "http": {"maxEventBytes": 65536}}
    {"name": "auth", "type": "file", "path": "/var/log/auth.log", "topic": "auth.sshd",
     "file": {"mode": "tail", "format": "sshd"}}

A type or an option that is not built yet is refused here, never stored and ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

import msgspec

from summit.base import limits
from summit.base.config import Config
from summit.base.errors import Invalid
from summit.events.fields import parse_path

CollectorType = Literal["http", "websocket", "mqtt", "grpc", "file", "database"]

AVAILABLE: Final = ("http", "file")
HTTP_PORT: Final = 8080
HTTP_PATH: Final = "/ingest"


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
    max_results: int = limits.INGEST_RESULTS_MAX

    def check(self) -> None:
        _at_least(self, 1, "max_body_bytes", "max_events_per_request", "max_event_bytes")
        _at_least(self, 1, "max_in_flight_bytes", "ack_timeout_ms")
        _at_least(self, 0, "max_results")
        if self.rate_limit is not None and not 0 < self.rate_limit < float("inf"):
            raise _invalid("/rateLimit", "rateLimit must be above 0")
        if self.rate_burst is not None and (self.rate_limit is None or self.rate_burst < 1):
            raise _invalid("/rateBurst", "rateBurst goes with rateLimit and is at least 1")


class FileOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a file collector.

    Attributes:
        paths: Files or glob patterns, beside the collector's `path`; `-` is standard input.
        exclude: Glob patterns of files to leave out.
        mode: `batch` reads what is there and completes; `tail` follows what is appended.
        format: How a line becomes an event.
        event_type: The `eventType` of lines whose format gives them none.
        year: The year of the first line, for times that name none. Default: the latest year that
            is not after the file's last change (mode tail: not after today).
        utc_offset_minutes: The zone of times that name none.
        poll_interval_ms: How often `tail` looks for new data and new files.
        rotate_wait_ms: How long a file that was renamed or removed is still read after its
            last change.
        max_line_bytes: A longer line goes to the dead letters.
    """

    paths: list[str] = msgspec.field(default_factory=list)
    exclude: list[str] = msgspec.field(default_factory=list)
    mode: Literal["batch", "tail"] = "tail"
    format: Literal["line", "jsonl", "syslog", "sshd"] = "line"
    event_type: str = "log.line"
    year: int | None = None
    utc_offset_minutes: int = 0
    poll_interval_ms: int = limits.FILE_POLL_INTERVAL_MS
    rotate_wait_ms: int = limits.FILE_ROTATE_WAIT_MS
    max_line_bytes: int = limits.FILE_LINE_BYTES_MAX

    def check(self) -> None:
        _at_least(self, 10, "poll_interval_ms")
        _at_least(self, 0, "rotate_wait_ms")
        _at_least(self, 16, "max_line_bytes")
        if self.year is not None and not 1970 <= self.year <= 9998:
            raise _invalid("/year", "year goes from 1970 to 9998")
        if abs(self.utc_offset_minutes) >= 24 * 60:
            raise _invalid("/utcOffsetMinutes", "utcOffsetMinutes is less than a day")


class CollectorConfig(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of one collector.

    Attributes:
        name: The collector's name, unique in its manager.
        type: What it is; `http` and `file` are available.
        topic: The topic that its events are written to.
        host: http: the address to listen on.
        port: http: the port, default 8080; 0 takes any free one.
        path: http: the path of its route, default `/ingest`. file: a file or glob pattern.
        key_field: Dot path of the event field that becomes the record key.
        batch_size: Hand events to the broker in groups of this many.
        flush_interval: Hand over a smaller group after this long, milliseconds.
    Raises: Invalid("collector.type_unavailable"), Invalid("config.invalid") with a pointer.
    """

    name: str
    type: CollectorType
    topic: str
    host: str = "127.0.0.1"
    port: int | None = None
    path: str | None = None
    key_field: str | None = None
    batch_size: int | None = None
    flush_interval: int | None = None
    http: HttpOptions | None = None
    file: FileOptions | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make one from a mapping with camelCase or snake_case keys, in the blocks as well.

        Raises: Invalid with a pointer.
        """
        whole = dict(values)
        blocks: tuple[tuple[str, type[Config]], ...] = (
            ("http", HttpOptions),
            ("file", FileOptions),
        )
        for name, block in blocks:
            if isinstance(whole.get(name), Mapping):
                try:
                    whole[name] = block.from_dict(whole[name])
                except Invalid as error:
                    error.details["pointer"] = f"/{name}{error.details.get('pointer', '')}"
                    raise
        return super().from_dict(whole)

    def check(self) -> None:
        if self.type not in AVAILABLE:
            raise Invalid(
                "collector.type_unavailable",
                type=self.type,
                available=", ".join(AVAILABLE),
                pointer="/type",
            )
        for field in ("name", "topic"):
            if not getattr(self, field):
                raise _invalid(f"/{field}", f"{field} must not be empty")
        _at_least(self, 1, "batch_size", "flush_interval")
        if self.flush_interval is not None and self.batch_size is None:
            raise _invalid("/flushInterval", "flushInterval goes with batchSize")
        if self.key_field is not None:
            parse_path(self.key_field)
        if self.type == "http":
            self._check_http()
        else:
            self._check_file()

    @property
    def listen_port(self) -> int:
        """The port to listen on, before the system chose one."""
        return HTTP_PORT if self.port is None else self.port

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

    def _check_http(self) -> None:
        if self.file is not None:
            raise _invalid("/file", "the block 'file' belongs to collectors of type file")
        if self.port is not None and not 0 <= self.port <= 65_535:
            raise _invalid("/port", "port goes from 0 to 65535")
        if self.path is not None and (not self.path.startswith("/") or "{" in self.path):
            raise _invalid("/path", "path must begin with / and have no parameters")

    def _check_file(self) -> None:
        if self.http is not None:
            raise _invalid("/http", "the block 'http' belongs to collectors of type http")
        if self.port is not None:
            raise _invalid("/port", "a file collector has no port")
        if not self.file_patterns:
            raise _invalid("/path", "a file collector needs path or file.paths")
        if "-" in self.file_patterns and self.file_options.mode == "tail":
            raise _invalid("/file/mode", "standard input (-) goes with mode batch")
        if not all(self.file_patterns):
            raise _invalid("/file/paths", "a path must not be empty")


def _at_least(config: Config, least: int, *names: str) -> None:
    for name in names:
        value: Any = getattr(config, name)
        if value is not None and value < least:
            wire = next(f.encode_name for f in msgspec.structs.fields(config) if f.name == name)
            raise _invalid(f"/{wire}", f"{wire} must be at least {least}")


def _invalid(pointer: str, reason: str) -> Invalid:
    return Invalid("config.invalid", reason=reason, pointer=pointer)
