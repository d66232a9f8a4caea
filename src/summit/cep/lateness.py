"""Rules with `allowedLateness`: late events count, and what was told before is corrected.

A late event changes what a rule would have made of everything behind it. So the state of each key
is kept twice, as of now and as of `lateness` ago, with the events in between: with a late event
they are gone through again in the order of time, and what comes out is compared with what was told.
What is new is told as late, what has changed as a correction, what is no more as withdrawn.

How late is too late, where F is how far time has come: an event of a window that ends (tumbling,
with a slide, session) when that end plus the lateness is at most F; of any other rule an event
whose own time plus the lateness is before F.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from summit.base.errors import Corrupt
from summit.base.limits import LATE_BYTES_MAX, LATE_EVENTS_MAX
from summit.cep.late_keys import Kept, Row
from summit.cep.late_state import LATE_STATE_ID_END, LATE_STATE_VERSION, dump_late, load_late
from summit.cep.match import Match
from summit.cep.window_lane import WindowLane
from summit.cep.window_rule import WindowRule
from summit.documents.plan import PatternPlan
from summit.events.event import Transport
from summit.events.expressions.ir import Node, Path
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Captured, Origins
from summit.keyed.keys import GLOBAL_KEY, Key, make_key
from summit.keyed.lane import Shrinks
from summit.keyed.outputs import Late
from summit.keyed.rule import KeyOf
from summit.keyed.tidy_timers import TidyTimers

if TYPE_CHECKING:
    from summit.cep.rules import PatternRule  # which makes these

NEVER = float("inf")


class LateRule:
    """A rule that allows for late events; a `keyed.rule.KeyedRule`.

    Args:
        inner: The rule without that.
    """

    def __init__(self, inner: PatternRule | WindowRule) -> None:
        self.inner = inner
        self.plan: PatternPlan = inner.plan
        self.id = inner.id
        self.state_id = inner.state_id + LATE_STATE_ID_END
        self.lateness_ms = inner.plan.lateness_ms
        self.topics: Sequence[str] = inner.topics
        self.group_by: Sequence[Path] = inner.group_by
        self.where: Node | None = inner.where
        self.bits: Sequence[Node] = inner.bits
        self.types = inner.types
        self.sees_all = inner.sees_all
        window = inner.plan.window
        self._window = window
        self._by_groups = window is not None and window.by_groups

    def fields(self) -> Iterator[Path]:
        """See `KeyedRule`."""
        return self.inner.fields()

    def key_of(self, layout: TypedLayout) -> KeyOf:
        """See `KeyedRule`."""
        return self.inner.key_of(layout)

    def new_lane(self, layout: TypedLayout, origins: Origins) -> LateLane:
        """See `KeyedRule`."""
        return LateLane(self, layout, origins)

    def key_of_match(self, match: Match) -> Key:
        """Under which key the state of a match's rule is."""
        key = GLOBAL_KEY if self._by_groups else make_key(match.key)
        assert key is not None
        return key

    def last_end_ms(self, time_ms: int) -> int | None:
        """The end of the last window that holds a time, where it does not depend on others."""
        window = self._window
        if window is None or window.kind == "session" or window.is_trailing:
            return None
        assert window.size_ms is not None
        slide = window.slide_ms or window.size_ms
        return time_ms // slide * slide + window.size_ms

    @property
    def is_session(self) -> bool:
        """Whether its windows are sessions."""
        return self._window is not None and self._window.kind == "session"


@dataclass(slots=True)
class LateCounters:
    """What came of late events, since the lane was made.

    Attributes:
        late: Events that came too late.
        late_taken: Events that were late and counted.
        late_new: Matches that came true by them.
        corrected: Matches that were told anew.
        withdrawn: Matches that were told and are none.
        settled_early: How often events were let go before their time, because of the limit.
    """

    late: int = 0
    late_taken: int = 0
    late_new: int = 0
    corrected: int = 0
    withdrawn: int = 0
    settled_early: int = 0


