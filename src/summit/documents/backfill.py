"""Backfills: a rule begins with the past. One document for a rule, under the rule's id.

kind: backfill
id: brute-force                   # a pattern; of other kinds correlation:ID, query:ID
since: 2026-01-31T08:00:00Z       # RFC 3339, milliseconds, or earliest (the first records kept)
offsets: {auth/0: 4711}           # or from there; other partitions from `since`, else the first

Workers then read the past for the rule alone, and say with `live` when it has come to the present.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from summit.documents.checked import CheckedDocument
from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.problems import Problems
from summit.documents.section import Section
from summit.events.times import epoch_ms

BACKFILL_FIELDS: Final = (*HEAD_FIELDS, "since", "offsets", "live")
_EARLIEST: Final = "earliest"


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """Where a rule begins.

    Attributes:
        since_ms: At the first record of this time or later; None = at the first kept.
        offsets: By `topic/partition`; the others as `since_ms` says.
        live: Which backfill of the rule is over (its revision); None = it is to be done.
    """

    since_ms: int | None
    offsets: Mapping[str, int]
    live: int | None


class BackfillDocument(CheckedDocument[BackfillPlan]):
    """A backfill that is free of problems."""

    kind = "backfill"


def validate_backfill(values: Mapping[str, Any], *, source: str = "") -> BackfillDocument:
    """Check a backfill. Raises: Invalid("document.invalid") with all `problems`."""
    problems = Problems()
    problems.refuse_foreign(values, "backfill", source)
    section = Section(values, "", problems, names=BACKFILL_FIELDS, noun="backfill")
    head = read_head(section, "backfill")
    since_ms: int | None = None
    since = values.get("since", _EARLIEST)
    if since != _EARLIEST:
        since_ms = epoch_ms(since)
        if since_ms is None:
            section.note("since", "must be a time such as 2026-01-31T08:00:00Z, or 'earliest'")
    plan = BackfillPlan(since_ms, _offsets(section, problems), section.whole("live", least=1))
    problems.raise_if_any(subject_of("backfill", values, source))
    assert head.id is not None
    return BackfillDocument(values, head.id, head.enabled, plan)


def _offsets(section: Section, problems: Problems) -> dict[str, int]:
    given = section.mapping("offsets") or {}
    inner = Section(given, section.at("offsets"), problems, names=tuple(given), noun="offsets")
    found: dict[str, int] = {}
    for name in given:
        topic, slash, partition = name.rpartition("/")
        if not (topic and slash and partition.isascii() and partition.isdigit()):
            inner.note(name, f"'{name[:80]}' must be topic/partition")
        elif (offset := inner.whole(name, least=0)) is not None:
            found[name] = offset
    return found
