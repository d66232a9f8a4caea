"""The rules' part of `summit flow describe`: what each reads, keeps and has done. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from summit.documents import validate_pattern
from summit.flow.rules import Rules
from summit.journal.definition_log import Definition
from summit.journal.inputs import TopicFilter, rule_topics
from summit.journal.worker_figures import RuleFigures, WorkerFigures


class _RuleShown(NamedTuple):
    """A rule of the definitions; `reads` None = nothing is read for it."""

    row: dict[str, Any]
    reads: TopicFilter | None


def rule_rows(
    definitions: list[Definition],
    rules: Rules,
    told: Sequence[WorkerFigures],
    inputs: list[dict[str, Any]],
    guarantee: str,
) -> list[dict[str, Any]]:
    """A row for each rule of the definitions, with what the workers tell of it.

    Args:
        rules: Those that the workers make of them.
        told: The figures of live workers.
        inputs: The rows of the inputs.
        guarantee: That of the alerts.
    """
    topics = sorted({row["topic"] for row in inputs})
    lowered = {plan.id: plan.topics for plan in rules.plans}
    rows = []
    for definition in sorted(definitions, key=lambda each: each.id):
        if definition.kind != "pattern":
            continue
        fault = rules.faulty.get(definition.id)
        paused = definition.id in rules.paused
        shown = _shown(definition, fault, paused, lowered, guarantee)
        reads = [] if shown.reads is None else [t for t in topics if shown.reads.reads(t)]
        figures = [
            worker.rules[definition.id] for worker in told if definition.id in worker.rules
        ]  # fmt: skip
        rows.append({**shown.row, "reads": reads, **_sums(figures)})
    return rows


def _sums(figures: list[RuleFigures]) -> dict[str, int]:
    names = {field.name: field.encode_name for field in msgspec.structs.fields(RuleFigures)}
    return {shown: sum(getattr(each, name) for each in figures) for name, shown in names.items()}


def _shown(
    definition: Definition,
    fault: str | None,
    paused: bool,
    lowered: Mapping[str, tuple[str, ...]],
    guarantee: str,
) -> _RuleShown:
    row: dict[str, Any] = {"id": definition.id, "revision": definition.version}
    if fault is not None:
        return _RuleShown({**row, "state": "faulty", "reason": fault}, None)
    plan = validate_pattern(definition.document).plan
    state = "disabled" if not plan.enabled else "paused" if paused else "active"
    row |= {
        "name": plan.name, "state": state, "guarantee": guarantee,
        "topics": list(rule_topics(plan.topics)),
        "groupBy": [".".join(path) for path in plan.group_by],
        "steps": [step.name for step in plan.steps],
        "limits": {"keys": plan.limits.keys, "runsPerKey": plan.limits.runs_per_key},
    }  # fmt: skip
    if not plan.enabled:
        return _RuleShown(row, None)
    return _RuleShown(row, TopicFilter(rule_topics(lowered.get(plan.id, plan.topics))))
