"""Sequences of EQL as patterns of ours, and what both find; `eql_cases.json` has EQL's answers.

A case is `{steps: [[type, least v], ...], by: [...], maxspan, until, events: [[ms, type, user,
host, v], ...], answer: [[place of an event, ...], ...]}`; times are in milliseconds. The answers
were made by `python -m bench.cep.eql_sequences --record`, with the package `eql` 1.0.1.

EQL keeps one partial match at each step of a key: a later one replaces it. So what it finds is, of
the matches of `followedBy` with `afterMatch: noSkip` that one event completes, the one that began
last. Its `maxspan` includes the end, our `within` does not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from summit.documents import validate_pattern
from summit.flow.engine import Engine
from summit.keyed.chunks import Chunk

CASES_FILE = Path(__file__).parent / "eql_cases.json"
FIELDS = ("timestamp", "eventType", "user", "host", "v")


def document_of(case: dict[str, Any]) -> dict[str, Any]:
    """The pattern that finds what the sequence finds, and matches that began earlier."""
    steps: list[dict[str, Any]] = []
    for number, (kind, least) in enumerate(case["steps"]):
        if number and case["until"]:
            steps.append(
                {"name": f"not{number}", "where": f"eventType == '{case['until']}'",
                 "relation": "notFollowedBy"}
            )  # fmt: skip
        where = f"eventType == '{kind}'"
        if kind == "any":  # an `until` is of a type that no step takes
            where = f"eventType != '{case['until']}'" if case["until"] else "true"
        if least is not None:
            where += f" && v >= {least}"
        steps.append({"name": f"s{number}", "where": where})
    return {
        "id": "case", "groupBy": case["by"], "steps": steps, "within": case["maxspan"] + 1,
        "afterMatch": "noSkip", "limits": {"runsPerKey": 100_000},
    }  # fmt: skip


def values_of(case: dict[str, Any]) -> list[bytes]:
    """The events as JSON, without the fields that are null."""
    return [
        json.dumps(
            {name: value for name, value in zip(FIELDS, row, strict=True) if value is not None}
        ).encode()
        for row in case["events"]
    ]


def our_answer(case: dict[str, Any]) -> list[list[int]]:
    """Of the matches that an event completes, the one that began last; by that event."""
    engine = Engine()
    engine.set_rules([validate_pattern(document_of(case)).plan])
    values = values_of(case)
    chunk = Chunk("t", 0, range(len(values)), [0] * len(values), values)
    latest: dict[int, list[int]] = {}
    for made in engine.apply([chunk]).made:
        places = [event.offset for _, event in made.match.captures]
        latest[places[-1]] = max(places, latest.get(places[-1], places))
    return [latest[place] for place in sorted(latest)]
