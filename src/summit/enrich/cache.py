"""Answers remembered for a while: the one not asked for longest goes first. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from summit.documents.enrichment_sources import CachePlan
from summit.enrich.enriching import Found


class _Entry(NamedTuple):
    found: Found
    until_ms: float


class AnswerCache:
    """What was found, and that nothing was; errors are not remembered.

    Attributes:
        hits, misses: How often an answer was there, and was not.
    """

    def __init__(self, plan: CachePlan) -> None:
        self._plan = plan
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, now_ms: float) -> Found | None:
        """The answer for a key, as long as it counts."""
        entry = self._entries.get(key)
        if entry is None or now_ms >= entry.until_ms:
            if entry is not None:
                del self._entries[key]
            self.misses += 1
            return None
        self._entries.move_to_end(key)
        self.hits += 1
        return entry.found

    def put(self, key: Hashable, found: Found, now_ms: float) -> None:
        """Remember an answer, unless it is an error or its kind is not to be remembered."""
        plan = self._plan
        ttl_ms = plan.ttl_ms if found.status == "found" else plan.negative_ttl_ms
        if found.status == "error" or ttl_ms <= 0:
            return
        self._entries[key] = _Entry(found, now_ms + ttl_ms)
        self._entries.move_to_end(key)
        while len(self._entries) > plan.size:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Remember nothing."""
        self._entries.clear()
