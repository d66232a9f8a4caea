"""`action`: what a match leads to; `onTimeout`, `severity`: the actions beside it.

alert       {severity, severityRules, title, description, notify, runbook, fields}
forward     {topic, key}            key: a field path, or a text with holes
aggregate   {groupBy, aggregations: [{field, function, percentile, name}], topic}
trigger     {url, secret} | {pattern}
custom      a function of Python; only where there is one, never in a document
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from summit.base import limits
from summit.documents.aggregation import read_aggregations
from summit.documents.available import ACTIONS, AGGREGATES_TOPIC
from summit.documents.plan import ActionPlan
from summit.documents.predicates import read_where
from summit.documents.problems import join_pointer
from summit.documents.section import Section, kind_name
from summit.documents.sending import read_output_topic, read_secret, read_url
from summit.documents.templates import read_template, read_text_template
from summit.events.expressions.ir import Literal, Node
from summit.events.severities import SEVERITIES

ALERT_FIELDS: Final = (
    "severity", "severityRules", "title", "description", "notify", "runbook", "fields",
    "technique",
)  # fmt: skip
_CUSTOM: Final = (
    "custom runs a function of Python, which no document can hold: register the pattern with "
    "CEPEngine in Python, or say what is to be found by 'aggregates' and 'having'"
)


def read_action(pattern: Section, steps: Sequence[str], *, custom: bool = False) -> ActionPlan:
    """The plan of the pattern's `action`; without one, an alert with all defaults.

    Args:
        steps: Names of all steps, which texts may refer to.
        custom: Whether the action may be a function of Python.
    """
    value = pattern.mapping("action")
    plan = ActionPlan()
    if value is not None:
        plan = _read_one(value, pattern.at("action"), pattern, steps, custom=custom)
    if not pattern.has("severity"):
        return plan
    if plan.type != "alert":
        pattern.note("severity", f"a {plan.type} action makes no alert that has a severity")
    elif plan.severity_rules:
        pattern.note("severity", "a pattern has either 'severity' or its action 'severityRules'")
    return replace(plan, severity_rules=_read_severities(pattern, "severity", steps))


def read_on_timeout(pattern: Section, steps: Sequence[str], *, bounded: bool) -> ActionPlan | None:
    """The plan of `onTimeout`; None without one.

    Args:
        bounded: Whether anything limits a partial match in time.
    """
    value = pattern.mapping("onTimeout")
    if value is None:
        return None
    section = Section(
        value, pattern.at("onTimeout"), pattern.problems, names=("action",), noun="onTimeout"
    )
    if not bounded:
        text = "nothing runs out of time here: set 'within', of the pattern or of a step"
        pattern.note("onTimeout", text)
    action = section.mapping("action")
    if action is None:
        if not section.has("action"):
            section.note("action", "onTimeout needs 'action', such as {type: alert}")
        return None
    return _read_one(action, section.at("action"), section, steps, custom=False)


def _read_one(
    value: Mapping[str, Any], pointer: str, owner: Section, steps: Sequence[str], *, custom: bool
) -> ActionPlan:
    names = ("type", "config", "handler")
    section = Section(value, pointer, owner.problems, names=names, noun="action")
    if not section.has("type"):
        section.note("type", "an action needs 'type'")
    kind = section.choice("type", ACTIONS)
    if section.has("handler"):
        section.note("handler", _CUSTOM)
    config = section.mapping("config") or {}
    match kind:
        case "alert":
            return _read_alert(_config(config, section, ALERT_FIELDS), steps)
        case "forward":
            return _read_forward(_config(config, section, ("topic", "key")), steps)
        case "aggregate":
            names = ("groupBy", "aggregations", "topic")
            return _read_aggregate(_config(config, section, names))
        case "trigger":
            return _read_trigger(_config(config, section, ("url", "secret", "pattern")))
        case "custom" if custom:
            return ActionPlan("custom")
        case "custom":
            section.note("type", _CUSTOM)
    return ActionPlan()


def _config(value: Mapping[str, Any], action: Section, names: Sequence[str]) -> Section:
    kind = action.values["type"]
    noun = f"config of {'an' if kind[0] == 'a' else 'a'} {kind}"
    return Section(value, action.at("config"), action.problems, names=names, noun=noun)


def _read_alert(config: Section, steps: Sequence[str]) -> ActionPlan:
    return ActionPlan(
        severity=config.choice("severity", SEVERITIES),
        severity_rules=_read_severities(config, "severityRules", steps),
        title=read_text_template(config, "title", steps),
        description=read_text_template(config, "description", steps),
        notify=config.texts("notify"),
        runbook=config.text("runbook", chars_max=limits.PATTERN_TEXT_CHARS_MAX),
        fields=config.paths("fields"),
        technique=config.text("technique", chars_max=limits.PATTERN_TEXT_CHARS_MAX),
    )


def _read_forward(config: Section, steps: Sequence[str]) -> ActionPlan:
    topic = read_output_topic(config, required=True)
    key = None
    text = config.text("key")
    if text is not None:
        whole = text if "${" in text else "${" + text + "}"
        key = read_template(whole, config.at("key"), config.problems, steps=steps)
    return ActionPlan("forward", topic=topic, record_key=key)


def _read_aggregate(config: Section) -> ActionPlan:
    return ActionPlan(
        "aggregate",
        topic=read_output_topic(config) or AGGREGATES_TOPIC,
        group_by=config.paths("groupBy"),
        aggregations=read_aggregations(config),
    )


def _read_trigger(config: Section) -> ActionPlan:
    given = [name for name in ("url", "pattern") if config.has(name)]
    if len(given) != 1:
        place = "pattern" if given else "url"
        config.note(place, "a trigger needs one of 'url' and 'pattern': what it calls or starts")
    if config.has("pattern") and config.has("secret"):
        config.note("secret", "only a call is signed; a pattern is started without a secret")
    return ActionPlan(
        "trigger",
        url=read_url(config, "url"),
        secret=read_secret(config, "secret"),
        pattern=config.text("pattern"),
    )


def _read_severities(
    section: Section, name: str, steps: Sequence[str]
) -> tuple[tuple[str, Node], ...]:
    """`{critical: condition, high: true}`, or a list of `{severity, where}`; in their order."""
    value = section.values.get(name)
    pointer, problems = section.at(name), section.problems
    found: list[tuple[str, Node]] = []

    def add(severity: object, condition: object, place: str, where: str) -> None:
        if not isinstance(severity, str) or severity not in SEVERITIES:
            known = ", ".join(SEVERITIES)
            problems.add(place, f"the severity must be one of {known}, not {severity!r}")
            return
        node: Node | None = Literal(True)
        if condition is not True:
            node = read_where(condition, where, problems, steps=steps)
        if node is not None:
            found.append((severity, node))

    if isinstance(value, Mapping):
        for severity, condition in value.items():
            place = join_pointer(pointer, severity)
            add(severity, condition, place, place)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            place = join_pointer(pointer, number)
            if not isinstance(item, Mapping):
                problems.add(place, f"must be a map, not {kind_name(item)}")
                continue
            row = Section(item, place, problems, names=("severity", "where"), noun="rule")
            add(item.get("severity"), item.get("where", True), row.at("severity"), row.at("where"))
    elif value is not None:
        section.note(name, f"must be a map or a list, not {kind_name(value)}")
    return tuple(found)
