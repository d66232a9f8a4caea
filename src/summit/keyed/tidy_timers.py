"""When to look at keys again, to be tidy; `exact_timers.py` has those that fire.

`TidyTimers` only forgets runs whose time is over, so that idle keys cost nothing: keys are put into
coarse buckets, and a key may be looked at later than due, never missed.
"""

from __future__ import annotations

from itertools import chain
from typing import Final
from zlib import crc32

from summit.keyed.keys import Key, key_text

BUCKETS_PER_WITHIN = 16
_STALE_MAX: Final = 1_000  # replaced timers that are left where they are, beside one a key
_PART: Final = 500
_TOGETHER_MAX: Final = 5_000  # keys of one bucket; more are spread
_SPREAD_BITS: Final = 4
_SPREAD: Final = 1 << _SPREAD_BITS
_DEPTH_MAX: Final = 5
_SLICE: Final = 2_000  # keys looked at in one go, beside two for each that came


class _Bucket:
    """Keys, some of them perhaps twice.

    Full parts are tuples: a set takes five times the room, and Python's collector looks into lists.
    Many keys are spread over buckets within, so that looking for keys that stand twice never takes
    long: each of those looks for itself. By a checksum: Python's hash differs between processes,
    and the order in which keys are looked at should not. They grow alike, so each looks at another
    count (`_more`).
    """

    __slots__ = ("_depth", "_more", "count", "parts", "same_from", "tail", "within")

    def __init__(self, depth: int = 0, turn: int = 0) -> None:
        self._depth = depth
        self._more = turn * _PART
        self.within: list[_Bucket] = []
        self.parts: list[tuple[Key, ...]] = []
        self.tail: list[Key] = []
        self.count = 0
        self.same_from = (
            _STALE_MAX + self._more
        )  # count from which keys that stand twice are looked for

    def add(self, key: Key) -> None:
        if self.within:
            one = self.within[(_spread(key) >> self._depth * _SPREAD_BITS) % _SPREAD]
            self.count -= one.count
            one.add(key)
            self.count += one.count
            return
        self.tail.append(key)
        self.count += 1
        if len(self.tail) == _PART:
            self.parts.append(tuple(self.tail))
            self.tail.clear()
            if self.count > self.same_from:
                self._make_unique()

    def take(self, room: int) -> list[Key]:
        """Take out some keys: `room` of them and less than a part more, or all."""
        keys, self.tail = self.tail, []
        while self.parts and len(keys) < room:
            keys.extend(self.parts.pop())
        for one in self.within:
            if len(keys) >= room:
                break
            keys += one.take(room - len(keys))
        self.count -= len(keys)
        if not self.count:
            self.within = []
        return keys

    def _make_unique(self) -> None:
        keys = list(dict.fromkeys(chain.from_iterable(self.parts)))
        if len(keys) > _TOGETHER_MAX + self._more and self._depth < _DEPTH_MAX:
            self.parts, self.tail, self.count = [], [], 0
            self.within = [_Bucket(self._depth + 1, turn) for turn in range(_SPREAD)]
            for key in keys:
                self.add(key)
            return
        full = len(keys) - len(keys) % _PART
        self.parts = [tuple(keys[n : n + _PART]) for n in range(0, full, _PART)]
        self.tail = keys[full:]
        self.count = len(keys)
        self.same_from = 2 * len(keys) + _STALE_MAX + self._more


def _spread(key: Key) -> int:
    text = key if type(key) is str else key_text(key)
    return crc32(text.encode(errors="replace"))


class TidyTimers:
    """Coarse buckets of keys.

    Args:
        within_ms: The pattern's limit; a bucket spans a sixteenth of it.
    """

    def __init__(self, within_ms: int) -> None:
        self.within_ms = within_ms
        self._width_ms = max(within_ms // BUCKETS_PER_WITHIN, 1)
        self._buckets: dict[int, _Bucket] = {}
        self._added = 0
        self.next_ms: float = float("inf")

    def add(self, key: Key, deadline_ms: float) -> None:
        """Look at the key when its deadline is over."""
        number = int(deadline_ms) // self._width_ms
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = _Bucket()
            self.next_ms = min(self.next_ms, (number + 1) * self._width_ms)
        bucket.add(key)
        self._added += 1

    def due(self, now_ms: float) -> list[Key]:
        """Take out keys of buckets that are over at `now_ms`, in no certain order.

        A limited number, more than came since the last call: no call takes long, and the others
        come with the next ones.
        """
        room = _SLICE + 2 * self._added
        self._added = 0
        if now_ms < self.next_ms:
            return []
        keys: list[Key] = []
        for number in sorted(n for n in self._buckets if (n + 1) * self._width_ms <= now_ms):
            bucket = self._buckets[number]
            keys += bucket.take(room - len(keys))
            if bucket.count:
                break
            del self._buckets[number]
            if len(keys) >= room:
                break
        first = min(self._buckets, default=None)
        self.next_ms = float("inf") if first is None else (first + 1) * self._width_ms
        return list(dict.fromkeys(keys))
