"""`where`: an expression, a condition, or a list of them, as one predicate tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.documents.problems import Problems, join_pointer
from summit.documents.section import Section, kind_name
from summit.events.conditions import Condition, lower_condition
from summit.events.expressions.building import all_of, any_of, comparison
from summit.events.expressions.ir import PREVIOUS, Field, Literal, Node
from summit.events.expressions.parser import parse_predicate

CONDITION_FIELDS: Final = (
    "field", "operator", "value", "eventType", "negate", "ref", "compareAs",
)  # fmt: skip
GUIDE_ONLY: Final = ("step", "times")


def read_where(
    value: Any,
    pointer: str,
    problems: Problems,
    *,
    steps: Sequence[str] = (),
    previous: bool = False,
) -> Node | None:
    """The predicate of a `where`; None when there is a problem, which is noted.

    Args:
        steps: Names of the steps to which it may refer.
        previous: Whether it may refer to earlier events of the same key.
    """
    if not isinstance(value, (list, tuple)):
        return _read_one(value, pointer, problems, steps, previous)
    if not value:
        problems.add(pointer, "an empty list of conditions says nothing; leave it out")
        return None
    nodes = [
        _read_one(item, join_pointer(pointer, number), problems, steps, previous)
        for number, item in enumerate(value)
    ]
    return joined(nodes)


def read_any_of(
    value: Any,
    pointer: str,
    problems: Problems,
    *,
    steps: Sequence[str] = (),
    previous: bool = False,
) -> Node | None:
    """The predicate of an `anyOf`: one of its `where`s is enough."""
    if not isinstance(value, (list, tuple)) or len(value) < 2:
        problems.add(pointer, "must be a list of at least two expressions or conditions")
        return None
    nodes: list[Node] = []
    for number, item in enumerate(value):
        place = join_pointer(pointer, number)
        node = read_where(item, place, problems, steps=steps, previous=previous)
        if node is not None:
            nodes.append(node)
    return any_of(nodes) if len(nodes) == len(value) else None


def read_condition(
    value: Mapping[str, Any],
    pointer: str,
    problems: Problems,
    *,
    steps: Sequence[str] = (),
    previous: bool = False,
    guide: bool = False,
) -> Node | None:
    """The predicate of one condition.

    Args:
        guide: Whether it stands in the guide's list `conditions`, where it may also hold
            `step` and `times` (not read here).
    """
    names = (*CONDITION_FIELDS, *GUIDE_ONLY) if guide else CONDITION_FIELDS
    before = len(problems)
    section = Section(value, pointer, problems, names=names, noun="condition")
    event_type = section.text("eventType")
    if event_type is not None and _only_type(value):
        node: Node = comparison("==", Field(("eventType",)), Literal(event_type))
        return node if len(problems) == before else None
    condition = Condition(
        field=section.text("field", required=True) or "",
        operator=section.text("operator", required=True) or "",
        value=value.get("value", msgspec.UNSET),
        event_type=event_type,
        ref=section.text("ref"),
        negate=section.flag("negate", default=False),
        compare_as=section.text("compareAs"),
    )
    is_previous = condition.ref is not None and condition.ref.split(".")[0] == PREVIOUS
    if is_previous and not previous:
        section.note("ref", "only a step of a pattern can look at earlier events of its key")
    if len(problems) > before:
        return None
    try:
        return lower_condition(condition, steps=steps)
    except Invalid as error:
        problems.add_error(pointer + str(error.details.get("pointer", "")), error)
        return None


def joined(nodes: Sequence[Node | None]) -> Node | None:
    """All of the predicates, each once; None when one of them is None."""
    found: list[Node] = []
    for node in nodes:
        if node is None:
            return None
        if node not in found:
            found.append(node)
    return all_of(found)


def _read_one(
    value: Any, pointer: str, problems: Problems, steps: Sequence[str], previous: bool
) -> Node | None:
    if isinstance(value, Mapping):
        return read_condition(value, pointer, problems, steps=steps, previous=previous)
    if not isinstance(value, str):
        shown = kind_name(value)
        problems.add(pointer, f"must be an expression, a condition or a list, not {shown}")
        return None
    try:
        return parse_predicate(value, steps=steps)
    except Invalid as error:
        problems.add_error(pointer, error)
        return None


def _only_type(condition: Mapping[str, Any]) -> bool:
    """Whether it says nothing but the event's type."""
    return all(condition.get(name) is None for name in CONDITION_FIELDS if name != "eventType")
