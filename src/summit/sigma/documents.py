"""A Sigma rule as a document: one step that its events must satisfy."""

from __future__ import annotations

import re
from typing import Any, Final

from summit.base.errors import Invalid
from summit.sigma.logsources import SourceMapping, Stream, stream_of
from summit.sigma.predicates import conjuncts

STEP: Final = "match"
_SEVERITIES: Final = {"informational": "info"}
_ID_CHARS: Final = re.compile(r"[^A-Za-z0-9._-]+")
_TEXT_CHARS: Final = 4_000


def rule_document(rule: Any, mapping: SourceMapping) -> dict[str, Any]:
    """The document of a `SigmaRule`.

    Raises: Invalid("sigma.unsupported", "path.invalid"), or what pySigma raises.
    """
    stream, tests = rule_tests(rule, mapping)
    return {
        **head(rule, stream.topics),
        "steps": [{"name": STEP, "where": tests if len(tests) > 1 else tests[0]}],
        "action": action(rule),
    }


def rule_tests(rule: Any, mapping: SourceMapping) -> tuple[Stream, list[str]]:
    """A rule's stream, and the expressions that its events satisfy.

    Several conditions are alternatives.
    """
    stream = stream_of(mapping, rule.logsource)
    ways = [
        conjuncts(condition.parsed, mapping.keyword_fields)
        for condition in rule.detection.parsed_condition
    ]
    if not ways:
        raise Invalid("sigma.unsupported", feature="condition", what="a rule without a condition")
    if len(ways) == 1:
        return stream, [*stream.tests, *ways[0]]
    joined = " || ".join("(" + " && ".join(way) + ")" for way in ways)
    return stream, [*stream.tests, f"({joined})"]


def head(rule: Any, topics: list[str]) -> dict[str, Any]:
    """What documents of rules and of correlations begin with."""
    found: dict[str, Any] = {
        "kind": "pattern",
        "id": rule_id(rule),
        "name": rule.title[:200] or rule_id(rule),
    }
    if rule.description:
        found["description"] = rule.description[:_TEXT_CHARS]
    if rule.status is not None and rule.status.name.lower() in ("deprecated", "unsupported"):
        found["enabled"] = False
    if rule.tags:
        found["tags"] = [f"{tag.namespace}.{tag.name}" for tag in rule.tags]
    if rule.author:
        found["owner"] = str(rule.author)[:200]
    if topics:
        found["topics"] = topics
    return found


def action(rule: Any) -> dict[str, Any]:
    """The alert that a rule makes."""
    level = "medium" if rule.level is None else rule.level.name.lower()
    config: dict[str, Any] = {
        "severity": _SEVERITIES.get(level, level), "title": rule.title.replace("${", "$ {"),
    }  # fmt: skip
    return {"type": "alert", "config": config}


def rule_id(rule: Any) -> str:
    """Its id or name; else made of its title."""
    if rule.id is not None:
        return str(rule.id)
    return _ID_CHARS.sub("-", rule.name or rule.title).strip("-").lower()[:100]
