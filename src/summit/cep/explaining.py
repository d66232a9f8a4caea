"""What a key's saved state means: its runs, where each waits, what it has taken. Pure.

For people who ask why a rule has not fired yet. `load_key` reads the bytes, the rule's automaton
says what they stand for.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from summit.cep.late_state import state_of_now
from summit.cep.program import Program
from summit.cep.rules import PatternRule, prepare_rule
from summit.cep.runs import Run
from summit.cep.state import load_key
from summit.documents.plan import PatternPlan, flat_steps
from summit.keyed.captured import Captured, Origins
from summit.keyed.ruleset import make_rule_set


class Taken(NamedTuple):
    """An event that a run has taken, and the step that took it."""

    step: str
    event: Captured


class RunState(NamedTuple):
    """One unfinished match.

    Attributes:
        waits_for: Steps whose events take it on.
        ended_by: Steps whose events end it: what must not come.
        taken: Its events, in the order in which they were taken.
        expires_ms: The event time at which it is over; None = nothing bounds it.
        completes: Whether it becomes a match when that time comes (an absence at the end).
        held: Whether it is a match that waits for earlier runs.
        text: All this in one line.
    """

    waits_for: tuple[str, ...]
    ended_by: tuple[str, ...]
    taken: list[Taken]
    start_ms: int
    last_ms: int
    expires_ms: int | None
    completes: bool
    held: bool
    text: str


class KeyCounts(NamedTuple):
    """How much a key's state holds."""

    runs: int
    events: int
    expires_ms: int | None


class RunReader:
    """Says where the runs of a compiled rule stand."""

    def __init__(self, rule: PatternRule, program: Program) -> None:
        self._program = program
        self._steps = {step.name: step for step in flat_steps(rule.plan.steps)}

    def living(self, state: int, run: Run, deadline: float) -> RunState:
        """A live run, whose captures are complete, and which is over at `deadline`."""
        automaton = self._program.automaton
        waits, ended_by = automaton.waits_for(state)
        taken = self.taken(run)
        counts = Counter(each.step for each in taken)
        completes = state in automaton.pending
        parts = []
        if waits:
            parts.append("waits for " + " or ".join(self._wanted(s, counts[s]) for s in waits))
        if completes:
            parts.append("becomes a match when its time is over")
        if ended_by:
            parts.append("ends when " + " or ".join(f"'{step}'" for step in ended_by) + " comes")
        return RunState(
            waits, ended_by, taken, run.start_ms, run.last_ms,
            None if deadline == float("inf") else int(deadline), completes, False,
            "; ".join(parts),
        )  # fmt: skip

    def held(self, run: Run) -> RunState:
        """A match that waits for earlier runs."""
        text = "is a match that waits until earlier ones are over"
        return RunState((), (), self.taken(run), run.start_ms, run.last_ms, None, True, True, text)

    def taken(self, run: Run) -> list[Taken]:
        """What a run has taken, in order."""
        names = self._program.automaton.step_names
        captures = run.captures
        return [Taken(names[captures[n]], captures[n + 1]) for n in range(0, len(captures), 2)]

    def _wanted(self, name: str, count: int) -> str:
        """A step, and how many of its events there are of how many."""
        step = self._steps[name]
        if step.times_max == step.times_min == 1:
            return f"'{name}'"
        if step.times_min == step.times_max:
            return f"'{name}' ({count} of {step.times_max} taken)"
        needed = "or more" if step.times_max is None else f"to {step.times_max}"
        return f"'{name}' ({count} taken, {step.times_min} {needed} needed)"


class StateReader:
    """Reads saved states of one rule.

    Args:
        plan: May be disabled: its saved state is readable all the same.
    Raises: Invalid("pattern.steps").
    """

    def __init__(self, plan: PatternPlan) -> None:
        self.rule = prepare_rule(plan)
        self._program = self.rule.program(make_rule_set([self.rule]).layout)
        self._origins = Origins()
        self._reader = RunReader(self.rule, self._program)

    def runs(self, data: bytes, version: int) -> list[RunState]:
        """The unfinished matches of a key, oldest first. Raises Corrupt("pattern.state")."""
        state, version = state_of_now(data, version)
        if state is None:
            return []
        key = load_key(state, version, self._origins)
        found = [
            self._reader.living(state, run, self._program.deadline(state, run, key))
            for state, run in self._program.living(key)
        ]
        return found + [self._reader.held(run) for run in key.held]

    def count(self, data: bytes, version: int) -> KeyCounts:
        """How much that is, without looking at each run. Raises Corrupt("pattern.state")."""
        state, version = state_of_now(data, version)
        if state is None:
            return KeyCounts(0, 0, None)
        key = load_key(state, version, self._origins)
        living = self._program.living(key)
        events = {
            event.sequence
            for run in (*(run for _, run in living), *key.held)
            for event in run.captures[1::2]
        }
        deadline = self._program.next_deadline(key)
        expires_ms = None if deadline == float("inf") else int(deadline)
        return KeyCounts(len(living) + len(key.held), len(events), expires_ms)
