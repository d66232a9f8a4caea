"""One correlation rule over all its keys: open groups, their timers, their bounds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from summit.cep.group_state import dump_groups, load_groups
from summit.cep.groups import CloseReason, Correlation, Group, find_group
from summit.documents.correlation import CorrelationPlan
from summit.keyed.captured import EventRef
from summit.keyed.keys import Key, key_values
from summit.keyed.timers import ExactTimers

_NEVER: Final = float("inf")


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
    """

    taken: int = 0
    without_key: int = 0
    beyond_max: int = 0
    opened: int = 0
    completed: int = 0
    incomplete: int = 0
    evicted: int = 0


class CorrelationLane:
    """Runs one rule over all its keys; what it tells is appended to `told`."""

    def __init__(self, plan: CorrelationPlan) -> None:
        self.plan = plan
        self.counters = CorrelationCounters()
        self.dirty: set[Key] = set()
        self.groups = 0
        self.events = 0
        self._keys: dict[Key, list[Group]] = {}
        # A timer may be too early, because a session goes on; never too late.
        self._timers = ExactTimers()

    def __len__(self) -> int:
        """Number of keys with open groups."""
        return len(self._keys)

    def counts(self) -> dict[str, int]:
        """The counters by name, and how much is open now."""
        return {
            **asdict(self.counters),
            "keys": len(self), "groups": self.groups, "events_kept": self.events,
        }  # fmt: skip

    def take(self, key: Key, event: EventRef, event_type: str, told: list[Correlation]) -> None:
        """Put an event into a group of its key."""
        plan, counters = self.plan, self.counters
        groups = self._keys.setdefault(key, [])
        before = len(groups)
        group, taken_ms = find_group(groups, event.taken_ms, plan)
        if len(groups) > before:
            counters.opened += 1
            self.groups += 1
            self._set_timer(key, groups)
        if taken_ms != event.taken_ms:
            event = _at(event, taken_ms)
        counters.taken += 1
        self.dirty.add(key)
        if group.add(event, plan, event_type):
            self.events += 1
        else:
            counters.beyond_max += 1
        if group.is_full(plan):
            self._close(key, group, "max", told)
        elif not group.is_told and group.is_enough(plan):
            group.is_told = True
            counters.completed += 1
            told.append(group.told(plan, key_values(key), None))
        self._bound(told)

    def fire(self, now_ms: float, told: list[Correlation]) -> None:
        """Close what is over by now, in the order of its end and key."""
        while self.next_timer_ms <= now_ms:
            self._close_next(None, told)

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

    @property
    def soon_ms(self) -> float:
        """No group is over before this time; quicker to tell than when one is."""
        return self._timers.next_ms

    def open_groups(self, key: Key) -> list[Correlation]:
        """The open groups of a key that have enough events."""
        values = key_values(key)
        groups = self._keys.get(key, ())
        return [group.told(self.plan, values, None) for group in groups if group.is_told]

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

    def forget(self, key: Key) -> int:
        """Drop a key's open groups without telling them; gives their number."""
        groups = self._keys.pop(key, ())
        if groups:
            self.groups -= len(groups)
            self.events -= sum(len(group.events) for group in groups)
            self._timers.set(key, _NEVER)
            self.dirty.add(key)
        return len(groups)

    def _bound(self, told: list[Correlation]) -> None:
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
        told.append(group.told(self.plan, key_values(key), reason))

    def _next_over(self, groups: list[Group]) -> Group:
        """The group of a key that is over first."""
        if len(groups) == 1:
            return groups[0]
        return min(groups, key=lambda group: group.over_ms(self.plan))

    def _set_timer(self, key: Key, groups: list[Group]) -> None:
        self._timers.set(key, self._next_over(groups).over_ms(self.plan))


def _at(event: EventRef, taken_ms: int) -> EventRef:
    """The same event, taken at another time."""
    return EventRef(
        event.topic, event.partition, event.offset, event.src, event.timestamp_ms, taken_ms,
        event.value, event.projection,
    )  # fmt: skip
