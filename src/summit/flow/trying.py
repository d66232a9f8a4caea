"""Trying a pattern on events without a broker: for the tests of documents, for editors. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from summit.alerts import Alert, alert_dict
from summit.analytics.rule import Told
from summit.cep.groups import Correlation
from summit.cep.match import Match
from summit.cep.near_misses import NearMiss
from summit.cep.tracing import OpenMatch
from summit.documents import (
    PatternDocument,
    expand_test_events,
    failed_counts,
    failed_expectations,
    validate_pattern,
)
from summit.documents.correlation import CorrelationPlan
from summit.documents.plan import PatternPlan
from summit.documents.query_plan import QueryPlan
from summit.documents.rule_tests import EXPECTED
from summit.events.times import TIME_MS_MAX
from summit.flow.engine import Engine
from summit.flow.kinds import RULE_KINDS, Plan, prepare
from summit.flow.past_stage import PastStage
from summit.flow.stage_plans import StagePlans
from summit.flow.suppressing import Suppressed
from summit.flow.tracers import tracer_of
from summit.keyed.chunks import Chunk
from summit.keyed.keys import Key, key_values
from summit.keyed.outputs import Rejected
from summit.keyed.processor import Processor
from summit.keyed.ruleset import make_rule_set

TRIED_TOPIC = "test"
_encode = msgspec.json.Encoder().encode


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What a pattern made of some events.

    Attributes:
        suppressed: Matches that made no alert, as an earlier one stood for them.
        rejected: Events that could not be processed, or that the pattern skipped for want of a
            type or key; `offset` is their place in the list.
        unfinished: Partial matches that were alive behind the last event, before time went on.
        near_misses: What kept others from being matches, the nearest first.
    """

    matches: list[Match]
    suppressed: list[Suppressed]
    alerts: list[Alert]
    rejected: list[Rejected]
    unfinished: list[OpenMatch]
    near_misses: list[NearMiss]


class TriedCounted(msgspec.Struct, frozen=True, kw_only=True):
    """What a correlation or a query made of some events; see `Tried`.

    Attributes:
        rows: Its closed groups, or its final results.
    """

    rows: list[dict[str, Any]]
    rejected: list[Rejected]
    unfinished: list[OpenMatch]
    near_misses: list[NearMiss]


class RuleTestResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one test of a document went.

    Attributes:
        failures: What differs from the expectation, one text each; empty when it passed.
        alerts: What came, with the names of the wire; of a query its results, of a correlation
            its closed groups.
        expected: What had to come: `alerts`, `severity`, `title`, as far as the test says.
        near_misses: Where it failed, what kept others from being matches.
        pointer: The test's place in the document.
    """

    name: str
    passed: bool
    failures: list[str]
    alerts: list[dict[str, Any]]
    expected: dict[str, Any]
    near_misses: list[NearMiss]
    pointer: str


def try_pattern(
    plan: PatternPlan,
    events: Iterable[Mapping[str, Any] | bytes],
    stage: StagePlans | None = None,
    *,
    keys: Collection[Key] = (),
) -> Tried:
    """Run one pattern over events in the given order; its `topics` do not matter here.

    Behind the last event time goes on without end, so that what is awaited in vain comes true.

    Args:
        stage: What is done to the events before; those that concern the first topic that the
            pattern names.
        keys: Only these are explained; none = all.
    Raises: Invalid("pattern.steps").
    """
    engine = Engine()
    engine.set_rules([dataclasses.replace(plan, topics=(), enabled=True)])
    values = [event if isinstance(event, bytes) else _encode(event) for event in events]
    chunks, refused = _staged([_chunk(plan, values)], stage)
    applied = engine.apply(chunks)
    last = engine.apply([], TIME_MS_MAX)
    made = applied.made + last.made
    near_misses, unfinished = _explained(plan, chunks, keys)
    return Tried(
        matches=[match for each in made if (match := each.match) is not None],
        suppressed=applied.suppressed + last.suppressed,
        alerts=[each.alert for each in made if each.alert is not None],
        rejected=refused + applied.rejected,
        unfinished=unfinished,
        near_misses=near_misses,
    )


def try_counted(
    plan: CorrelationPlan | QueryPlan,
    events: Iterable[Mapping[str, Any] | bytes],
    stage: StagePlans | None = None,
    *,
    keys: Collection[Key] = (),
) -> TriedCounted:
    """Run a correlation or a query over events; as `try_pattern`."""
    values = [event if isinstance(event, bytes) else _encode(event) for event in events]
    chunks, refused = _staged([_chunk(plan, values)], stage)
    rows, rejected = _told(plan, chunks)
    near_misses, unfinished = _explained(plan, chunks, keys)
    return TriedCounted(
        rows=rows, rejected=refused + rejected, unfinished=unfinished, near_misses=near_misses
    )


def _explained(
    plan: Plan, chunks: Sequence[Chunk], keys: Collection[Key]
) -> tuple[list[NearMiss], list[OpenMatch]]:
    tracer = tracer_of(plan, keys)
    for chunk in chunks:
        tracer.feed(chunk)
    return tracer.finish()


def run_document_tests(
    document: PatternDocument | Mapping[str, Any],
    stage: StagePlans | None = None,
) -> Sequence[RuleTestResult]:
    """Run the tests that a rule brings along, each from an empty state.

    Args:
        stage: See `try_pattern`.

    Raises: Invalid as `validate_pattern`.
    """
    if isinstance(document, Mapping) and document.get("kind") in ("query", "correlation"):
        return _run_counted(RULE_KINDS[document["kind"]].validate(document), stage)
    pattern = document if isinstance(document, PatternDocument) else validate_pattern(document)
    results: list[RuleTestResult] = []
    for test in pattern.tests:
        tried = try_pattern(pattern.plan, expand_test_events(test), stage)
        alerts = [alert_dict(alert) for alert in tried.alerts]
        failures = failed_expectations(test, alerts)
        if failures and tried.suppressed:
            count = len(tried.suppressed)
            failures.append(f"'suppress' let an earlier alert stand for {count} more")
        expected = {name: value for name in EXPECTED if (value := getattr(test, name)) is not None}
        results.append(
            RuleTestResult(
                name=test.name, passed=not failures, failures=failures, alerts=alerts,
                expected=expected, near_misses=tried.near_misses if failures else [],
                pointer=test.pointer,
            )
        )  # fmt: skip
    return results


def _run_counted(document: Any, stage: StagePlans | None) -> list[RuleTestResult]:
    """The tests of a query or a correlation."""
    noun = "results" if document.kind == "query" else "groups"
    results: list[RuleTestResult] = []
    for test in document.tests:
        values = [_encode(event) for event in expand_test_events(test)]
        chunks, _ = _staged([_chunk(document.plan, values)], stage)
        rows, _ = _told(document.plan, chunks)
        failures = failed_counts(test, rows, noun)
        near_misses = _explained(document.plan, chunks, ())[0] if failures else []
        expected = {**({} if test.count is None else {noun: test.count}), **test.having}
        results.append(
            RuleTestResult(
                name=test.name, passed=not failures, failures=failures, alerts=rows,
                expected=expected, near_misses=near_misses, pointer=test.pointer,
            )
        )  # fmt: skip
    return results


def _chunk(plan: Plan, values: list[bytes]) -> Chunk:
    """Events as records of the first topic that a rule names."""
    topic = next((name for name in plan.topics if not set(name) & set("*?[!")), TRIED_TOPIC)
    return Chunk(topic, 0, range(len(values)), [-1] * len(values), values)


def _told(
    plan: CorrelationPlan | QueryPlan, chunks: list[Chunk]
) -> tuple[list[dict[str, Any]], list[Rejected]]:
    """The results of a query, or the closed groups of a correlation, until the end of time."""
    alone = prepare(dataclasses.replace(plan, topics=(), enabled=True))
    processor = Processor(make_rule_set([alone]))
    first = processor.apply(chunks).outputs
    rows: list[dict[str, Any]] = []
    for one in first.found + processor.apply([], TIME_MS_MAX).outputs.found:
        if isinstance(one, Told):
            key = {"key": list(key_values(one.key))} if one.plan.group_by else {}
            window = [one.start_ms, one.end_ms]
            rows.append({**key, **one.metrics, "window": window, "count": one.count})
        elif isinstance(one, Correlation) and one.close_reason is not None:
            rows.append(
                {"key": list(one.key), "events": one.count, "closeReason": one.close_reason}
            )
    return rows, first.rejected


def _staged(chunks: list[Chunk], stage: StagePlans | None) -> tuple[list[Chunk], list[Rejected]]:
    """The chunks behind a stage, and what it put aside."""
    if stage is None or not chunks[0].values:
        return chunks, []
    before = PastStage()
    before.go_by(stage)
    staged, put_aside = before.apply(chunks)
    return staged, [
        Rejected(each.topic, each.partition, each.offset, each.error.code, each.error.message)
        for each in put_aside
    ]
