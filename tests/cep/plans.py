"""Short ways to write plans, events and batches in the tests of this room."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from summit.cep.match import Match
from summit.cep.rules import compile_rules
from summit.documents.plan import PatternPlan, StepPlan
from summit.documents.stream import StreamPlan
from summit.events.expressions.ir import Compare, Field, Literal, Node
from summit.keyed.chunks import Chunk
from summit.keyed.outputs import Applied
from summit.keyed.processor import Processor

STAMP_MS = 1_000_000  # the record time of every event that says nothing else


def equals(field: str, value: Any) -> Node:
    return Compare("==", Field(tuple(field.split("."))), Literal(value))


def of_type(name: str) -> Node:
    return equals("eventType", name)


def pattern(*steps: StepPlan, pattern_id: str = "p", **more: Any) -> PatternPlan:
    more.setdefault("group_by", (("user",),))
    more.setdefault("semantic_hash", repr((steps, more)))
    return PatternPlan(id=pattern_id, name=pattern_id, steps=steps, **more)


def failures_then_success(**more: Any) -> PatternPlan:
    more.setdefault("within_ms", 60_000)
    return pattern(
        StepPlan("failed", predicate=of_type("failed"), times_min=3, times_max=None),
        StepPlan("success", predicate=of_type("success")),
        **more,
    )


def event(event_type: str, time: int | str | None = None, **fields: Any) -> bytes:
    body: dict[str, Any] = {"eventType": event_type, **fields}
    if time is not None:
        body["timestamp"] = time
    return json.dumps(body).encode()


def chunk(
    *values: bytes | None, topic: str = "t", partition: int = 0, first: int = 0, **more: Any
) -> Chunk:
    stamps = more.pop("stamps", [STAMP_MS] * len(values))
    return Chunk(topic, partition, range(first, first + len(values)), stamps, values, **more)


def matcher_of(*plans: PatternPlan, delay_ms: int | None = None) -> Processor:
    """A matcher; with a delay, all topics are read in event-time order."""
    return Processor(compile_rules(plans, [] if delay_ms is None else [by_time(delay_ms)]))


def by_time(delay_ms: int, *topics: str) -> StreamPlan:
    """A stream in event-time order."""
    return StreamPlan("s", topics or ("*",), is_ordered=True, delay_ms=delay_ms)


def run(matcher: Processor, *values: bytes | None, **more: Any) -> list[Match]:
    return matcher.apply([chunk(*values, **more)]).outputs.found


def codes(applied: Applied) -> list[tuple[int, str]]:
    return [(rejected.offset, rejected.code) for rejected in applied.outputs.rejected]


def offsets(matches: Sequence[Match]) -> list[list[int]]:
    return [[ref.offset for _, ref in match.captures] for match in matches]
