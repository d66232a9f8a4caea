"""What 1,000 rules cost against 10 on the same events; and what a key costs at rest.

    python -m bench.cep.many_rules [--events N]

Rules: sequences of three failures and a success per user, each for an event type pair of its own
(nine in ten) or for the same types and one country (one in ten). Events: those of W1. Only the
first rule's country occurs, so the matches are the same in both runs, and all other rules have
nothing to do but to stay out of the way.
"""

from __future__ import annotations

import argparse
import gc
import json
import time

from bench.cep.w1 import batches
from bench.cep.w1_data import COUNTRIES, generate

from summit.cep.rules import compile_rules
from summit.documents.plan import PatternPlan, StepPlan
from summit.events.expressions.ir import And, Compare, Field, Literal, Node
from summit.keyed.chunks import Chunk
from summit.keyed.processor import Processor

RATIO_MAX = 2.0


def plans(count: int) -> list[PatternPlan]:
    """The first ten are the same for every count."""
    return [_plan(number) for number in range(count)]


def _plan(number: int) -> PatternPlan:
    def is_type(name: str) -> Node:
        return Compare("==", Field(("eventType",)), Literal(name))

    first, last = is_type(f"app{number}.failed"), is_type(f"app{number}.success")
    if number % 10 == 0:
        country = "US" if number == 0 else f"{COUNTRIES[number // 10 % len(COUNTRIES)]}{number}"
        where = Compare("==", Field(("country",)), Literal(country))
        first = And((is_type("auth.login.failed"), where))
        last = And((is_type("auth.login.success"), where))
    steps = (
        StepPlan("failed", predicate=first, times_min=3, times_max=None),
        StepPlan("success", predicate=last),
    )
    return PatternPlan(
        id=f"rule{number:05}",
        name="",
        steps=steps,
        group_by=(("user",),),
        within_ms=60_000,
        semantic_hash=str(number),
    )


def run(chunks: list[Chunk], count: int) -> tuple[float, float, int]:
    """CPU-seconds to compile and to match, and the number of matches of the first ten rules."""
    begin = time.process_time()
    matcher = Processor(compile_rules(plans(count)))
    compiled = time.process_time()
    matches = [m for chunk in chunks for m in matcher.apply((chunk,)).outputs.found]
    end = time.process_time()
    known = {plan.id for plan in plans(10)}
    return compiled - begin, end - compiled, sum(m.pattern_id in known for m in matches)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=500_000)
    count = parser.parse_args().events
    chunks = batches(generate(count))
    gc.collect()
    gc.freeze()
    few_compile, few, few_found = run(chunks, 10)
    many_compile, many, many_found = run(chunks, 1_000)
    assert few_found == many_found
    print(
        json.dumps(
            {
                "bench": "cep.many_rules",
                "events": count,
                "compile_10_cpu_s": round(few_compile, 3),
                "compile_1000_cpu_s": round(many_compile, 3),
                "events_per_cpu_s_10": round(count / few),
                "events_per_cpu_s_1000": round(count / many),
                "ratio": round(many / few, 2),
                "target_ratio_max": RATIO_MAX,
            }
        )
    )


if __name__ == "__main__":
    main()
