"""Topic configuration keys: what may be set, its form, its default, and what it does here.

One row per key. A key that Kafka has and that would be silently ignored here is not in the table:
setting it is refused, as is a value whose behaviour is not built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from summit.base.errors import Invalid
from summit.broker.settings import BrokerSettings
from summit.log.settings import LogConfig

Check = Callable[[str], str]


class ConfigKey(NamedTuple):
    """One topic configuration key.

    Attributes:
        check: Gives the canonical text of a value or raises ValueError saying what is allowed.
        default: The value where neither topic nor request says one.
    """

    name: str
    check: Check
    default: Callable[[BrokerSettings], str]


def _number(first: int, last: int = 2**63 - 1, *, unlimited: bool = False) -> Check:
    def check(text: str) -> str:
        value = int(text)
        if first <= value <= last or (unlimited and value == -1):
            return str(value)
        extra = " or -1" if unlimited else ""
        raise ValueError(f"must be from {first} to {last}{extra}")

    return check


def _one_of(*allowed: str) -> Check:
    def check(text: str) -> str:
        if text in allowed:
            return text
        raise ValueError(f"must be one of {', '.join(allowed)}")

    return check


def _policies(text: str) -> str:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if len(set(names)) == len(names) and set(names) <= {"delete", "compact"}:
        return ",".join(names)
    raise ValueError("must be delete, compact, both with a comma between, or nothing")


def _ratio(text: str) -> str:
    if 0 <= float(text) <= 1:
        return text
    raise ValueError("must be from 0 to 1")


def _fixed(value: str) -> Callable[[BrokerSettings], str]:
    return lambda settings: value


_CODECS: Final = ("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd")
_FOR_EVER: Final = str(2**63 - 1)

KEYS: Final = (
    ConfigKey("cleanup.policy", _policies, _fixed("delete")),
    ConfigKey("compression.type", _one_of(*_CODECS), _fixed("producer")),
    ConfigKey("delete.retention.ms", _number(0), _fixed("86400000")),
    # Files go at once; when they go no client can see.
    ConfigKey("file.delete.delay.ms", _number(0), _fixed("0")),
    ConfigKey("flush.messages", _number(1), _fixed(_FOR_EVER)),
    ConfigKey("flush.ms", _number(0), _fixed(_FOR_EVER)),
    ConfigKey("index.interval.bytes", _number(0, 2**31 - 1), _fixed("4096")),
    ConfigKey("max.compaction.lag.ms", _number(1), _fixed(_FOR_EVER)),
    ConfigKey(
        "max.message.bytes", _number(0, 2**31 - 1), lambda settings: str(settings.message_max_bytes)
    ),
    # An hour ahead is what Kafka allows since 4.0: beyond it retention by time would never come.
    ConfigKey("message.timestamp.after.max.ms", _number(0), _fixed("3600000")),
    ConfigKey("message.timestamp.before.max.ms", _number(0), _fixed(_FOR_EVER)),
    ConfigKey(
        "message.timestamp.type", _one_of("CreateTime", "LogAppendTime"), _fixed("CreateTime")
    ),
    ConfigKey("min.cleanable.dirty.ratio", _ratio, _fixed("0.5")),
    ConfigKey("min.compaction.lag.ms", _number(0), _fixed("0")),
    ConfigKey("min.insync.replicas", _number(1, 2**31 - 1), _fixed("1")),
    ConfigKey("preallocate", _one_of("false"), _fixed("false")),
    ConfigKey(
        "retention.bytes",
        _number(0, unlimited=True),
        lambda settings: str(settings.log_retention_bytes),
    ),
    ConfigKey(
        "retention.ms", _number(0, unlimited=True), lambda settings: str(settings.log_retention_ms)
    ),
    ConfigKey(
        "segment.bytes",
        _number(1024, 2**31 - 1),
        lambda settings: str(settings.log_segment_bytes),
    ),
    ConfigKey("segment.index.bytes", _number(8, 2**31 - 1), _fixed("10485760")),
    ConfigKey("segment.jitter.ms", _number(0, 0), _fixed("0")),
    ConfigKey("segment.ms", _number(1), lambda settings: str(settings.log_segment_ms)),
    # Ours: how many copies were wished for where fewer brokers live. What falls short of the
    # wish counts as under-replicated.
    ConfigKey("summit.replication.factor", _number(1, 2**15 - 1), _fixed("1")),
    ConfigKey("unclean.leader.election.enable", _one_of("false"), _fixed("false")),
)

BY_NAME: Final = {key.name: key for key in KEYS}

# The broker's own facts: never cut by time or size; the broker rewrites them itself. Small
# segments, so that what was rewritten can go.
KEPT_FOR_EVER: Final = LogConfig(
    segment_bytes=4 << 20,
    retention_ms=-1,
    retention_bytes=-1,
    max_message_bytes=64 << 20,
    delete=False,
)
# Committed offsets, groups, transactions: compacted. Small segments, because only closed ones are.
COMPACTED: Final = replace(KEPT_FOR_EVER, compact=True)


def validate(configs: Mapping[str, str | None]) -> dict[str, str]:
    """Check what a request sets; null values mean the default and are dropped.

    Returns: Canonical texts of the keys that are set.
    Raises: Invalid("topic.config_invalid") naming the key and what it allows.
    """
    checked: dict[str, str] = {}
    for name, text in configs.items():
        key = BY_NAME.get(name)
        if key is None:
            raise Invalid("topic.config_invalid", key=name, reason="unknown or not available")
        if text is None:
            continue
        try:
            checked[name] = key.check(text.strip())
        except ValueError as error:
            raise Invalid("topic.config_invalid", key=name, reason=str(error)) from error
    return checked


def effective(configs: Mapping[str, str], settings: BrokerSettings) -> dict[str, str]:
    """Every key with the value that holds: the topic's own or the default."""
    return {
        key.name: configs[key.name] if key.name in configs else key.default(settings)
        for key in KEYS
    }


def log_config(values: Mapping[str, str]) -> LogConfig:
    """What the log needs of the effective values."""
    policy = values["cleanup.policy"]
    segment_ms = int(values["segment.ms"])
    lag_ms = int(values["max.compaction.lag.ms"])
    return LogConfig(
        segment_bytes=int(values["segment.bytes"]),
        # A segment must close before it can be cleaned, so that the lag bounds its age as well.
        segment_ms=min(segment_ms, lag_ms) if "compact" in policy else segment_ms,
        retention_ms=int(values["retention.ms"]),
        retention_bytes=int(values["retention.bytes"]),
        max_message_bytes=int(values["max.message.bytes"]),
        index_interval_bytes=int(values["index.interval.bytes"]),
        index_bytes=int(values["segment.index.bytes"]),
        flush_messages=int(values["flush.messages"]),
        flush_ms=int(values["flush.ms"]),
        delete="delete" in policy,
        compact="compact" in policy,
        delete_retention_ms=int(values["delete.retention.ms"]),
        min_cleanable_dirty_ratio=float(values["min.cleanable.dirty.ratio"]),
        min_compaction_lag_ms=int(values["min.compaction.lag.ms"]),
        max_compaction_lag_ms=lag_ms,
        log_append_time=values["message.timestamp.type"] == "LogAppendTime",
    )