class LateLane:
    """See the module, and `keyed.lane.Lane`."""

    state_version = LATE_STATE_VERSION

    def __init__(self, rule: LateRule, layout: TypedLayout, origins: Origins) -> None:
        self.counters = LateCounters()
        self._origins = origins
        self._live: Any = rule.inner.new_lane(layout, origins)
        self._kept: dict[Key, Kept] = {}
        self._expects_late = True
        self._set_rule(rule, layout)

    def _set_rule(self, rule: LateRule, layout: TypedLayout) -> None:
        self.rule = rule
        self._layout = layout
        # Goes through the past of one key at a time.
        self._again: Any = rule.inner.new_lane(layout, self._origins)
        if isinstance(self._again, WindowLane):
            self._again.hold(())  # expected keys begin once, in the state of now
        self._timers = TidyTimers(rule.lateness_ms)
        for key in self._kept:
            self._timers.add(key, 0)

    @property
    def dirty(self) -> set[Key]:
        """See `Lane`."""
        found: set[Key] = self._live.dirty
        return found

    @dirty.setter
    def dirty(self, keys: set[Key]) -> None:
        self._live.dirty = keys

    @property
    def is_exact(self) -> bool:
        """See `Lane`."""
        return bool(self._live.is_exact)

    @property
    def live_runs(self) -> int:
        """See `Lane`."""
        return int(self._live.live_runs)

    @property
    def next_timer_ms(self) -> float:
        """See `Lane`."""
        return float(self._live.next_timer_ms)

    def __len__(self) -> int:
        return max(len(self._live), len(self._kept))

    def counts(self) -> dict[str, int]:
        """See `Lane`."""
        found: dict[str, int] = self._live.counts()
        mine = asdict(self.counters)
        matches = found["matches"] + self.counters.late_new
        return {**found, **mine, "late": found.get("late", 0) + mine["late"], "matches": matches}

    def no_key(self) -> None:
        """See `Lane`."""
        self._live.no_key()

    # ---- events ----

    def hold(self, groups: Container[int] | None) -> None:
        """See `keyed.lane.Begins`."""
        if isinstance(self._live, WindowLane):
            self._live.hold(groups)

    def expect_late(self, *, expected: bool) -> None:
        """See `keyed.lane.Corrects`."""
        self._expects_late = expected
        if not expected:
            self.dirty |= self._kept.keys()
            self._kept.clear()

    def wants(self, key: Key, mask: int, time_ms: int) -> Any:
        """Every event of the rule: one that changes nothing now may, when another comes late."""
        if not self._expects_late:
            return self._live.wants(key, mask, time_ms)
        return True if mask or self.rule.sees_all else None

    def advance(
        self, key: Key, held: Any, event: Captured, mask: int, frontier_ms: float
    ) -> Sequence[Match | Late]:
        """See `Lane`."""
        if not self._expects_late:
            told: list[Match] = self._live.advance(key, held, event, mask, frontier_ms)
            return told
        kept, row = self._kept_of(key, frontier_ms), Row(event, mask, self._transport(event))
        self.dirty.add(key)
        if frontier_ms > event.time_ms:
            return self._take_late(key, kept, row, frontier_ms)
        taken = row.fresh()
        state = self._live.wants(key, mask, event.time_ms)
        found: list[Match] = []
        if state is not None:
            found = self._live.advance(key, state, taken, mask, frontier_ms)
        kept.put(row)
        found = kept.note(found)
        self._timers.add(key, event.time_ms + self.rule.lateness_ms)
        self._bound_kept(key, kept, event.time_ms)
        return found

    def reached_ms(self, key: Key) -> float:
        """See `keyed.lane.Corrects`."""
        kept = self._kept.get(key)
        return -NEVER if kept is None else kept.reached_ms

    def correct(
        self, key: Key, event: Captured, mask: int, frontier_ms: float
    ) -> Sequence[Match | Late]:
        """See `keyed.lane.Corrects`."""
        self.dirty.add(key)
        row = Row(event, mask, self._transport(event))
        return self._take_late(key, self._kept_of(key, frontier_ms), row, frontier_ms)

    def _kept_of(self, key: Key, frontier_ms: float) -> Kept:
        kept = self._kept.get(key)
        if kept is None:
            base_ms = frontier_ms - self.rule.lateness_ms
            kept = self._kept[key] = Kept(self._live.dump(key), base_ms)
        return kept

    def _transport(self, event: Captured) -> dict[str, Any] | None:
        if not self._layout.transport or event.fields is None or event.fields.t is None:
            return None
        return msgspec.structs.asdict(event.fields.t)

    def _take_late(self, key: Key, kept: Kept, row: Row, now_ms: float) -> list[Match | Late]:
        self._settle(key, kept, now_ms - self.rule.lateness_ms)
        event, reached_ms = row.event, max(now_ms, kept.reached_ms)
        if event.time_ms >= kept.base_ms:
            kept.put(row)
        elif not self._into_base(key, kept, row):
            self.counters.late += 1
            place = (event.origin.topic, event.origin.partition, event.offset)
            return [Late(*place, event.own_ms, int(reached_ms), self.rule.id)]
        self.counters.late_taken += 1
        found = self._go_through(key, kept.base, kept.rows, reached_ms)
        kept.fired_ms = reached_ms
        data = self._let_go(key)
        self._live.forget(key)
        if data is not None:
            self._live.load(key, data, self._again.state_version)
        self.dirty.add(key)
        told = kept.corrections(found, int(reached_ms))
        self.counters.withdrawn += sum(each.withdrawn for each in told)
        self.counters.late_new += sum(not each.revision for each in told)
        self.counters.corrected += sum(bool(each.revision) and not each.withdrawn for each in told)
        self._timers.add(key, kept.base_ms + self.rule.lateness_ms)
        self._bound_kept(key, kept, reached_ms)
        return list(told)

    def _into_base(self, key: Key, kept: Kept, row: Row) -> bool:
        """Put an event into the state of before, if a window there is still open for it."""
        rule, event = self.rule, row.event
        last_end_ms = rule.last_end_ms(event.time_ms)
        if last_end_ms is None and not rule.is_session:
            return False
        if last_end_ms is not None and last_end_ms <= kept.base_ms:
            return False
        self._go_through(key, kept.base, [row], float("-inf"))
        if rule.is_session:
            assert isinstance(self._again, WindowLane)
            if self._again.due_ms(key) <= kept.base_ms:
                self._let_go(key)
                return False
        self._fire(self._again, kept.base_ms)  # windows that the event is too late for
        kept.base = self._let_go(key)
        return True

    def _go_through(
        self, key: Key, base: bytes | None, rows: Sequence[Row], until_ms: float
    ) -> list[Match]:
        """Give events to a state, and let time come to where it has; leaves it in `_again`."""
        lane = self._again
        if base is not None:
            lane.load(key, base, lane.state_version)
        found: list[Match] = []
        for row in rows:
            event = row.fresh()
            if event.fields is None:
                event.fields = self._decode(row)
            found += self._fire(lane, event.time_ms)
            state = lane.wants(key, row.mask, event.time_ms)
            if state is not None:
                found += lane.advance(key, state, event, row.mask, event.time_ms)
        return found + self._fire(lane, until_ms)

    def _fire(self, lane: Any, until_ms: float) -> list[Match]:
        found: list[Match] = []
        if not lane.is_exact:
            lane.tidy(until_ms)
            return found
        while (fired := lane.fire(until_ms)) is not None:
            found += fired
        return found

    def _decode(self, row: Row) -> Any:
        fields = self._layout.decode(row.event.value)
        if row.transport is not None and self._layout.transport:
            fields.t = Transport(**row.transport)
        return fields

    def _settle(self, key: Key, kept: Kept, to_ms: float) -> None:
        """Let the state of before come to a time."""
        if to_ms <= kept.base_ms:
            return
        self._into_past(key, kept, kept.take_before(to_ms), to_ms)

    def _bound_kept(self, key: Key, kept: Kept, now_ms: float) -> None:
        """Keep to the limits: of too much the older half is let go, by count and not by time.

        Many events may be of one time; what is behind that can still be put among the others.
        """
        while len(kept.rows) > LATE_EVENTS_MAX or kept.size > LATE_BYTES_MAX:
            self.counters.settled_early += 1
            taken = kept.take_first((len(kept.rows) + 1) // 2)
            last_ms = taken[-1].event.time_ms if taken else now_ms
            to_ms = last_ms if kept.rows else max(now_ms, last_ms)
            self._into_past(key, kept, taken, max(to_ms, kept.base_ms))
            if not kept.rows:
                kept.told.clear()
                kept.size = 0

    def _into_past(self, key: Key, kept: Kept, rows: Sequence[Row], to_ms: float) -> None:
        over = self._go_through(key, kept.base, rows, to_ms)
        kept.base = self._let_go(key)
        kept.base_ms = to_ms
        kept.settle(over, to_ms)

    def _let_go(self, key: Key) -> bytes | None:
        """Take a key out of `_again`, so that time there is that of no other key."""
        data: bytes | None = self._again.dump(key)
        self._again.forget(key)
        self._again.dirty.clear()
        return data

    # ---- time ----

    def fire(self, now_ms: float) -> Sequence[Match] | None:
        """See `Lane`."""
        live = self._live
        begun = live.awaited if isinstance(live, WindowLane) else ()
        fired: Sequence[Match] | None = self._by_time(live.fire, now_ms)
        if begun and self._expects_late:
            self._keep_begun(begun, now_ms)
        if not fired:
            return fired
        found: list[Match] = []
        for match in fired:
            key = self.rule.key_of_match(match)
            kept = self._kept.get(key)
            if kept is None:
                found.append(match)
                continue
            found += kept.note([match])
        return found

    def _keep_begun(self, keys: frozenset[Key], now_ms: float) -> None:
        """Keep expected keys that time has begun: an event may come for a window of silence."""
        base_ms = now_ms - self.rule.lateness_ms
        for key in keys:
            state = self._live.dump(key)
            if state is not None and key not in self._kept:
                self._kept[key] = Kept(state, base_ms)
                self._timers.add(key, now_ms)

    def _by_time(self, change: Callable[[float], Any], now_ms: float) -> Any:
        """Let time change the state of now; what is kept of those keys is looked at later."""
        before, self._live.dirty = self._live.dirty, set()
        found = change(now_ms)
        changed = self._live.dirty
        for key in changed:
            kept = self._kept.get(key)
            if kept is not None:
                kept.fired_ms = max(kept.fired_ms, now_ms)
                self._timers.add(key, now_ms + self.rule.lateness_ms)
        before |= changed  # which may be many, and time comes often
        self._live.dirty = before
        return found

    def tidy(self, frontier_ms: float) -> None:
        """See `Lane`; what can be corrected no more is let go."""
        self._by_time(self._live.tidy, frontier_ms)
        lateness_ms = self.rule.lateness_ms
        for key in self._timers.due(frontier_ms):
            kept = self._kept.get(key)
            if kept is None or self._rests(key, kept):
                continue
            self._settle(key, kept, frontier_ms - lateness_ms)
            self.dirty.add(key)
            if kept.rows or kept.told:
                self._timers.add(key, max(kept.oldest_ms + lateness_ms, frontier_ms))
            elif not self._rests(key, kept):  # time alone makes them equal
                self._timers.add(key, frontier_ms + lateness_ms)

    def _rests(self, key: Key, kept: Kept) -> bool:
        """Whether the state of before is that of now; then it goes, if time changes neither.

        Else it stays: when time has ended a window, an event may still come for it.
        """
        if kept.rows or kept.told:
            return False
        state = self._live.dump(key)
        if kept.base is not None and kept.base != state:
            return False
        if kept.base is None or self._live.next_timer_ms == NEVER:
            del self._kept[key]
            self.dirty.add(key)
        return True

    def forget_over(self, now_ms: float) -> None:
        """See `Lane`; what was told before the rule rested is corrected no more."""
        self._live.forget_over(now_ms)
        self.dirty |= self._kept.keys()
        self._kept.clear()

    # ---- keys ----

    def bound(self) -> None:
        """See `Lane`."""
        self._live.bound()
        surplus = len(self._kept) - self.rule.plan.limits.keys
        for key in list(self._kept)[: max(surplus, 0)]:
            del self._kept[key]
            self.counters.settled_early += 1
            self.dirty.add(key)

    def shrink(self, key: Key) -> bool:
        """See `keyed.lane.Shrinks`: first what is kept for late events goes."""
        if self._kept.pop(key, None) is not None:
            self.counters.settled_early += 1
            self.dirty.add(key)
            return True
        return isinstance(self._live, Shrinks) and self._live.shrink(key)

    def forget(self, key: Key) -> None:
        """See `Lane`."""
        self._live.forget(key)
        if self._kept.pop(key, None) is not None:
            self.dirty.add(key)

    def all_keys(self) -> list[Key]:
        """See `Lane`."""
        return list(dict.fromkeys([*self._live.all_keys(), *self._kept]))

    def dump(self, key: Key) -> bytes | None:
        """See `Lane`."""
        state, kept = self._live.dump(key), self._kept.get(key)
        if state is None and kept is None:
            return None
        return dump_late(state, self._live.state_version, kept)

    def load(self, key: Key, data: bytes, version: int) -> None:
        """See `Lane`. Raises: Corrupt("pattern.state")."""
        if version != LATE_STATE_VERSION:
            known = f"version {LATE_STATE_VERSION} is known here"
            raise Corrupt(
                "pattern.state", reason=f"it was written in version {version}, and {known}"
            )
        state, inner, kept = load_late(data, self._origins)
        self.forget(key)
        if state is not None:
            self._live.load(key, state, inner)
        self.dirty.discard(key)
        if kept is not None and self._expects_late:
            self._kept[key] = kept
            self._timers.add(key, 0)

    def replace(self, rule: LateRule, layout: TypedLayout) -> None:
        """See `Lane`."""
        self._live.replace(rule.inner, layout)
        for kept in self._kept.values():
            for row in kept.rows:
                row.event.fields = None  # decoded by the layout of before
        self._set_rule(rule, layout)
