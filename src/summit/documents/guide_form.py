"""The guide's form of a pattern: a flat list `conditions`, and `windowConfig`.

A condition with an `eventType` opens the next ordered step; one without is a filter on the step
that is open, or on the only step when none has an `eventType`.

    [{eventType: a, …}, {field: x, …}, {eventType: b, …}]   =   a && x, followed by b
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from summit.base import limits
from summit.documents.plan import Span, StepPlan
from summit.documents.predicates import joined, read_condition
from summit.documents.problems import Problems, join_pointer
from summit.documents.section import Section, kind_name
from summit.documents.steps import Sequence, check_repetitions, read_times, step_names
from summit.documents.window_parts import read_window

_Part = tuple[Mapping[str, Any], str]


def read_conditions(
    value: Any, pointer: str, problems: Problems, *, ordered: bool = True
) -> Sequence:
    """The steps of a list of conditions."""
    before = len(problems)
    groups = _groups(value, pointer, problems)
    if len(groups) > limits.PATTERN_STEPS_MAX:
        problems.add(pointer, f"at most {limits.PATTERN_STEPS_MAX} steps, not {len(groups)}")
        return Sequence((), [])
    openers = [{"step": _step_name(group)} for group in groups]
    names = step_names(openers, pointer, problems, "step")
    steps = [
        _read_group(group, names[0 if ordered else number : number + 1], problems)
        for number, group in enumerate(groups)
    ]
    found = [step for step in steps if step is not None]
    check_repetitions(found, pointer, problems, ordered=ordered)
    return Sequence(tuple(found) if len(problems) == before else (), names)


def read_window_config(section: Section) -> Span | None:
    """What a `windowConfig` says of a sequence; None without one."""
    if section.mapping("windowConfig") is None:
        return None
    kind, size_ms, slide_ms, gap_ms = read_window(section)
    return Span(size_ms, size_ms if kind == "tumbling" else slide_ms, gap_ms)


def _groups(value: Any, pointer: str, problems: Problems) -> list[list[_Part]]:
    """The conditions of each step."""
    if not isinstance(value, (list, tuple)):
        problems.add(pointer, f"must be a list, not {kind_name(value)}")
        return []
    if not value:
        problems.add(pointer, "a pattern needs at least one condition")
        return []
    parts: list[_Part] = []
    for number, item in enumerate(value):
        place = join_pointer(pointer, number)
        if isinstance(item, Mapping):
            parts.append((item, place))
        else:
            problems.add(place, f"must be a condition (a map), not {kind_name(item)}")
    if all(item.get("eventType") is None for item, _ in parts):
        return [parts] if parts else []
    groups: list[list[_Part]] = []
    for item, place in parts:
        if item.get("eventType") is not None:
            groups.append([(item, place)])
        elif not groups:
            text = "no step is open here; put this condition after one with an eventType"
            problems.add(place, text)
        elif item.get("step") not in (None, groups[-1][0][0].get("step")):
            text = "only a condition with an eventType opens a step; this one filters the one open"
            problems.add(join_pointer(place, "step"), text)
        else:
            groups[-1].append((item, place))
    return groups


def _step_name(group: list[_Part]) -> Any:
    return next((item["step"] for item, _ in group if item.get("step") is not None), None)


def _read_group(group: list[_Part], names: list[str], problems: Problems) -> StepPlan | None:
    nodes = []
    low, high = 1, cast("int | None", 1)
    counted = ""
    for item, place in group:
        nodes.append(read_condition(item, place, problems, steps=names, previous=True, guide=True))
        if item.get("times") is None:
            continue
        if counted:
            problems.add(join_pointer(place, "times"), f"the step has times already ({counted})")
        counted = join_pointer(place, "times")
        low, high = read_times(Section(item, place, problems, names=item))
    predicate = joined(nodes)
    if predicate is None:
        return None
    return StepPlan(names[-1], predicate=predicate, times_min=low, times_max=high)
