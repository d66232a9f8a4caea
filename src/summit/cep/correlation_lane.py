"""The living half of one correlation rule: its keys' open groups, their timers, their bounds.

A group is closed when F, the frontier of the rule's topics, reaches its end, before the events of
that time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from summit.cep.group_state import GROUP_STATE_VERSION, dump_groups, load_groups
from summit.cep.groups import CloseReason, Correlation, Group, find_group
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Captured, EventRef, event_ref
from summit.keyed.exact_timers import ExactTimers
from summit.keyed.keys import Key, key_values

if TYPE_CHECKING:
    from summit.cep.correlation_rules import CorrelationRule  # which makes lanes

_NEVER: Final = float("inf")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(slots=True)
class CorrelationCounters:
    """What happened to the groups of one rule.

    Attributes:
        taken: Events that a group took.
        without_key: Events that lack the key.
        beyond_max: Events that were counted and not kept (`onMax: cap`).
        opened: Groups.
        completed: Groups that had enough events.
        incomplete: Groups that were closed without.
        evicted: Groups closed before their time, because of the rule's limits.
        values_cut: Events of which only the place, type and id are kept: there were too many.
    """

    taken: int = 0
    without_key: int = 0
    beyond_max: int = 0
    opened: int = 0
    completed: int = 0
    incomplete: int = 0
    evicted: int = 0
    values_cut: int = 0


class CorrelationLane:
    """Runs one rule over all its keys; see `keyed.lane.Lane`.

    Attributes:
        watcher: Called with each group that closes, told or not, and why; for explanations.
    """

    state_version = GROUP_STATE_VERSION
    is_exact = True

    def __init__(self, rule: CorrelationRule, layout: TypedLayout) -> None:
        self.rule = rule
        self.plan = rule.plan
        self._type_of = rule.type_of(layout)
        self.counters = CorrelationCounters()
        self.dirty: set[Key] = set()
        self.groups = 0
        self.events = 0
        self.watcher: Callable[[Key, Group, CloseReason], None] | None = None
        self._keys: dict[Key, list[Group]] = {}
        # A timer may be too early, because a session goes on; never too late.
        self._timers = ExactTimers()

    def __len__(self) -> int:
        """Number of keys with open groups."""
        return len(self._keys)

    def counts(self) -> dict[str, int]:
        """The counters by name."""
        return asdict(self.counters)

    @property
    def live_runs(self) -> int:
        """Number of open groups."""
        return self.groups

    def replace(self, rule: CorrelationRule, layout: TypedLayout) -> None:
        """Go on with the same groups under a rule that means the same."""
        self.rule = rule
        self.plan = rule.plan
        self._type_of = rule.type_of(layout)

    def no_key(self) -> None:
        """Count an event that lacks the key."""
        self.counters.without_key += 1

    def wants(self, key: Key, mask: int, time_ms: int) -> Sequence[Group] | None:
        """The open groups of a key; a rule takes every event of its types."""
        return self._keys.get(key, ()) if mask else None

    def advance(
        self, key: Key, held: Sequence[Group], event: Captured, mask: int, frontier_ms: float
    ) -> list[Correlation]:
        """Put an event into a group of its key; gives what that tells."""
        plan, counters = self.plan, self.counters
        told: list[Correlation] = []
        groups = self._keys.setdefault(key, [])
        before = len(groups)
        group, taken_ms = find_group(groups, event.time_ms, plan)
        if len(groups) > before:
            counters.opened += 1
            self.groups += 1
            self._set_timer(key, groups)
        counters.taken += 1
        self.dirty.add(key)
        if group.add(event_ref(event, taken_ms), plan, self._type_of(event.fields)):
            self.events += 1
        else:
            counters.beyond_max += 1
        if group.is_full(plan):
            self._close(key, group, "max", told)
        elif not group.is_told and group.is_enough(plan):
            group.is_told = True
            counters.completed += 1
            told.append(self._told(key, group, None))
        self._evict(told)
        return told

    def fire(self, now_ms: float) -> list[Correlation] | None:
        """Close the group that is over first; None when none is over at `now_ms`."""
        if self.next_timer_ms > now_ms:
            return None
        told: list[Correlation] = []
        self._close_next(None, told)
        return told

    def forget_over(self, now_ms: float) -> None:
        """Close what is over by now and tell nothing of it; counted as incomplete."""
        while (told := self.fire(now_ms)) is not None:
            self.counters.completed -= len(told)
            self.counters.incomplete += len(told)

    def tidy(self, frontier_ms: float) -> None:
        """Nothing: timers are exact."""

    def bound(self) -> None:
        """Nothing: limits are kept with every event."""

    @property
    def next_timer_ms(self) -> float:
        """When the next group is over; infinite when none is open."""
        while (first := self._timers.peek()) is not None:
            at_ms, key = first
            end_ms = self._next_over(self._keys[key]).over_ms(self.plan)
            if end_ms == at_ms:
                return at_ms
            self._timers.set(key, end_ms)
        return _NEVER

    def open_groups(self, key: Key) -> list[Correlation]:
        """The open groups of a key that have enough events."""
        groups = self._keys.get(key, ())
        return [self._told(key, group, None) for group in groups if group.is_told]

    def all_groups(self) -> list[tuple[Key, Group]]:
        """All open groups, told or not, with the key of their state."""
        return [(key, group) for key, groups in self._keys.items() for group in groups]

    def all_keys(self) -> list[Key]:
        """All keys with open groups."""
        return list(self._keys)

    def dump(self, key: Key) -> bytes | None:
        """The open groups of a key as bytes; None = it has none."""
        groups = self._keys.get(key)
        return None if groups is None else dump_groups(groups)

    def load(self, key: Key, data: bytes, version: int) -> None:
        """Set the open groups of a key. Raises: Corrupt("correlation.state")."""
        groups = load_groups(data, version)
        self.forget(key)
        self.dirty.discard(key)
        if groups:
            self._keys[key] = groups
            self.groups += len(groups)
            self.events += sum(len(group.events) for group in groups)
            self._set_timer(key, groups)

    def shrink(self, key: Key) -> bool:
        """See `keyed.lane.Shrinks`: of events only the place, the type and the id are kept."""
        cut = 0
        for group in self._keys.get(key, ()):
            short = [_without_value(event) for event in group.events]
            cut += sum(one is not other for one, other in zip(short, group.events, strict=True))
            group.events = short
        if cut:
            self.counters.values_cut += cut
            self.dirty.add(key)
        return cut > 0

    def forget(self, key: Key) -> None:
        """Drop a key's open groups without telling them."""
        groups = self._keys.pop(key, ())
        if groups:
            self.groups -= len(groups)
            self.events -= sum(len(group.events) for group in groups)
            self._timers.set(key, _NEVER)
            self.dirty.add(key)

    def _evict(self, told: list[Correlation]) -> None:
        """Keep to the limits: close what would be over first."""
        plan = self.plan
        while self.groups > plan.groups_max or self.events > plan.events_max:
            assert self.next_timer_ms != _NEVER  # which also finds the group
            self.counters.evicted += 1
            self._close_next("evicted", told)

    def _close_next(self, reason: CloseReason | None, told: list[Correlation]) -> None:
        """Close the group that is over first; without a reason, for its own."""
        first = self._timers.peek()
        assert first is not None
        group = self._next_over(self._keys[first[1]])
        self._close(first[1], group, reason or group.why_over(self.plan), told)

    def _close(self, key: Key, group: Group, reason: CloseReason, told: list[Correlation]) -> None:
        groups = self._keys[key]
        groups.remove(group)
        self.groups -= 1
        self.events -= len(group.events)
        self.dirty.add(key)
        if self.watcher is not None:
            self.watcher(key, group, reason)
        if groups:
            self._set_timer(key, groups)
        else:
            del self._keys[key]
            self._timers.set(key, _NEVER)
        if not group.is_enough(self.plan):
            self.counters.incomplete += 1
            return
        if not group.is_told:
            self.counters.completed += 1
        told.append(self._told(key, group, reason))

    def _told(self, key: Key, group: Group, reason: CloseReason | None) -> Correlation:
        """A group as it is told."""
        return group.told(self.plan, key_values(key), reason)

    def _next_over(self, groups: list[Group]) -> Group:
        """The group of a key that is over first."""
        if len(groups) == 1:
            return groups[0]
        return min(groups, key=lambda group: group.over_ms(self.plan))

    def _set_timer(self, key: Key, groups: list[Group]) -> None:
        self._timers.set(key, self._next_over(groups).over_ms(self.plan))


def _without_value(event: EventRef) -> EventRef:
    """The same event by its place, with its type and id only."""
    if event.value is None:
        return event
    body = _decode(event.value)
    known = {name: body[name] for name in ("eventType", "eventId") if body.get(name) is not None}
    short = _encode(known)
    if len(short) >= len(event.value):
        return event
    return msgspec.structs.replace(event, value=None, projection=short)
