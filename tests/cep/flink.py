"""Reads the Flink cases: our patterns and events, and what Flink CEP 2.3.0 answered.

`flink_cases.json` holds one case a line: `steps`, `events` as [name, ms, value], `within`, `skip`,
and the answer: `matches` and `timeouts` as texts "step=event step=event", or `error`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan

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


def case_document(case: dict[str, Any]) -> dict[str, Any]:
    """The pattern of a case as a document."""
    kind, _, step = case.get("skip", "no_skip").partition(":")
    document: dict[str, Any] = {
        "id": "case",
        "name": case["id"],
        "steps": [_step(step, "error" in case) for step in case["steps"]],
        "afterMatch": {_SKIPS[kind]: step} if step else _SKIPS[kind],
    }
    if "within" in case:
        document["within"] = case["within"]
    return document


def case_plan(case: dict[str, Any], **fields: Any) -> PatternPlan:
    """The plan of a case. Raises: Invalid for one that is refused."""
    return validate_pattern({**case_document(case), **fields}).plan


def case_events(case: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
    """The events of a case: time and JSON."""
    for name, time, value in case["events"]:
        yield time, json.dumps({"eventType": name, "timestamp": time, "v": value}).encode()


def _step(step: dict[str, Any], refused: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"name": step["name"], "relation": step["rel"]}
    if "group" in step:
        found["steps"] = [_step(inner, refused) for inner in step["group"]]
    else:
        found["where"] = _where(step)
    if step.get("oneOrMore"):
        found["times"] = {"min": 1}
    elif "times" in step:
        low, high = step["times"][0], step["times"][-1]
        found["times"] = {"min": low} if high is None else {"min": low, "max": high}
    if "until" in step:
        found["until"] = _prefixes(step["until"])
    for name, ours in (("contig", "contiguity"), ("within_prev", "within")):
        if name in step:
            found[ours] = step[name]
    if step.get("optional"):
        found["optional"] = True
    # Where the times are fixed greed says nothing, and our documents refuse it.
    varies = "oneOrMore" in step or len(set(step.get("times", [1]))) > 1
    if step.get("greedy") and (varies or refused):
        found["greedy"] = True
    return found


def _prefixes(text: str) -> str:
    return " || ".join(f'eventType.startsWith("{prefix}")' for prefix in text.split("|"))


def _where(step: dict[str, Any]) -> str:
    is_type = f"({_prefixes(step['type'])})"
    if "cond" not in step:
        return is_type
    kind, *arguments = step["cond"].split()
    if kind == "v_gt":
        condition = f"v > {float(arguments[0])}"
    elif kind == "gt_last":
        condition = f"(!has({arguments[0]}.last.v) || v > {arguments[0]}.last.v)"
    else:
        assert kind == "sum_lt"
        condition = f"sum({arguments[0]}.v) + v < {float(arguments[1])}"
    return f"{is_type} && {condition}"
