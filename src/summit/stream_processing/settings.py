"""`BrokerConfig`: the guide's names for what the embedded broker is started with."""

from __future__ import annotations

import msgspec

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.broker import BrokerSettings, Durability

_HOUR_MS = 3_600_000
_SAME_NAMES = (
    "broker_id",
    "port",
    "advertised_host",
    "advertised_port",
    "data_dir",
    "durability",
    "auto_create_topics",
    "num_partitions",
    "default_replication_factor",
    "log_segment_bytes",
    "log_retention_check_interval_ms",
    "socket_send_buffer_bytes",
    "socket_receive_buffer_bytes",
    "socket_request_max_bytes",
)


class BrokerConfig(Config, frozen=True, kw_only=True):
    """What a `MessageBroker` is started with. None leaves the broker's own default.

    Args:
        broker_id: The id that clients see.
        host, port: Where it listens; port 0 takes a free one.
        data_dir: Metadata, offsets and the write-ahead log; one broker at a time.
        log_dirs: Where partitions live; empty = inside `data_dir`.
        durability: fsync (an acknowledged record is on the disk), interval, or os.
        auto_create_topics: Whether asking for an unknown topic makes it.
        num_partitions, default_replication_factor: For topics that do not say.
        log_retention_hours, log_segment_bytes, log_retention_check_interval_ms: Defaults of
            topics; -1 hours = for ever.
        advertised_host, advertised_port: What clients are told to dial.
        socket_*: Buffers of connections, and the longest request.
        num_network_threads, num_io_threads: The embedded broker has one of each: only 1 is taken.
    """

    broker_id: int = 0
    host: str = "localhost"
    port: int = 9092
    data_dir: str = "summit-data"
    log_dirs: list[str] = msgspec.field(default_factory=list)
    durability: Durability = "fsync"
    auto_create_topics: bool = False
    num_partitions: int = 3
    default_replication_factor: int = 2
    log_retention_hours: int | None = None
    log_segment_bytes: int | None = None
    log_retention_check_interval_ms: int | None = None
    advertised_host: str | None = None
    advertised_port: int | None = None
    socket_send_buffer_bytes: int | None = None
    socket_receive_buffer_bytes: int | None = None
    socket_request_max_bytes: int | None = None
    num_network_threads: int | None = None
    num_io_threads: int | None = None

    def check(self) -> None:
        for name in ("num_network_threads", "num_io_threads"):
            if getattr(self, name) not in (None, 1):
                wire = "numNetworkThreads" if name == "num_network_threads" else "numIoThreads"
                raise Invalid(
                    "config.invalid",
                    reason=f"BrokerConfig.{wire}: the embedded broker has one; leave it out",
                    pointer=f"/{wire}",
                )
        hours = self.log_retention_hours
        if hours is not None and hours < 1 and hours != -1:
            raise Invalid(
                "config.invalid",
                reason="BrokerConfig.logRetentionHours: 1 or more, or -1",
                pointer="/logRetentionHours",
            )
        self.broker_settings()

    def broker_settings(self) -> BrokerSettings:
        """The same for the broker room. Raises Invalid."""
        values = {
            name: getattr(self, name) for name in _SAME_NAMES if getattr(self, name) is not None
        }
        # The name may stand for two addresses, and with port 0 each would get a port of its own.
        host = "127.0.0.1" if self.host == "localhost" and self.port == 0 else self.host
        hours = self.log_retention_hours
        if hours is not None:
            values["log_retention_ms"] = -1 if hours == -1 else hours * _HOUR_MS
        return BrokerSettings(host=host, log_dirs=tuple(self.log_dirs), **values)
