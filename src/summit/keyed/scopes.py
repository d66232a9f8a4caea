"""Rules that read the same topics have one frontier: their waiting events, and their timers."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from functools import partial
from typing import Any, Final

from summit.keyed.awake import Awake
from summit.keyed.captured import Keep, capture
from summit.keyed.frontier import Frontier, View
from summit.keyed.in_order import InOrder
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
        waiting: Events that wait for the frontier.
    """

    def __init__(self, view: View, awake: Awake) -> None:
        self.view = view
        self._awake = awake
        self.lanes: list[Lane] = []
        self.exact: list[Lane] = []
        self.correcting: dict[int, Corrects] = {}
        self.waiting: InOrder[Interest] = InOrder()
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
        if lane.is_exact and (next_ms := lane.next_timer_ms) < self._soon_ms:
            self._soon_ms = next_ms

    def unsettle(self) -> None:
        """Timers were set in another way."""
        self._soon_ms = _UNKNOWN

    @property
    def next_release_ms(self) -> float:
        """The frontier at which the next waiting event is taken."""
        return self.waiting.first_ms + 1

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
        self._take(self.waiting.take(now), log, keep, found)
        if self.exact:
            self._fire(now, found)

    def take_late(self, item: Interest, log: WaitLog, keep: Keep, found: list[Any]) -> None:
        """Take an event that is behind its partition; where others are behind it too, it waits.

        What the frontier has passed is taken before, so that the event finds everything told
        that it comes too late for, whatever came with it in one batch.
        """
        now = self.view.now
        if item.due_ms >= now:
            self.waiting.add(item)
            log.add(item)
            return
        self.pass_to(now, log, keep, found)
        self._take((item,), None, keep, found, now)

    def _take(
        self,
        items: Iterable[Interest],
        log: WaitLog | None,
        keep: Keep,
        found: list[Any],
        taken_ms: float | None = None,
    ) -> None:
        """Give events to their rules, and fire what is due before each.

        Args:
            log: Told that they wait no more; None = they did not.
            taken_ms: How far events have been taken, where that is not told by what is due; past
                an event's time, it is late.
        """
        exact, correcting = self.exact, self.correcting
        saving = log if log is not None and log.is_on else None
        touched = None
        for item in items:
            due_ms, _, offset, _, lane, key, mask, event, _ = item
            if exact and self._soon_ms <= due_ms:  # so it is, too, where it is not known
                self._fire(due_ms, found)
            if saving is not None:
                saving.remove(item)
            time = event.own_ms
            if lane is not touched:
                self._awake.touch_lane(lane)
                touched = lane
            held = lane.wants(key, mask, time)
            if held is None:
                continue
            captured = capture(
                event.event, event.value, event.headers, (time, time), (event.origin, offset), keep
            )
            frontier_ms = due_ms + (due_ms > time) if taken_ms is None else taken_ms
            # F may have fallen: what is in order in its partition may be behind its key.
            behind = correcting.get(id(lane)) if correcting else None
            if behind is not None and behind.reached_ms(key) > time:
                found += behind.correct(key, captured, mask, frontier_ms)
            else:
                found += lane.advance(key, held, captured, mask, frontier_ms)
            if exact:
                self.advanced(lane)

    def _fire(self, now: float, found: list[Any]) -> None:
        """Fire the exact timers up to `now`, in order of time, then of rules, then of keys."""
        while self.soon_ms <= now:
            lane = min(self.exact, key=_next_of)
            fired = lane.fire(now)
            if len(self.exact) == 1:
                while fired is not None:
                    found += fired
                    fired = lane.fire(now)
                self._soon_ms = lane.next_timer_ms
                return
            self._soon_ms = _UNKNOWN
            if fired is None:
                return
            found += fired


def _next_of(lane: Lane) -> float:
    return lane.next_timer_ms


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
