"""Which steps go together: what has no defined meaning is refused, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from summit.documents.plan import Relation, StepPlan
from summit.documents.problems import Problems, join_pointer

_OF_ORDER: Final = (
    "relation", "contiguity", "optional", "greedy", "until", "within", "steps",
)  # fmt: skip
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
        if step.group:
            _check_group(step, place, problems)
    last, place = steps[-1], join_pointer(join_pointer(pointer, len(steps) - 1), "relation")
    if last.relation == "notNext":
        problems.add(place, "notNext cannot be the last step: nothing says when it has held")


def check_unordered(steps: object, pointer: str, problems: Problems) -> None:
    """Note what says something about the order of steps that have none."""
    if not isinstance(steps, (list, tuple)):
        return
    for number, step in enumerate(steps):
        if not isinstance(step, Mapping):
            continue
        for name in _OF_ORDER:
            if step.get(name):
                place = join_pointer(join_pointer(pointer, number), name)
                text = f"'{name}' is not for 'matching: unordered', where steps have no order"
                problems.add(place, text)


def _check_group(step: StepPlan, place: str, problems: Problems) -> None:
    inner = join_pointer(place, "steps")
    check_placing(step.group, inner, problems)
    if step.greedy:
        problems.add(join_pointer(place, "greedy"), "a group cannot be greedy")
    last = step.group[-1]
    if last.relation == "notFollowedBy":
        text = "notFollowedBy cannot end a group; put it behind the group"
        problems.add(join_pointer(join_pointer(inner, len(step.group) - 1), "relation"), text)
    if all(each.optional or each.relation in NEGATIVE for each in step.group):
        text = "not every step of a group can be optional; let the group be optional"
        problems.add(inner, text)


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
        ("steps", bool(step.group)),
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
    if step.greedy and step.times_min == step.times_max and not step.group:
        text = "greedy needs a step whose times may vary, such as {min: 1}"
        problems.add(join_pointer(place, "greedy"), text)
    if step.until is not None and step.times_max is not None:
        text = "until ends a loop: it needs times without max, such as {min: 1}"
        problems.add(join_pointer(place, "until"), text)
