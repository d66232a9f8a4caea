"""Enrichments: what is looked up for the events of some types. Now: tables.

kind: enrichment
id: assets
eventType: "*"
enrichmentType: lookup
config:
  keyField: sourceIP
  match: cidr                                   exact | cidr | domain; the longest one wins
  table: {10.0.0.0/8: {site: office}}           or file: assets.csv (or .json), keyColumn: network
  outputField: asset                            below enrichedData; the rule's id without it
onError: pass                                   pass | tag | drop | deadLetter
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.problems import Problems
from summit.documents.section import Section
from summit.documents.transform_plan import OnError
from summit.documents.transformation import ON_ERROR, read_event_types
from summit.events.expressions.ir import Path

ENRICHMENT_FIELDS: Final = (
    *HEAD_FIELDS,
    "topics",
    "eventType",
    "enrichmentType",
    "config",
    "onError",
)
_LATER: Final = "enrichment.not_available"
Match = Literal["exact", "cidr", "domain"]
_MATCHES: Final[tuple[Match, ...]] = ("exact", "cidr", "domain")


@dataclass(frozen=True, slots=True)
class LookupPlan:
    """What a lookup means.

    Attributes:
        event_types: The types that it is for; empty = every one.
        table: Rows by key; None = those of `file`.
        key_column: The column or member of a file's rows that is the key; None = the first.
        target: Where the row goes, from the event's root.
        topics: Names or globs; empty = every topic.
    """

    id: str
    event_types: frozenset[str]
    key_field: Path
    match: Match
    table: Mapping[str, Any] | None
    file: str | None
    key_column: str | None
    target: Path
    topics: tuple[str, ...] = ()
    on_error: OnError = "pass"


@dataclass(frozen=True, slots=True)
class EnrichmentDocument:
    """An enrichment that is free of problems.

    Attributes:
        values: The document as it was given.
        plan: What it means.
    """

    values: Mapping[str, Any]
    id: str
    enabled: bool
    plan: LookupPlan
    kind: str = "enrichment"

    def to_dict(self) -> dict[str, Any]:
        """The document again, with its kind."""
        return {"kind": self.kind, **self.values}


def validate_enrichment(values: Mapping[str, Any], *, source: str = "") -> EnrichmentDocument:
    """Check an enrichment.

    Raises: Invalid("document.invalid" or "enrichment.not_available") with all `problems`.
    """
    problems = Problems()
    problems.refuse_foreign(values, "enrichment", source)
    section = Section(
        values, "", problems, names=ENRICHMENT_FIELDS, later_code=_LATER, noun="enrichment"
    )
    head = read_head(section, "enrichment")
    topics = section.texts("topics")
    event_types = read_event_types(section, "eventType")
    kind = section.choice("enrichmentType", ("lookup",), ("api", "geo", "custom"))
    if not section.has("enrichmentType"):
        section.note("enrichmentType", "an enrichment needs 'enrichmentType'")
    on_error = section.choice("onError", ON_ERROR) or "pass"
    plan = None
    if kind is not None:
        plan = _read_lookup(section, head.id or "", event_types, topics)
        plan = replace(plan, on_error=on_error)
    problems.raise_if_any(subject_of("enrichment", values, source))
    assert head.id is not None
    assert plan is not None
    return EnrichmentDocument(values, head.id, head.enabled, plan)


def _read_lookup(
    section: Section, rule_id: str, event_types: frozenset[str], topics: tuple[str, ...]
) -> LookupPlan:
    config = Section(
        section.mapping("config") or {}, section.at("config"), section.problems,
        names=("keyField", "match", "table", "file", "keyColumn", "outputField"),
        later=("sqlite", "topic"), later_code=_LATER, noun="lookup config",
    )  # fmt: skip
    key_field = config.path("keyField", required=True)
    output = config.path("outputField")
    table, file = config.mapping("table"), config.text("file")
    key_column = config.text("keyColumn")
    if not config.has("table") and not config.has("file"):
        config.note("table", "a lookup config needs 'table' or 'file'")
    if config.has("table") and config.has("file"):
        config.note("file", "give either it or 'table'")
    if key_column is not None and not config.has("file"):
        config.note("keyColumn", "belongs to 'file'")
    if file is not None and not file.lower().endswith((".csv", ".json")):
        config.note("file", "must end in .csv or .json")
    match = config.choice("match", _MATCHES) or "exact"
    target = ("enrichedData", *(output or (rule_id,)))
    if target[1] == "_meta":
        config.note("outputField", "cannot be '_meta', which holds where data came from")
    return LookupPlan(
        rule_id, event_types, key_field or ("",), match, table, file, key_column, target, topics
    )
