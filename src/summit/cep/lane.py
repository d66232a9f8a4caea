"""The living half of one pattern: its keys, their runs, their timers and its counters.

Keys that are busy are kept as objects; beyond `KEYS_UNPACKED_MAX` the ones that have been busy for
longest are packed into the bytes of `state.py`, which take a quarter of the room.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from summit.base.limits import KEYS_UNPACKED_MAX
from summit.cep.match import Match, make_match
from summit.cep.moves import NOWHERE
from summit.cep.runs import KeyRuns, Run, last_ms, new_key
from summit.cep.state import STATE_VERSION, dump_key, load_key, peek_key
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Captured, Origins
from summit.keyed.exact_timers import ExactTimers
from summit.keyed.keys import Key
from summit.keyed.packed_keys import PackedKeys
from summit.keyed.tidy_timers import TidyTimers

if TYPE_CHECKING:
    from summit.cep.rules import PatternRule  # which makes lanes

_AT_ONCE: Final = new_key()  # stands for a key without state whose event is a match by itself


@dataclass(slots=True)
class PatternCounters:
    """What one rule has done and what its limits have cut, since the lane was made."""

    matches: int = 0
    timeouts: int = 0
    without_key: int = 0
    keys_dropped: int = 0
    keys_expired: int = 0
    runs_dropped: int = 0
    captures_dropped: int = 0
    released_early: int = 0


class PatternLane:
    """Runs one pattern over all its keys; see `keyed.lane.Lane`."""

    state_version = STATE_VERSION

    def __init__(self, rule: PatternRule, layout: TypedLayout, origins: Origins) -> None:
        self.rule = rule
        self.program = rule.program(layout)
        self.counters = PatternCounters()
        self.dirty: set[Key] = set()
        self.live_runs = 0
        self._origins = origins
        self._busy: dict[Key, KeyRuns] = {}
        self._packed = PackedKeys()
        self._set_at_once()
        self._set_timers()

    def __len__(self) -> int:
        """Number of keys with state."""
        return len(self._busy) + len(self._packed)

    def counts(self) -> dict[str, int]:
        """The counters by name."""
        self._take_drops()
        return asdict(self.counters)

    def replace(self, rule: PatternRule, layout: TypedLayout) -> None:
        """Go on with the same state under a rule of the same `state_id`."""
        self._take_drops()
        timed, self.rule = self.rule.is_timed, rule
        self.program = rule.program(layout)
        if timed != rule.is_timed:
            self._set_timers()
        self._set_at_once()
        if not self.program.guards:
            return
        for runs in self._busy.values():  # decoded by the layout of before
            for bucket in runs.by_state.values():
                for flat in (bucket.taken, *(run.captures for run in bucket.runs)):
                    for event in flat[1::2]:
                        event.fields = None

    def no_key(self) -> None:
        """Count an event that lacks the key."""
        self.counters.without_key += 1

    def wants(self, key: Key, mask: int, time_ms: int) -> KeyRuns | None:
        """The key's runs, if the event can begin or change one; None = it changes nothing."""
        runs = self._busy.get(key)
        if runs is None:
            if not self._packed or key not in self._packed:
                return self._begun(key, mask, time_ms)
            runs = self._unpack(key)
        if self._is_expired(runs, time_ms):
            self._let_go(key)
            return self._begun(key, mask, time_ms)
        return runs if self.program.concerns(runs, mask) else None

    def _begun(self, key: Key, mask: int, time_ms: int) -> KeyRuns | None:
        starts = self.program.automaton.starts(mask)
        if not (starts or mask & self.program.remembers):
            return None
        if self._at_once and len(starts) == 1 and starts[0].emits and starts[0].target == NOWHERE:
            return _AT_ONCE
        runs = self._busy[key] = new_key()
        if self._tidy is not None:
            self._tidy.add(key, time_ms + self._tidy.within_ms)
        return runs

    def advance(
        self, key: Key, runs: KeyRuns, event: Captured, mask: int, frontier_ms: float
    ) -> list[Match]:
        """Give one event to a key that wants it.

        Args:
            frontier_ms: No event of an earlier time will come.
        Returns: The matches it completes, in order of emission.
        """
        program = self.program
        if runs is _AT_ONCE:
            return self._match_at_once(key, event, mask)
        over: list[Match] = []
        if program.gap_ms is not None:
            if program.before_session(runs, event.time_ms):
                return over
            if program.session_over(runs, event.time_ms):
                over = self._end_session(key, runs)
        before = runs.count
        matches = program.advance(runs, event, mask, frontier_ms)
        self.counters.matches += len(matches)
        self._changed(key, runs, before)
        return over + self._matches(key, matches) if matches else over

    def _end_session(self, key: Key, runs: KeyRuns) -> list[Match]:
        """An event came after the key's session, before time did: it ends what was under way."""
        assert self.program.gap_ms is not None
        assert runs.session_ms is not None
        over = self._told_by_time(key, runs.session_ms + self.program.gap_ms + 1)
        self._busy[key] = runs
        if self._tidy is not None:
            self._tidy.add(key, 0)
        return over

    def _match_at_once(self, key: Key, event: Captured, mask: int) -> list[Match]:
        """The match of an event that is one by itself; nothing is kept of its key."""
        self.counters.matches += 1
        event.sequence = 1
        (begun,) = self.program.automaton.starts(mask)
        return self._matches(key, [Run(event.time_ms, 1, event.time_ms, (begun.taker, event))])

    def fire(self, now_ms: float) -> list[Match] | None:
        """Fire the exact timers of the next time; None when none is due at `now_ms`."""
        assert self.exact is not None
        due = self.exact.take_all(now_ms)
        if due is None:
            return None
        at_ms, keys = due
        found: list[Match] = []
        for key in keys:
            found += self._told_by_time(key, at_ms)
        return found

    def _told_by_time(self, key: Key, deadline_ms: int) -> list[Match]:
        matches, timeouts = self._expire(key, deadline_ms)
        found = self._matches(key, matches)
        if timeouts and self.rule.plan.on_timeout is not None:
            found += self._matches(key, timeouts, deadline_ms)
        return found

    def forget_over(self, now_ms: float) -> None:
        """Let what is over by now end without a match: its rule rested when it was due."""
        before = self.counters.matches
        while self.exact is not None and self.fire(now_ms) is not None:
            pass
        self.counters.timeouts += self.counters.matches - before
        self.counters.matches = before

    def tidy(self, frontier_ms: float) -> None:
        """Forget the runs whose time is over at the frontier, as far as they are due."""
        if self._tidy is None:
            return
        for key in self._tidy.due(frontier_ms):
            if key in self._busy or key in self._packed:
                if self._expires(key, frontier_ms):
                    self._let_go(key)
                else:
                    self._expire(key, int(frontier_ms))

    def bound(self) -> None:
        """Keep to the limits on keys: drop the oldest beyond the rule's, pack the others."""
        surplus = len(self) - self.rule.plan.limits.keys
        if surplus > 0:
            for key in list(islice(chain(self._packed.oldest(), self._busy), surplus)):
                self.forget(key)
                self.counters.keys_dropped += 1
        surplus = len(self._busy) - KEYS_UNPACKED_MAX
        if surplus > 0:
            for key in list(islice(self._busy, surplus + KEYS_UNPACKED_MAX // 20)):
                self._packed[key] = dump_key(self._busy.pop(key))

    def forget(self, key: Key) -> None:
        """Drop a key and its runs, if it has any."""
        runs = self._busy.get(key)
        if runs is None:
            if key not in self._packed:
                return
            runs = self._unpack(key)
        before = runs.count
        runs.by_state, runs.held, runs.count = {}, (), 0
        runs.told, runs.previous = (), ()
        self._changed(key, runs, before)

    def shrink(self, key: Key) -> bool:
        """See `keyed.lane.Shrinks`: the older half of the key's runs end."""
        runs = self._busy.get(key)
        if runs is None:
            if key not in self._packed:
                return False
            runs = self._unpack(key)
        before = runs.count
        if before < 2:
            return False
        self.program.drop_older_half(runs)
        for bucket in runs.by_state.values():
            bucket.trim()
        self._changed(key, runs, before)
        return True

    def dump(self, key: Key) -> bytes | None:
        """The state of a key as bytes; None = it has none."""
        packed = self._packed.get(key)
        if packed is not None:
            return packed
        runs = self._busy.get(key)
        return None if runs is None else dump_key(runs)

    def load(self, key: Key, data: bytes, version: int) -> None:
        """Set the state of a key. Raises: Corrupt("pattern.state")."""
        plain = self._tidy is not None and version == STATE_VERSION
        if plain and len(self._busy) >= KEYS_UNPACKED_MAX:
            self._load_packed(key, data)
            return
        runs = load_key(data, version, self._origins)
        self.forget(key)
        self.dirty.discard(key)
        if not runs.is_empty:
            if len(self._busy) < KEYS_UNPACKED_MAX:
                self._busy[key] = runs
            else:
                self._packed[key] = data if version == STATE_VERSION else dump_key(runs)
            self.live_runs += runs.count
            self._set_timer(key, runs)

    def _load_packed(self, key: Key, data: bytes) -> None:
        peeked = peek_key(data)
        self.forget(key)
        self.dirty.discard(key)
        if not peeked.is_empty:
            self._packed[key] = data
            self.live_runs += peeked.runs
            within_ms = self.rule.plan.within_ms
            assert self._tidy is not None
            self._tidy.add(key, 0 if within_ms is None else peeked.first_ms + within_ms)

    def all_keys(self) -> list[Key]:
        """All keys with state."""
        return [*self._packed, *self._busy]

    @property
    def next_timer_ms(self) -> float:
        """When something is due without further events; infinite = never."""
        timers = self.exact if self.exact is not None else self._tidy
        return float("inf") if timers is None else timers.next_ms

    def _is_expired(self, runs: KeyRuns, now_ms: float) -> bool:
        """Whether the key was left alone for longer than `limits.ttl`."""
        ttl_ms = self.rule.plan.limits.ttl_ms
        if ttl_ms is None:
            return False
        last = last_ms(runs)
        return last is not None and now_ms - last >= ttl_ms

    def _expires(self, key: Key, now_ms: float) -> bool:
        if self.rule.plan.limits.ttl_ms is None:
            return False
        runs = self._busy.get(key)
        return self._is_expired(self._unpack(key) if runs is None else runs, now_ms)

    def _let_go(self, key: Key) -> None:
        self.counters.keys_expired += 1
        self.forget(key)

    def _matches(self, key: Key, runs: list[Run], over_ms: int | None = None) -> list[Match]:
        names = self.rule.automaton.step_names
        return [make_match(self.rule.id, names, key, run, over_ms) for run in runs]

    def _take_drops(self) -> None:
        """Move what the program has cut into the counters, which outlive it."""
        program, counters = self.program, self.counters
        counters.runs_dropped += program.runs_dropped
        counters.captures_dropped += program.captures_dropped
        counters.released_early += program.release.early
        program.runs_dropped = program.captures_dropped = program.release.early = 0

    def _expire(self, key: Key, now_ms: int) -> tuple[list[Run], list[Run]]:
        """Matches that time completed, and partial matches that are told to be out of time."""
        runs = self._busy.get(key)
        if runs is None:
            runs = self._unpack(key)
        before = runs.count
        matches, timeouts = self.program.expire(runs, now_ms)
        self.counters.matches += len(matches)
        self.counters.timeouts += len(timeouts)
        if timeouts and self.rule.plan.on_timeout is not None:
            timeouts = self.program.release.timed_out(runs, timeouts)
        self._changed(key, runs, before)
        if self._tidy is not None and runs.count:
            deadline = self.program.next_deadline(runs)
            later = now_ms + self._tidy.within_ms  # nothing bounds these runs now; look again
            self._tidy.add(key, later if deadline == float("inf") else deadline)
        return matches, timeouts

    def _changed(self, key: Key, runs: KeyRuns, before: int) -> None:
        self.live_runs += runs.count - before
        self.dirty.add(key)
        if runs.is_empty:
            del self._busy[key]
        if self.exact is not None:
            self.exact.set(key, self.program.next_deadline(runs))

    def _set_at_once(self) -> None:
        """Whether an event may be a match with nothing kept of its key, before or after."""
        program = self.program
        self._at_once = not (
            self.rule.is_timed or program.guards or program.remembers or program.release.holds
        )

    def _set_timers(self) -> None:
        """Timers as the rule needs them, those of its keys set."""
        # A pattern that reports what time brings about needs them to the millisecond.
        self.exact = ExactTimers() if self.rule.is_timed else None
        self.is_exact = self.exact is not None
        self._tidy = _tidy_timers(self.rule) if self.exact is None else None
        for key in self.all_keys():
            runs = self._busy.get(key)
            if runs is None:
                data = self._packed.get(key)
                assert data is not None
                runs = load_key(data, STATE_VERSION, self._origins)
            self._set_timer(key, runs)

    def _set_timer(self, key: Key, runs: KeyRuns) -> None:
        deadline = self.program.next_deadline(runs)
        if self.exact is not None:
            self.exact.set(key, deadline)
        elif self._tidy is not None:
            self._tidy.add(key, 0 if deadline == float("inf") else deadline)

    def _unpack(self, key: Key) -> KeyRuns:
        data = self._packed.pop(key)
        assert data is not None
        runs = load_key(data, STATE_VERSION, self._origins)
        self._busy[key] = runs
        return runs


def _tidy_timers(rule: PatternRule) -> TidyTimers | None:
    """Timers for what bounds the rule's runs in time; None = nothing does."""
    if rule.plan.gap_ms is not None:
        return TidyTimers(rule.plan.gap_ms)
    if rule.plan.within_ms is not None:
        return TidyTimers(rule.plan.within_ms)
    if rule.plan.limits.ttl_ms is not None:
        return TidyTimers(rule.plan.limits.ttl_ms)
    gaps = [gap for gap in rule.automaton.gaps if gap is not None]
    return TidyTimers(max(gaps)) if gaps else None
