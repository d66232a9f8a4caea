"""`steps`: what must happen, in order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from summit.base import limits
from summit.base.config import nearest
from summit.documents.available import CONTIGUITIES, RELATIONS, STEP_FIELDS_LATER
from summit.documents.placing import NEGATIVE, check_placing
from summit.documents.plan import StepPlan
from summit.documents.predicates import joined, read_any_of, read_where
from summit.documents.problems import Problems, join_pointer
from summit.documents.section import Section, kind_name
from summit.events.expressions.ir import Node

STEP_FIELDS: Final = (
    "name", "where", "anyOf", "relation", "times", "contiguity", "within", "optional", "greedy",
    "until",
)  # fmt: skip
_NAME_CHARS_MAX: Final = 64
_NAME: Final = re.compile(r"\w[\w-]*")
_RESERVED: Final = ("true", "false", "null", "in")


class Sequence(NamedTuple):
    """The steps of a pattern.

    Attributes:
        steps: Not all, or without predicates, when there are problems, which are noted.
        names: Of the steps that take events: what other members may refer to.
    """

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
    taking: list[str] = []  # names that conditions may refer to: steps that take events
    found: list[StepPlan] = []
    for number, item in enumerate(value):
        place = join_pointer(pointer, number)
        if not isinstance(item, Mapping):
            problems.add(place, f"must be a map, not {kind_name(item)}")
            continue
        if item.get("relation") not in NEGATIVE:
            taking.append(names[number])
        reader = _StepReader(item, place, problems, names[number], taking)
        found.append(reader.read(first=number == 0))
    if len(found) == len(value):
        check_placing(found, pointer, problems)
    check_repetitions(found, pointer, problems)
    return Sequence(tuple(found), taking)


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


class _StepReader:
    """Reads one step.

    Args:
        taking: Names of the steps that take events, up to this one.
    """

    def __init__(
        self,
        item: Mapping[str, Any],
        pointer: str,
        problems: Problems,
        name: str,
        taking: list[str],
    ) -> None:
        self._problems = problems
        self._name = name
        self._taking = taking
        self._section = Section(
            item, pointer, problems, names=STEP_FIELDS, later=STEP_FIELDS_LATER, noun="step"
        )

    def read(self, *, first: bool) -> StepPlan:
        """The plan; what has problems, which are noted, has its default."""
        section = self._section
        section.text("name")
        relation = section.choice("relation", RELATIONS) or "followedBy"
        contiguity = section.choice("contiguity", CONTIGUITIES) or "relaxed"
        low, high = read_times(section)
        within_ms = section.duration_ms("within")
        if first and within_ms is not None:
            section.note("within", "no step comes before the first; set the pattern's within")
        until = None
        if section.has("until"):
            until = self._where("until")
        return StepPlan(
            self._name,
            # On a first step that takes events the relation has no meaning: one spelling of it
            # keeps hashes equal. So has the contiguity of a step that does not repeat.
            relation="followedBy" if first and relation not in NEGATIVE else relation,
            predicate=self._predicate(),
            times_min=low,
            times_max=high,
            contiguity="relaxed" if high == 1 else contiguity,
            optional=section.flag("optional", default=False),
            greedy=section.flag("greedy", default=False),
            until=until,
            within_ms=within_ms,
        )

    def _predicate(self) -> Node | None:
        section = self._section
        given = [name for name in ("where", "anyOf") if section.has(name)]
        if not given:
            if not section.has("steps"):
                section.note("where", "a step needs 'where': which events it takes")
            return None
        return joined([self._where(name) for name in given])

    def _where(self, name: str) -> Node | None:
        read = read_any_of if name == "anyOf" else read_where
        section = self._section
        return read(section.values[name], section.at(name), self._problems, steps=self._taking)


def unknown_step(name: object, names: list[str]) -> tuple[str, str | None]:
    """The message and the suggestion for a name that is no step."""
    known = ", ".join(names) or "none"
    if not isinstance(name, str):
        return f"must name a step, not {kind_name(name)}", None
    return f"'{name}' is no step; the steps are {known}", nearest(name, names)
