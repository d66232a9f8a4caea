"""What is kept of a key: captured events, runs by state, and what a match removes of them."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

Captures = tuple[Any, ...]
Guard = Callable[[Any, Captures], bool]

WAS_MATCH: Final = -1
_BY_TIME: Final = 1 << 63  # what time completes is complete after what events do
_TRIM_MIN: Final = 128  # elements of `taken` below which letting go is not worth the work


class Run(msgspec.Struct, gc=False):
    """A partial match (or a whole one).

    Attributes:
        start_ms: Time of its first event.
        start: Sequence number of its first event.
        last_ms: Time of the event taken last, as far as `captures` goes.
        captures: `(step, event, step, event, ...)` up to where the bucket's `taken` goes on.
        mark: Length of the bucket's `taken` when the run came in.
        done_ms: Of a match that time completed (an absence), when; None = an event did. Of a live
            run, `WAS_MATCH` when it has been a match as it stands.
    """

    start_ms: int
    start: int
    last_ms: int
    captures: Captures
    mark: int = 0
    done_ms: int | None = None


class Bucket(msgspec.Struct, gc=False):
    """The runs of a key that are in one state.

    Whatever all of them do alike costs the same for one run and for thousands: an event that all
    of them take is written once, in `taken`, and a run's captures are its own and then those of
    `taken` from its mark on. Events outside the run's time do not count among them.

    Attributes:
        runs: By (start_ms, start).
        taken: `[step, event, step, event, ...]`.
    """

    runs: list[Run]
    taken: list[Any]

    def add(self, run: Run) -> None:
        """Put in one run."""
        run.mark = len(self.taken)
        if self.runs and _age(self.runs[-1]) > _age(run):
            insort(self.runs, run, key=_age)
        else:
            self.runs.append(run)

    def trim(self) -> None:
        """Let go of what no run needs any more."""
        unused = min((run.mark for run in self.runs), default=len(self.taken))
        if unused > _TRIM_MIN and unused * 2 > len(self.taken):
            del self.taken[:unused]
            for run in self.runs:
                run.mark -= unused


class KeyRuns(msgspec.Struct, gc=False):
    """All live runs of a key.

    Attributes:
        sequence: Number of the event taken last.
        count: Number of live runs.
        by_state: State -> its runs; no empty buckets.
        held: Matches that wait for other runs; only with `strict_order` and `emit: longest`.
        told: Ranges of starts (first, last) whose time-outs are told no more.
        previous: What the rule remembers of earlier events: see `previous.py`.
        session_ms: When an event of a step came last; only of rules with a session.
    """

    sequence: int
    count: int
    by_state: dict[int, Bucket]
    held: Sequence[Run] = ()  # empty ones are nothing that the collector looks through
    told: Sequence[tuple[int, int]] = ()
    previous: Sequence[Any] = ()
    session_ms: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing need be kept of the key."""
        return not (self.count or self.held or self.previous)

    def keep(self, state: int, runs: list[Run]) -> None:
        """Leave only these of the runs that are in a state."""
        bucket = self.by_state[state]
        gone = len(bucket.runs) - len(runs)
        if not gone:
            return
        self.count -= gone
        bucket.runs = runs
        if runs:
            bucket.trim()
        else:
            del self.by_state[state]


def new_key() -> KeyRuns:
    """A key that has seen nothing."""
    return KeyRuns(0, 0, {})


def last_ms(key: KeyRuns) -> int | None:
    """When the key's runs took an event last; None = it has none. Cost: linear in the runs."""
    times = [run.last_ms for bucket in key.by_state.values() for run in bucket.runs]
    times += [run.last_ms for run in key.held]
    times += [bucket.taken[-1].time_ms for bucket in key.by_state.values() if bucket.taken]
    return max(times, default=None)


def match_order(match: Run) -> tuple[Any, ...]:
    """Earliest start first, then as they are complete, then longest, then by their events."""
    captures = match.captures
    return (
        match.start,
        captures[-1].sequence if match.done_ms is None else _BY_TIME,
        -len(captures),
        [event.sequence for event in captures[1::2]],
        captures[::2],
    )


def _age(run: Run) -> tuple[int, int]:
    return run.start_ms, run.start
