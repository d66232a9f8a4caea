"""Sigma's correlation rules as documents.

    event_count gte, gt     so many events in a time: a step with `times`, `within`
    event_count others      the count of a window: `window`, `having`
    value_count, _sum, …    `window`, `having: distinct(x) >= n`, `sum(x) > n` …
    temporal_ordered        a step for each rule, `within`
    temporal                the same with `matching: unordered`

Sigma's time slides with the events, and so do these.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from sigma.correlations import SigmaExtendedCorrelationCondition

from summit.base.errors import Invalid
from summit.sigma.documents import action, head, rule_id, rule_tests
from summit.sigma.logsources import SourceMapping
from summit.sigma.values import field_text

_OPERATORS: Final = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=", "EQ": "==", "NEQ": "!="}
_FUNCTIONS: Final = {
    "VALUE_COUNT": "distinct", "VALUE_SUM": "sum", "VALUE_AVG": "avg",
}  # fmt: skip
_TIMES_MAX: Final = 1_000
_NAME: Final = re.compile(r"[^A-Za-z0-9_]+")


def correlation_document(rule: Any, mapping: SourceMapping) -> dict[str, Any]:
    """The document of a `SigmaCorrelationRule` whose references are resolved.

    Raises: Invalid("sigma.unsupported", "path.invalid"), or what pySigma raises.
    """
    if len(rule.aliases):
        raise _unsupported("aliases", "aliases: a groupBy of ours has one path for all events")
    if isinstance(rule.condition, SigmaExtendedCorrelationCondition):
        raise _unsupported("extended condition", "a condition over rules with and, or, not")
    members = [reference.rule for reference in rule.rules or ()]
    if any(not hasattr(member, "detection") for member in members):
        raise _unsupported("chain", "a correlation of correlations")
    topics: dict[str, None] = {}
    ways = []
    for member in members:
        stream, tests = rule_tests(member, mapping)
        topics.update(dict.fromkeys(stream.topics))
        ways.append(tests)
    document = head(rule, list(topics))
    if rule.group_by:
        document["groupBy"] = [_path(name) for name in rule.group_by]
    span = f"{rule.timespan.seconds}s"
    kind = rule.type.name
    if kind in ("TEMPORAL", "TEMPORAL_ORDERED"):
        document |= _temporal(members, ways, span, ordered=kind == "TEMPORAL_ORDERED")
    else:
        document |= _counted(rule, kind, ways, span)
    return document | {"action": action(rule)}


def _temporal(
    members: list[Any], ways: list[list[str]], span: str, *, ordered: bool
) -> dict[str, Any]:
    if len(members) == 1:
        raise _unsupported("temporal", "one rule alone in a temporal correlation")
    steps = [
        {"name": _step_name(member, number), "where": tests if len(tests) > 1 else tests[0]}
        for number, (member, tests) in enumerate(zip(members, ways, strict=True))
    ]
    document: dict[str, Any] = {"steps": steps, "within": span}
    return document if ordered else document | {"matching": "unordered"}


def _counted(rule: Any, kind: str, ways: list[list[str]], span: str) -> dict[str, Any]:
    condition = rule.condition
    where: Any = ways[0] if len(ways[0]) > 1 else ways[0][0]
    if len(ways) > 1:
        where = " || ".join("(" + " && ".join(tests) + ")" for tests in ways)
    operator = condition.op.name
    if kind == "EVENT_COUNT" and operator in ("GT", "GTE"):
        least = math.ceil(condition.count) + (operator == "GT" and condition.count % 1 == 0)
        if 1 <= least <= _TIMES_MAX:
            return {"steps": [{"name": "event", "where": where, "times": least}], "within": span}
    return {
        "where": where,
        "window": {"type": "sliding", "size": span},
        "having": f"{_figure(kind, condition)} {_OPERATORS[operator]} {condition.count}",
    }


def _figure(kind: str, condition: Any) -> str:
    """What is compared with the number."""
    if kind == "EVENT_COUNT":
        return "count()"
    if isinstance(condition.fieldref, list):
        raise _unsupported("fields", "distinct values of several fields together")
    field = field_text(condition.fieldref)
    if kind == "VALUE_PERCENTILE":
        return f"percentile({field}, {condition.percentile or 95})"
    if kind == "VALUE_MEDIAN":
        return f"percentile({field}, 50)"
    function = _FUNCTIONS.get(kind)
    if function is None:
        raise _unsupported("type", f"correlations of the type {kind.lower()}")
    return f"{function}({field})"


def _step_name(rule: Any, number: int) -> str:
    name = _NAME.sub("_", rule.name or rule_id(rule)).strip("_")[:50]
    return f"s{number + 1}_{name}"


def _path(name: str) -> str:
    field_text(name)
    return name


def _unsupported(feature: str, what: str) -> Invalid:
    return Invalid("sigma.unsupported", feature=feature, what=what)
