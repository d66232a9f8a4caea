"""Reads the Flink cases: our patterns and events, and what Flink CEP 2.3.0 answered.

`flink_cases.json` holds one case a line: `steps`, `events` as [name, ms, value], `within`, `skip`,
and the answer: `matches` and `timeouts` as texts "step=event step=event", or `error`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from summit.documents.plan import AfterMatchPlan, PatternPlan, StepPlan
from summit.events.expressions.ir import (
    And,
    Arithmetic,
    Compare,
    Field,
    Literal,
    Node,
    Not,
    Or,
    Present,
    StartsWith,
    StepAggregate,
    StepField,
)

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "flink_cases.json").read_text(encoding="utf-8")
)
_SKIPS = {
    "no_skip": "noSkip",
    "to_next": "toNext",
    "past_last": "pastLast",
    "to_first": "toFirst",
    "to_last": "toLast",
}
_NAME, _VALUE = Field(("eventType",)), Field(("v",))


def case_plan(case: dict[str, Any]) -> PatternPlan:
    """The pattern of a case."""
    kind, _, step = case.get("skip", "no_skip").partition(":")
    return PatternPlan(
        id="case",
        name=case["id"],
        steps=tuple(map(_step, case["steps"])),
        within_ms=case.get("within"),
        after_match=AfterMatchPlan(_SKIPS[kind], step or None),  # type: ignore[arg-type]
        semantic_hash=case["id"],
    )


def case_events(case: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
    """The events of a case: time and JSON."""
    for name, time, value in case["events"]:
        yield time, json.dumps({"eventType": name, "timestamp": time, "v": value}).encode()


def _step(step: dict[str, Any]) -> StepPlan:
    times = step.get("times", [1])
    low, high = times[0], times[-1]
    if step.get("oneOrMore"):
        low, high = 1, None
    return StepPlan(
        name=step["name"],
        relation=step["rel"],
        predicate=None if "group" in step else _predicate(step),
        times_min=low,
        times_max=high,
        contiguity=step.get("contig", "relaxed"),
        optional=step.get("optional", False),
        greedy=step.get("greedy", False),
        until=_prefixes(step["until"]) if "until" in step else None,
        within_ms=step.get("within_prev"),
        group=tuple(map(_step, step.get("group", ()))),
    )


def _prefixes(text: str) -> Node:
    parts = tuple(StartsWith(_NAME, Literal(prefix)) for prefix in text.split("|"))
    return parts[0] if len(parts) == 1 else Or(parts)


def _predicate(step: dict[str, Any]) -> Node:
    is_type = _prefixes(step["type"])
    if "cond" not in step:
        return is_type
    kind, *arguments = step["cond"].split()
    if kind == "v_gt":
        condition: Node = Compare(">", _VALUE, Literal(float(arguments[0])))
    elif kind == "gt_last":
        last = StepField(arguments[0], "last", ("v",))
        condition = Or((Not(Present(last)), Compare(">", _VALUE, last)))
    else:
        assert kind == "sum_lt"
        total = StepAggregate("sum", arguments[0], ("v",))
        condition = Compare("<", Arithmetic("+", total, _VALUE), Literal(float(arguments[1])))
    return And((is_type, condition))
