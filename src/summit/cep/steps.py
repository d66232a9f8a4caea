"""What an automaton is built from: steps without predicates, only bits.

A step that takes events owns one bit of the event's *mask*: the bit is set when the event
satisfies the step's predicate. A step with a stop condition (`until`) owns one more. So the
automaton knows nothing of events, and the same automaton serves generated predicates, tests and
a native twin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from summit.base.errors import Invalid

Relation = Literal["next", "followedBy", "followedByAny", "notNext", "notFollowedBy"]
Contiguity = Literal["strict", "relaxed", "any"]

NEGATIVE: tuple[Relation, ...] = ("notNext", "notFollowedBy")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a sequence.

    Attributes:
        relation: To the step before; without meaning on the first step of a pattern.
        times_min: At least 1.
        times_max: None = without limit.
        contiguity: Between the repetitions of this step.
        until: Whether the step has a stop condition; only on a loop without upper limit.
        within_ms: Half-open limit from the last event before this step to its first one.
        group: Steps that repeat as one unit; such a step takes no event itself.
    """

    name: str
    relation: Relation = "followedBy"
    times_min: int = 1
    times_max: int | None = 1
    contiguity: Contiguity = "relaxed"
    optional: bool = False
    greedy: bool = False
    until: bool = False
    within_ms: int | None = None
    group: tuple[Step, ...] = ()

    @property
    def negative(self) -> bool:
        """Whether the step says what must not happen."""
        return self.relation in NEGATIVE


def takers(steps: Sequence[Step]) -> list[Step]:
    """The steps that test events, in order; the i-th owns bit i of the mask."""
    return list(_takers(steps))


def stoppers(steps: Sequence[Step]) -> list[Step]:
    """The steps with a stop condition, in order; their bits follow those of `takers`."""
    return list(_stoppers(steps))


def _takers(steps: Sequence[Step]) -> Iterator[Step]:
    for step in steps:
        if step.group:
            yield from _takers(step.group)
        else:
            yield step


def _stoppers(steps: Sequence[Step]) -> Iterator[Step]:
    for step in steps:
        if step.until:
            yield step
        yield from _stoppers(step.group)


def check_steps(steps: Sequence[Step], within_ms: int | None) -> None:
    """Refuse sequences that have no defined meaning.

    Raises: Invalid("pattern.steps") with the step and the reason.
    """
    if not steps:
        raise Invalid("pattern.steps", step="", reason="a pattern needs at least one step")
    names = [step.name for step in takers(steps)]
    for name in names:
        if names.count(name) > 1:
            raise Invalid("pattern.steps", step=name, reason="the name is used twice")
    _check_sequence(steps)
    if steps[-1].relation == "notNext":
        raise Invalid("pattern.steps", step=steps[-1].name, reason="notNext cannot be the last")
    if steps[-1].relation == "notFollowedBy" and within_ms is None:
        reason = "notFollowedBy can be the last step only when the pattern has a within"
        raise Invalid("pattern.steps", step=steps[-1].name, reason=reason)


def check_unordered_steps(steps: Sequence[Step]) -> None:
    """Refuse steps that cannot come in any order.

    Raises: Invalid("pattern.steps") with the step and the reason.
    """
    if not steps:
        raise Invalid("pattern.steps", step="", reason="a pattern needs at least one step")
    names = [step.name for step in steps]
    for step in steps:
        if names.count(step.name) > 1:
            raise Invalid("pattern.steps", step=step.name, reason="the name is used twice")
        if step != Step(step.name, times_min=step.times_min, times_max=step.times_max):
            reason = "steps without an order have nothing but a name and times"
            raise Invalid("pattern.steps", step=step.name, reason=reason)
        reason_of_times = _step_fault(step, None)
        if reason_of_times is not None:
            raise Invalid("pattern.steps", step=step.name, reason=reason_of_times)


def _check_sequence(steps: Sequence[Step]) -> None:
    for index, step in enumerate(steps):
        before = steps[index - 1] if index else None
        reason = _step_fault(step, before)
        if reason is not None:
            raise Invalid("pattern.steps", step=step.name, reason=reason)
        _check_sequence(step.group)
        if step.group and step.group[-1].negative:
            reason = f"{step.group[-1].relation} cannot end a group"
            raise Invalid("pattern.steps", step=step.group[-1].name, reason=reason)
        if step.group and all(inner.optional or inner.negative for inner in step.group):
            reason = "not every step of a group can be optional"
            raise Invalid("pattern.steps", step=step.name, reason=reason)


def _step_fault(step: Step, before: Step | None) -> str | None:
    if step.times_min < 1 or (step.times_max is not None and step.times_max < step.times_min):
        return "times needs 1 <= min <= max"
    if step.until and step.times_max is not None:
        return "until needs a loop without upper limit"
    if step.negative:
        if step.optional or step.greedy or step.times_max != 1 or step.group:
            return "a negative step takes neither times, optional, greedy nor steps"
        if before is None:
            return "a pattern cannot begin with a negative step"
        if before.optional:
            return f"the optional step '{before.name}' cannot stand before a negative step"
    if step.greedy and step.group:
        return "a group cannot be greedy"
    if step.optional and before is not None and before.greedy:
        return f"an optional step cannot follow the greedy step '{before.name}'"
    return None
