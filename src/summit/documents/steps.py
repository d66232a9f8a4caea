"""`steps`: what must happen, in order; a step may be a group of steps."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from summit.base import limits
from summit.base.config import nearest
from summit.documents.available import CONTIGUITIES, RELATIONS
from summit.documents.placing import NEGATIVE, check_placing, check_unordered
from summit.documents.plan import StepPlan
from summit.documents.predicates import joined, read_any_of, read_where
from summit.documents.problems import Problems, join_pointer
from summit.documents.section import Section, kind_name
from summit.events.expressions.analysis import required_fields
from summit.events.expressions.ir import PREVIOUS, Node

STEP_FIELDS: Final = (
    "name", "where", "anyOf", "relation", "times", "contiguity", "within", "optional", "greedy",
    "until", "steps",
)  # fmt: skip
_NAME_CHARS_MAX: Final = 64
_NAME: Final = re.compile(r"\w[\w-]*")
_DEPTH_MAX: Final = 8  # groups in groups
_RESERVED: Final = ("true", "false", "null", "in", PREVIOUS)


class Sequence(NamedTuple):
    """The steps of a pattern.

    Attributes:
        steps: Not all, or without predicates, when there are problems, which are noted.
        names: Of the steps that take events: what other members may refer to.
    """

    steps: tuple[StepPlan, ...]
    names: list[str]


def read_steps(value: Any, pointer: str, problems: Problems, *, ordered: bool = True) -> Sequence:
    """Read the list `steps`.

    Args:
        ordered: Whether the steps must come in this order.
    """
    names: list[str] = []
    reader = _ListReader(problems, names, ordered=ordered)
    found = reader.read(value, pointer)
    if len(names) > limits.PATTERN_STEPS_MAX:
        problems.add(pointer, f"at most {limits.PATTERN_STEPS_MAX} steps, not {len(names)}")
        return Sequence((), [])
    if not ordered:
        check_unordered(value, pointer, problems)
    elif found is not None:
        check_placing(found, pointer, problems)
    steps = found or []
    _check_references(steps, pointer, problems, reader.taking, [] if ordered else None)
    check_repetitions(steps, pointer, problems, ordered=ordered)
    return Sequence(tuple(steps), reader.taking)


def step_names(
    items: Any,
    pointer: str,
    problems: Problems,
    field: str = "name",
    *,
    known: list[str] | None = None,
    prefix: str = "step",
) -> list[str]:
    """The name of each step, given or `step1`, `step2` … by its place; noted when twice.

    Args:
        known: Names of steps elsewhere; takes those of these too.
    """
    names: list[str] = []
    known = [] if known is None else known
    for number, item in enumerate(items):
        given = item.get(field) if isinstance(item, Mapping) else None
        name = given if isinstance(given, str) and given.strip() else f"{prefix}{number + 1}"
        place = join_pointer(join_pointer(pointer, number), field)
        if name in known:
            problems.add(place, f"the name '{name}' is used twice")
        elif not _NAME.fullmatch(name) or name in _RESERVED or len(name) > _NAME_CHARS_MAX:
            text = "a step's name consists of letters, digits, '_' and '-', at most 64 of them"
            problems.add(place, f"'{name[:80]}' is no name: {text}")
        names.append(name)
        known.append(name)
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


def check_repetitions(
    steps: Collection[StepPlan], pointer: str, problems: Problems, *, ordered: bool = True
) -> None:
    """Refuse a pattern whose automaton would be too large."""
    if ordered:
        states = _repetitions(steps)
    else:  # a state for every choice of what is there already
        states = math.prod((step.times_max or step.times_min) + 1 for step in steps)
    if states > limits.PATTERN_STATES_MAX:
        text = f"{states} repetitions in all steps together; at most {limits.PATTERN_STATES_MAX}"
        if not ordered:
            text = f"{states} ways to be half done; at most {limits.PATTERN_STATES_MAX}"
        problems.add(pointer, text)


def _check_references(
    steps: Collection[StepPlan],
    pointer: str,
    problems: Problems,
    names: list[str],
    known: list[str] | None,
) -> None:
    """Note references to steps that come later: read as fields, they would never be there.

    Args:
        known: Takes the names of the steps so far; None = each step knows only itself.
    """
    for number, step in enumerate(steps):
        place = join_pointer(pointer, number)
        if step.group:
            _check_references(step.group, join_pointer(place, "steps"), problems, names, known)
            continue
        if known is not None:
            known.append(step.name)
        for name, node in (("where", step.predicate), ("until", step.until)):
            for path in required_fields(node) if node is not None else ():
                other = path[0]
                later = other not in (known or ()) and other != step.name and other in names
                if later and len(path) > 2 and path[1] in ("first", "last"):
                    text = f"'{'.'.join(path)}': step '{other}' is not known to step '{step.name}'"
                    problems.add(join_pointer(place, name), text, code="expression.unknown_step")


def _repetitions(steps: Collection[StepPlan]) -> int:
    return sum(
        (step.times_max or step.times_min) * (_repetitions(step.group) if step.group else 1)
        for step in steps
    )


class _ListReader:
    """Reads lists of steps, those in groups too.

    Args:
        names: Takes the names of all steps.
        ordered: Without an order no step knows which others are there, so its conditions may
            refer to itself only.

    Attributes:
        taking: Names of the steps read so far that take events: what conditions may refer to.
    """

    def __init__(self, problems: Problems, names: list[str], *, ordered: bool) -> None:
        self._problems = problems
        self._names = names
        self._ordered = ordered
        self.taking: list[str] = []

    def read(
        self, value: Any, pointer: str, *, group: str = "", depth: int = 0
    ) -> list[StepPlan] | None:
        """The steps of a list; None when not all could be read.

        Args:
            group: Name of the group that holds them.
        """
        problems = self._problems
        if not isinstance(value, (list, tuple)):
            problems.add(pointer, f"must be a list, not {kind_name(value)}")
            return None
        if not value:
            problems.add(pointer, f"a {'group' if group else 'pattern'} needs at least one step")
            return None
        if depth > _DEPTH_MAX:
            problems.add(pointer, f"groups stand in one another at most {_DEPTH_MAX} deep")
            return None
        if len(value) > limits.PATTERN_STEPS_MAX:
            problems.add(pointer, f"at most {limits.PATTERN_STEPS_MAX} steps, not {len(value)}")
            return None
        prefix = f"{group}-" if group else "step"
        names = step_names(value, pointer, problems, known=self._names, prefix=prefix)
        found: list[StepPlan] = []
        for number, item in enumerate(value):
            place = join_pointer(pointer, number)
            if not isinstance(item, Mapping):
                problems.add(place, f"must be a map, not {kind_name(item)}")
                continue
            name = names[number]
            inner: list[StepPlan] = []
            if item.get("steps") is not None:
                inner = self.read(
                    item["steps"], join_pointer(place, "steps"), group=name, depth=depth + 1
                ) or []  # fmt: skip
            elif item.get("relation") not in NEGATIVE:
                self.taking.append(name)
            known = self.taking if self._ordered else [name]
            reader = _StepReader(item, place, problems, name, known)
            found.append(reader.read(tuple(inner), first=number == 0 and not group))
        return found if len(found) == len(value) else None


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
        self._section = Section(item, pointer, problems, names=STEP_FIELDS, noun="step")

    def read(self, group: tuple[StepPlan, ...], *, first: bool) -> StepPlan:
        """The plan; what has problems, which are noted, has its default.

        Args:
            group: The steps that the step holds.
            first: Whether the pattern begins with it.
        """
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
            group=group,
        )

    def _predicate(self) -> Node | None:
        section = self._section
        given = [name for name in ("where", "anyOf") if section.has(name)]
        if section.has("steps"):
            for name in given:
                text = f"a group has no '{name}': the steps in it say which events they take"
                section.note(name, text)
            return None
        if not given:
            section.note("where", "a step needs 'where': which events it takes (or 'steps')")
            return None
        return joined([self._where(name) for name in given])

    def _where(self, name: str) -> Node | None:
        read = read_any_of if name == "anyOf" else read_where
        section = self._section
        return read(
            section.values[name], section.at(name), self._problems,
            steps=self._taking, previous=True,
        )  # fmt: skip


def unknown_step(name: object, names: list[str]) -> tuple[str, str | None]:
    """The message and the suggestion for a name that is no step."""
    known = ", ".join(names) or "none"
    if not isinstance(name, str):
        return f"must name a step, not {kind_name(name)}", None
    return f"'{name}' is no step; the steps are {known}", nearest(name, names)
