"""Groups of one key of a correlation rule: which one takes an event, and when each is over.

A key may have several open groups while its partitions are not equally far. They stand in the
order of their starts. An event joins the first one whose time it falls into. One that is older
than a group's first event, because its partition is behind, joins that group as if it had come
with the first event, if it is near enough for both to be in one group; then it moves no limit.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from summit.documents.correlation import CorrelationPlan
from summit.events.windows import joins_session, within
from summit.keyed.captured import EventRef

CloseReason = Literal["window", "gap", "max", "evicted", "merged"]
Place = tuple[str, int, int]  # topic, partition, offset


class EntityTold(NamedTuple):
    """Something that events of a group share.

    Attributes:
        kind: As the rule calls it, such as `user`.
        borne: How many events of the group bear it.
        is_hub: Whether it brings nothing more into the group.
    """

    kind: str
    value: Any
    borne: int
    first_ms: int
    last_ms: int
    is_hub: bool


class LinkTold(NamedTuple):
    """Why an event is in its group: it shares something with one that was there."""

    kind: str
    value: Any
    source: Place
    target: Place


class Correlation(msgspec.Struct, frozen=True, gc=False):
    """A group as it is told: when it has enough events, and when it is closed.

    Attributes:
        key: Values of the key, in the order of its parts.
        events: In the order in which they were taken.
        count: Of all events; more than those kept where `onMax` is `cap`.
        start_ms: When its first event was taken.
        end_ms: The latest time at which one was taken.
        close_reason: `window` (its time is over), `gap` (its session is), `max` (it has maxEvents),
            `evicted` (the rule had more open groups than its limits), `merged` (an event has linked
            it to an older group); None = it is still open.
        again: Whether it was told before, when it had enough events.
        entities: What the events of a linked group share, in the order in which it came up.
        links: Why each event is in a linked group; together they connect all of them.
        into: The first event of the group that this one went into.
    """

    rule_id: str
    key: tuple[object, ...]
    events: tuple[EventRef, ...]
    count: int
    start_ms: int
    end_ms: int
    close_reason: CloseReason | None = None
    again: bool = False
    entities: tuple[EntityTold, ...] = ()
    links: tuple[LinkTold, ...] = ()
    into: EventRef | None = None


class Group:
    """One open group.

    Attributes:
        seen: Which of the required types it has, a bit for each in the order of the plan.
        is_told: Whether it had enough events.
    """

    __slots__ = ("count", "end_ms", "events", "is_told", "seen", "start_ms")

    def __init__(self, start_ms: int) -> None:
        self.start_ms = start_ms
        self.end_ms = start_ms
        self.count = 0
        self.seen = 0
        self.is_told = False
        self.events: list[EventRef] = []

    def add(self, event: EventRef, plan: CorrelationPlan, event_type: str) -> bool:
        """Take one event; says whether it is kept."""
        self.count += 1
        self.end_ms = max(self.end_ms, event.taken_ms)
        if event_type in plan.require_types:
            self.seen |= 1 << plan.require_types.index(event_type)
        if len(self.events) >= plan.max_events:
            return False
        self.events.append(event)
        return True

    def is_enough(self, plan: CorrelationPlan) -> bool:
        """Whether it has the events for which it is told."""
        return self.count >= plan.min_events and self.seen == (1 << len(plan.require_types)) - 1

    def is_full(self, plan: CorrelationPlan) -> bool:
        """Whether it closes because of its number of events."""
        return not plan.caps and self.count >= plan.max_events

    def over_ms(self, plan: CorrelationPlan) -> int:
        """When it is over: the first time that is outside."""
        window_ms, gap_ms = plan.window_ms, plan.gap_ms
        if gap_ms is None:
            assert window_ms is not None  # every rule has one of the two
            return self.start_ms + window_ms
        by_gap = self.end_ms + gap_ms + 1
        return by_gap if window_ms is None else min(by_gap, self.start_ms + window_ms)

    def why_over(self, plan: CorrelationPlan) -> CloseReason:
        """What ends it then."""
        by_window = None if plan.window_ms is None else self.start_ms + plan.window_ms
        return "window" if by_window == self.over_ms(plan) else "gap"

    def told(self, plan: CorrelationPlan, key: tuple[object, ...], reason: CloseReason | None
             ) -> Correlation:  # fmt: skip
        """As it is told."""
        return Correlation(
            plan.id, key, tuple(self.events), self.count, self.start_ms, self.end_ms, reason,
            again=reason is not None and self.is_told,
        )  # fmt: skip


def find_group(groups: list[Group], time_ms: int, plan: CorrelationPlan) -> tuple[Group, int]:
    """The group that takes an event of a time, a new one where none does, and when it takes it."""
    for group in groups:
        if takes(group, time_ms, plan):
            return group, max(time_ms, group.start_ms)
    opened = Group(time_ms)
    place = sum(group.start_ms <= time_ms for group in groups)
    groups.insert(place, opened)
    return opened, time_ms


def takes(group: Group, time_ms: int, plan: CorrelationPlan) -> bool:
    """Whether an event of a time may be in a group."""
    if time_ms < group.start_ms:
        return _is_near(time_ms, group.start_ms, plan)
    return time_ms < group.over_ms(plan)


def _is_near(time_ms: int, start_ms: int, plan: CorrelationPlan) -> bool:
    """Whether an event that is older than a group may be in it."""
    if plan.gap_ms is not None and not joins_session(time_ms, start_ms, plan.gap_ms):
        return False
    return plan.window_ms is None or within(time_ms, start_ms, plan.window_ms)
