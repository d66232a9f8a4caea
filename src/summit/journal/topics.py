"""The topics Summit keeps for itself: their names, their settings, and making them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from summit.client.admin import Admin
from summit.client.topics import TopicConfig
from summit.journal.state_log import STATE_PARTITIONS
from summit.keyed.keygroups import KEY_GROUPS

DEFINITIONS_TOPIC: Final = "_summit.definitions"
PROGRESS_TOPIC: Final = "_summit.progress"
ALERTS_TOPIC: Final = "alerts"
ALERT_STATE_TOPIC: Final = "_summit.alert-state"
EVENTS_TOPIC: Final = "events"
CORRELATIONS_TOPIC: Final = "correlations"
EXCHANGE_TOPIC: Final = "_summit.exchange"
STATE_TOPIC: Final = "_summit.state"
ACTIVATIONS_TOPIC: Final = "_summit.activations"
ENRICHMENTS_TOPIC: Final = "_summit.enrichments"
LATE_TOPIC: Final = "_summit.late"
CALLS_TOPIC: Final = "_summit.calls"
RESULTS_TOPIC: Final = "_summit.results"
BACKFILLS_TOPIC: Final = "_summit.backfills"
TIME_TOPIC: Final = "_summit.time"
LIVE_TOPIC: Final = "_summit.live"
KEYS_TOPIC: Final = "_summit.keys"
AUDIT_TOPIC: Final = "_summit.audit"
ANSWERS_TOPIC: Final = "_summit.answers"
# A record with this header is waited for: the worker tells its progress right behind it.
WAIT_HEADER: Final = "summit.wait"


DEFINITIONS: Final = TopicConfig(name=DEFINITIONS_TOPIC, partitions=1, retention_ms=-1)
ALERTS: Final = TopicConfig(name=ALERTS_TOPIC, partitions=1, retention_ms=-1)
# The last word about each group, for a week.
CORRELATIONS: Final = TopicConfig(
    name=CORRELATIONS_TOPIC, partitions=1, cleanup_policy="compact,delete",
    retention_ms=7 * 86_400_000, segment_bytes=64 << 20,
)  # fmt: skip
# One partition: its order is what decides. It is the audit trail too.
ALERT_STATE: Final = TopicConfig(name=ALERT_STATE_TOPIC, partitions=1, retention_ms=-1)
# Every record repeats all that the one before says: a day of them is more than anyone reads.
PROGRESS: Final = TopicConfig(
    name=PROGRESS_TOPIC, partitions=1, retention_ms=86_400_000, segment_bytes=16 << 20
)
# One partition for each key group. A frame is read once, by the group's owner.
EXCHANGE: Final = TopicConfig(
    name=EXCHANGE_TOPIC, partitions=KEY_GROUPS, retention_ms=7 * 86_400_000, segment_bytes=16 << 20
)
ACTIVATIONS: Final = TopicConfig(name=ACTIVATIONS_TOPIC, partitions=1, retention_ms=-1)
# The key is the address: one that does not answer holds up only those that share its partition.
CALLS: Final = TopicConfig(name=CALLS_TOPIC, partitions=8, retention_ms=7 * 86_400_000)
# Who replays what is older has no record of what was found then.
ENRICHMENTS: Final = TopicConfig(
    name=ENRICHMENTS_TOPIC, partitions=1, retention_ms=90 * 86_400_000, segment_bytes=64 << 20
)
# What the clock decided; as long as what was looked up.
TIME: Final = TopicConfig(
    name=TIME_TOPIC, partitions=1, retention_ms=90 * 86_400_000, segment_bytes=64 << 20
)
# What queries told of windows that are over; whoever wants it for longer gives a topic of its own.
RESULTS: Final = TopicConfig(
    name=RESULTS_TOPIC, partitions=1, retention_ms=7 * 86_400_000, segment_bytes=16 << 20
)
# Windows as they stand, for who watches: what is older than a moment is of no use.
LIVE: Final = TopicConfig(
    name=LIVE_TOPIC, partitions=1, retention_ms=10 * 60_000, segment_bytes=4 << 20
)
STATE: Final = TopicConfig(
    name=STATE_TOPIC, partitions=STATE_PARTITIONS, cleanup_policy="compact", segment_bytes=8 << 20
)
# Marks, and what rules have begun; made when a rule is to begin with the past.
BACKFILLS: Final = TopicConfig(
    name=BACKFILLS_TOPIC, partitions=2, cleanup_policy="compact", segment_bytes=8 << 20
)
# The last word about each API key; only hashes.
KEYS: Final = TopicConfig(
    name=KEYS_TOPIC, partitions=1, cleanup_policy="compact", segment_bytes=4 << 20
)
# Who did what, and who was refused what; for a year.
AUDIT: Final = TopicConfig(
    name=AUDIT_TOPIC, partitions=1, retention_ms=365 * 86_400_000, segment_bytes=64 << 20
)
# What senders were told whose requests may come again; for a day and a segment.
ANSWERS: Final = TopicConfig(
    name=ANSWERS_TOPIC, partitions=1, retention_ms=86_400_000, segment_bytes=16 << 20,
    segment_ms=6 * 3_600_000,
)  # fmt: skip

WORKER_TOPICS: Final = (
    PROGRESS, ALERTS, ALERT_STATE, CORRELATIONS, RESULTS, LIVE, STATE, EXCHANGE, ACTIVATIONS,
    ENRICHMENTS, CALLS, TIME,
)  # fmt: skip


def is_waited_for(headers: Iterable[tuple[str, bytes | None]] | None) -> bool:
    """Whether somebody waits until workers have seen a record of these headers."""
    return headers is not None and any(name == WAIT_HEADER for name, _ in headers)


async def ensure_topics(admin: Admin, topics: Iterable[TopicConfig]) -> None:
    """Make the topics that are missing, with as many copies as are safe where brokers allow it.

    Raises: whatever the cluster answers to a topic that it will not make.
    """
    for topic in topics:
        await admin.create_if_missing(topic)
