"""What the windows of all kinds have in common: groups, their timers, their bounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from heapq import heappop, heappush
from typing import Any, Final, Generic, Protocol, TypeVar

from summit.analytics.found import Found
from summit.analytics.pane import Pane
from summit.analytics.program import Program, pack, unpack
from summit.analytics.watching import Watch, is_watched
from summit.base.errors import Corrupt
from summit.keyed.keys import Key, key_text

NEVER: Final = float("inf")
STATE_VERSION: Final = 1


@dataclass(slots=True)
class WindowCounters:
    """What happened to the events and groups of one query.

    Attributes:
        taken: Events that a window took.
        late: Events that came after all their windows were over.
        partly_late: Events that came after some of them were.
        unassigned: Events between windows that leave gaps.
        dropped: Events that a group had to let go, because of the limit on its events.
        told: Final results.
        corrected: Those of them that told a window anew.
        evicted: Groups told before their time, because of the limit on groups.
        expired: Groups that were silent for too long.
        unwatched: Groups whose detectors and trends had to go, because of the limit on groups.
    """

    taken: int = 0
    late: int = 0
    partly_late: int = 0
    unassigned: int = 0
    dropped: int = 0
    told: int = 0
    corrected: int = 0
    evicted: int = 0
    expired: int = 0
    unwatched: int = 0


class Due(Protocol):
    """State of a group; `due` is when it is looked at next."""

    due: float


S = TypeVar("S", bound=Due)


class Keeper(ABC, Generic[S]):
    """The windows of one query over all its groups.

    `now_ms` is the frontier everywhere: no event of an earlier time will come.

    Attributes:
        dirty: Groups whose state changed; whoever saves state clears it.
        touched: Groups that got events since someone last looked at unfinished windows, in that
            order; None = nobody does.
        ends_by_time: Whether time alone ends every window.
    """

    ends_by_time = True

    def __init__(self, program: Program) -> None:
        self.program = program
        self.plan = program.plan
        self.counters = WindowCounters()
        self.dirty: set[Key] = set()
        self.touched: dict[Key, None] | None = None
        self.states: dict[Key, S] = {}
        self.watches: dict[Key, Watch] = {}
        self._is_watched = is_watched(self.plan)
        if self._is_watched:
            Watch(self.plan)  # which raises now, if numpy is missing
        self._times: list[float] = []
        self._due: dict[float, set[Key]] = {}

    def __len__(self) -> int:
        """Number of groups with state."""
        return len(self.states.keys() | self.watches) if self.watches else len(self.states)

    def counts(self) -> dict[str, int]:
        """The counters by name, and how many groups there are."""
        return {**asdict(self.counters), "groups": len(self)}

    # ---- events and time ----

    @abstractmethod
    def add(self, key: Key, at_ms: int, rows: list[Any], now_ms: float) -> list[Found]:
        """Take events of a group that were all at one time; gives what is told at once."""

    def early_ones(self, now_ms: float, most: int) -> list[Found]:
        """The next window, as it stands, of groups with news; those that waited longest first.

        Of more than `most` the others wait for the next call; none the first time.
        """
        touched = self.touched
        if touched is None:
            self.touched = {}
            return []
        if len(touched) > 2 * len(self.states) + most:  # groups that are no more
            touched = self.touched = {key: None for key in touched if key in self.states}
        found: list[Found] = []
        while touched and len(found) < most:
            touched.pop(key := next(iter(touched)))
            one = self.early(key, now_ms)
            if one is not None:
                found.append(one)
        return found

    @abstractmethod
    def early(self, key: Key, now_ms: float) -> Found | None:
        """A group's window that ends next, as it stands; None = it has none."""

    @abstractmethod
    def _look(self, key: Key, state: S, now_ms: float) -> list[Found]:
        """Tell what is over; sets `due`, or deletes the state."""

    @abstractmethod
    def _rest(self, key: Key, state: S) -> list[Found]:
        """What a group that goes before its time has to tell."""

    @property
    def next_ms(self) -> float:
        """When the next group is looked at; infinite = never."""
        times = self._times
        while times and not self._due.get(times[0]):
            self._due.pop(heappop(times), None)
        return times[0] if times else NEVER

    def fire(self, now_ms: float) -> list[Found] | None:
        """Look at the groups that are due first; None when none is due at `now_ms`."""
        due = self.next_ms
        if due > now_ms or due == NEVER:
            return None
        keys = self._due.pop(due)
        heappop(self._times)
        found: list[Found] = []
        for key in sorted(keys, key=key_text):
            state = self.states.get(key)
            watch = self.watches.get(key)
            if watch is not None and watch.due == due:
                self._look_at_watch(key, watch, due)
            if state is None or state.due != due:
                continue
            self.dirty.add(key)
            found += self._look(key, state, due)
            if self.states.get(key) is state:
                self._set(key, state)
        return found

    def fire_all(self, now_ms: float) -> list[Found]:
        """Look at all groups that are due at `now_ms`, in order of time and key."""
        told: list[Found] = []
        while (found := self.fire(now_ms)) is not None:
            told += found
        return told

    def finish(self) -> list[Found]:
        """Tell everything: the stream has ended. What no time would have closed is partial."""
        told = self.fire_all(NEVER) if self.ends_by_time else []
        for key in sorted(self.states, key=key_text):
            told += self._rest(key, self.states[key])
            self.forget(key)
        return told

    def bound(self) -> list[Found]:
        """Keep to the limit on groups: those without news for longest are told and go."""
        told: list[Found] = []
        while len(self.states) > self.plan.groups_max:
            key = next(iter(self.states))
            told += self._rest(key, self.states[key])
            self.forget(key)
            self.counters.evicted += 1
        while len(self.watches) > self.plan.groups_max:
            self.dirty.add(key := next(iter(self.watches)))
            del self.watches[key]
            self.counters.unwatched += 1
        return told

    # ---- state ----

    def all_keys(self) -> list[Key]:
        """All groups with state."""
        return [*self.states, *(key for key in self.watches if key not in self.states)]

    def forget(self, key: Key) -> None:
        """Drop a group, if it has state."""
        watch = self.watches.pop(key, None)
        if self.states.pop(key, None) is not None or watch is not None:
            self.dirty.add(key)

    def dump(self, key: Key) -> bytes | None:
        """The state of a group as bytes of version `STATE_VERSION`; None = it has none."""
        state, watch = self.states.get(key), self.watches.get(key)
        if state is None and watch is None:
            return None
        return pack([
            None if state is None else self._dump(state),
            None if watch is None else watch.dump(),
        ])  # fmt: skip

    def load(self, key: Key, data: bytes, version: int) -> None:
        """Set the state of a group. Raises: Corrupt("query.state")."""
        if version != STATE_VERSION:
            known = f"version {STATE_VERSION} is known here"
            raise Corrupt("query.state", reason=f"it is of version {version}, and {known}")
        watch: Watch | None = None
        try:
            windows, watched = unpack(data)
            state = None if windows is None else self._load(windows)
            if watched is not None and self._is_watched:
                watch = Watch(self.plan)
                watch.load(watched)
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise Corrupt("query.state", reason=str(error)) from error
        self.forget(key)
        self.dirty.discard(key)
        if state is not None:
            self.states[key] = state
            self._set(key, state)
        if watch is not None:
            self.watches[key] = watch
            watch.due = watch.last_ms + self.plan.idle_ms
            self._at(watch.due, key)

    @abstractmethod
    def _dump(self, state: S) -> list[Any]: ...

    @abstractmethod
    def _load(self, plain: list[Any]) -> S: ...

    def replace(self, program: Program) -> None:
        """Go on with the same groups under a query that means the same."""
        self.program = program
        self.plan = program.plan

    # ---- for the kinds ----

    def _set(self, key: Key, state: S) -> None:
        """Look at the group when it is due."""
        if state.due != NEVER:
            self._at(state.due, key)

    def _at(self, due: float, key: Key) -> None:
        keys = self._due.get(due)
        if keys is None:
            keys = self._due[due] = set()
            heappush(self._times, due)
        keys.add(key)

    def _note(self, key: Key, count: int) -> None:
        """Note that a group took events."""
        self.counters.taken += count
        self.dirty.add(key)
        if self.touched is not None:
            self.touched[key] = None

    def _tell(
        self, key: Key, start_ms: int, end_ms: int, pane: Pane, *, final: bool = True,
        revision: int = 0, partial: bool = False, replaces: tuple[tuple[int, int], ...] = (),
    ) -> Found:  # fmt: skip
        """The metrics of a window."""
        values, approximate = self.program.metrics(pane, end_ms - start_ms)
        watched: dict[str, Any] = {}
        nth = 0
        if final:
            self.counters.told += 1
            self.counters.corrected += revision > 0
            if self._is_watched and not revision and not partial:
                watched, nth = self._watch(key, start_ms, end_ms, values)
        return Found(
            key=key, start_ms=start_ms, end_ms=end_ms, count=pane.count, metrics=values,
            final=final, revision=revision, partial=partial, replaces=replaces,
            approximate=approximate, watched=watched, nth=nth,
        )  # fmt: skip

    def _watch(
        self, key: Key, start_ms: int, end_ms: int, values: dict[str, Any]
    ) -> tuple[dict[str, Any], int]:
        watch = self.watches.pop(key, None)
        if watch is None:
            watch = Watch(self.plan)
            watch.due = end_ms + self.plan.idle_ms
            self._at(watch.due, key)
        self.watches[key] = watch  # the last one now
        self.dirty.add(key)
        return watch.see(self.plan, start_ms, end_ms, values), watch.nth

    def _look_at_watch(self, key: Key, watch: Watch, now_ms: float) -> None:
        """Forget what was learned of a group that has been silent for too long."""
        watch.due = watch.last_ms + self.plan.idle_ms
        if watch.due > now_ms:
            self._at(watch.due, key)
            return
        del self.watches[key]
        self.dirty.add(key)
        self.counters.expired += 1


def plain_panes(program: Program, panes: dict[int, Pane]) -> list[tuple[int, Any]]:
    """Panes by number as plain values, in order."""
    return [(number, program.dump(pane)) for number, pane in sorted(panes.items())]
