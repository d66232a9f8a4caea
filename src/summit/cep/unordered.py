"""The automaton of steps that may come in any order.

A state says how many events each step has taken; an event that a step still wants is taken, and an
event that several want leads to a run for each. What no step wants is skipped. A match is complete
when every step has its least number of events.
"""

from __future__ import annotations

from collections.abc import Sequence

from summit.cep.automaton import Condition, EdgeKind, State, StateKind, always
from summit.cep.steps import Step, check_unordered_steps

Counts = tuple[int, ...]


def build_unordered(steps: Sequence[Step]) -> State:
    """Check the steps and build the automaton.

    Returns: The start state.
    Raises: Invalid("pattern.steps").
    """
    check_unordered_steps(steps)
    return _Builder(steps).state((0,) * len(steps))


class _Builder:
    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._final = State(StateKind.FINAL)
        self._states: dict[Counts, State] = {}

    def state(self, counts: Counts) -> State:
        """The state in which the steps have taken so many events."""
        found = self._states.get(counts)
        if found is not None:
            return found
        wanting = [n for n, step in enumerate(self._steps) if _wants(step, counts[n])]
        whole = all(count >= s.times_min for s, count in zip(self._steps, counts, strict=True))
        if whole and not wanting:
            self._states[counts] = self._final
            return self._final
        state = self._states[counts] = State(StateKind.NORMAL)
        for number in wanting:
            step = self._steps[number]
            most = step.times_min if step.times_max is None else step.times_max
            count = min(counts[number] + 1, most)
            taking = State(StateKind.NORMAL, number)
            target = self.state((*counts[:number], count, *counts[number + 1 :]))
            taking.add(EdgeKind.TAKE, target, _bit(number))
            state.add(EdgeKind.PROCEED, taking, always)
        state.add(EdgeKind.IGNORE, state, _none_of(wanting))
        if whole:
            state.add(EdgeKind.PROCEED, self._final, always)
        return state


def _wants(step: Step, count: int) -> bool:
    return step.times_max is None or count < step.times_max


def _bit(number: int) -> Condition:
    wanted = 1 << number
    return lambda mask: bool(mask & wanted)


def _none_of(numbers: Sequence[int]) -> Condition:
    wanted = sum(1 << number for number in numbers)
    return lambda mask: not mask & wanted
