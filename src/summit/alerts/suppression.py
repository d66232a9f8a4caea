"""Suppression by a rule: an alert stands for those like it that come true within a time. Pure.

The window begins with the alert that stands and is half-open: one that comes true exactly that much
later is a new alert, and the next window begins with it. Kept by rule and key, so that it moves
with the keys of the rule.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

import msgspec

from summit.base.errors import Corrupt
from summit.base.limits import SUPPRESS_KEYS_MAX, SUPPRESS_VALUES_MAX

K = TypeVar("K")


class Standing(NamedTuple):
    """An alert that stands for others.

    Attributes:
        until_ms: Event time at which its window is over.
    """

    alert_id: str
    since_ms: int
    until_ms: int


_encode = msgspec.json.Encoder().encode
_DECODER = msgspec.json.Decoder(dict[str, tuple[str, int, int]])


def dump_held(held: Mapping[str, Standing]) -> bytes | None:
    """What stands for a key, as bytes; None = nothing."""
    return _encode(held) if held else None


def load_held(data: bytes) -> dict[str, Standing]:
    """What `dump_held` made. Raises Corrupt("alert.suppressed")."""
    try:
        held = _DECODER.decode(data)
    except msgspec.MsgspecError as error:
        raise Corrupt("alert.suppressed", reason=str(error)) from error
    return {values: Standing(*each) for values, each in held.items()}


class Suppression(Generic[K]):
    """What stands, by rule and key (any hashable), and there by the values that make alerts alike.

    Args:
        values_max: Values of one key that are remembered; then the oldest goes.

    Attributes:
        dirty: Rules and keys whose state has changed since somebody emptied the set.
        evicted: Alerts that stand no more because there were too many: the next one like them
            fires too early.
    """

    def __init__(self, values_max: int = SUPPRESS_VALUES_MAX) -> None:
        self._values_max = values_max
        self._held: dict[tuple[str, K], dict[str, Standing]] = {}
        self._due: list[tuple[int, int, str, K]] = []
        self._pushed = 0  # keys need not be comparable
        self.dirty: set[tuple[str, K]] = set()
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._held)

    def standing(self, rule: str, key: K, values: str, at_ms: int) -> Standing | None:
        """The alert that stands for one that comes true at `at_ms`; None = it is to fire."""
        found = self._held.get((rule, key), {}).get(values)
        if found is None or at_ms >= found.until_ms:
            return None
        # Far before it, which only disorder brings about, is no repetition of it either.
        return found if at_ms > 2 * found.since_ms - found.until_ms else None

    def stand(self, rule: str, key: K, values: str, standing: Standing) -> None:
        """Let an alert that fires stand for those to come."""
        name = (rule, key)
        held = self._held.setdefault(name, {})
        held[values] = standing
        if len(held) > self._values_max:
            del held[next(iter(held))]
            self.evicted += 1
        self.dirty.add(name)
        self._push(standing.until_ms, rule, key)
        if len(self._held) > SUPPRESS_KEYS_MAX:
            first = next(iter(self._held))
            self.evicted += len(self._held.pop(first))
            self.dirty.add(first)

    def tidy(self, now_ms: float) -> None:
        """Forget what is over; nothing that comes true before `now_ms` may come after this."""
        while self._due and self._due[0][0] <= now_ms:
            _, _, rule, key = heapq.heappop(self._due)
            self._forget(rule, key, lambda standing: standing.until_ms > now_ms)

    def keep_rules(self, rules: Collection[str]) -> None:
        """Forget what stands for rules that are none of these."""
        for rule, key in list(self._held):
            if rule not in rules:
                self._forget(rule, key, lambda _: False)

    def drop(self, gone: Callable[[K], bool]) -> None:
        """Keys go to somebody else, with their state: they are not dirty."""
        for name in [name for name in self._held if gone(name[1])]:
            del self._held[name]
        self.dirty = {name for name in self.dirty if not gone(name[1])}

    def forget(self, rule: str, key: K) -> None:
        """Let nothing stand for a key of a rule."""
        self._forget(rule, key, lambda _: False)

    def end(self, rule: str, key: K, alert_id: str) -> None:
        """An alert is none any more: it stands for nothing."""
        self._forget(rule, key, lambda standing: standing.alert_id != alert_id)

    def held(self, rule: str, key: K) -> Mapping[str, Standing]:
        """What stands for a key of a rule, by values."""
        return self._held.get((rule, key), {})

    def dump(self, rule: str, key: K) -> bytes | None:
        """What stands for a key of a rule, as bytes; None = nothing."""
        return dump_held(self.held(rule, key))

    def load(self, rule: str, key: K, data: bytes) -> None:
        """Set what stands. Raises Corrupt("alert.suppressed")."""
        self.set(rule, key, load_held(data))

    def set(self, rule: str, key: K, held: Mapping[str, Standing]) -> None:
        """Set what stands, as it was saved; nothing is dirty by that."""
        if held:
            self._held[rule, key] = dict(held)
        else:
            self._held.pop((rule, key), None)
        for standing in held.values():
            self._push(standing.until_ms, rule, key)

    def names(self) -> Iterable[tuple[str, K]]:
        """Rules and keys for which something stands."""
        return self._held.keys()

    def _forget(self, rule: str, key: K, stays: Callable[[Standing], bool]) -> None:
        held = self._held.get((rule, key))
        if held is None:
            return
        kept = {values: standing for values, standing in held.items() if stays(standing)}
        if len(kept) == len(held):
            return
        if kept:
            self._held[rule, key] = kept
        else:
            del self._held[rule, key]
        self.dirty.add((rule, key))

    def _push(self, until_ms: int, rule: str, key: K) -> None:
        self._pushed += 1
        heapq.heappush(self._due, (until_ms, self._pushed, rule, key))
