"""`BrokerConfig`: the guide's names for what the embedded broker is started with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

import msgspec

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.broker import BrokerSettings, Durability
from summit.client import parse_addresses

_HOUR_MS = 3_600_000
_SAME_NAMES = (
    "broker_id",
    "port",
    "advertised_host",
    "advertised_port",
    "durability",
    "flush_interval_ms",
    "auto_create_topics",
    "num_partitions",
    "default_replication_factor",
    "log_segment_bytes",
    "log_retention_check_interval_ms",
    "socket_send_buffer_bytes",
    "socket_receive_buffer_bytes",
    "socket_request_max_bytes",
)
_IN_MEMORY_DIR: Final = "/memory"  # on a disk that is this broker's own
_NOT_YET: Final = {
    "acl": "not through this class; start the broker with authorizer: acl and use 'summit acl'",
}


class BrokerTls(Config, frozen=True, kw_only=True):
    """TLS of the listener.

    Args:
        cert_file, key_file, key_password: The broker's certificate with its chain, and key, PEM.
        client_ca_file: Whose client certificates are believed; clients must show one then, or
            may, where they authenticate by SASL as well.
    """

    cert_file: str
    key_file: str | None = None
    key_password: str | None = None
    client_ca_file: str | None = None


class BrokerSasl(Config, frozen=True, kw_only=True):
    """SASL of the listener.

    Args:
        username, password: A user that exists from the start; others are made by `summit user`.
        mechanisms: SCRAM-SHA-256, SCRAM-SHA-512, PLAIN; empty = SCRAM, and PLAIN where there is
            TLS.
        session_lifetime_ms: How long an authentication holds; 0 = as long as the connection.
    """

    username: str | None = None
    password: str | None = None
    mechanisms: list[str] = msgspec.field(default_factory=list)
    session_lifetime_ms: int = 0


class BrokerConfig(Config, frozen=True, kw_only=True):
    """What a `MessageBroker` is started with. None leaves the broker's own default.

    Args:
        bootstrap_servers: + an Apache Kafka cluster that is there already; then no broker is
            started, and all other settings are the cluster's own, so they are refused here.
        broker_id: The id that clients see.
        host, port: Where it listens; port 0 takes a free one.
        data_dir: Metadata, offsets and the write-ahead log; one broker at a time.
        log_dirs: Where partitions live, each new one in the directory that has the fewest; empty
            = inside `data_dir`.
        durability: fsync (an acknowledged record is on the disk), interval, or os. None = fsync,
            in memory os.
        flush_interval_ms: + how often `interval` syncs.
        in_memory: + nothing is on a disk: what the broker holds is gone with it. For tests.
        auto_create_topics: Whether asking for an unknown topic makes it.
        num_partitions, default_replication_factor: For topics that do not say.
        log_retention_hours, log_segment_bytes: Defaults of topics; -1 hours = for ever.
        log_retention_check_interval_ms: How often segments past their retention are looked for.
        advertised_host, advertised_port: What clients are told to dial.
        socket_send_buffer_bytes, socket_receive_buffer_bytes: Of each connection's socket; -1
            leaves them to the system.
        socket_request_max_bytes: Longest request; a longer one ends its connection.
        num_network_threads, num_io_threads: The embedded broker has one of each: only 1 is taken.
        tls, sasl: A `BrokerTls` and a `BrokerSasl`, or mappings with their names.
        insecure: + whether it may listen beyond this machine without knowing its clients.
        acl: Not available here, so refused; the broker's own setting is `authorizer`.
    """

    bootstrap_servers: list[str] | str = msgspec.field(default_factory=list)
    broker_id: int = 0
    host: str = "localhost"
    port: int = 9092
    data_dir: str | None = None
    log_dirs: list[str] = msgspec.field(default_factory=list)
    durability: Durability | None = None
    flush_interval_ms: int | None = None
    in_memory: bool = False
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
    tls: BrokerTls | bool | None = None
    sasl: BrokerSasl | bool | None = None
    insecure: bool = False
    acl: Any = None

    @classmethod
    def of(cls, config: BrokerConfig | Mapping[str, Any] | None, fields: Mapping[str, Any]) -> Self:
        """One out of a configuration or a mapping, with some fields given by keyword."""
        if isinstance(config, cls):
            return config.replace(**fields) if fields else config
        values = config.to_dict() if isinstance(config, BrokerConfig) else dict(config or {})
        return cls.from_dict({**values, **fields})

    @property
    def servers(self) -> list[str]:
        """The addresses of the cluster; none for an embedded broker."""
        return parse_addresses(self.bootstrap_servers)

    def check(self) -> None:
        if self.servers:
            for field in msgspec.structs.fields(self):
                default = (
                    field.default_factory() if field.default is msgspec.NODEFAULT else field.default
                )
                if field.name != "bootstrap_servers" and getattr(self, field.name) != default:
                    reason = "it is the cluster's own setting; leave it out with bootstrapServers"
                    raise self._refused(field.name, reason)
            return
        self._check_security()
        for name in ("num_network_threads", "num_io_threads"):
            if getattr(self, name) not in (None, 1):
                raise self._refused(
                    name,
                    "the embedded broker has one, which serves all connections; leave it out, or "
                    "run Apache Kafka where one processor is not enough",
                )
        hours = self.log_retention_hours
        if hours is not None and hours < 1 and hours != -1:
            raise self._refused("log_retention_hours", "1 or more, or -1")
        if self.flush_interval_ms is not None and self.durability != "interval":
            raise self._refused("flush_interval_ms", "only durability 'interval' goes by it")
        if self.advertised_host == "":
            raise self._refused("advertised_host", "it is empty")
        if any(not path for path in self.log_dirs):
            raise self._refused("log_dirs", "a directory's name is empty")
        if self.in_memory:
            for name in ("data_dir", "log_dirs"):
                if getattr(self, name):
                    raise self._refused(name, "with inMemory nothing is on a disk; leave it out")
            if self.durability not in (None, "os"):
                raise self._refused("durability", "with inMemory nothing can be synced")
        self.broker_settings()

    def _check_security(self) -> None:
        for name in ("tls", "sasl"):
            if getattr(self, name) is True:
                raise self._refused(name, "say how: it is a mapping")
        for name, reason in _NOT_YET.items():
            if getattr(self, name):
                raise self._refused(name, f"not available yet: {reason}; leave it out")

    def _refused(self, name: str, reason: str) -> Invalid:
        wire = next(f.encode_name for f in msgspec.structs.fields(self) if f.name == name)
        return Invalid(
            "config.invalid", reason=f"BrokerConfig.{wire}: {reason}", pointer=f"/{wire}"
        )

    def _security(self) -> dict[str, Any]:
        values: dict[str, Any] = {"insecure": self.insecure}
        name = "PLAINTEXT"
        if isinstance(self.tls, BrokerTls):
            name = "SSL"
            authority = self.tls.client_ca_file
            wanted = "requested" if isinstance(self.sasl, BrokerSasl) else "required"
            values |= {
                "ssl_certfile": self.tls.cert_file, "ssl_keyfile": self.tls.key_file,
                "ssl_key_password": self.tls.key_password, "ssl_cafile": authority,
                "ssl_client_auth": wanted if authority else "none",
            }  # fmt: skip
        if isinstance(self.sasl, BrokerSasl):
            name = "SASL_SSL" if name == "SSL" else "SASL_PLAINTEXT"
            values |= {
                "initial_user": self.sasl.username, "initial_password": self.sasl.password,
                "sasl_enabled_mechanisms": tuple(self.sasl.mechanisms),
                "connections_max_reauth_ms": self.sasl.session_lifetime_ms,
            }  # fmt: skip
        return {**values, "security_protocol": name}

    def broker_settings(self) -> BrokerSettings:
        """The same for the broker room. Raises Invalid."""
        values = {
            name: getattr(self, name) for name in _SAME_NAMES if getattr(self, name) is not None
        }
        if self.in_memory:
            values |= {"data_dir": _IN_MEMORY_DIR, "durability": "os"}
        elif self.data_dir is not None:
            values["data_dir"] = self.data_dir
        # The name may stand for two addresses, and with port 0 each would get a port of its own.
        host = "127.0.0.1" if self.host == "localhost" and self.port == 0 else self.host
        hours = self.log_retention_hours
        if hours is not None:
            values["log_retention_ms"] = -1 if hours == -1 else hours * _HOUR_MS
        values |= self._security()
        return BrokerSettings(host=host, log_dirs=tuple(self.log_dirs), **values)
