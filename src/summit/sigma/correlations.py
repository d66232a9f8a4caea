"""Sigma's correlation rules as documents.

    event_count gte, gt     so many events in a time: a step with `times`, `within`
    event_count others      the count of a window: `window`, `having`
    value_count, _sum, …    `window`, `having: distinct(x) >= n`, `sum(x) > n` …
    temporal_ordered        a step for each rule, `within`
    temporal                the same with `matching: unordered`
    a and b and not c       the same, and c must not come within the time after them
    a or b                  one step that takes either

Sigma's time slides with the events, and so do these. A correlation that another one refers to feeds
it: a copy of it, whose action starts the other. Aliases of different fields compare what the steps
have taken.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import permutations
from typing import Any, Final, NamedTuple

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionNOT,
    CorrelationConditionOR,
    SigmaExtendedCorrelationCondition,
)

from summit.base.errors import Invalid
from summit.sigma.documents import action, head, rule_id, rule_tests
from summit.sigma.logsources import SourceMapping
from summit.sigma.values import field_text

_OPERATORS: Final = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=", "EQ": "==", "NEQ": "!="}
_FUNCTIONS: Final = {
    "VALUE_COUNT": "distinct", "VALUE_SUM": "sum", "VALUE_AVG": "avg",
}  # fmt: skip
_TIMES_MAX: Final = 1_000
_ORDERS_MAX: Final = 3  # of so many rules each order gets a document
_DEPTH_MAX: Final = 5
_ID_MAX: Final = 200
_NAME: Final = re.compile(r"[^A-Za-z0-9_]+")


class _Member(NamedTuple):
    """One of the rules that a correlation is about.

    Attributes:
        reference: How the correlation calls it.
        tests: What its events satisfy.
        key: Of each field of `group-by`, in its order, the field of its events.
    """

    reference: str
    rule: Any
    tests: list[str]
    key: list[str]


def correlation_documents(rule: Any, mapping: SourceMapping) -> list[dict[str, Any]]:
    """The documents of a `SigmaCorrelationRule` whose references are resolved.

    Raises: Invalid("sigma.unsupported", "path.invalid"), or what pySigma raises.
    """
    return _documents(rule, mapping, rule_id(rule), action(rule), 0)


def _documents(
    rule: Any, mapping: SourceMapping, name: str, does: dict[str, Any], depth: int
) -> list[dict[str, Any]]:
    """The rule's own documents under an id and with an action, then those that feed it."""
    if depth > _DEPTH_MAX:
        raise _unsupported("chain", f"more than {_DEPTH_MAX} correlations of correlations")
    topics: dict[str, None] = {}
    members, feeders = [], []
    for reference in rule.referenced_rules:
        member = reference.rule
        if hasattr(member, "detection"):
            stream, tests = rule_tests(member, mapping)
            topics.update(dict.fromkeys(stream.topics))
        else:
            feeder = f"{rule_id(member)}--{name}"[:_ID_MAX]
            starts = {"type": "trigger", "config": {"pattern": name}}
            feeders += _documents(member, mapping, feeder, starts, depth + 1)
            tests = ['eventType == "pattern.matched"', f'pattern == "{feeder}"']
        members.append(_Member(reference.reference, member, tests, _key(rule, reference)))
    if feeders and not any(hasattr(member.rule, "detection") for member in members):
        topics = {f"starts.{name}": None}  # nothing else is to be read
    forms = _forms(rule, members)
    if len(forms) > 1 and (depth or feeders):
        raise _unsupported("chain", "a correlation of correlations in any order with aliases")
    own = []
    for number, form in enumerate(forms):
        document = {**head(rule, list(topics)), **form, "action": does}
        document["id"] = name if number == 0 else f"{name}--{number + 1}"[:_ID_MAX]
        own.append(document)
    return own + feeders


