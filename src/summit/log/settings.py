"""What can be set: of one partition's log, and of the store that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from summit.base.limits import CHECKPOINT_BYTES, WAL_FILE_BYTES

Durability = Literal["fsync", "interval", "os"]

DAY_MS = 24 * 3600 * 1000
FOR_EVER = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Settings of one partition; the names are Kafka's topic configs. -1 = without limit."""

    segment_bytes: int = 1 << 30
    segment_ms: int = 7 * DAY_MS
    retention_ms: int = 7 * DAY_MS
    retention_bytes: int = -1
    max_message_bytes: int = 1_048_588
    index_interval_bytes: int = 4096
    index_bytes: int = 10 << 20  # a segment rolls before its offset index is larger
    flush_messages: int = FOR_EVER  # records after which a log is synced before it is answered
    flush_ms: int = FOR_EVER  # how long a record may wait for its sync
    log_append_time: bool = False  # message.timestamp.type = LogAppendTime
    delete: bool = True  # cleanup.policy names "delete"
    compact: bool = False  # cleanup.policy names "compact"
    delete_retention_ms: int = DAY_MS  # how long tombstones stay after they were first cleaned
    min_cleanable_dirty_ratio: float = 0.5
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = FOR_EVER


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Settings of a store.

    `fsync`: a batch is published when it is on the disk (write-ahead log).
    `interval`: published when the operating system has it; the caller flushes every so often.
    `os`: published when the operating system has it; it is synced at checkpoints only.
    """

    durability: Durability = "fsync"
    wal_file_bytes: int = WAL_FILE_BYTES
    checkpoint_bytes: int = CHECKPOINT_BYTES
    producer_expiry_ms: int = DAY_MS
    defaults: LogConfig = field(default_factory=LogConfig)
