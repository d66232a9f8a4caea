"""`suppress` of a pattern: for how long an alert stands for others like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from summit.documents.plan import ActionPlan, SuppressPlan
from summit.documents.section import Section
from summit.events.expressions.ir import Path

_FIELDS: Final = ("by", "for")


def read_suppress(
    pattern: Section, group_by: Sequence[Path], action: ActionPlan
) -> SuppressPlan | None:
    """The plan of the pattern's `suppress`; None where it has none.

    `by` is the key where it is left out, and has to hold the key: alerts of other keys may come
    true elsewhere at the same moment, and nobody could say which one stands.
    """
    value = pattern.mapping("suppress")
    if value is None:
        return None
    if action.type != "alert":
        pattern.note("suppress", f"a {action.type} action makes no alert that could be suppressed")
    section = Section(
        value, pattern.at("suppress"), pattern.problems, names=_FIELDS, noun="suppress"
    )
    by = section.paths("by") if section.has("by") else tuple(group_by)
    missing = [".".join(path) for path in group_by if path not in by]
    if section.has("by") and missing:
        names = ", ".join(missing)
        section.note("by", f"must hold the fields of groupBy too; missing: {names}")
    for_ms = section.duration_ms("for", required=True)
    return None if for_ms is None else SuppressPlan(by, for_ms)
