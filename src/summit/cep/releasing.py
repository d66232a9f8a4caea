"""Which matches come out, when, and what each of them removes.

A match is released at once, and removes what the skip rule says: runs, and later matches, that
start in a range. With `strict_order` it waits while a run lives that started earlier, as Flink's
do. With `emit: first` an event begins at most one match, the first that is complete; with
`emit: longest` the one that has most events, which is known when no run lives that began with it.

Time-outs remove no run; but a time-out that stands for others (the skip rule, once more) keeps
them silent.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from summit.cep.runs import WAS_MATCH, KeyRuns, Run, match_order

SkipKind = Literal["noSkip", "toNext", "pastLast", "toFirst", "toLast"]
EmitKind = Literal["all", "first", "longest"]


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


class Release:
    """The rules of release of one pattern.

    Args:
        held_max: Matches of a key that may wait; beyond it the first one comes out early.

    Attributes:
        holds: Whether a match may have to wait.
        early: Matches that came out early.
    """

    def __init__(
        self, skip: Skip, emit: EmitKind = "all", *, strict_order: bool = False, held_max: int
    ) -> None:
        self.skip = skip
        self.emit = emit
        self.holds = emit == "longest" or (strict_order and skip.kind != "noSkip")
        self.early = 0
        self._held_max = held_max
        # Each start is a matter of its own where no match removes what others have begun.
        self._in_order = self.holds and skip.kind != "noSkip"

    @property
    def is_one_per_start(self) -> bool:
        """Whether a match removes, at once, every other run that began with the same event."""
        return not self.holds and (self.emit == "first" or self.skip.kind in ("pastLast", "toNext"))

    def take(self, key: KeyRuns, matches: list[Run]) -> list[Run]:
        """Order the matches, let each remove what it removes, return those that come out."""
        if not self.holds and self.emit == "all" and self.skip.kind == "noSkip":
            return sorted(matches, key=match_order) if len(matches) > 1 else matches
        waiting = sorted([*key.held, *matches], key=match_order)
        if self.emit == "longest":
            waiting = _longest_of_each_start(waiting)
        held: list[Run] = []
        emitted: list[Run] = []
        while waiting:
            match = waiting.pop(0)
            if self.holds and self._must_wait(key, match):
                if len(held) + len(waiting) < self._held_max:
                    held.append(match)
                    if self._in_order:
                        held += waiting
                        break
                    continue
                self.early += 1
            emitted.append(match)
            for first, last in self._removed_by(match):
                waiting = [run for run in waiting if not first <= run.start <= last]
                held = [run for run in held if not first <= run.start <= last]
                _remove(key, first, last)
        key.held = held or ()
        return emitted

    def timed_out(self, key: KeyRuns, runs: list[Run]) -> list[Run]:
        """Those of the partial matches that ran out of time just now that are told.

        One that has been a match as it stands is no time-out.
        """
        living = min((run.start for b in key.by_state.values() for run in b.runs), default=None)
        ranges = key.told
        told: list[Run] = []
        for run in sorted(runs, key=match_order):
            silent = run.done_ms == WAS_MATCH or any(a <= run.start <= b for a, b in ranges)
            if silent or (told and run.captures == told[-1].captures):
                continue
            told.append(run)
            span = self.skip.range_of(run)
            if span is not None:
                ranges = [*ranges, span]
        key.told = () if living is None else [span for span in ranges if span[1] >= living]
        return told

    def _must_wait(self, key: KeyRuns, match: Run) -> bool:
        start = match.start
        living = (run.start for bucket in key.by_state.values() for run in bucket.runs)
        if self.emit != "longest":
            return any(other < start for other in living)
        if self._in_order:
            return any(other <= start for other in living)
        return any(other == start for other in living)

    def _removed_by(self, match: Run) -> list[tuple[int, int]]:
        span = self.skip.range_of(match)
        spans = [] if span is None else [span]
        if self.emit != "all":
            spans.append((match.start, match.start))
        return spans


def _longest_of_each_start(matches: list[Run]) -> list[Run]:
    found: dict[int, Run] = {}
    for match in matches:
        other = found.get(match.start)
        if other is None or _length_order(match) < _length_order(other):
            found[match.start] = match
    return list(found.values())


def _length_order(match: Run) -> tuple[Any, ...]:
    events = [event.sequence for event in match.captures[1::2]]
    return -len(events), events, match.captures[::2]


def _remove(key: KeyRuns, first: int, last: int) -> None:
    """End the runs that start in a range."""
    for state, bucket in list(key.by_state.items()):
        key.keep(state, [run for run in bucket.runs if not first <= run.start <= last])
