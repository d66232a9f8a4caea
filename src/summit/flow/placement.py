"""Who reads what: an input partition is read by the worker that holds its carrier. Pure.

The workers' group shares the key groups among its members; each key group carries some input
partitions with it. So one answer of the coordinator settles both, and nothing has two owners.
"""

from __future__ import annotations

from zlib import crc32

from summit.keyed.keygroups import KEY_GROUPS


def carrier(topic: str, partition: int) -> int:
    """The key group that an input partition goes with: neighbours go with neighbours."""
    return (crc32(topic.encode()) + partition) % KEY_GROUPS
