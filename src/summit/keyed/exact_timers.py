"""Timers that fire to the millisecond: one a key, in the order (time, key).

For rules that report what time alone brings about. Keys stand in lists by their times, the times in
spans of four seconds, so that nothing that grows or is looked through has more than a span's share
of them. A timer that is set to a later time stays where it is, and moves on when its time has come;
one that is set to an earlier time leaves its old place behind, to be passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any, Final

from summit.keyed.keys import Key, key_text

_NEVER: Final = float("inf")
_SPAN_BITS: Final = 12
_SHARDS: Final = 64  # so that no dictionary is long in growing
_STALE_MAX: Final = 1_000  # places left behind, beside one a key


class _Lone(list[tuple[str, Key]]):
    """The keys of the earliest time, each behind its text; a heap."""


class _Span:
    """Times and their keys: a key alone, a list of keys, or `_Lone`.

    Attributes:
        times: A heap of those that have keys.
    """

    __slots__ = ("keys", "times")

    def __init__(self) -> None:
        self.keys: dict[int, Any] = {}
        self.times: list[int] = []

    def add(self, key: Key, at_ms: int) -> None:
        held = self.keys.get(at_ms)
        if held is None:
            self.keys[at_ms] = key
            heappush(self.times, at_ms)
        elif type(held) is list:
            held.append(key)
        elif type(held) is _Lone:
            heappush(held, (key_text(key), key))
        else:
            self.keys[at_ms] = [held, key]


class ExactTimers:
    """One timer per key; a later `set` for the same key replaces it.

    Cost: of setting one, that of a look-up; of its firing, the logarithm of how many times there
    are in its span.
    """

    def __init__(self) -> None:
        self._spans: dict[int, _Span] = {}
        self._numbers: list[int] = []  # of the spans; a heap
        # Key -> where it stands; or that, and the later time to which it was set.
        self._shards: list[dict[Key, Any]] = [{} for _ in range(_SHARDS)]
        self._stale = 0
        self._count = 0
        self._to_purge: list[int] = []
        self._next_ms: float | None = _NEVER  # None = it must be looked for

    @property
    def next_ms(self) -> float:
        """The earliest timer, infinite when there is none."""
        found = self._next_ms
        if found is None:
            found = self._next_ms = self._find_next()
        return found

    @property
    def places(self) -> int:
        """In how many places keys stand; more than there are keys, but not many more."""
        return self._count + self._stale

    def set(self, key: Key, deadline_ms: float) -> None:
        """Let the key's timer fire at `deadline_ms`; infinite = never."""
        shard = self._shards[hash(key) % _SHARDS]
        known = shard.get(key)
        if known is None:
            if deadline_ms != _NEVER:
                shard[key] = deadline_ms
                self._count += 1
                self._enter(key, int(deadline_ms))
            return
        if known == deadline_ms:
            return
        stands_ms = known[0] if type(known) is tuple else known
        if deadline_ms >= stands_ms:
            shard[key] = stands_ms if deadline_ms == stands_ms else (stands_ms, deadline_ms)
            if stands_ms == self._next_ms:
                self._next_ms = None
            return
        shard[key] = deadline_ms
        self._enter(key, int(deadline_ms))
        self._stale += 1
        if self._stale > self._count + _STALE_MAX:
            self._purge()

    def peek(self) -> tuple[float, Key] | None:
        """The next timer, its time and key, without taking it out."""
        at_ms = self.next_ms
        if at_ms == _NEVER:
            return None
        due = self._lone(int(at_ms))
        while not self._holds(due[0][1], int(at_ms)):
            heappop(due)
        return at_ms, due[0][1]

    def take(self, now_ms: float) -> tuple[float, Key] | None:
        """Take out the next timer that is due at `now_ms`: its time and key."""
        if self.next_ms > now_ms:
            return None
        first = self.peek()
        assert first is not None
        heappop(self._lone(int(first[0])))
        self._forget(first[1])
        return first

    def take_all(self, now_ms: float) -> tuple[int, list[Key]] | None:
        """Take out all timers of the earliest time, if it is due at `now_ms`."""
        if self.next_ms > now_ms:
            return None
        at_ms = int(self.next_ms)
        span = self._spans[at_ms >> _SPAN_BITS]
        assert heappop(span.times) == at_ms
        held = span.keys.pop(at_ms)
        if type(held) is not list and type(held) is not _Lone:
            self._forget(held)  # alone, or it would not be the next one
            return at_ms, [held]
        keys = []
        for key in _keys_of(held):
            if self._holds(key, at_ms):
                self._forget(key)
                keys.append(key)
        keys.sort(key=key_text)
        return at_ms, keys

    def _forget(self, key: Key) -> None:
        del self._shards[hash(key) % _SHARDS][key]
        self._count -= 1
        self._next_ms = None

    def _enter(self, key: Key, at_ms: int) -> None:
        number = at_ms >> _SPAN_BITS
        span = self._spans.get(number)
        if span is None:
            span = self._spans[number] = _Span()
            heappush(self._numbers, number)
        span.add(key, at_ms)
        if self._next_ms is not None and at_ms < self._next_ms:
            self._next_ms = at_ms

    def _holds(self, key: Key, at_ms: int) -> bool:
        """Whether a key that stands at a time is to fire then; else it leaves that place."""
        shard = self._shards[hash(key) % _SHARDS]
        known = shard.get(key)
        if known == at_ms:
            return True
        if type(known) is not tuple or known[0] != at_ms:
            self._stale -= 1
            return False
        later_ms = known[1]
        if later_ms == _NEVER:
            del shard[key]
            self._count -= 1
        else:
            shard[key] = later_ms
            self._enter(key, int(later_ms))
        return False

    def _find_next(self) -> float:
        while self._numbers:
            span = self._spans[self._numbers[0]]
            while span.times:
                at_ms = span.times[0]
                held = span.keys[at_ms]
                if type(held) is list or type(held) is _Lone:
                    # The last ones first: what is left stays as it is, a heap too.
                    lone = type(held) is _Lone
                    while held and not self._holds(held[-1][1] if lone else held[-1], at_ms):
                        held.pop()
                    if held:
                        return at_ms
                elif self._holds(held, at_ms):
                    return at_ms
                heappop(span.times)
                del span.keys[at_ms]
            del self._spans[heappop(self._numbers)]
        return _NEVER

    def _lone(self, at_ms: int) -> _Lone:
        keys = self._spans[at_ms >> _SPAN_BITS].keys
        held = keys[at_ms]
        if type(held) is not _Lone:
            held = keys[at_ms] = _Lone((key_text(key), key) for key in _keys_of(held))
            heapify(held)
        return held

    def _purge(self) -> None:
        """Look through one span for places that were left behind."""
        if not self._to_purge:
            self._to_purge = list(self._spans)
        span = self._spans.get(self._to_purge.pop())
        if span is None:
            return
        kept = {}
        for at_ms, held in span.keys.items():
            keys = [key for key in dict.fromkeys(_keys_of(held)) if self._stands(key, at_ms)]
            if keys:
                kept[at_ms] = keys
        self._stale -= sum(len(_keys_of(held)) for held in span.keys.values())
        self._stale += sum(map(len, kept.values()))
        span.keys = kept
        span.times = sorted(kept)

    def _stands(self, key: Key, at_ms: int) -> bool:
        known = self._shards[hash(key) % _SHARDS].get(key)
        return bool(known == at_ms or (type(known) is tuple and known[0] == at_ms))


def _keys_of(held: Any) -> Sequence[Key]:
    if type(held) is _Lone:
        return [key for _, key in held]
    return held if type(held) is list else (held,)
