"""Keys at rest and their states as bytes, however many: no insertion takes long.

A dictionary that grows is copied, 100 ms at a million keys; so there are many small ones, and a key
goes by its hash. In what order keys came in is a number behind each state.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heapreplace
from itertools import chain
from typing import Final

from summit.keyed.keys import Key

_SHARDS: Final = 64
_ORDER_BYTES: Final = 6


class PackedKeys:
    """A mapping of keys to bytes."""

    def __init__(self) -> None:
        self._shards: list[dict[Key, bytes]] = [{} for _ in range(_SHARDS)]
        self._count = 0
        self._next = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: Key) -> bool:
        return self._count > 0 and key in self._shards[hash(key) % _SHARDS]

    def __iter__(self) -> Iterator[Key]:
        """All keys, in no certain order."""
        return chain(*self._shards)

    def __setitem__(self, key: Key, data: bytes) -> None:
        """Put in a key, or other bytes for it: it is the last one then."""
        shard = self._shards[hash(key) % _SHARDS]
        if shard.pop(key, None) is None:
            self._count += 1
        shard[key] = data + self._next.to_bytes(_ORDER_BYTES)
        self._next += 1

    def get(self, key: Key) -> bytes | None:
        """The bytes of a key; None = it is not here."""
        found = self._shards[hash(key) % _SHARDS].get(key)
        return None if found is None else found[:-_ORDER_BYTES]

    def pop(self, key: Key) -> bytes | None:
        """Take out a key: its bytes; None = it is not here."""
        if not self._count:
            return None
        found = self._shards[hash(key) % _SHARDS].pop(key, None)
        if found is None:
            return None
        self._count -= 1
        return found[:-_ORDER_BYTES]

    def oldest(self) -> Iterator[Key]:
        """The keys in the order in which they came in; none may come or go meanwhile."""
        ways = [iter(shard.items()) for shard in self._shards if shard]
        heads = []
        for number, way in enumerate(ways):
            key, data = next(way)
            heads.append((data[-_ORDER_BYTES:], number, key))
        heapify(heads)
        while heads:
            _, number, key = heads[0]
            yield key
            following = next(ways[number], None)
            if following is None:
                heappop(heads)
            else:
                heapreplace(heads, (following[1][-_ORDER_BYTES:], number, following[0]))
