"""Settings of one broker. Every field is honoured; what is not built has no field."""

from __future__ import annotations

from typing import Literal

from summit.base.errors import Invalid
from summit.base.limits import WAL_FILE_BYTES
from summit.broker.security.settings import SecuritySettings

Durability = Literal["fsync", "interval", "os"]

_DAY_MS = 86_400_000


class BrokerSettings(SecuritySettings, frozen=True, kw_only=True):
    """What a broker is started with.

    Attributes:
        broker_id: The node id that clients see.
        host, port: Where it listens; port 0 takes a free one. More listeners, and what is spoken
            there: see `SecuritySettings`.
        advertised_host, advertised_port: What clients are told to dial; by default the address
            that the client came in on.
        data_dir: Holds the lock, the write-ahead log, metadata; one broker at a time.
        log_dirs: Where partitions live; empty means `<data_dir>/topics`.
        durability: When a write is acknowledged: after its fdatasync (`fsync`), after the page
            cache has it (`os`), or like `os` with a sync every `flush_interval_ms` (`interval`).
        wal_file_bytes: Size of a file of the write-ahead log, reserved beforehand; two or three
            exist at a time.
        auto_create_topics: Whether asking for an unknown topic's metadata makes it.
        num_partitions, default_replication_factor: For topics that do not say; the replication
            factor is lowered to the brokers that live, which is one.
        log_segment_bytes, log_segment_ms, log_retention_ms, log_retention_bytes: Defaults of
            topics; -1 keeps for ever.
        log_cleaner_enable: Whether compacted topics are cleaned. Off: they keep every record.
        log_cleaner_backoff_ms: How often compacted topics are looked at.
        message_max_bytes: Largest record batch that a topic takes unless its own
            `max.message.bytes` says otherwise.
        socket_send_buffer_bytes, socket_receive_buffer_bytes: Of each connection's socket; -1
            leaves them to the system.
        socket_request_max_bytes: Longest request; a longer one ends its connection.
        request_queue_max: Requests of one connection that may wait for their answers.
        transaction_max_timeout_ms: Longest time-out that a transactional producer may ask for.
        transactional_id_expiration_ms: How long an idle transactional id is remembered.
        group_*: See `groups.states.GroupLimits`.
        group_consumer_*: For groups whose partitions the broker assigns: when a silent member is
            put out, and how often members are told to send heartbeats.
    """

    broker_id: int = 1
    data_dir: str = "summit-data"
    log_dirs: tuple[str, ...] = ()
    durability: Durability = "fsync"
    flush_interval_ms: int = 1_000
    wal_file_bytes: int = WAL_FILE_BYTES

    auto_create_topics: bool = False
    num_partitions: int = 3
    default_replication_factor: int = 2

    log_segment_bytes: int = 1 << 30
    log_segment_ms: int = 7 * _DAY_MS
    log_retention_ms: int = 7 * _DAY_MS
    log_retention_bytes: int = -1
    log_retention_check_interval_ms: int = 300_000
    log_cleaner_enable: bool = True
    log_cleaner_backoff_ms: int = 15_000
    checkpoint_interval_ms: int = 60_000
    message_max_bytes: int = 1_048_588  # 1 MiB and a batch's overhead, as in Kafka
    producer_id_expiration_ms: int = _DAY_MS

    socket_request_max_bytes: int = 100 << 20
    socket_send_buffer_bytes: int = -1
    socket_receive_buffer_bytes: int = -1
    request_queue_max: int = 1_000
    connections_max: int = 10_000

    group_initial_rebalance_delay_ms: int = 0
    group_min_session_timeout_ms: int = 1_000
    group_max_session_timeout_ms: int = 1_800_000
    group_members_max: int = 1_000
    group_consumer_session_timeout_ms: int = 45_000
    group_consumer_heartbeat_interval_ms: int = 5_000
    offsets_retention_ms: int = 7 * _DAY_MS
    transaction_max_timeout_ms: int = 900_000
    transactional_id_expiration_ms: int = 7 * _DAY_MS

    @property
    def partition_dirs(self) -> list[str]:
        """Where partitions live."""
        return list(self.log_dirs) or [f"{self.data_dir}/topics"]

    def check(self) -> None:
        """Refuse what types alone cannot."""
        self._in_range("port", 0, 65_535)
        if self.advertised_port is not None:
            self._in_range("advertised_port", 1, 65_535)
        self._in_range("broker_id", 0, 2**31 - 1)
        self._in_range("num_partitions", 1, 10_000)
        self._in_range("default_replication_factor", 1, 2**15 - 1)
        for name in (
            "flush_interval_ms", "log_retention_check_interval_ms", "checkpoint_interval_ms",
            "log_cleaner_backoff_ms",
            "message_max_bytes", "socket_request_max_bytes", "request_queue_max",
            "connections_max", "group_members_max", "group_consumer_session_timeout_ms",
            "group_consumer_heartbeat_interval_ms", "log_segment_ms", "producer_id_expiration_ms",
            "group_min_session_timeout_ms", "offsets_retention_ms",
            "transaction_max_timeout_ms", "transactional_id_expiration_ms",
        ):  # fmt: skip
            self._in_range(name, 1, 2**62)
        self._in_range("wal_file_bytes", 64 << 10, 1 << 32)
        self._in_range("log_segment_bytes", 1024, 2**31 - 1)
        for name in ("log_retention_ms", "log_retention_bytes"):
            if getattr(self, name) != -1:
                self._in_range(name, 1, 2**62)
        self._in_range("group_max_session_timeout_ms", self.group_min_session_timeout_ms, 2**31)
        self._in_range("group_initial_rebalance_delay_ms", 0, 600_000)
        self.check_security()
        if not self.data_dir:
            raise Invalid("config.invalid", reason="data_dir must not be empty", pointer="/dataDir")

    def _in_range(self, name: str, first: int, last: int) -> None:
        value = getattr(self, name)
        if not first <= value <= last:
            raise Invalid(
                "config.invalid",
                reason=f"{name} must be from {first} to {last}, not {value}",
                pointer=f"/{name}",
            )
