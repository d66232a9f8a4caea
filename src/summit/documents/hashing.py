"""The two hashes of a pattern.

The semantic hash is part of every alert id, so the text it is made of may never change for a
pattern that means the same. Members with their default value are left out: a new member with a
default that means what was meant before changes no hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from summit.documents.plan import Matching, PatternPlan, StepPlan, TemporalPlan
from summit.documents.window_plan import WindowPlan
from summit.events.expressions.building import map_fields
from summit.events.expressions.ir import Compare, Node, Path, walk
from summit.events.expressions.unparse import unparse

_HASH_CHARS: Final = 32  # 128 bits
_DEFAULT: Final = StepPlan("")
_NO_WINDOW: Final = WindowPlan("sliding", None)


def semantic_hash(
    steps: Sequence[StepPlan],
    where: Node | None,
    group_by: Sequence[Path],
    within_ms: int | None,
    *,
    matching: Matching = "ordered",
    relations: Sequence[TemporalPlan] = (),
    slide_ms: int | None = None,
    gap_ms: int | None = None,
) -> str:
    """Over what decides which events make a match: steps, stream, key and time."""
    meaning: dict[str, Any] = {"steps": [_step(step) for step in steps]}
    if where is not None:
        meaning["where"] = _predicate(where)
    if group_by:
        meaning["groupBy"] = [list(path) for path in group_by]
    if within_ms is not None:
        meaning["within"] = within_ms
    if slide_ms is not None:
        meaning["aligned"] = True
        if slide_ms != within_ms:
            meaning["slide"] = slide_ms
    if gap_ms is not None:
        meaning["gap"] = gap_ms
    if matching != "ordered":
        meaning["matching"] = matching
    if relations:
        meaning["relations"] = [
            [each.kind, each.first, each.second, each.diff_ms_max] for each in relations
        ]
    return _hash(meaning)


def rehashed(plan: PatternPlan) -> PatternPlan:
    """The plan with the hash of what it means now."""
    found = semantic_hash(
        plan.steps,
        where=plan.where,
        group_by=plan.group_by,
        within_ms=plan.within_ms,
        matching=plan.matching,
        relations=plan.relations,
        slide_ms=plan.slide_ms,
        gap_ms=plan.gap_ms,
    )
    return replace(plan, semantic_hash=found)


def window_hash(
    window: WindowPlan, predicate: Node, group_by: Sequence[Path], *, state: bool = False
) -> str:
    """Over what decides which windows are told; or only what is kept of events.

    Args:
        state: Leave out what does not change the meaning of what is kept.
    """
    plain = ("kind", "size_ms", "slide_ms", "gap_ms", "scores", "rearm", "rearm_ms", "expected")
    kept = plain[:5] if state else plain
    meaning: dict[str, Any] = {name: getattr(window, name) for name in kept if
                               getattr(window, name) != getattr(_NO_WINDOW, name)}  # fmt: skip
    meaning["where"] = _predicate(predicate)
    meaning["groupBy"] = [list(path) for path in group_by]
    if state:
        meaning["calls"] = [call.text for call in window.calls]
    elif window.having is not None:
        names = dict(window.names)
        meaning["having"] = _predicate(
            map_fields(window.having, lambda path: (names.get(path[0], path[0]), *path[1:]))
        )
    return _hash({"window": meaning})


def document_hash(values: Mapping[str, Any]) -> str:
    """Over the whole document; the order of members does not matter."""
    return _hash(values)


def _step(step: StepPlan) -> dict[str, Any]:
    meaning: dict[str, Any] = {"name": step.name}
    if step.predicate is not None:
        meaning["where"] = _predicate(step.predicate)
    if step.until is not None:
        meaning["until"] = _predicate(step.until)
    if step.group:
        meaning["steps"] = [_step(inner) for inner in step.group]
    plain = ("relation", "contiguity", "optional", "greedy", "within_ms", "times_min", "times_max")
    for name in plain:
        value = getattr(step, name)
        if value != getattr(_DEFAULT, name):
            meaning[name] = value
    return meaning


def _predicate(node: Node) -> Any:
    """The text, and what the text does not show: how comparisons order their values."""
    orders = [found.compare_as for found in walk(node) if isinstance(found, Compare)]
    text = unparse(node)
    return text if set(orders) <= {"auto"} else [text, orders]


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARS]
