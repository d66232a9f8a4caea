"""The living half of one window rule: its keys, their windows, their timers and its counters.

Keys that are busy are kept as objects; beyond `WINDOW_KEYS_UNPACKED_MAX` the ones that have been
busy for longest are packed into the bytes of `window_state.py`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from summit.base.limits import WINDOW_KEYS_UNPACKED_MAX
from summit.cep.aligned import AlignedWindows
from summit.cep.grouped import GroupedWindows
from summit.cep.match import Match
from summit.cep.sessions import SessionWindows
from summit.cep.trailing import TrailingWindows
from summit.cep.window_keys import NEVER, KeyWindows, Told, Windows
from summit.cep.window_program import WindowProgram
from summit.cep.window_state import (
    WINDOW_STATE_VERSION,
    dump_windows,
    load_windows,
    shrink_windows,
)
from summit.cep.window_timers import WindowTimers
from summit.events.layouts import TypedLayout
from summit.events.times import TIME_MS_MAX, TIME_MS_MIN
from summit.keyed.captured import Captured, Origins, event_ref
from summit.keyed.frontier import BEFORE_ALL_MS
from summit.keyed.keygroups import key_group
from summit.keyed.keys import Key, key_text, key_values
from summit.keyed.packed_keys import PackedKeys

if TYPE_CHECKING:
    from summit.cep.window_rule import WindowRule  # which makes lanes

_SLICE: Final = 2_000  # keys that are looked at, or packed, behind one batch beside those that came


@dataclass(slots=True)
class WindowCounters:
    """What one rule has done and what its limits have cut, since the lane was made.

    Attributes:
        late: Events of windows that were closed.
        rolled: Sessions that reached their size.
    """

    matches: int = 0
    without_key: int = 0
    late: int = 0
    rolled: int = 0
    keys_dropped: int = 0
    events_dropped: int = 0
    values_dropped: int = 0


class WindowLane:
    """Runs one window rule over all its keys; see `keyed.lane.Lane`."""

    state_version = WINDOW_STATE_VERSION

    def __init__(self, rule: WindowRule, layout: TypedLayout, origins: Origins) -> None:
        self.counters = WindowCounters()
        self.dirty: set[Key] = set()
        self._origins = origins
        self._busy: dict[Key, Any] = {}
        self._packed = PackedKeys()
        self._timers = WindowTimers()
        self._size = 0
        self._held: Container[int] | None = None
        self._set_rule(rule, layout)
        self._awaited = self._unseen()

    def _set_rule(self, rule: WindowRule, layout: TypedLayout) -> None:
        self.rule = rule
        self.program = rule.program
        self._windows = new_windows(rule, self.counters)
        self._size_ms = rule.window.size_ms or 0
        self._row = self.program.row_of(layout)
        self._group_of = rule.group_of(layout)
        self._expected = frozenset(rule.expected)
        self._is_trailing = rule.window.is_trailing

    def __len__(self) -> int:
        """Number of keys with state."""
        return len(self._busy) + len(self._packed)

    @property
    def live_runs(self) -> int:
        """Number of keys with windows; where they are compared, of groups."""
        if self.rule.window.by_groups:
            return sum(map(self._windows.size, self._busy.values()))
        return len(self)

    @property
    def is_exact(self) -> bool:
        """Whether time alone can complete something."""
        return not self.rule.window.is_trailing or self.rule.window.on_empty

    @property
    def next_timer_ms(self) -> float:
        """See `Lane`; keys that are expected begin as soon as time does."""
        return BEFORE_ALL_MS if self._awaited else self._timers.next_ms

    def due_ms(self, key: Key) -> float:
        """When something is due for a key without an event; infinite = never."""
        state = self._state(key)
        return NEVER if state is None else self._windows.due_ms(state)

    def counts(self) -> dict[str, int]:
        """The counters by name."""
        self._take_drops()
        counters = self.counters
        dropped = counters.events_dropped + counters.values_dropped
        return {**asdict(counters), "captures_dropped": dropped}

    def _take_drops(self) -> None:
        self.counters.values_dropped += self.program.values_dropped
        self.program.values_dropped = 0

    def replace(self, rule: WindowRule, layout: TypedLayout) -> None:
        """Go on with the same state under a rule of the same `state_id`."""
        self._take_drops()
        for key, state in self._busy.items():
            self._packed[key] = dump_windows(self._windows, state)
        self._busy.clear()
        self._set_rule(rule, layout)
        for key in list(self._packed.oldest())[-WINDOW_KEYS_UNPACKED_MAX // 2 :]:
            self._state(key)
        self._awaited = self._unseen()

    def no_key(self) -> None:
        """Count an event that lacks the key."""
        self.counters.without_key += 1

    # ---- events ----

    def wants(self, key: Key, mask: int, time_ms: int) -> KeyWindows | None:
        """The key's windows; every event of the rule goes in."""
        if not mask & 1:
            return None
        state: KeyWindows | None = self._state(key)
        if state is None:
            state = self._busy[key] = self._windows.new()
            self._awaited.discard(key)
        return state

    def advance(
        self, key: Key, state: Any, event: Captured, mask: int, frontier_ms: float
    ) -> list[Match]:
        """Put one event into the key's windows."""
        windows = self._windows
        row = self._row(event.fields)
        if isinstance(windows, GroupedWindows):
            group = self._group_of(event.fields)
            assert group is not None
            told = windows.take_group(state, group, event, row)
        else:
            told = windows.take(state, event, row)
        self.dirty.add(key)
        # Behind a trailing window's events nothing is due before the window is empty again.
        if not self._is_trailing or state.timer_ms > event.time_ms + self._size_ms:
            self._set_timer(key, state)
        return self._matches(key, told) if told else []

    # ---- time ----

    def fire(self, now_ms: float) -> list[Match] | None:
        """Fire all that is due at the next time; None when nothing is due at `now_ms`."""
        if now_ms < TIME_MS_MIN:
            return None
        if self._awaited:
            self._begin(int(now_ms))
            return []
        taken = self._timers.take(now_ms)
        if taken is None:
            return None
        at_ms, keys = taken
        ends = now_ms >= TIME_MS_MAX
        found: list[tuple[str, list[Match]]] = []
        for key in keys:
            told = self._look(key, at_ms, ends=ends)
            if told:
                found.append((key_text(key), self._matches(key, told)))
        found.sort(key=lambda pair: pair[0])
        return [match for _, matches in found for match in matches]

    def tidy(self, frontier_ms: float) -> None:
        """Forget keys whose windows are empty at the frontier: some, the others next time."""
        if self.is_exact:
            return
        room = _SLICE + 2 * len(self.dirty)  # more than come, so that none are left behind
        while room > 0 and (taken := self._timers.take(frontier_ms, room)) is not None:
            room -= len(taken[1])
            for key in taken[1]:
                self._look(key, taken[0], ends=False)

    def forget_over(self, now_ms: float) -> None:
        """Let what is over by now end without a match: its rule rested when it was due."""
        before = self.counters.matches
        while self.is_exact and self.fire(now_ms) is not None:
            pass
        self.counters.matches = before

    def _look(self, key: Key, at_ms: int, *, ends: bool) -> list[Told]:
        """What is due for a key at a time; a key that has nothing more is forgotten."""
        state = self._state(key)
        if state is None:
            return []
        state.timer_ms = NEVER
        due_ms = self._windows.due_ms(state)
        told: list[Told] = []
        if due_ms <= at_ms:
            told = self._windows.fire(state, at_ms, ends=ends)
            self.dirty.add(key)
            due_ms = self._windows.due_ms(state)
            if due_ms == NEVER or due_ms <= at_ms:
                if key not in self._expected:
                    del self._busy[key]
                return told
        self._set_timer(key, state)
        return told

    def _begin(self, now_ms: int) -> None:
        """Await the expected keys of which nothing has come."""
        for key in sorted(self._awaited, key=key_text):
            state = self._busy[key] = self._windows.new()
            self._windows.begin(state, now_ms)
            self.dirty.add(key)
            self._set_timer(key, state)
        self._awaited.clear()

    def _unseen(self) -> set[Key]:
        """The expected keys that belong here and have no state."""
        return {
            key for key in self._expected
            if self._holds(key) and key not in self._busy and key not in self._packed
        }  # fmt: skip

    def _holds(self, key: Key) -> bool:
        return self._held is None or key_group(key) in self._held

    def hold(self, groups: Container[int] | None) -> None:
        """See `keyed.lane.Begins`."""
        self._held = groups
        self._awaited = self._unseen()

    @property
    def awaited(self) -> frozenset[Key]:
        """The expected keys that begin as soon as time does."""
        return frozenset(self._awaited)

    def _set_timer(self, key: Key, state: KeyWindows) -> None:
        due_ms = self._windows.due_ms(state)
        if due_ms < state.timer_ms:
            state.timer_ms = due_ms
            self._timers.add(key, int(due_ms))

    # ---- keys ----

    def bound(self) -> None:
        """Keep to the limits on keys: drop the oldest beyond the rule's, pack the others."""
        surplus = len(self) - self.rule.plan.limits.keys
        if surplus > 0:
            for key in self._oldest(surplus):
                self.forget(key)
                self.counters.keys_dropped += 1
        surplus = len(self._busy) - WINDOW_KEYS_UNPACKED_MAX
        if surplus > 0:
            surplus += min(_SLICE, WINDOW_KEYS_UNPACKED_MAX // 2)
            for key in list(islice(self._busy, surplus)):
                self._packed[key] = dump_windows(self._windows, self._busy.pop(key))

    def _oldest(self, count: int) -> list[Key]:
        found: list[Key] = []
        for keys in (self._packed.oldest(), self._busy):
            for key in keys:
                if len(found) == count:
                    return found
                if key not in self._expected:
                    found.append(key)
        return found

    def forget(self, key: Key) -> None:
        """Drop a key and its windows, if it has any."""
        gone = self._packed.pop(key)
        if gone is not None or self._busy.pop(key, None) is not None:
            self.dirty.add(key)
            if key in self._expected and self._holds(key):
                self._awaited.add(key)  # it begins anew: its silence is told all the same

    def shrink(self, key: Key) -> bool:
        """See `keyed.lane.Shrinks`."""
        state = self._state(key)
        if state is None or not shrink_windows(self._windows, state):
            return False
        self.dirty.add(key)
        self._set_timer(key, state)
        return True

    def dump(self, key: Key) -> bytes | None:
        """The state of a key as bytes; None = it has none."""
        packed = self._packed.get(key)
        if packed is not None:
            return packed
        state = self._busy.get(key)
        return None if state is None else dump_windows(self._windows, state)

    def load(self, key: Key, data: bytes, version: int) -> None:
        """Set the state of a key. Raises: Corrupt("pattern.state")."""
        state = load_windows(self._windows, data, version, self._origins)
        self.forget(key)
        self.dirty.discard(key)
        self._awaited.discard(key)
        self._set_timer(key, state)
        if len(self._busy) < WINDOW_KEYS_UNPACKED_MAX:
            self._busy[key] = state
        else:
            self._packed[key] = data

    def all_keys(self) -> list[Key]:
        """All keys with state."""
        return [*self._packed, *self._busy]

    def _state(self, key: Key) -> Any:
        """A key's windows as an object; None = it has none."""
        state = self._busy.get(key)
        if state is None and (data := self._packed.pop(key)) is not None:
            state = load_windows(self._windows, data, WINDOW_STATE_VERSION, self._origins)
            state.timer_ms = self._windows.due_ms(state)  # one is set that is not later
            self._busy[key] = state
        return state

    def _matches(self, key: Key, told: Iterable[Told]) -> list[Match]:
        found = [
            Match(
                self.rule.id,
                key_values(key if each.group is None else each.group),
                [("event", event_ref(event)) for event in each.evidence],
                each.first_ms,
                each.at_ms,
                each.timed,
                window=(each.start_ms, each.end_ms),
                count=each.events,
                values=each.values,
            )
            for each in told
        ]
        self.counters.matches += len(found)
        return found


def new_windows(rule: WindowRule, counters: WindowCounters) -> Windows:
    """How the windows of a rule's keys live."""
    plan, program = rule.window, rule.program
    if plan.by_groups:
        return GroupedWindows(program, counters, rule.plan.limits.keys)
    if plan.kind == "session":
        return SessionWindows(program, counters)
    if plan.is_trailing:
        return TrailingWindows(program, counters)
    return AlignedWindows(program, counters)


__all__ = ["WindowCounters", "WindowLane", "WindowProgram", "new_windows"]
