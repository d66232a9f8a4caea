"""Trying a pattern on events without a broker: for the tests of documents, for editors. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from summit.alerts import Alert, alert_dict
from summit.cep.match import Match
from summit.documents import (
    PatternDocument,
    expand_test_events,
    failed_expectations,
    validate_pattern,
)
from summit.documents.plan import PatternPlan
from summit.events.times import TIME_MS_MAX
from summit.flow.engine import Engine
from summit.flow.prestage import Prestage
from summit.flow.stage_plans import StagePlans
from summit.keyed.chunks import Chunk
from summit.keyed.outputs import Rejected

TRIED_TOPIC = "test"
_encode = msgspec.json.Encoder().encode


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What a pattern made of some events.

    Attributes:
        rejected: Events that could not be processed, or that the pattern skipped for want of a
            type or key; `offset` is their place in the list.
        unfinished: Partial matches that were alive at the end.
    """

    matches: list[Match]
    alerts: list[Alert]
    rejected: list[Rejected]
    unfinished: int


class RuleTestResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one test of a document went.

    Attributes:
        failures: What differs from the expectation, one text each; empty when it passed.
        alerts: What came, with the names of the wire.
    """

    name: str
    passed: bool
    failures: list[str]
    alerts: list[dict[str, Any]]


def try_pattern(
    plan: PatternPlan,
    events: Iterable[Mapping[str, Any] | bytes],
    stage: StagePlans | None = None,
) -> Tried:
    """Run one pattern over events in the given order; its `topics` do not matter here.

    Args:
        stage: What is done to the events before; those that concern the first topic that the
            pattern names.

    Behind the last event time goes on without end, so that what is awaited in vain comes true.

    Raises: Invalid("pattern.steps").
    """
    engine = Engine()
    engine.set_rules([dataclasses.replace(plan, topics=(), enabled=True)])
    values = [event if isinstance(event, bytes) else _encode(event) for event in events]
    topic = next((name for name in plan.topics if not set(name) & set("*?[!")), TRIED_TOPIC)
    chunks = [Chunk(topic, 0, range(len(values)), [-1] * len(values), values)]
    refused: list[Rejected] = []
    if stage is not None and values:
        prestage = Prestage()
        prestage.go_by(stage)
        chunks, put_aside = prestage.apply(chunks)
        refused = [
            Rejected(each.topic, each.partition, each.offset, each.error.code, each.error.message)
            for each in put_aside
        ]  # fmt: skip
    applied = engine.apply(chunks)
    unfinished = engine.processor.live_runs
    made = applied.made + engine.apply([], TIME_MS_MAX).made
    return Tried(
        matches=[each.match for each in made],
        alerts=[each.alert for each in made if each.alert is not None],
        rejected=refused + applied.rejected,
        unfinished=unfinished,
    )


def run_document_tests(
    document: PatternDocument | Mapping[str, Any],
    stage: StagePlans | None = None,
) -> Sequence[RuleTestResult]:
    """Run the tests that a pattern brings along, each from an empty state.

    Args:
        stage: See `try_pattern`.

    Raises: Invalid as `validate_pattern`.
    """
    pattern = document if isinstance(document, PatternDocument) else validate_pattern(document)
    results: list[RuleTestResult] = []
    for test in pattern.tests:
        tried = try_pattern(pattern.plan, expand_test_events(test), stage)
        alerts = [alert_dict(alert) for alert in tried.alerts]
        failures = failed_expectations(test, alerts)
        results.append(
            RuleTestResult(name=test.name, passed=not failures, failures=failures, alerts=alerts)
        )
    return results
