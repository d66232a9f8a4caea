"""`ReplicationConfig`: when a replica counts as behind, and how records are fetched."""

from __future__ import annotations

from typing import Final

from summit.base.config import Config
from summit.base.errors import Invalid

_LEAST: Final = {
    "min_in_sync_replicas": 1,
    "replica_lag_time_max_ms": 2,
    "replica_lag_max_messages": 0,
    "replica_fetch_max_bytes": 1,
    "replica_fetch_wait_max_ms": 0,
}
_MOST: Final = 2**31 - 1


class ReplicationConfig(Config, frozen=True, kw_only=True):
    """When a replica counts as behind, and how records are fetched as a replica would.

    Args:
        min_in_sync_replicas: What `check_min_isr` asks for when nothing else is said.
        replica_lag_time_max_ms: A follower that is too many messages behind for so long is lagging;
            partitions are looked at twice in that time.
        replica_lag_max_messages: How many messages are too many.
        replica_fetch_max_bytes: Batches of one fetch; the first comes even if it is larger.
        replica_fetch_wait_max_ms: How long a fetch waits for a record.
    """

    min_in_sync_replicas: int = 1
    replica_lag_time_max_ms: int = 10_000
    replica_lag_max_messages: int = 1_000
    replica_fetch_max_bytes: int = 1 << 20
    replica_fetch_wait_max_ms: int = 500

    def check(self) -> None:
        for name, first in _LEAST.items():
            if not first <= getattr(self, name) <= _MOST:
                raise Invalid(
                    "config.invalid",
                    reason=f"ReplicationConfig.{name}: from {first} to {_MOST}",
                    pointer=f"/{name}",
                )
