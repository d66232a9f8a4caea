"""The kinds of definitions that are rules: how each becomes a rule that lanes run. Pure.

A kind more is a row more here, and a way out for what its lane finds (`findings.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from summit.analytics.rule import QueryRule
from summit.cep.correlation_rules import prepare_correlation
from summit.cep.rules import prepare_any
from summit.documents import validate_correlation, validate_pattern, validate_query
from summit.documents.correlation import CorrelationPlan
from summit.documents.plan import PatternPlan
from summit.documents.query_plan import QueryPlan
from summit.keyed.rule import KeyedRule

Plan = PatternPlan | CorrelationPlan | QueryPlan


class RuleKind(NamedTuple):
    """One kind.

    Attributes:
        validate: Checks a document of it; its `plan` is what `prepare` takes. Raises Invalid.
        prepare: Makes the rule. Raises Invalid for a plan that cannot run.
    """

    validate: Callable[[Mapping[str, Any]], Any]
    prepare: Callable[[Any], KeyedRule]
    plan: type


RULE_KINDS: Final[dict[str, RuleKind]] = {
    "pattern": RuleKind(validate_pattern, prepare_any, PatternPlan),
    "correlation": RuleKind(validate_correlation, prepare_correlation, CorrelationPlan),
    "query": RuleKind(validate_query, QueryRule, QueryPlan),
}
_PREPARE: Final = {kind.plan: kind.prepare for kind in RULE_KINDS.values()}
_NAMES: Final = {kind.plan: name for name, kind in RULE_KINDS.items()}


def prepare(plan: Plan) -> KeyedRule:
    """The rule that a plan is. Raises: Invalid for one that cannot run."""
    return _PREPARE[type(plan)](plan)


def rule_id(kind: str, definition_id: str) -> str:
    """How a rule of a kind is called among all: see `keyed.rule.KeyedRule`."""
    return definition_id if kind == "pattern" else f"{kind}:{definition_id}"


def rule_name(plan: Plan) -> str:
    """The id among all of the rule that a plan is: see `rule_id`."""
    return rule_id(_NAMES[type(plan)], plan.id)
