"""How the runs of a key grow, end, match and remove one another.

Semantics: those of Flink's pattern library as sets of matches, but a match is released at once.
Matches that one event completes come in the order: earliest start, longest, order of events
(`releasing.py` says which come out at all).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from summit.base.limits import CAPTURES_PER_STATE_MAX
from summit.cep.moves import NOWHERE, SKIPPED, Automaton, Move, Moves
from summit.cep.previous import Previous
from summit.cep.releasing import Release
from summit.cep.runs import WAS_MATCH, Bucket, Captures, Guard, KeyRuns, Run
from summit.documents.plan import Span
from summit.keyed.captured import Captured

_FOREVER: Final = float("inf")


class _Growth(NamedTuple):
    """What one event leads to: runs and whole buckets to place, and matches."""

    runs: list[tuple[int, Run]]
    buckets: list[tuple[int, Bucket]]
    matches: list[Run]


class Program:
    """One compiled pattern: takes events of one key at a time.

    Args:
        release: Which matches come out, and when.
        guards: (bit of the mask, condition on event and captures); tested only where the bit is
            set, and clears it when it does not hold.
        runs_max: Live runs of one key; beyond it the oldest end, counted in `runs_dropped`.
        exact: Runs end by `expire` only, which is called to the millisecond.
        span: With a slide all events of a run lie in the last window that holds its first one; with
            a gap a key's runs end when for longer no event of a step has come: `session_over`.
        previous: (bit of the mask, what is remembered of events that have it).

    Attributes:
        remembers: Bit of the mask of events of which `previous` keeps something; 0 = none.
        captures_dropped: Events that a loop took beyond `CAPTURES_PER_STATE_MAX`: they count for
            the pattern, but no match will show them.
    """

    def __init__(
        self,
        automaton: Automaton,
        span: Span,
        *,
        release: Release,
        guards: tuple[tuple[int, Guard], ...] = (),
        runs_max: int = 1_000,
        exact: bool = False,
        previous: tuple[int, Previous] | None = None,
    ) -> None:
        self.automaton = automaton
        self.within_ms, self.slide_ms, self.gap_ms = span
        self._takers = (1 << len(automaton.step_names)) - 1
        self.guards = guards
        self.runs_max = runs_max
        self.release = release
        self.exact = exact
        self.remembers: int = 0
        self.previous: Previous | None = None
        if previous is not None:
            self.remembers, self.previous = previous
        self.runs_dropped = 0
        self.captures_dropped = 0
        gaps = (self.within_ms, self.gap_ms, *automaton.gaps)
        self._bounded = any(limit is not None for limit in gaps)
        # Whether a run is over by when it began alone: then those that are over stand first.
        self._ends_by_start = self._bounded and gaps.count(None) == len(gaps) - 1
        self._ends_by_start = self._ends_by_start and self.within_ms is not None
        self._runs_alone = not guards and previous is None and self.gap_ms is None
        # A run that a longer one of the same start can always replace is not even begun, where
        # the longer one's match would remove it anyway.
        self._prune_moves = self.release.is_one_per_start and not guards
        self._moves: list[dict[int, Moves]] = [{} for _ in range(len(automaton))]

    def moves(self, state: int, mask: int) -> Moves:
        """What a run in the state does; `automaton.stay[state]` itself when nothing changes."""
        found = self._moves[state].get(mask)
        if found is None:
            found = self.automaton.moves(state, mask)
            if self._prune_moves:
                found = self.automaton.without_dominated(found)
            self._moves[state][mask] = found
        return found

    def concerns(self, key: KeyRuns, mask: int) -> bool:
        """Whether an event with this mask can change anything for the key."""
        if mask & self.remembers or self.automaton.starts(mask):
            return True
        if self.gap_ms is not None and mask & self._takers and (key.count or key.held):
            return True  # it prolongs the session
        stay = self.automaton.stay
        guarded = any(mask & bit for bit, _ in self.guards)
        return guarded or any(self.moves(state, mask) is not stay[state] for state in key.by_state)

    def advance(
        self, key: KeyRuns, event: Captured, mask: int, over_ms: float = -_FOREVER
    ) -> list[Run]:
        """Take one event of the key.

        `event.sequence` is set here. A run for whose time the event does not come is left as it
        is.

        Args:
            over_ms: Runs whose deadline this has reached can be forgotten.
        Returns: The matches it completes, in order of emission.
        """
        key.sequence += 1
        event.sequence = key.sequence
        if self._runs_alone and not key.by_state and not key.held:
            return self._begin_first(key, event, mask)
        if self.gap_ms is not None and mask & self._takers:
            time, last = event.time_ms, key.session_ms
            key.session_ms = time if last is None or key.is_empty else max(time, last)
        previous = self.previous
        if previous is not None:
            previous.recall(key)
        growth = _Growth([], [], [])
        guards = [guard for guard in self.guards if mask & guard[0]]
        stay = self.automaton.stay
        by_state = key.by_state
        for state in list(by_state):
            moves = self.moves(state, mask)
            if moves is stay[state] and not guards:
                continue
            bucket = by_state.pop(state)
            key.count -= len(bucket.runs)
            self._forget_over(state, bucket, over_ms)
            if not bucket.runs:
                continue
            if guards:
                self._grow_guarded(state, bucket, event, mask, guards, growth)
            elif self._moves_alike(state, moves, bucket, event.time_ms):
                self._move(bucket, moves[0], event, growth)
            else:
                self._grow_each(state, bucket, moves, event, growth)
        self._begin(event, mask, guards, growth)
        if previous is not None and mask & self.remembers:
            previous.note(key, event)
        self._place(key, growth)
        if key.count > self.runs_max:
            self._drop_oldest(key, self.runs_max)
        matches = growth.matches
        return self.release.take(key, matches) if matches or key.held else matches

    def expire(self, key: KeyRuns, now_ms: int) -> tuple[list[Run], list[Run]]:
        """End the runs whose time is over at `now_ms`.

        Returns: Matches (what was waiting for an absence), and partial matches that timed out.
        """
        matches: list[Run] = []
        timeouts: list[Run] = []
        if self._ends_by_start:
            self._expire_oldest(key, now_ms, matches, timeouts)
        else:
            self._expire_each(key, now_ms, matches, timeouts)
        if matches or key.held:
            matches = self.release.take(key, matches)
        return matches, timeouts

    def _expire_oldest(
        self, key: KeyRuns, now_ms: int, matches: list[Run], timeouts: list[Run]
    ) -> None:
        """End the runs that began so long ago that they are over."""
        for state, bucket in list(key.by_state.items()):
            runs = bucket.runs
            count = 0
            for run in runs:
                deadline = self._span(run.start_ms)[1]
                if deadline > now_ms:
                    break
                count += 1
                whole = run if run.mark == len(bucket.taken) else self._whole(run, bucket)
                if state in self.automaton.pending:
                    whole.done_ms = int(deadline)
                    matches.append(whole)
                else:
                    timeouts.append(whole)
            if count == len(runs):
                key.count -= count
                del key.by_state[state]
            elif count:
                key.keep(state, runs[count:])

    def _expire_each(
        self, key: KeyRuns, now_ms: int, matches: list[Run], timeouts: list[Run]
    ) -> None:
        for state, bucket in list(key.by_state.items()):
            alive: list[Run] = []
            for run in bucket.runs:
                deadline = self.deadline(state, run, key)
                if deadline > now_ms:
                    alive.append(run)
                    continue
                whole = self._whole(run, bucket)
                if state in self.automaton.pending:
                    whole.done_ms = int(deadline)
                    matches.append(whole)
                else:
                    timeouts.append(whole)
            key.keep(state, alive)

    def session_over(self, key: KeyRuns, time_ms: int) -> bool:
        """Whether an event of a time comes too late for the session of the key's runs."""
        gap, last = self.gap_ms, key.session_ms
        if gap is None or last is None or not (key.count or key.held):
            return False
        return time_ms - last > gap

    def before_session(self, key: KeyRuns, time_ms: int) -> bool:
        """Whether an event of a partition that is behind is too old for the session."""
        gap = self.gap_ms
        if gap is None or not key.count:
            return False
        return time_ms < min(b.runs[0].start_ms for b in key.by_state.values()) - gap

    def deadline(self, state: int, run: Run, key: KeyRuns) -> float:
        """The time at which a run of the key is over; infinite when nothing bounds it."""
        found = _FOREVER
        if self.gap_ms is not None and key.session_ms is not None:
            found = key.session_ms + self.gap_ms + 1
        if self.within_ms is not None:
            found = min(found, self._span(run.start_ms)[1])
        gap = self.automaton.gaps[state]
        return found if gap is None else min(found, run.last_ms + gap)

    def _span(self, start_ms: int) -> tuple[int, float]:
        """The times that the events of a run may have: from, and before."""
        within = self.within_ms
        if within is None:
            return -(1 << 62), _FOREVER
        if self.slide_ms is not None:
            first = start_ms - start_ms % self.slide_ms
            return first, first + within
        return start_ms - within + 1, start_ms + within

    def next_deadline(self, key: KeyRuns) -> float:
        """The earliest deadline of the key's runs."""
        if not self._bounded:
            return _FOREVER
        if self._ends_by_start:
            starts = [bucket.runs[0].start_ms for bucket in key.by_state.values()]
            return self._span(min(starts))[1] if starts else _FOREVER
        return min(
            (self.deadline(state, run, key) for state, b in key.by_state.items() for run in b.runs),
            default=_FOREVER,
        )

    def living(self, key: KeyRuns) -> list[tuple[int, Run]]:
        """The live runs with all their captures, each with its state; oldest first."""
        found = [
            (state, self._whole(run, bucket))
            for state, bucket in key.by_state.items()
            for run in bucket.runs
        ]
        return sorted(found, key=lambda each: (each[1].start_ms, each[1].start, each[0]))

    # ---- growing ----

    def _begin_first(self, key: KeyRuns, event: Captured, mask: int) -> list[Run]:
        """Take an event of a key that has no runs, where nothing but its runs counts."""
        time, sequence, by_state = event.time_ms, event.sequence, key.by_state
        matches: list[Run] = []
        for taker, target, emits, _ in self.automaton.starts(mask):
            run = Run(time, sequence, time, (taker, event))
            if emits:
                matches.append(run)
            if target == NOWHERE:
                continue
            if emits:
                run = _matched(run)
            there = by_state.get(target)
            if there is None:
                by_state[target] = Bucket([run], [])
            else:
                there.runs.append(run)
            key.count += 1
        if key.count > self.runs_max:
            self._drop_oldest(key, self.runs_max)
        return self.release.take(key, matches) if matches else matches

    def _begin(
        self,
        event: Captured,
        mask: int,
        guards: list[tuple[int, Guard]],
        growth: _Growth,
    ) -> None:
        """Begin runs with the event."""
        for bit, guard in guards:
            if not guard(event, ()):
                mask &= ~bit
        time = event.time_ms
        for taker, target, emits, _ in self.automaton.starts(mask):
            run = Run(time, event.sequence, time, (taker, event))
            if emits:
                growth.matches.append(run)
            if target != NOWHERE:
                growth.runs.append((target, _matched(run) if emits else run))

    def _moves_alike(self, state: int, moves: Moves, bucket: Bucket, time_ms: int) -> bool:
        """Whether the whole bucket makes one and the same move."""
        if len(moves) != 1:
            return False
        taker, target, emits, gap = moves[0]
        if emits or target == NOWHERE or gap is not None or self.automaton.gaps[target] is not None:
            return False
        if target == state and taker != SKIPPED:
            return True  # what lies outside a run's time is left out when its captures are read
        runs = bucket.runs
        return self.automaton.gaps[state] is None and (
            self.within_ms is None
            or (
                time_ms < self._span(runs[0].start_ms)[1]
                and time_ms >= self._span(runs[-1].start_ms)[0]
            )
        )

    def _move(self, bucket: Bucket, move: Move, event: Captured, growth: _Growth) -> None:
        if move.taker != SKIPPED:
            if len(bucket.taken) < 2 * CAPTURES_PER_STATE_MAX:
                bucket.taken += (move.taker, event)
            else:
                self.captures_dropped += 1
        growth.buckets.append((move.target, bucket))

    def _grow_each(
        self, state: int, bucket: Bucket, moves: Moves, event: Captured, growth: _Growth
    ) -> None:
        """Let every run make all the moves."""
        runs = bucket.runs
        if self._prune_moves and self.release.skip.kind == "pastLast" and _surely_emits(moves):
            # The earliest run's match removes all that began after it: let only that one grow.
            time = event.time_ms
            ready = [run for run in runs if self._in_time(state, run, time)]
            if ready:
                first = min(ready, key=_start)
                runs = [run for run in runs if run.start <= first.start]
        for run in runs:
            self._grow(state, self._whole(run, bucket), moves, event, growth)

    def _grow_guarded(
        self,
        state: int,
        bucket: Bucket,
        event: Captured,
        mask: int,
        guards: list[tuple[int, Guard]],
        growth: _Growth,
    ) -> None:
        """Let every run make the moves that its own guards leave it."""
        for run in bucket.runs:
            whole = self._whole(run, bucket)
            of_run = mask
            for bit, guard in guards:
                if not guard(event, whole.captures):
                    of_run &= ~bit
            self._grow(state, whole, self.moves(state, of_run), event, growth)

    def _grow(self, state: int, run: Run, moves: Moves, event: Captured, growth: _Growth) -> None:
        """Let one run, whose captures are complete, make the moves."""
        time = event.time_ms
        if self._bounded and not self._in_time(state, run, time):
            growth.runs.append((state, _again(run)))
            return
        for taker, target, emits, gap in moves:
            if taker == SKIPPED:
                growth.runs.append((target, _again(run)))
                continue
            if gap is not None and time - run.last_ms >= gap:
                continue
            longer = Run(run.start_ms, run.start, time, (*run.captures, taker, event))
            if emits:
                growth.matches.append(longer)
            if target != NOWHERE:
                growth.runs.append((target, _matched(longer) if emits else longer))

    def _place(self, key: KeyRuns, growth: _Growth) -> None:
        """Put runs and buckets where they have gone."""
        by_state = key.by_state
        for state, moved in growth.buckets:
            key.count += len(moved.runs)
            there = by_state.get(state)
            if there is None:
                by_state[state] = moved
                continue
            large, small = there, moved
            if len(there.runs) < len(moved.runs):
                large, small = moved, there
            by_state[state] = large
            for run in small.runs:
                large.add(_again(self._whole(run, small)))
        for state, run in growth.runs:
            key.count += 1
            there = by_state.get(state)
            if there is None:
                by_state[state] = Bucket([run], [])
            else:
                there.add(run)

    def _whole(self, run: Run, bucket: Bucket) -> Run:
        """The run with all its captures."""
        if run.mark == len(bucket.taken):
            return run
        taken = bucket.taken[run.mark :]
        start = run.start_ms
        if self.within_ms is not None:
            times = [event.time_ms for event in taken[1::2]]
            first, over = self._span(start)
            if max(times) >= over or min(times) < first:
                pairs = zip(taken[::2], taken[1::2], strict=True)
                taken = [part for pair in pairs if first <= pair[1].time_ms < over for part in pair]
        if not taken:
            return _again(run)
        captures: Captures = (*run.captures, *taken)
        return Run(start, run.start, captures[-1].time_ms, captures)

    def _in_time(self, state: int, run: Run, time_ms: int) -> bool:
        if self.within_ms is not None:
            first, over = self._span(run.start_ms)
            if not first <= time_ms < over:
                return False
        gap = self.automaton.gaps[state]
        return gap is None or time_ms - run.last_ms < gap

    # ---- ending ----

    def _forget_over(self, state: int, bucket: Bucket, over_ms: float) -> None:
        within = self.within_ms
        if within is None or self.exact or state in self.automaton.pending:
            return
        runs = bucket.runs
        count = 0
        while count < len(runs) and self._span(runs[count].start_ms)[1] <= over_ms:
            count += 1
        if count:
            del runs[:count]
            bucket.trim()

    def drop_older_half(self, key: KeyRuns) -> None:
        """End the older half of the key's runs; counted."""
        self._drop_oldest(key, key.count // 2)

    def _drop_oldest(self, key: KeyRuns, runs_max: int) -> None:
        while key.count > runs_max:
            state = min(key.by_state, key=lambda state: key.by_state[state].runs[0].start_ms)
            bucket = key.by_state[state]
            del bucket.runs[0]
            key.count -= 1
            self.runs_dropped += 1
            if not bucket.runs:
                del key.by_state[state]
            elif bucket.runs[0].mark * 2 > len(bucket.taken):
                bucket.trim()


def _again(run: Run) -> Run:
    """The same run as an object of its own: two buckets must not share one."""
    return Run(run.start_ms, run.start, run.last_ms, run.captures, 0, run.done_ms)


def _matched(run: Run) -> Run:
    """The same run, which goes on after it has been a match."""
    return Run(run.start_ms, run.start, run.last_ms, run.captures, 0, WAS_MATCH)


def _start(run: Run) -> int:
    return run.start


def _surely_emits(moves: Moves) -> bool:
    return any(move.emits and move.gap_ms is None for move in moves)
