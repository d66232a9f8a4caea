"""The rules' part of `summit flow describe`: what each reads, keeps and has done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from summit.base.errors import SummitError
from summit.documents import validate_pattern
from summit.flow.pausing import Pauses
from summit.journal.definition_log import Definition
from summit.journal.inputs import TopicFilter, rule_topics
from summit.journal.progress_record import GUARANTEE
from summit.journal.worker_figures import RuleFigures, WorkerFigures


class _RuleShown(NamedTuple):
    """A rule of the definitions; `reads` None = nothing is read for it."""

    row: dict[str, Any]
    reads: TopicFilter | None


def wanted_topics(definitions: Iterable[Definition]) -> TopicFilter:
    """The topics that the enabled rules among some definitions read."""
    plans = (_plan(d) for d in definitions if d.kind == "pattern")
    return TopicFilter(
        topic for plan in plans if plan is not None and plan.enabled
        for topic in rule_topics(plan.topics)
    )  # fmt: skip


def rule_rows(
    definitions: list[Definition],
    pauses: Pauses,
    told: Sequence[WorkerFigures],
    inputs: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """A row for each rule of the definitions, with what the workers tell of it.

    Args:
        told: The figures of live workers.
        inputs: The rows of the inputs.
    """
    topics = sorted({row["topic"] for row in inputs})
    rows = []
    for definition in sorted(definitions, key=lambda each: each.id):
        if definition.kind != "pattern":
            continue
        shown = _shown(definition, definition.id in pauses.rules)
        reads = [] if shown.reads is None else [t for t in topics if shown.reads.reads(t)]
        figures = [
            worker.rules[definition.id] for worker in told if definition.id in worker.rules
        ]  # fmt: skip
        rows.append({**shown.row, "reads": reads, **_sums(figures)})
    return rows


def _sums(figures: list[RuleFigures]) -> dict[str, int]:
    names = {field.name: field.encode_name for field in msgspec.structs.fields(RuleFigures)}
    return {shown: sum(getattr(each, name) for each in figures) for name, shown in names.items()}


def _shown(definition: Definition, paused: bool) -> _RuleShown:
    row: dict[str, Any] = {"id": definition.id, "revision": definition.version}
    plan = _plan(definition)
    if plan is None:
        return _RuleShown({**row, "state": "faulty"}, None)
    state = "disabled" if not plan.enabled else "paused" if paused else "active"
    row |= {
        "name": plan.name, "state": state, "guarantee": GUARANTEE,
        "topics": list(rule_topics(plan.topics)),
        "groupBy": [".".join(path) for path in plan.group_by],
        "steps": [step.name for step in plan.steps],
        "limits": {"keys": plan.limits.keys, "runsPerKey": plan.limits.runs_per_key},
    }  # fmt: skip
    return _RuleShown(row, TopicFilter(rule_topics(plan.topics)) if plan.enabled else None)


def _plan(definition: Definition) -> Any:
    try:
        return validate_pattern(definition.document).plan
    except SummitError:
        return None  # written by somebody who did not check it; no worker runs it
