"""`action`: what a match leads to. Now: an alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from summit.base import limits
from summit.documents.available import ACTIONS_LATER, ALERT_FIELDS_LATER
from summit.documents.plan import ActionPlan, TemplatePlan
from summit.documents.section import Section
from summit.documents.templates import read_template
from summit.events.severities import SEVERITIES

ALERT_FIELDS: Final = (
    "severity",
    "title",
    "description",
    "notify",
    "runbook",
    "fields",
    "technique",
)


def read_action(pattern: Section, steps: Sequence[str]) -> ActionPlan:
    """The plan of the pattern's `action`; without one, an alert with all defaults.

    Args:
        steps: Names of all steps, which texts may refer to.
    """
    value = pattern.mapping("action")
    if value is None:
        return ActionPlan()
    section = Section(
        value, pattern.at("action"), pattern.problems,
        names=("type", "config"), later=("handler",), noun="action",
    )  # fmt: skip
    if not section.has("type"):
        section.note("type", "an action needs 'type'")
    elif section.choice("type", ("alert",), ACTIONS_LATER) is None:
        return ActionPlan()
    return _read_alert(section.mapping("config") or {}, section, steps)


def _read_alert(value: Mapping[str, Any], action: Section, steps: Sequence[str]) -> ActionPlan:
    config = Section(
        value, action.at("config"), action.problems,
        names=ALERT_FIELDS, later=ALERT_FIELDS_LATER, noun="config of an alert",
    )  # fmt: skip
    return ActionPlan(
        severity=config.choice("severity", SEVERITIES),
        title=_template(config, "title", steps),
        description=_template(config, "description", steps),
        notify=config.texts("notify"),
        runbook=config.text("runbook", chars_max=limits.PATTERN_TEXT_CHARS_MAX),
        fields=config.paths("fields"),
        technique=config.text("technique", chars_max=limits.PATTERN_TEXT_CHARS_MAX),
    )


def _template(config: Section, name: str, steps: Sequence[str]) -> TemplatePlan | None:
    text = config.text(name, chars_max=limits.PATTERN_TEXT_CHARS_MAX)
    if text is None:
        return None
    return read_template(text, config.at(name), config.problems, steps=steps)
