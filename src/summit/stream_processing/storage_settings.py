"""`StorageConfig`: what a `StorageEngine` is opened with."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.log import LogConfig, StoreSettings
from summit.records import CODEC_NUMBERS

_WEEK_MS: Final = 7 * 24 * 3_600_000


class StorageConfig(Config, frozen=True, kw_only=True):
    """What a `StorageEngine` is opened with; all its partitions go by it.

    Args:
        data_dir: Its directory; one engine or broker at a time.
        log_dirs: Where partitions live, each new one in the directory that has the fewest; empty
            = in `data_dir` itself.
        durability: fsync = an appended record is on the disk; os = the operating system has it.
        segment_bytes, segment_ms: When a partition begins a new segment.
        retention_ms, retention_bytes: Age and size (per partition) beyond which
            `cleanup_old_segments` deletes whole closed segments; -1 = never.
        cleanup_policy: delete, compact, or both with a comma.
        compression_type: none, gzip, snappy, lz4 or zstd: how records are stored.
        max_message_bytes: Largest record with its batch.
    """

    data_dir: str
    log_dirs: list[str] = msgspec.field(default_factory=list)
    durability: Literal["fsync", "os"] = "fsync"
    segment_bytes: int = 1 << 30
    segment_ms: int = _WEEK_MS
    retention_ms: int = _WEEK_MS
    retention_bytes: int = -1
    cleanup_policy: str = "delete"
    compression_type: str = "none"
    max_message_bytes: int = 1_048_588

    def check(self) -> None:
        if not self.data_dir or any(not path for path in self.log_dirs):
            raise self._refused("dataDir", "a directory's name is empty")
        if self.compression_type not in CODEC_NUMBERS:
            raise self._refused("compressionType", f"one of {', '.join(CODEC_NUMBERS)}")
        if self.cleanup_policy not in ("delete", "compact", "compact,delete", "delete,compact"):
            raise self._refused("cleanupPolicy", "delete, compact or 'compact,delete'")
        if not 1024 <= self.segment_bytes <= 2**31 - 1:
            raise self._refused("segmentBytes", f"from 1024 to {2**31 - 1}")
        for name, wire in (("segment_ms", "segmentMs"), ("max_message_bytes", "maxMessageBytes")):
            if getattr(self, name) < 1:
                raise self._refused(wire, "1 or more")
        for name, wire in (("retention_ms", "retentionMs"), ("retention_bytes", "retentionBytes")):
            if getattr(self, name) < 1 and getattr(self, name) != -1:
                raise self._refused(wire, "1 or more, or -1")

    def _refused(self, wire: str, reason: str) -> Invalid:
        return Invalid(
            "config.invalid", reason=f"StorageConfig.{wire}: {reason}", pointer=f"/{wire}"
        )

    @property
    def partition_dirs(self) -> list[str]:
        """Where partitions live."""
        return list(self.log_dirs) or [self.data_dir]

    @property
    def is_compacted(self) -> bool:
        """Whether only the last value of a key has to stay."""
        return "compact" in self.cleanup_policy

    @property
    def codec(self) -> int:
        """The number of the compression."""
        return CODEC_NUMBERS[self.compression_type]

    def log_config(self) -> LogConfig:
        """The same for each partition's log."""
        return LogConfig(
            segment_bytes=self.segment_bytes,
            segment_ms=self.segment_ms,
            retention_ms=self.retention_ms,
            retention_bytes=self.retention_bytes,
            max_message_bytes=self.max_message_bytes,
            delete="delete" in self.cleanup_policy,
            compact=self.is_compacted,
            min_cleanable_dirty_ratio=0.0,  # it is compacted when it is asked for
        )

    def store_settings(self) -> StoreSettings:
        """The same for all logs together."""
        return StoreSettings(durability=self.durability, defaults=self.log_config())
