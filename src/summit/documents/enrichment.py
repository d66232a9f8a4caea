"""Enrichments: what is looked up for the events of some types; the sources: `enrichment_sources`.

kind: enrichment
id: assets
eventType: "*"
enrichmentType: lookup                          lookup | api | geo | custom
config:
  keyField: sourceIP
  match: cidr                                   exact | cidr | domain; the longest one wins
  table: {10.0.0.0/8: {site: office}}           or file: assets.csv, keyColumn: network, …
  outputField: asset                            below enrichedData; the rule's id without it
onError: pass                                   pass | tag | drop | deadLetter
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from summit.documents.checked import CheckedDocument
from summit.documents.enrichment_sources import SourcePlan, TablePlan, read_source
from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.problems import Problems
from summit.documents.section import Section
from summit.documents.transform_plan import OnError
from summit.documents.transformation import ON_ERROR, read_event_types
from summit.events.expressions.ir import Path

ENRICHMENT_FIELDS: Final = (
    *HEAD_FIELDS, "topics", "eventType", "enrichmentType", "config", "onError",
)  # fmt: skip
_TYPES: Final = ("lookup", "api", "geo", "custom")


@dataclass(frozen=True, slots=True)
class EnrichmentPlan:
    """What an enrichment means.

    Attributes:
        event_types: The types that it is for; empty = every one.
        key_field: What is looked up; None = the whole event.
        source: Where.
        target: Where the row goes, from the event's root.
        topics: Names or globs; empty = every topic.
    """

    id: str
    event_types: frozenset[str]
    key_field: Path | None
    source: SourcePlan
    target: Path
    topics: tuple[str, ...] = ()
    on_error: OnError = "pass"

    @property
    def is_recorded(self) -> bool:
        """Whether what it finds is to be recorded: all but what stands in the definition."""
        return not (isinstance(self.source, TablePlan) and self.source.table is not None)


class EnrichmentDocument(CheckedDocument[EnrichmentPlan]):
    """An enrichment that is free of problems."""

    kind = "enrichment"


def validate_enrichment(values: Mapping[str, Any], *, source: str = "") -> EnrichmentDocument:
    """Check an enrichment. Raises: Invalid("document.invalid") with all `problems`."""
    problems = Problems()
    problems.refuse_foreign(values, "enrichment", source)
    section = Section(values, "", problems, names=ENRICHMENT_FIELDS, noun="enrichment")
    head = read_head(section, "enrichment")
    topics = section.texts("topics")
    event_types = read_event_types(section, "eventType")
    kind = section.choice("enrichmentType", _TYPES)
    if not section.has("enrichmentType"):
        section.note("enrichmentType", "an enrichment needs 'enrichmentType'")
    on_error = section.choice("onError", ON_ERROR) or "pass"
    plan = None
    if kind is not None:
        found, key_field, output = read_source(section, kind)
        target = ("enrichedData", *(output or (head.id or "",)))
        if target[1] == "_meta":
            pointer = section.at("config") + "/outputField"
            problems.add(pointer, "cannot be '_meta', which holds where data came from")
        plan = EnrichmentPlan(
            head.id or "", event_types, key_field, found, target, topics, on_error
        )
    problems.raise_if_any(subject_of("enrichment", values, source))
    assert head.id is not None
    assert plan is not None
    return EnrichmentDocument(values, head.id, head.enabled, plan)
