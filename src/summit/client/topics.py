"""What a topic is asked to be, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Self

import msgspec

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.client.settings import CODECS

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
# What Kafka's protocol and settings can hold.
_MOST: Final = {
    "partitions": 2**31 - 1, "replication_factor": 2**15 - 1, "segment_bytes": 2**31 - 1,
    "min_in_sync_replicas": 2**31 - 1, "max_message_bytes": 2**31 - 1,
}  # fmt: skip
_POLICIES: Final = ("delete", "compact", "compact,delete", "delete,compact")
_STORED_AS: Final = (*CODECS, "uncompressed")
_KAFKA_NAMES: Final = {
    "retention_ms": "retention.ms",
    "retention_bytes": "retention.bytes",
    "segment_ms": "segment.ms",
    "segment_bytes": "segment.bytes",
    "compression_type": "compression.type",
    "min_in_sync_replicas": "min.insync.replicas",
    "cleanup_policy": "cleanup.policy",
    "max_message_bytes": "max.message.bytes",
}


def is_topic_name(name: str) -> bool:
    """Whether Kafka allows a topic of that name."""
    return _NAME.fullmatch(name) is not None and name not in (".", "..")


class TopicConfig(Config, frozen=True, kw_only=True):
    """A topic to be created. What is None follows the broker's own setting.

    Args:
        name: 1 to 249 of `A-Z a-z 0-9 . _ -`; neither `.` nor `..`.
        partitions: 1 or more.
        replication_factor: Copies, 1 or more. Where fewer brokers live, the topic gets as many
            copies as there are brokers, with a warning.
        retention_ms, retention_bytes: Age and size (per partition) beyond which whole closed
            segments are deleted; -1 = never.
        segment_ms, segment_bytes: When a partition begins a new segment.
        compression_type: none (batches stay as their producer compressed them), or the codec
            that the broker stores every batch with, whatever its producer chose; + uncompressed
            for no codec at all.
        min_in_sync_replicas: With fewer, writes with acks=all are refused.
        cleanup_policy: delete, compact, or both.
        max_message_bytes: Largest batch.
    """

    name: str
    partitions: int | None = None
    replication_factor: int | None = None
    retention_ms: int | None = None
    retention_bytes: int | None = None
    segment_ms: int | None = None
    segment_bytes: int | None = None
    compression_type: str | None = None
    min_in_sync_replicas: int | None = None
    cleanup_policy: str | None = None
    max_message_bytes: int | None = None

    def check(self) -> None:
        if not is_topic_name(self.name):
            raise Invalid("topic.name_invalid", topic=self.name, pointer="/name")
        for field in ("partitions", "replication_factor", "segment_ms", "segment_bytes",
                      "min_in_sync_replicas", "max_message_bytes"):  # fmt: skip
            self._at_least_one(field)
        for field in ("retention_ms", "retention_bytes"):
            if getattr(self, field) != -1:
                self._at_least_one(field)
        if self.compression_type is not None and self.compression_type not in _STORED_AS:
            raise self._refused("compression_type", f"is not one of {', '.join(_STORED_AS)}")
        if self.cleanup_policy is not None and self.cleanup_policy not in _POLICIES:
            raise self._refused("cleanup_policy", "is not delete, compact or 'compact,delete'")

    def kafka_configs(self) -> dict[str, str]:
        """The settings in Kafka's words; only those that are not None."""
        configs = {
            kafka: str(getattr(self, field))
            for field, kafka in _KAFKA_NAMES.items()
            if getattr(self, field) is not None
        }
        if self.compression_type == "none":
            configs["compression.type"] = "producer"
        return configs

    @staticmethod
    def kafka_name(field: str) -> str:
        """What Kafka calls a setting; not for name, partitions and replication factor."""
        return _KAFKA_NAMES[field]

    @classmethod
    def of_topic(
        cls, name: str, partitions: int, replication_factor: int, configs: Mapping[str, str | None]
    ) -> Self:
        """What a topic that exists is.

        Values that a cluster takes and this class does not (a retention of 0) are as they are.

        Args:
            configs: The topic's settings in Kafka's words; further ones are passed over.
        """
        config = cls(name=name, partitions=partitions, replication_factor=replication_factor)
        for field, kafka in _KAFKA_NAMES.items():
            text = configs.get(kafka)
            if text is not None:
                is_text = field in ("compression_type", "cleanup_policy")
                msgspec.structs.force_setattr(config, field, text if is_text else int(text))
        if config.compression_type == "producer":
            msgspec.structs.force_setattr(config, "compression_type", "none")
        return config

    def _at_least_one(self, field: str) -> None:
        value = getattr(self, field)
        if value is None:
            return
        if value < 1:
            raise self._refused(field, "must be 1 or more")
        most = _MOST.get(field, 2**63 - 1)
        if value > most:
            raise self._refused(field, f"must be {most} or less")

    def _refused(self, field: str, reason: str) -> Invalid:
        wire = next(f.encode_name for f in msgspec.structs.fields(self) if f.name == field)
        value: Any = getattr(self, field)
        return Invalid(
            "config.invalid", reason=f"TopicConfig.{wire}: {value!r} {reason}", pointer=f"/{wire}"
        )


class TopicCreated(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A topic as it came to be. `warnings` say where it is not as it was asked for."""

    name: str
    topic_id: str | None
    partitions: int
    replication_factor: int
    wanted_replication_factor: int
    warnings: list[str] = []
