"""Which partition a record goes to: Kafka's rules, for those who want to know beforehand.

The producer itself leaves this to librdkafka, whose `murmur2_random` is the same for keys; a test
holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from summit.base.limits import RECORD_OVERHEAD_BYTES
from summit.base.rand import Rand

_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit hash that Kafka's clients take of keys; from 0 to 2^32 - 1.

    Source: MurmurHash2 by Austin Appleby (public domain), with the seed of Kafka's clients.

    >>> hex(murmur2(b"21"))
    '0xc5f2f8ec'
    """
    size = len(data)
    value = _SEED ^ size
    whole = size & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _FACTOR & _WORD
        word = (word ^ (word >> 24)) * _FACTOR & _WORD
        value = (value * _FACTOR & _WORD) ^ word
    if whole < size:
        value = (value ^ int.from_bytes(data[whole:], "little")) * _FACTOR & _WORD
    value = (value ^ (value >> 13)) * _FACTOR & _WORD
    return value ^ (value >> 15)


def keyed_partition(key: bytes, partition_count: int) -> int:
    """Where records with this key go, in a topic of so many partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partition_count


class StickyPartitions:
    """Partitions for records without a key: one for a batch's worth of bytes, then another.

    Source: KIP-480, KIP-794.
    """

    def __init__(self, batch_bytes: int, rand: Rand) -> None:
        self._batch_bytes = batch_bytes
        self._rand = rand
        self._current: dict[str, tuple[int, int]] = {}  # topic → partition, bytes still to come

    def choose(self, topic: str, partitions: Sequence[int], size_bytes: int) -> int:
        """The partition for one record of `size_bytes`, out of those that have a leader."""
        partition, left = self._current.get(topic, (-1, 0))
        if left <= 0 or partition not in partitions:
            others = [other for other in partitions if other != partition] or list(partitions)
            partition, left = self._rand.choice(others), self._batch_bytes
        self._current[topic] = (partition, left - size_bytes - RECORD_OVERHEAD_BYTES)
        return partition

    def forget(self, topic: str) -> None:
        """Remember nothing of a topic that is gone."""
        self._current.pop(topic, None)
