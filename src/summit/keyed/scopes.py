"""Rules that read the same topics have one frontier: their waiting events, and their timers."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Any, Final

from summit.keyed.awake import Awake
from summit.keyed.captured import Keep, capture
from summit.keyed.frontier import Frontier, View
from summit.keyed.lane import Corrects, Lane
from summit.keyed.rule import sees_topic
from summit.keyed.waiting import Interest, WaitLog

_NEVER: Final = float("inf")
_UNKNOWN: Final = float("-inf")


class Scope:
    """What some rules have in common.

    Args:
        view: The frontier of their topics.
        awake: Told which lanes were given an event.

    Attributes:
        exact: Those of the lanes that report an absence, and are not paused.
        correcting: Those of the lanes that put events among others, by identity.
        waiting: Events that wait for the frontier; a heap.
    """

    def __init__(self, view: View, awake: Awake) -> None:
        self.view = view
        self._awake = awake
        self.lanes: list[Lane] = []
        self.exact: list[Lane] = []
        self.correcting: dict[int, Corrects] = {}
        self.waiting: list[Interest] = []
        self._soon_ms = _UNKNOWN

    def allowed_ms(self, topic: str, partition: int) -> float | None:
        """How far the other partitions let F come; None where its rules do not read the topic."""
        reads = sees_topic(self.lanes[0].rule.topics, topic)
        return self.view.others((topic, partition)) if reads else None

    @property
    def next_exact_ms(self) -> float:
        """The next exact timer."""
        return min((lane.next_timer_ms for lane in self.exact), default=_NEVER)

    @property
    def soon_ms(self) -> float:
        """No exact timer is due before this time; known without asking every lane."""
        if self._soon_ms == _UNKNOWN:
            self._soon_ms = self.next_exact_ms
        return self._soon_ms

    def advanced(self, lane: Lane) -> None:
        """A lane was given an event; where its timers are exact, it may have set one."""
        if lane.is_exact and self._soon_ms != _UNKNOWN:
            self._soon_ms = min(self._soon_ms, lane.next_timer_ms)

    def unsettle(self) -> None:
        """Timers were set in another way."""
        self._soon_ms = _UNKNOWN

    def wait(self, item: Interest) -> None:
        """An event more waits."""
        heappush(self.waiting, item)

    def keep(self, items: Iterable[Interest]) -> None:
        """Only these wait."""
        self.waiting = list(items)
        heapify(self.waiting)

    @property
    def next_release_ms(self) -> float:
        """The frontier at which the next waiting event is taken."""
        return self.waiting[0].due_ms + 1 if self.waiting else _NEVER

    def pass_to(
        self,
        now: float,
        log: WaitLog,
        keep: Keep,
        found: list[Any],
    ) -> None:
        """Take the events that the frontier has passed, in order, and fire what is due on the way.

        Args:
            log: Told of events that wait no more.
            found: Takes what comes of them.
        """
        waiting = self.waiting
        while waiting and waiting[0].due_ms < now:
            item = heappop(waiting)
            if self.exact:
                self._fire(item.due_ms, found)
            log.remove(item)
            is_late = item.due_ms > item.waiting.own_ms
            self.take(item, item.due_ms + is_late, keep, found)
        if self.exact:
            self._fire(now, found)

    def take_late(self, item: Interest, log: WaitLog, keep: Keep, found: list[Any]) -> None:
        """Take an event that is behind its partition; where others are behind it too, it waits.

        What the frontier has passed is taken before, so that the event finds everything told
        that it comes too late for, whatever came with it in one batch.
        """
        now = self.view.now
        if item.due_ms >= now:
            self.wait(item)
            log.add(item)
            return
        self.pass_to(now, log, keep, found)
        self.take(item, now, keep, found)

    def take(self, item: Interest, frontier_ms: float, keep: Keep, found: list[Any]) -> None:
        """Give an event to a rule.

        Args:
            frontier_ms: How far its events have been taken; past the event's time, it is late.
        """
        time = item.waiting.own_ms
        self._awake.touch_lane(item.lane)
        held = item.lane.wants(item.key, item.mask, time)
        if held is None:
            return
        event = item.waiting
        captured = capture(
            event.event, event.value, event.headers, (time, time), (event.origin, event.offset),
            keep,
        )  # fmt: skip
        # F may have fallen: an event that is in order in its partition may be behind its key.
        lane = self.correcting.get(id(item.lane))
        if lane is not None and lane.reached_ms(item.key) > time:
            found += lane.correct(item.key, captured, item.mask, frontier_ms)
        else:
            found += item.lane.advance(item.key, held, captured, item.mask, frontier_ms)
        self.advanced(item.lane)

    def _fire(self, now: float, found: list[Any]) -> None:
        """Fire the exact timers up to `now`, in order of time, then of rules, then of keys."""
        while self.soon_ms <= now:
            lane = min(self.exact, key=lambda lane: lane.next_timer_ms)
            fired = lane.fire(now)
            self._soon_ms = _UNKNOWN
            if fired is None:
                return
            found += fired


def make_scopes(
    lanes: Sequence[Lane], frontier: Frontier, awake: Awake, paused: Container[str] = ()
) -> list[Scope]:
    """The scope of each lane; rules that read the same topics share one.

    Args:
        awake: Told which lanes were given an event.
        paused: Ids of rules that raise nothing for now.
    """
    scopes: dict[tuple[str, ...], Scope] = {}
    found = []
    for lane in lanes:
        topics = tuple(sorted(lane.rule.topics))
        if topics not in scopes:
            scopes[topics] = Scope(View(frontier, partial(sees_topic, topics)), awake)
        scope = scopes[topics]
        scope.lanes.append(lane)
        if isinstance(lane, Corrects):
            scope.correcting[id(lane)] = lane
        if lane.is_exact and lane.rule.id not in paused:
            scope.exact.append(lane)
        found.append(scope)
    return found
