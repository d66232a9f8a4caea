"""The rules' part of `summit flow describe`: what each reads, keeps and has done. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from summit.documents.plan import PatternPlan
from summit.flow.kinds import RULE_KINDS, Plan, prepare, rule_id
from summit.flow.rules import Rules
from summit.flow.stage_plans import STAGE_KINDS
from summit.journal.backfill_log import BackfillMark
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
    marks: Mapping[str, BackfillMark],
) -> list[dict[str, Any]]:
    """A row for each rule of the definitions, with what the workers tell of it.

    Args:
        rules: Those that the workers make of them.
        told: The figures of live workers.
        inputs: The rows of the inputs.
        guarantee: That of the alerts.
        marks: How far backfills are, by their names.
    """
    topics = sorted({row["topic"] for row in inputs})
    begin = {each.rule: _how_far(marks.get(each.name)) for each in rules.backfills}
    lowered = {prepare(plan).id: plan.topics for plan in rules.plans}
    rows = []
    for definition in sorted(definitions, key=lambda each: each.id):
        if definition.kind not in RULE_KINDS:
            continue
        name = rule_id(definition.kind, definition.id)
        fault = rules.faulty.get(name)
        paused = name in rules.paused
        shown = _shown(definition, fault, paused, lowered, guarantee)
        reads = [] if shown.reads is None else [t for t in topics if shown.reads.reads(t)]
        figures = [
            worker.rules[name] for worker in told if name in worker.rules
        ]  # fmt: skip
        if (done := begin.get(name)) is not None and shown.row["state"] == "active":
            shown.row.update(state="backfill", backfill=done)
        rows.append({**shown.row, "reads": reads, **_sums(figures)})
    return rows


def _how_far(mark: BackfillMark | None) -> dict[str, Any]:
    """Of the past that is read for a rule: records read, and the share of all."""
    if mark is None:
        return {"records": 0, "share": 0.0}
    left = sum(max(0, end - mark.positions.get(name, 0)) for name, end in mark.ends.items())
    share = mark.records / (mark.records + left) if left else 1.0
    return {"records": mark.records, "share": round(share, 3)}


def stage_rows(
    definitions: list[Definition], rules: Rules, told: Sequence[WorkerFigures]
) -> list[dict[str, Any]]:
    """A row for each definition of what is done to events before the rules, in their order.

    Args:
        told: The figures of live workers; these know whether the rows of enrichments can be had.
    """
    rows: list[dict[str, Any]] = []
    for kind in STAGE_KINDS:
        for definition in definitions:
            if definition.kind != kind:
                continue
            name, document = f"{kind}/{definition.id}", definition.document
            by_workers = (worker.faulty.get(name) for worker in told)
            fault = rules.faulty.get(name) or next(filter(None, by_workers), None)
            state = "active" if document.get("enabled", True) else "disabled"
            rows.append({
                "id": definition.id, "kind": kind, "revision": definition.version,
                "state": state if fault is None else "faulty", "reason": fault,
                "topics": list(document.get("topics") or ()),
            })  # fmt: skip
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
    row: dict[str, Any] = {
        "id": definition.id, "kind": definition.kind, "revision": definition.version
    }  # fmt: skip
    if fault is not None:
        return _RuleShown({**row, "state": "faulty", "reason": fault}, None)
    plan: Plan = RULE_KINDS[definition.kind].validate(definition.document).plan
    rule = prepare(plan)
    state = "disabled" if not plan.enabled else "paused" if paused else "active"
    row |= {
        "name": plan.name, "state": state, "guarantee": guarantee,
        "topics": list(rule_topics(plan.topics)),
        "groupBy": [".".join(path) for path in rule.group_by],
        **_meaning(plan),
    }  # fmt: skip
    if not plan.enabled:
        return _RuleShown(row, None)
    return _RuleShown(row, TopicFilter(rule_topics(lowered.get(rule.id, plan.topics))))


def _meaning(plan: Plan) -> dict[str, Any]:
    """What is told of a rule of each kind alone."""
    if isinstance(plan, PatternPlan):
        limits = {
            "keys": plan.limits.keys, "runsPerKey": plan.limits.runs_per_key,
            "ttlMs": plan.limits.ttl_ms,
        }  # fmt: skip
        return {"steps": [step.name for step in plan.steps], "limits": limits}
    return {"steps": [], "limits": {"groups": plan.groups_max, "events": plan.events_max}}
