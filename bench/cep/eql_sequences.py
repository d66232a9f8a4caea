"""Sequences beside Elastic's EQL engine: the same matches, and events per CPU-second.

    pip install eql           (AGPL: into an environment of its own; nothing of Summit needs it)
    python -m bench.cep.eql_sequences [--cases N] [--seed S] [--record] [--events N]

Random sequences over random events, EQL's answers against ours (see `tests/cep/eql.py` for what is
equal and what is not); `--record` writes them for the tests. Then one sequence of three steps over
many events of many users, in the same process, with equal results.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import sys
import time
from typing import Any

from tests.cep.eql import CASES_FILE, FIELDS, document_of, our_answer, values_of

from summit.documents import validate_pattern
from summit.flow.engine import Engine
from summit.keyed.chunks import Chunk

TICKS = 10_000  # of EQL's time in a millisecond


def random_case(chance: random.Random) -> dict[str, Any]:
    """A sequence, and events of which some are part of it."""
    kinds = "abc"
    steps = [
        [chance.choice([*kinds, "any"]), chance.choice([None, None, None, 3, 6])]
        for _ in range(chance.randint(2, 4))
    ]
    at_ms, events = 0, []
    for _ in range(chance.randint(10, 30)):
        at_ms += chance.choice([0, 1, 1, 2, 3, 10])
        events.append(
            [at_ms, chance.choice("aabbccx" + "u" * chance.randint(0, 1)),
             chance.choice(["ann", "ann", "bob"]), chance.choice(["h1", "h1", "h1", "h2"]),
             chance.randint(0, 9)]
        )  # fmt: skip
    return {
        "steps": steps, "by": chance.choice([["user"], ["user", "host"]]),
        "maxspan": chance.choice([3, 8, 15, 40, 60]), "until": chance.choice(["", "", "u"]),
        "events": events,
    }  # fmt: skip


def query_of(case: dict[str, Any]) -> str:
    """The sequence as EQL writes it."""
    parts = []
    for kind, least in case["steps"]:
        tests = [] if least is None else [f"v >= {least}"]
        if kind == "any" and case["until"]:
            tests.append(f"kind != '{case['until']}'")
        parts.append(f"[{kind} where {' and '.join(tests) or 'true'}]")
    until = f" until [{case['until']} where true]" if case["until"] else ""
    by, span = ", ".join(case["by"]), case["maxspan"]
    return f"sequence by {by} with maxspan={span}s {' '.join(parts)}{until}"


def eql_engine(query: str, found: list[list[int]]) -> Any:
    """An engine with one query; `found` takes the places of the events of each match."""
    engine = importlib.import_module("eql.engine").PythonEngine()
    engine.add_query(importlib.import_module("eql.parser").parse_query(query))
    engine.add_output_hook(lambda result: found.append([e.data["n"] for e in result.events]))
    return engine


def eql_events(case: dict[str, Any]) -> list[Any]:
    """A millisecond of ours is a second of EQL's, whose `maxspan` has no shorter unit."""
    make = importlib.import_module("eql").Event
    return [
        make(
            row[1], row[0] * 1000 * TICKS,
            {"n": n, "kind": row[1], **dict(zip(FIELDS[2:], row[2:], strict=True))},
        )
        for n, row in enumerate(case["events"])
    ]  # fmt: skip


def eql_answer(case: dict[str, Any]) -> list[list[int]]:
    """What EQL finds."""
    found: list[list[int]] = []
    eql_engine(query_of(case), found).stream_events(eql_events(case))
    return sorted(found, key=lambda places: places[-1])


def compare(cases: int, seed: int, *, record: bool) -> int:
    """How many cases differ; the first ones are shown."""
    kept, differ, matches = [], 0, 0
    for number in range(cases):
        case = random_case(random.Random(f"{seed}/{number}"))
        case["answer"] = eql_answer(case)
        matches += len(case["answer"])
        if our_answer(case) != case["answer"]:
            differ += 1
            if differ <= 3:
                print(number, query_of(case), json.dumps(case), our_answer(case), file=sys.stderr)
        if case["answer"] or number % 10 == 0:
            kept.append(case)
    print(json.dumps({"cases": cases, "seed": seed, "matches": matches, "differ": differ}))
    if record and not differ:
        lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in kept)
        CASES_FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return differ


def speed(events: int, seed: int) -> None:
    """Both over the same events; only the matching is timed, EQL's without making its events."""
    chance = random.Random(seed)
    case: dict[str, Any] = {
        "steps": [["a", None], ["b", None], ["c", None]], "by": ["user"], "maxspan": 2_000,
        "until": "",
        "events": [
            [n, chance.choice("abcxyz"), f"user{chance.randint(0, 499)}", "h", n % 10]
            for n in range(events)
        ],
    }  # fmt: skip
    values, theirs = values_of(case), eql_events(case)
    found: list[list[int]] = []
    engine = eql_engine(query_of(case), found)
    begin = time.process_time()
    engine.stream_events(theirs)
    eql_s = time.process_time() - begin
    ours = Engine()
    ours.set_rules([validate_pattern(document_of(case)).plan])
    begin = time.process_time()
    made = 0
    for first in range(0, events, 4_096):
        part = values[first : first + 4_096]
        chunk = Chunk("t", 0, range(first, first + len(part)), [0] * len(part), part)
        made += len({one.match.captures[-1][1].offset for one in ours.apply([chunk]).made})
    our_s = time.process_time() - begin
    print(
        json.dumps(
            {
                "events": events, "matches": [made, len(found)],
                "ours_per_cpu_s": int(events / our_s), "eql_per_cpu_s": int(events / eql_s),
                "ratio": round(eql_s / our_s, 2),
            }
        )
    )  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    differ = compare(given.cases, given.seed, record=given.record)
    if given.events:
        speed(given.events, given.seed)
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
