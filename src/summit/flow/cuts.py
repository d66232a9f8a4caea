"""Where an alert cuts a rule's history for a key. Pure.

A match with the default `pastLast` ends everything that its key had begun. A restart that begins
to read in the middle of such a match would not know that, and would count its last events as the
beginning of another:

    events of a key     f1 f2 f3 f4 f5 | f6 f7 ...         rule: 5 x f
    alert made of       [f1 ........ f5]
    restart reads from         f3 f4 f5 | f6 f7            without the cut: f3..f7 would alert
    the alert's cut                     |                  with it: f6 f7 are the beginning

So a restart reads the alerts too, and drops what their rule has begun for their key where they
ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from summit.alerts import Alert, Evidence
from summit.documents.plan import PatternPlan
from summit.journal.progress_record import partition_name


class Cut(NamedTuple):
    """Drop what a rule has begun for a key, behind the record at an offset.

    Attributes:
        name: Partition, `topic/partition`.
        offset: The last record before the cut.
    """

    name: str
    offset: int
    rule: str
    key: tuple[Any, ...]


def cut_of(plan: PatternPlan | None, alert: Alert) -> Cut | None:
    """The cut of an alert under its rule; None when it ends nothing."""
    if plan is None or not alert.evidence or alert.pattern is None:
        return None
    kind, step = plan.after_match.kind, plan.after_match.step
    key = tuple(alert.key.values())
    if kind == "pastLast":
        last = alert.evidence[-1]
        return Cut(_name(last), last.offset, alert.pattern, key)
    if kind in ("toFirst", "toLast"):
        named = [evidence for evidence in alert.evidence if evidence.step == step]
        if named:
            # What begins at that very event stays: the cut lies before it.
            at = named[0] if kind == "toFirst" else named[-1]
            return Cut(_name(at), at.offset - 1, alert.pattern, key)
    return None


def cuts_of(
    alerts: Iterable[Alert],
    plans: Mapping[str, PatternPlan],
    low: Mapping[str, int],
    committed: Mapping[str, int],
) -> list[Cut]:
    """The cuts that a restart needs, in the order of their offsets.

    Args:
        low: Where reading back begins, by partition.
        committed: Where it ends.
    Returns: Cuts of alerts that were made before the end, but not of events read back alone.
    """
    found = set()
    for alert in alerts:
        cut = cut_of(plans.get(alert.pattern or ""), alert)
        if cut is None or not low.get(cut.name, 0) <= cut.offset < committed.get(cut.name, 0):
            continue
        if any(e.offset < low.get(_name(e), 0) for e in alert.evidence):
            found.add(cut)
    return sorted(found, key=lambda cut: cut.offset)


def _name(evidence: Evidence) -> str:
    return partition_name(evidence.topic, evidence.partition)
