"""`steps`: what must happen, in order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from summit.base import limits
from summit.base.config import nearest
from summit.documents.available import (
    CONTIGUITIES,
    RELATIONS,
    RELATIONS_LATER,
    STEP_FIELDS_LATER,
)
from summit.documents.plan import StepPlan
from summit.documents.predicates import joined, read_any_of, read_where
from summit.documents.problems import Problems, join_pointer
from summit.documents.section import Section, kind_name

STEP_FIELDS: Final = ("name", "where", "anyOf", "relation", "times", "contiguity", "within")
_LATER_WHEN_SET: Final = ("optional", "greedy")
_NAME_CHARS_MAX: Final = 64
_NAME: Final = re.compile(r"\w[\w-]*")
_RESERVED: Final = ("true", "false", "null", "in")


class Sequence(NamedTuple):
    """The steps of a pattern; with problems, which are noted, there are only the names."""

    steps: tuple[StepPlan, ...]
    names: list[str]


def read_steps(value: Any, pointer: str, problems: Problems) -> Sequence:
    """Read the list `steps`."""
    if not isinstance(value, (list, tuple)):
        problems.add(pointer, f"must be a list, not {kind_name(value)}")
        return Sequence((), [])
    if not value:
        problems.add(pointer, "a pattern needs at least one step")
        return Sequence((), [])
    if len(value) > limits.PATTERN_STEPS_MAX:
        problems.add(pointer, f"at most {limits.PATTERN_STEPS_MAX} steps, not {len(value)}")
        return Sequence((), [])
    names = step_names(value, pointer, problems)
    found: list[StepPlan] = []
    for number, item in enumerate(value):
        if not isinstance(item, Mapping):
            place = join_pointer(pointer, number)
            problems.add(place, f"must be a map, not {kind_name(item)}")
            continue
        step = _read_step(item, join_pointer(pointer, number), problems, names[: number + 1])
        if step is not None:
            found.append(step)
    check_repetitions(found, pointer, problems)
    return Sequence(tuple(found) if len(found) == len(value) else (), names)


def step_names(items: Any, pointer: str, problems: Problems, field: str = "name") -> list[str]:
    """The name of each step, given or `step1`, `step2` … by its place; noted when twice."""
    names: list[str] = []
    for number, item in enumerate(items):
        given = item.get(field) if isinstance(item, Mapping) else None
        name = given if isinstance(given, str) and given.strip() else f"step{number + 1}"
        place = join_pointer(join_pointer(pointer, number), field)
        if name in names:
            problems.add(place, f"the name '{name}' is used twice")
        elif not _NAME.fullmatch(name) or name in _RESERVED or len(name) > _NAME_CHARS_MAX:
            text = "a step's name consists of letters, digits, '_' and '-', at most 64 of them"
            problems.add(place, f"'{name[:80]}' is no name: {text}")
        names.append(name)
    return names


def read_times(section: Section, name: str = "times") -> tuple[int, int | None]:
    """The least and most repetitions of `n | {min, max}`; most None = without limit."""
    value = section.values.get(name)
    most = limits.PATTERN_TIMES_MAX
    if isinstance(value, Mapping):
        inner = Section(
            value, section.at(name), section.problems, names=("min", "max"), noun="times"
        )
        if not inner.has("min") and not inner.has("max"):
            section.note(name, "needs min, max or both")
        low = inner.whole("min", least=1, most=most) or 1
        high = inner.whole("max", least=1, most=most)
        if high is not None and high < low:
            inner.note("max", f"must be at least min ({low}), not {high}")
        return low, high
    if value == 0 and isinstance(value, int) and not isinstance(value, bool):
        section.note(name, "must be at least 1; leave the step out instead")
        return 1, 1
    count = section.whole(name, least=1, most=most) or 1
    return count, count


def check_repetitions(steps: list[StepPlan], pointer: str, problems: Problems) -> None:
    """Refuse a pattern whose automaton would be too large."""
    states = sum(step.times_max or step.times_min for step in steps)
    if states > limits.PATTERN_STATES_MAX:
        text = f"{states} repetitions in all steps together; at most {limits.PATTERN_STATES_MAX}"
        problems.add(pointer, text)


def _read_step(
    item: Mapping[str, Any], pointer: str, problems: Problems, names: list[str]
) -> StepPlan | None:
    before = len(problems)
    later = [n for n in STEP_FIELDS_LATER if n not in _LATER_WHEN_SET]
    section = Section(
        item, pointer, problems, names=(*STEP_FIELDS, *_LATER_WHEN_SET), later=later, noun="step"
    )
    for name in _LATER_WHEN_SET:
        if section.flag(name, default=False):
            section.not_available(name)
    section.text("name")
    relation = section.choice("relation", RELATIONS, RELATIONS_LATER)
    contiguity = section.choice("contiguity", CONTIGUITIES)
    low, high = read_times(section)
    within_ms = section.duration_ms("within")
    if len(names) == 1 and within_ms is not None:
        section.note("within", "the first step has no step before it; set the pattern's within")
    predicate = None
    if not section.has("where") and not section.has("anyOf"):
        if not section.has("steps"):
            section.note("where", "a step needs 'where': which events it takes")
    else:
        parts = []
        if section.has("where"):
            parts.append(read_where(item["where"], section.at("where"), problems, steps=names))
        if section.has("anyOf"):
            parts.append(read_any_of(item["anyOf"], section.at("anyOf"), problems, steps=names))
        predicate = joined(parts)
    if len(problems) > before:
        return None
    return StepPlan(
        names[-1],
        # On the first step the relation has no meaning; one spelling keeps hashes equal.
        relation=(relation or "followedBy") if len(names) > 1 else "followedBy",
        predicate=predicate,
        times_min=low,
        times_max=high,
        contiguity=(contiguity or "relaxed") if high != 1 else "relaxed",
        within_ms=within_ms,
    )


def unknown_step(name: object, names: list[str]) -> tuple[str, str | None]:
    """The message and the suggestion for a name that is no step."""
    known = ", ".join(names) or "none"
    if not isinstance(name, str):
        return f"must name a step, not {kind_name(name)}", None
    return f"'{name}' is no step; the steps are {known}", nearest(name, names)
