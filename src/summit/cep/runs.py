"""Runs of one pattern for one key: how they grow, end, match and prune one another.

A run is a partial match. Runs of a key are kept by state, so that an event which a state skips
costs nothing for all the runs that wait there. What a run has captured is one flat tuple
`(step, event, step, event, ...)`, shared with nobody, small and without references back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from summit.cep.moves import NOWHERE, SKIPPED, Automaton, Moves

Captures = tuple[Any, ...]
SkipKind = Literal["noSkip", "toNext", "pastLast", "toFirst", "toLast"]
Guard = Callable[[Any, Captures], bool]


class Origin(msgspec.Struct, frozen=True, gc=False):
    """A topic partition; one object for all events that came from it."""

    topic: str
    partition: int


class Captured(msgspec.Struct, gc=False):
    """One event that runs have taken.

    Attributes:
        sequence: Number within the key, rising with every event the key has seen.
        time_ms: The time at which it was taken (never before its partition's watermark).
        own_ms: Its own time.
        src: The header `summit.src`, or None.
        value: The record's value or, when that is too large to keep, JSON of the fields that
            rules read.
        whole: Whether `value` is the record's.
        fields: The decoded event for predicates that look at captured events; None = not
            decoded yet, or never needed.
    """

    sequence: int
    time_ms: int
    own_ms: int
    origin: Origin
    offset: int
    src: str | None
    value: bytes
    whole: bool = True
    fields: Any = None


class Run(msgspec.Struct, gc=False):
    """A partial match (or a whole one).

    Attributes:
        start_ms: Time of its first event.
        start: Sequence number of its first event.
        last_ms: Time of the event taken last.
        captures: `(step, event, step, event, ...)`.
    """

    start_ms: int
    start: int
    last_ms: int
    captures: Captures


class KeyRuns(msgspec.Struct, gc=False):
    """All live runs of a key.

    Attributes:
        sequence: Number of the event seen last.
        count: Number of live runs.
        by_state: State -> its runs, oldest first; no empty lists.
        held: Matches that wait for earlier runs; only with `strict_order`.
    """

    sequence: int
    count: int
    by_state: dict[int, list[Run]]
    held: list[Run]


def new_key() -> KeyRuns:
    """A key that has seen nothing."""
    return KeyRuns(0, 0, {}, [])


def match_order(match: Run) -> tuple[Any, ...]:
    """Earliest start first, then longest, then by the order of the captured events."""
    captures = match.captures
    return (
        match.start,
        -len(captures),
        [event.sequence for event in captures[1::2]],
        captures[::2],
    )


class Skip(msgspec.Struct, frozen=True):
    """What a match removes: runs and later matches that start in a range.

    Attributes:
        step: Index of the step that toFirst and toLast name.
    """

    kind: SkipKind = "pastLast"
    step: int = -1

    def range_of(self, match: Run) -> tuple[int, int] | None:
        """First and last sequence number (inclusive) of the starts to remove; None = nothing."""
        captures = match.captures
        if self.kind == "noSkip":
            return None
        if self.kind == "toNext":
            return match.start, match.start
        if self.kind == "pastLast":
            return match.start, captures[-1].sequence
        named = [
            event.sequence
            for step, event in zip(captures[::2], captures[1::2], strict=True)
            if step == self.step
        ]
        if not named:
            return None
        return match.start, (named[0] if self.kind == "toFirst" else named[-1]) - 1


class Program:
    """One compiled pattern: takes events of one key at a time.

    Args:
        guards: (bit of the mask, condition on event and captures); tested only where the bit is
            set, and clears it when it does not hold.
        runs_max: Live runs of one key; beyond it the oldest end, counted in `runs_dropped`.
        strict_order: Hold a match back while a run that started earlier lives, as Flink does.
    """

    def __init__(
        self,
        automaton: Automaton,
        within_ms: int | None,
        *,
        skip: Skip,
        guards: tuple[tuple[int, Guard], ...] = (),
        runs_max: int = 1_000,
        strict_order: bool = False,
    ) -> None:
        self.automaton = automaton
        self.within_ms = within_ms
        self.skip = skip
        self.guards = guards
        self.runs_max = runs_max
        self.strict_order = strict_order
        self.runs_dropped = 0
        self._bounded = within_ms is not None or any(gap is not None for gap in automaton.gaps)

    def concerns(self, key: KeyRuns, mask: int) -> bool:
        """Whether an event with this mask can change anything for the key."""
        automaton = self.automaton
        if self.guards or automaton.starts(mask):
            return True
        return any(
            automaton.moves(state, mask) is not automaton.stay[state] for state in key.by_state
        )

    def advance(self, key: KeyRuns, event: Captured, mask: int) -> list[Run]:
        """Take one event of the key.

        `event.sequence` is set here. Runs whose time is over for this event are left as they
        are; `expire` removes them.

        Returns: The matches it completes, in order of emission.
        """
        key.sequence += 1
        event.sequence = key.sequence
        matches: list[Run] = []
        grown: list[tuple[int, Run]] = []
        automaton = self.automaton
        guards = self.guards
        by_state = key.by_state
        if by_state:
            for state in list(by_state):
                if guards:
                    self._grow_guarded(key, state, event, mask, grown, matches)
                    continue
                moves = automaton.moves(state, mask)
                if moves is not automaton.stay[state]:
                    runs = by_state.pop(state)
                    key.count -= len(runs)
                    for run in runs:
                        self._grow(run, state, moves, event, grown, matches)
        self._begin(event, mask, grown, matches)
        for state, run in grown:
            by_state.setdefault(state, []).append(run)
        key.count += len(grown)
        if key.count > self.runs_max:
            self._drop_oldest(key, event.time_ms)
        return self._emit(key, matches) if matches or key.held else matches

    def expire(self, key: KeyRuns, now_ms: int) -> tuple[list[Run], list[Run]]:
        """End the runs whose time is over at `now_ms`.

        Returns: Matches (what was waiting for an absence), and partial matches that timed out.
        """
        matches: list[Run] = []
        timeouts: list[Run] = []
        for state in list(key.by_state):
            alive: list[Run] = []
            for run in key.by_state[state]:
                if self.deadline(state, run) > now_ms:
                    alive.append(run)
                elif state in self.automaton.pending:
                    matches.append(run)
                else:
                    timeouts.append(run)
            self._keep(key, state, alive)
        return self._emit(key, matches) if matches or key.held else matches, timeouts

    def deadline(self, state: int, run: Run) -> float:
        """The time at which the run is over; infinite when nothing bounds it."""
        found = float("inf")
        if self.within_ms is not None:
            found = run.start_ms + self.within_ms
        gap = self.automaton.gaps[state]
        return found if gap is None else min(found, run.last_ms + gap)

    def next_deadline(self, key: KeyRuns) -> float:
        """The earliest deadline of the key's runs."""
        if not self._bounded:
            return float("inf")
        return min(
            (self.deadline(state, run) for state, runs in key.by_state.items() for run in runs),
            default=float("inf"),
        )

    def _begin(
        self, event: Captured, mask: int, grown: list[tuple[int, Run]], matches: list[Run]
    ) -> None:
        for bit, guard in self.guards:
            if mask & bit and not guard(event, ()):
                mask &= ~bit
        moves = self.automaton.starts(mask)
        for taker, target, emits, _ in moves:
            time = event.time_ms
            run = Run(time, event.sequence, time, (taker, event))
            if emits:
                matches.append(run)
            if target != NOWHERE:
                grown.append((target, run))

    def _grow(
        self,
        run: Run,
        state: int,
        moves: Moves,
        event: Captured,
        grown: list[tuple[int, Run]],
        matches: list[Run],
    ) -> None:
        time = event.time_ms
        if self._bounded and not self._in_time(state, run, time):
            grown.append((state, run))
            return
        for taker, target, emits, gap in moves:
            if taker == SKIPPED:
                grown.append((target, run))
                continue
            if gap is not None and time - run.last_ms >= gap:
                continue
            longer = Run(run.start_ms, run.start, time, (*run.captures, taker, event))
            if emits:
                matches.append(longer)
            if target != NOWHERE:
                grown.append((target, longer))

    def _grow_guarded(
        self,
        key: KeyRuns,
        state: int,
        event: Captured,
        mask: int,
        grown: list[tuple[int, Run]],
        matches: list[Run],
    ) -> None:
        runs = key.by_state.pop(state)
        key.count -= len(runs)
        for run in runs:
            of_run = mask
            for bit, guard in self.guards:
                if of_run & bit and not guard(event, run.captures):
                    of_run &= ~bit
            self._grow(run, state, self.automaton.moves(state, of_run), event, grown, matches)

    def _in_time(self, state: int, run: Run, time_ms: int) -> bool:
        within = self.within_ms
        if within is not None and not -within < time_ms - run.start_ms < within:
            return False
        gap = self.automaton.gaps[state]
        return gap is None or time_ms - run.last_ms < gap

    def _emit(self, key: KeyRuns, matches: list[Run]) -> list[Run]:
        """Order the matches, let each prune what its skip rule says, return what remains."""
        if self.skip.kind == "noSkip":
            return sorted(matches, key=match_order) if len(matches) > 1 else matches
        waiting = sorted(key.held + matches, key=match_order)
        key.held = []
        emitted: list[Run] = []
        while waiting:
            match = waiting.pop(0)
            if self.strict_order and any(
                run.start < match.start for runs in key.by_state.values() for run in runs
            ):
                key.held = [match, *waiting]
                break
            emitted.append(match)
            span = self.skip.range_of(match)
            if span is not None:
                first, last = span
                waiting = [run for run in waiting if not first <= run.start <= last]
                self._prune(key, first, last)
        return emitted

    def _prune(self, key: KeyRuns, first: int, last: int) -> None:
        for state in list(key.by_state):
            runs = key.by_state[state]
            self._keep(key, state, [run for run in runs if not first <= run.start <= last])

    def _drop_oldest(self, key: KeyRuns, now_ms: int) -> None:
        for state in list(key.by_state):
            runs_of_state = key.by_state[state]
            if state not in self.automaton.pending:
                alive = [run for run in runs_of_state if self._in_time(state, run, now_ms)]
                self._keep(key, state, alive)
        if key.count <= self.runs_max:
            return
        runs = sorted(run.start for runs in key.by_state.values() for run in runs)
        surplus = len(runs) - self.runs_max
        last = runs[surplus - 1]
        before = key.count
        self._prune(key, 0, last)
        self.runs_dropped += before - key.count

    def _keep(self, key: KeyRuns, state: int, runs: list[Run]) -> None:
        key.count -= len(key.by_state[state]) - len(runs)
        if runs:
            key.by_state[state] = runs
        else:
            del key.by_state[state]
