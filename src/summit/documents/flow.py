"""The flow: what the workers rest from. One document of the id `workers`.

kind: flow
id: workers
paused:
  topics: [orders, "logs.*"]      not read; ["*"] = no input is read
  rules: [brute-force]            see no events; what they have begun is kept
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.problems import Problems
from summit.documents.section import Section

FLOW_FIELDS: Final = (*HEAD_FIELDS, "paused")
FLOW_ID: Final = "workers"


@dataclass(frozen=True, slots=True)
class FlowDocument:
    """A flow that is free of problems.

    Attributes:
        values: The document as it was given.
        paused_topics: Names and globs of topics.
        paused_rules: Ids of rules; they need not exist.
    """

    values: Mapping[str, Any]
    id: str
    paused_topics: tuple[str, ...] = ()
    paused_rules: tuple[str, ...] = ()
    kind: str = "flow"

    def to_dict(self) -> dict[str, Any]:
        """The document again, with its kind."""
        return {"kind": self.kind, **self.values}


def validate_flow(values: Mapping[str, Any], *, source: str = "") -> FlowDocument:
    """Check a flow. Raises: Invalid("document.invalid") with all `problems`."""
    problems = Problems()
    problems.refuse_foreign(values, "flow", source)
    section = Section(values, "", problems, names=FLOW_FIELDS, noun="flow")
    head = read_head(section, "flow")
    if head.id is not None and head.id != FLOW_ID:
        section.note("id", f"must be '{FLOW_ID}': all workers share one flow")
    if not head.enabled:
        section.note("enabled", "a flow is always in force; leave 'paused' empty")
    topics: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    if (paused := section.mapping("paused")) is not None:
        inner = Section(
            paused, section.at("paused"), problems, names=("topics", "rules"), noun="paused"
        )
        topics, rules = inner.texts("topics"), inner.texts("rules")
    problems.raise_if_any(subject_of("flow", values, source))
    assert head.id is not None
    return FlowDocument(values, head.id, topics, rules)
