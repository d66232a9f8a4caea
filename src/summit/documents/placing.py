"""Which steps go together: what has no defined meaning is refused, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from summit.documents.plan import Relation, StepPlan
from summit.documents.problems import Problems, join_pointer

NEGATIVE: Final[tuple[Relation, ...]] = ("notNext", "notFollowedBy")


def check_placing(steps: Sequence[StepPlan], pointer: str, problems: Problems) -> None:
    """Note every step that stands where it cannot, or holds what does not go together."""
    for number, step in enumerate(steps):
        place = join_pointer(pointer, number)
        before = steps[number - 1] if number else None
        if step.relation in NEGATIVE:
            _check_negative(step, before, place, problems)
        else:
            _check_positive(step, before, place, problems)
    last, place = steps[-1], join_pointer(join_pointer(pointer, len(steps) - 1), "relation")
    if last.relation == "notNext":
        problems.add(place, "notNext cannot be the last step: nothing says when it has held")


def _check_negative(
    step: StepPlan, before: StepPlan | None, place: str, problems: Problems
) -> None:
    if before is None:
        problems.add(join_pointer(place, "relation"), f"the first step cannot be {step.relation}")
    elif before.optional:
        text = f"{step.relation} cannot follow the optional step '{before.name}'"
        problems.add(join_pointer(place, "relation"), text)
    for name, given in (
        ("times", (step.times_min, step.times_max) != (1, 1)),
        ("optional", step.optional),
        ("greedy", step.greedy),
        ("until", step.until is not None),
        ("within", step.within_ms is not None),
    ):
        if given:
            text = f"a {step.relation} step takes no '{name}': it says what must not come"
            problems.add(join_pointer(place, name), text)


def _check_positive(
    step: StepPlan, before: StepPlan | None, place: str, problems: Problems
) -> None:
    if step.optional and before is not None and before.greedy:
        text = f"an optional step cannot follow the greedy step '{before.name}'"
        problems.add(join_pointer(place, "optional"), text)
    if step.greedy and step.times_min == step.times_max:
        text = "greedy needs a step whose times may vary, such as {min: 1}"
        problems.add(join_pointer(place, "greedy"), text)
    if step.until is not None and step.times_max is not None:
        text = "until ends a loop: it needs times without max, such as {min: 1}"
        problems.add(join_pointer(place, "until"), text)
