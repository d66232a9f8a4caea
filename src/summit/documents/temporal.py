"""`temporalRelations`: how the intervals of two steps' events lie to each other.

    temporalRelations:
      - {type: during, event1: scan, event2: maintenance, maxTimeDiff: 5m}

`event1` and `event2` name steps. An event that has `startTime` and `endTime`, or a `duration`, is
an interval; any other is a point at its `timestamp`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from summit.documents.plan import TemporalKind, TemporalPlan
from summit.documents.problems import Problems
from summit.documents.section import Section, kind_name
from summit.events.expressions.ir import Path

KINDS: Final[tuple[TemporalKind, ...]] = (
    "before", "after", "meets", "overlaps", "during", "starts", "finishes", "equals",
)  # fmt: skip
INTERVAL_FIELDS: Final[tuple[Path, ...]] = (
    ("timestamp",), ("startTime",), ("endTime",), ("duration",),
)  # fmt: skip
_FIELDS: Final = ("type", "event1", "event2", "maxTimeDiff")


def read_relations(pattern: Section, names: Sequence[str]) -> tuple[TemporalPlan, ...]:
    """The relations of a pattern.

    Args:
        names: Of the steps that take events.
    """
    found: list[TemporalPlan] = []
    for value, pointer in pattern.items("temporalRelations"):
        if not isinstance(value, Mapping):
            pattern.problems.add(pointer, f"must be a map, not {kind_name(value)}")
            continue
        section = Section(value, pointer, pattern.problems, names=_FIELDS, noun="relation")
        relation = read_relation(section, names)
        if relation is not None:
            found.append(relation)
    return tuple(found)


def read_relation(section: Section, names: Sequence[str] | None) -> TemporalPlan | None:
    """One relation; None when it has problems, which are noted.

    Args:
        names: Of the steps there are; None = what the two events are is seen elsewhere.
    """
    before = len(section.problems)
    if not section.has("type"):
        section.note("type", f"a relation needs 'type': {', '.join(KINDS)}")
    kind = section.choice("type", KINDS)
    events: list[str] = []
    for name in ("event1", "event2"):
        event = section.text(name, required=True)
        if event is not None and names is not None and event not in names:
            known = ", ".join(names) or "none"
            section.note(name, f"'{event}' is no step; the steps are {known}")
        events.append(event or "")
    if events[0] and events[0] == events[1]:
        section.note("event2", "the two events of a relation are of different steps")
    diff_ms = section.duration_ms("maxTimeDiff", least=0)
    if len(section.problems) > before or kind is None:
        return None
    return TemporalPlan(kind, events[0], events[1], diff_ms)


def validate_relation(values: Mapping[str, Any]) -> TemporalPlan:
    """A relation that stands by itself: its events are steps, or event types, of any pattern.

    Raises: Invalid("document.invalid") with all `problems`.
    """
    problems = Problems()
    section = Section(values, "", problems, names=_FIELDS, noun="relation")
    relation = read_relation(section, None)
    problems.raise_if_any("the temporal relation")
    assert relation is not None
    return relation
