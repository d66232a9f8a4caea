"""The automaton as tables: for a state and a mask, what a run does with the event.

Conditions look at the mask only, so the answer for (state, mask) is computed once, by walking the
PROCEED edges, and then looked up. A run that is in state `s` when an event with mask `m` comes
makes every move of `table[s][m]`: several moves = it branches, none = it ends there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from summit.cep.automaton import EdgeKind, State, StateKind, always, build
from summit.cep.steps import Step, takers
from summit.cep.unordered import build_unordered


class Move(NamedTuple):
    """One thing a run does with an event.

    Attributes:
        taker: Index of the step that captures the event; -1 = the event is skipped.
        target: State to go on in; -1 = nothing to go on with.
        emits: Whether the run, with this event, is a match.
        gap_ms: The event must come less than this after the one taken last; None = no limit.
    """

    taker: int
    target: int
    emits: bool
    gap_ms: int | None


Moves = tuple[Move, ...]
SKIPPED: Final = -1
NOWHERE: Final = -1


class Automaton:
    """States by number (0 = start) and their tables, which fill as masks are met."""

    def __init__(
        self, steps: Sequence[Step], within_ms: int | None, *, ordered: bool = True
    ) -> None:
        """Build from steps. Raises: Invalid("pattern.steps")."""
        start = build(steps, within_ms) if ordered else build_unordered(steps)
        self._states = _reachable(start)
        self._numbers = {id(state): number for number, state in enumerate(self._states)}
        self.step_names = tuple(step.name for step in takers(steps))
        self.pending = frozenset(
            number for number, state in enumerate(self._states) if state.kind is StateKind.PENDING
        )
        self.gaps = tuple(state.gap_ms for state in self._states)
        self.sees_all = _sees_all(steps)
        self._tables: list[dict[int, Moves]] = [{} for _ in self._states]
        self._starts: dict[int, Moves] = {}
        self.stay: tuple[Moves, ...] = tuple(
            (Move(SKIPPED, number, False, None),) for number in range(len(self._states))
        )

    def __len__(self) -> int:
        return len(self._states)

    def moves(self, state: int, mask: int) -> Moves:
        """What a run in `state` does; `stay[state]` itself when nothing changes."""
        found = self._tables[state].get(mask)
        if found is None:
            found = self._moves(state, mask)
            if found == self.stay[state]:
                found = self.stay[state]
            self._tables[state][mask] = found
        return found

    def starts(self, mask: int) -> Moves:
        """What a run that would begin with this event does. It cannot skip."""
        found = self._starts.get(mask)
        if found is None:
            found = tuple(move for move in self._moves(0, mask) if move.taker != SKIPPED)
            self._starts[mask] = found
        return found

    def waits_for(self, state: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The steps whose events a run in the state may take next; those whose events end it.

        Which of them it is may depend on the event.
        """
        takes: dict[str, None] = {}
        ends: dict[str, None] = {}
        for reached in _reached(self._states[state], only_always=False):
            if reached.kind is StateKind.STOP:
                ends[self.step_names[reached.taker]] = None
            elif any(edge.kind is EdgeKind.TAKE for edge in reached.edges):
                takes[self.step_names[reached.taker]] = None
        return tuple(takes), tuple(ends)

    def without_dominated(self, moves: Moves) -> Moves:
        """The moves without those that leave a run which another move's run can always replace.

        A run that takes the event and can go on wherever the run that skips it could, is longer
        and no less able. True only where no condition looks at what runs have captured.
        """
        longer = [move.target for move in moves if move.taker != SKIPPED and move.target >= 0]
        left = tuple(
            move
            for move in moves
            if move.taker != SKIPPED
            or not any(self._replaces(target, move.target) for target in longer)
        )
        return moves if len(left) == len(moves) else left

    def _replaces(self, longer: int, shorter: int) -> bool:
        """Whether a run in `longer` is always also in `shorter`, and not stopped more easily."""
        start, end = self._states[longer], self._states[shorter]
        if not any(end is state for state in _reached(start, only_always=True)):
            return False
        of_end = {id(state) for state in _reached(end, only_always=False)}
        return not any(
            state.kind is StateKind.STOP and id(state) not in of_end
            for state in _reached(start, only_always=False)
        )

    def _moves(self, number: int, mask: int) -> Moves:
        moves: dict[Move, None] = {}
        stopped = False
        for state in self._also_in(self._states[number], mask):
            for edge in state.edges:
                if edge.kind is EdgeKind.PROCEED or not edge.condition(mask):
                    continue
                if edge.target.kind is StateKind.STOP:
                    stopped = True
                elif edge.kind is EdgeKind.IGNORE:
                    moves[Move(SKIPPED, self._numbers[id(edge.target)], False, None)] = None
                else:
                    moves[self._take(state, edge.target, mask)] = None
        if stopped:
            # A forbidden event ends the run and all its branches, but not what it completes.
            return tuple(move._replace(target=NOWHERE) for move in moves if move.emits)
        return tuple(moves)

    def _take(self, state: State, target: State, mask: int) -> Move:
        emits = any(s.kind is StateKind.FINAL for s in self._also_in(target, mask))
        on = NOWHERE if target.kind is StateKind.FINAL else self._numbers[id(target)]
        return Move(state.taker, on, emits, state.gap_ms)

    def _also_in(self, state: State, mask: int) -> list[State]:
        """The state and those it proceeds to for this mask."""
        found = [state]
        for source in found:
            for edge in source.edges:
                on = edge.kind is EdgeKind.PROCEED and edge.condition(mask)
                if on and not any(edge.target is known for known in found):
                    found.append(edge.target)
        return found


def _reached(start: State, *, only_always: bool) -> list[State]:
    """The state and those it proceeds to, whatever the event, or for some event."""
    found = [start]
    for state in found:
        for edge in state.edges:
            on = edge.kind is EdgeKind.PROCEED and (edge.condition is always or not only_always)
            if on and not any(edge.target is known for known in found):
                found.append(edge.target)
    return found


def _reachable(start: State) -> list[State]:
    found = [start]
    known = {id(start)}
    for state in found:
        for edge in state.edges:
            if id(edge.target) not in known:
                known.add(id(edge.target))
                found.append(edge.target)
    return found


def _sees_all(steps: Sequence[Step]) -> bool:
    """Whether an event that satisfies no step can change a run."""
    return any(
        (index > 0 and step.relation in ("next", "notNext"))
        or (step.contiguity == "strict" and step.times_max != 1)
        or (bool(step.group) and (_sees_all(step.group) or step.relation == "next"))
        for index, step in enumerate(steps)
    )