def _forms(rule: Any, members: list[_Member]) -> list[dict[str, Any]]:
    """What makes the documents of a correlation out of its members; mostly one."""
    names = [{member.key[n] for member in members} for n in range(len(rule.group_by or ()))]
    common = [_path(name) for one in names if len(one) == 1 for name in one]
    grouped: dict[str, Any] = {"groupBy": common} if common else {}
    joined = len(common) < len(names)
    span = f"{rule.timespan.seconds}s"
    kind = rule.type.name
    if kind not in ("TEMPORAL", "TEMPORAL_ORDERED"):
        if joined:
            raise _unsupported("aliases", "aliases of different fields in what is counted")
        return [grouped | _counted(rule, kind, [member.tests for member in members], span)]
    absent: list[_Member] = []
    if isinstance(rule.condition, SigmaExtendedCorrelationCondition):
        condition = rule.condition.parsed
        by_name = {member.reference: member for member in members}
        if isinstance(condition, CorrelationConditionOR):
            if joined:
                raise _unsupported("aliases", "aliases of different fields in an 'or'")
            ways = [by_name[name].tests for name in _names(condition.args)]
            return [grouped | {"steps": [{"name": "either", "where": _any_of(ways)}]}]
        members, absent = _present_and_absent(condition, by_name)
    elif len(members) == 1:
        raise _unsupported("temporal", "one rule alone in a temporal correlation")
    ordered = kind == "TEMPORAL_ORDERED" or len(members) == 1
    if not joined and not absent:
        return [grouped | _temporal(members, [], span, ordered=ordered)]
    orders: Iterable[Any] = (members,) if ordered else permutations(members)
    if not ordered and len(members) > _ORDERS_MAX:
        feature = "aliases" if joined else "extended condition"
        what = "with aliases" if joined else "and others that must not come"
        raise _unsupported(feature, f"more than {_ORDERS_MAX} rules in any order {what}")
    return [grouped | _temporal(list(order), absent, span, ordered=True) for order in orders]


def _key(rule: Any, reference: Any) -> list[str]:
    """The fields of `group-by` as the events of a member call them."""
    aliases = {one.alias: one.mapping for one in rule.aliases}
    found = []
    for name in rule.group_by or ():
        named = {each.reference: field for each, field in aliases.get(name, {}).items()}
        if name in aliases and reference.reference not in named:
            raise _unsupported("aliases", f"the alias '{name}' without '{reference.reference}'")
        found.append(named.get(reference.reference, name))
    return found


def _names(nodes: Iterable[Any]) -> list[str]:
    """The rules that are named, where there is nothing but names."""
    found = []
    for node in nodes:
        if not hasattr(node, "reference"):
            raise _unsupported("extended condition", "a condition of 'and', 'or' and 'not' mixed")
        found.append(node.reference)
    return list(dict.fromkeys(found))


def _present_and_absent(
    condition: Any, by_name: dict[str, _Member]
) -> tuple[list[_Member], list[_Member]]:
    """Of `a and b and not c`: those that must come, and those that must not."""
    parts = condition.args if isinstance(condition, CorrelationConditionAND) else [condition]
    nots = [part for part in parts if isinstance(part, CorrelationConditionNOT)]
    present = _names(part for part in parts if not isinstance(part, CorrelationConditionNOT))
    absent = _names(arg for part in nots for arg in part.args)
    if not present:
        raise _unsupported("extended condition", "a condition that names nothing that must come")
    return [by_name[name] for name in present], [by_name[name] for name in absent]


def _temporal(
    members: list[_Member], absent: list[_Member], span: str, *, ordered: bool
) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    first = members[0]
    for number, member in enumerate([*members, *absent]):
        tests = list(member.tests)
        for own, other in zip(member.key, first.key, strict=True):
            if own != other:  # the same value under another name
                tests.append(f"{field_text(own)} == {steps[0]['name']}.first.{_path(other)}")
        step: dict[str, Any] = {
            "name": _step_name(member.rule, number), "where": tests if len(tests) > 1 else tests[0]
        }  # fmt: skip
        if number >= len(members):
            step["relation"] = "notFollowedBy"
        steps.append(step)
    document: dict[str, Any] = {"steps": steps, "within": span}
    return document if ordered else document | {"matching": "unordered"}


def _counted(rule: Any, kind: str, ways: list[list[str]], span: str) -> dict[str, Any]:
    condition = rule.condition
    where = _any_of(ways)
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


def _any_of(ways: list[list[str]]) -> Any:
    if len(ways) > 1:
        return " || ".join("(" + " && ".join(tests) + ")" for tests in ways)
    return ways[0] if len(ways[0]) > 1 else ways[0][0]


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
