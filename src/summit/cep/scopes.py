"""Rules that read the same topics have one frontier: their waiting events, and their timers."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final

from summit.cep.frontier import Frontier, View
from summit.cep.keys import Key
from summit.cep.lane import Lane
from summit.cep.making import capture, make_match
from summit.cep.match import Match
from summit.cep.runs import Run
from summit.cep.waiting import Interest, WaitLog

_NEVER: Final = float("inf")


class Scope:
    """What some rules have in common.

    Args:
        view: The frontier of their topics.

    Attributes:
        exact: Those of the lanes that report an absence, and are not paused.
        waiting: Events that wait for the frontier; a heap.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.lanes: list[Lane] = []
        self.exact: list[Lane] = []
        self.waiting: list[Interest] = []

    @property
    def next_exact_ms(self) -> float:
        """The next exact timer."""
        return min((lane.next_timer_ms for lane in self.exact), default=_NEVER)

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
        return self.waiting[0].own_ms + 1 if self.waiting else _NEVER

    def pass_to(
        self,
        now: float,
        log: WaitLog,
        project: Callable[[object], bytes],
        found: list[Match],
    ) -> None:
        """Take the events that the frontier has passed, in order, and fire what is due on the way.

        Args:
            log: Told of events that wait no more.
            found: Takes the matches.
        """
        waiting = self.waiting
        while waiting and waiting[0].own_ms < now:
            item = heappop(waiting)
            time = item.own_ms
            if self.exact:
                self._fire(time, found)
            log.remove(item)
            runs = item.lane.wants(item.key, item.mask, time)
            if runs is not None:
                event = item.waiting
                captured = capture(
                    event.event, event.value, event.headers, (time, time),
                    (event.origin, event.offset), project,
                )  # fmt: skip
                matches = item.lane.advance(item.key, runs, captured, item.mask, time)
                if matches:
                    emit(found, item.lane, item.key, matches)
        if self.exact:
            self._fire(now, found)

    def _fire(self, now: float, found: list[Match]) -> None:
        """Fire the exact timers up to `now`, in order of time, then of rules, then of keys."""
        while True:
            lane = min(self.exact, key=lambda lane: lane.next_timer_ms)
            deadline = lane.next_timer_ms
            fired = lane.fire(now)
            if fired is None:
                return
            key, matches = fired
            if matches:
                emit(found, lane, key, matches, at_ms=int(deadline))


def make_scopes(
    lanes: Sequence[Lane], frontier: Frontier, paused: Container[str] = ()
) -> list[Scope]:
    """The scope of each lane; rules that read the same topics share one.

    Args:
        paused: Ids of rules that raise nothing for now.
    """
    scopes: dict[tuple[str, ...], Scope] = {}
    found = []
    for lane in lanes:
        topics = tuple(sorted(lane.rule.plan.topics))
        if topics not in scopes:
            scopes[topics] = Scope(View(frontier, lane.rule.sees_topic))
        scope = scopes[topics]
        scope.lanes.append(lane)
        if lane.exact is not None and lane.rule.plan.id not in paused:
            scope.exact.append(lane)
        found.append(scope)
    return found


def emit(
    found: list[Match], lane: Lane, key: Key, runs: list[Run], at_ms: int | None = None
) -> None:
    """Add the matches that some runs are."""
    found += [make_match(lane, key, run, at_ms) for run in runs]
