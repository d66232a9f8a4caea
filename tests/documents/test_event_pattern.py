"""The guide's classes: every field there and back."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from tests.documents.documents import refused
from tests.documents.test_guide_form import GUIDE

from summit.base.errors import Invalid
from summit.documents import EventAction, EventCondition, EventPattern, WindowConfig, lower_pattern

CONDITION = {
    "field": "user",
    "operator": "gt",
    "value": {"any_of": [1, None]},
    "eventType": "a",
    "step": "one",
    "times": {"min": 1, "max": 3},
    "negate": True,
    "ref": "one.last.user",
    "compareAs": "ip",
}
EVERY_FIELD: dict[str, Any] = {
    "id": "p",
    "name": "n",
    "description": "d",
    "conditions": [CONDITION, {"field": "x", "operator": "exists"}],
    "windowConfig": {
        "type": "session", "size": 5, "slide": "1s", "gap": 2, "allowedLatenessMs": 0,
    },
    "action": {"type": "alert", "config": {"severity": "high", "severityRules": []}},
    "topics": ["a*"],
    "groupBy": ["user"],
    "where": [{"field": "a", "operator": "eq", "value": 1, "compareAs": "ip"}, "b == 1"],
    "steps": [{"name": "s", "anyOf": ["a", {"eventType": "x"}], "times": {"min": 2}}],
    "within": "60s",
    "window": {"type": "tumbling", "size": "5m"},
    "aggregates": [{"name": "ports", "field": "destinationPort", "function": "distinct"}],
    "having": [{"field": "ports", "operator": "gt", "value": 20}],
    "rearm": {"after": "10m"},
    "score": {"file.access": 20, "any_of": 1},
    "expectedKeys": ["a", "b"],
    "matching": "unordered",
    "strictOrder": False,
    "afterMatch": {"toFirst": "s"},
    "emit": "all",
    "onTimeout": {"action": {"type": "alert"}},
    "temporalRelations": [
        {"type": "before", "event1": "s", "event2": "t", "maxTimeDiff": "5m"},
    ],
    "limits": {"runsPerKey": 5, "keys": 6},
    "severity": {"critical": "count(s) > 100", "high": True},
    "suppress": {"by": ["user"], "for": "10m"},
    "allowedLateness": 0,
    "tags": ["t"],
    "tests": [{"name": "t", "events": [{"event_type": "kept", "any_of": 1}], "expect": {}}],
    "enabled": True,
    "version": "2",
    "owner": "me",
}  # fmt: skip


def snake(name: str) -> str:
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)


def test_every_field_goes_there_and_back() -> None:
    names = {field.encode_name for field in msgspec.structs.fields(EventPattern)}
    assert names == set(EVERY_FIELD)
    names = {field.encode_name for field in msgspec.structs.fields(EventCondition)}
    assert names == set(CONDITION)
    made = EventPattern.from_dict(EVERY_FIELD)
    assert made.to_dict() == EVERY_FIELD
    assert EventPattern.from_dict(made.to_dict()) == made


@pytest.mark.parametrize("name", sorted(EVERY_FIELD))
def test_each_field_alone_in_both_spellings(name: str) -> None:
    value = EVERY_FIELD[name]
    document = {"id": "p", name: value}
    assert EventPattern.from_dict(document).to_dict() == document
    assert EventPattern.from_dict({"id": "p", snake(name): value}).to_dict() == document


def test_python_spells_nested_names_its_own_way() -> None:
    made = EventPattern(
        id="p",
        conditions=[{"field": "a", "operator": "eq", "value": 1, "event_type": "t"}],  # type: ignore[list-item]
        steps=[{"any_of": ["a", {"event_type": "x", "compare_as": "ip", "value": {"any_of": 1}}]}],
        after_match={"to_last": "x"},
        limits={"runs_per_key": 3},
        action=EventAction(type="alert", config={"severity_rules": []}),
    )
    assert made.conditions == [EventCondition(field="a", operator="eq", value=1, event_type="t")]
    assert made.to_dict() == {
        "id": "p",
        "conditions": [{"field": "a", "operator": "eq", "value": 1, "eventType": "t"}],
        "steps": [{"anyOf": ["a", {"eventType": "x", "compareAs": "ip", "value": {"any_of": 1}}]}],
        "afterMatch": {"toLast": "x"},
        "limits": {"runsPerKey": 3},
        "action": {"type": "alert", "config": {"severityRules": []}},
    }


def test_the_guides_pattern_in_python() -> None:
    made = EventPattern(
        id="suspicious-activity-pattern",
        name="Suspicious Activity Detection",
        description="Detects multiple failed login attempts followed by successful login",
        conditions=[
            EventCondition(
                field="eventType",
                operator="eq",
                value="auth.login.failed",
                event_type="auth.login.failed",
            ),
            EventCondition(
                field="eventType",
                operator="eq",
                value="auth.login.success",
                event_type="auth.login.success",
            ),
        ],
        window_config=WindowConfig(type="sliding", size=60000),
        action=EventAction(type="alert", config={"severity": "high", "notify": ["security-team"]}),
    )
    assert made.to_dict() == GUIDE
    assert EventPattern.from_dict(GUIDE) == made
    assert lower_pattern(made.to_dict()) == lower_pattern(GUIDE)


@pytest.mark.parametrize(
    ("document", "code", "pointer"),
    [
        ({"id": "p", "groupby": []}, "config.unknown_key", "/groupby"),
        ({"id": "p", "conditions": [{"feild": 1}]}, "config.unknown_key", "/conditions/0/feild"),
        ({"id": "p", "windowConfig": {"sise": 1}}, "config.unknown_key", "/windowConfig/sise"),
        ({"id": "p", "action": {"typ": "x"}}, "config.unknown_key", "/action/typ"),
        ({"id": 5}, "config.invalid", "/id"),
        ({"id": "p", "conditions": 5}, "config.invalid", "/conditions"),
        ({"id": "p", "conditions": [{"field": 5}]}, "config.invalid", "/conditions/0/field"),
        ({"id": "p", "kind": "stream"}, "config.invalid", "/kind"),
        ({"id": "p", "windowConfig": {"type": "sliding"}}, "config.invalid", "/windowConfig"),
    ],
)
def test_refused(document: dict[str, Any], code: str, pointer: str) -> None:
    error = refused(lambda: EventPattern.from_dict(document))
    assert (error.code, error.details["pointer"]) == (code, pointer)


def test_a_handler_goes_with_type_custom_and_stays_in_python() -> None:
    action = EventAction(type="custom", handler=print)
    assert action.handler is print
    assert action.to_dict() == {"type": "custom", "config": {}}
    with pytest.raises(Invalid, match="handler"):
        EventAction(type="alert", handler=print)
    with pytest.raises(Invalid, match="handler"):
        EventAction(type="custom", handler="print")


def test_null_is_a_value() -> None:
    made = EventPattern(id="p", conditions=[EventCondition(field="a", operator="eq", value=None)])
    assert made.to_dict()["conditions"] == [{"field": "a", "operator": "eq", "value": None}]
    assert EventPattern.from_dict(made.to_dict()) == made
    assert EventCondition(field="a", operator="exists").to_dict() == {
        "field": "a", "operator": "exists",
    }  # fmt: skip
