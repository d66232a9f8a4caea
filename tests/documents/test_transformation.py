"""Documents of transformations, filters and routes: what is refused, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.documents.filter import validate_filter
from summit.documents.route import validate_route
from summit.documents.transform_plan import MaskPlan
from summit.documents.transformation import validate_transformation


def places(validate: Callable[..., Any], document: dict[str, Any]) -> list[str]:
    with pytest.raises(Invalid) as caught:
        validate(document)
    return [problem.pointer for problem in caught.value.details["problems"]]


def of(operation: str, config: Any = None, field: Any = "a") -> dict[str, Any]:
    step = {"field": field, "operation": operation, "config": config}
    return {"id": "t", "eventType": "*", "transformations": [step]}


CONFIG = "/transformations/0/config"


@pytest.mark.parametrize(
    ("operation", "config", "place"),
    [
        ("rename", {}, "newName"), ("rename", {"newName": "a"}, "newName"),
        ("rename", {"newName": "b..c"}, "newName"), ("rename", {"newName": "b.*"}, "newName"),
        ("convert", {}, "type"), ("convert", {"type": "date"}, "type"),
        ("extract", {}, "pattern"), ("extract", {"pattern": "("}, "pattern"),
        ("extract", {"pattern": "(?=a)"}, "pattern"),
        ("extract", {"pattern": "(a)", "group": 2}, "group"),
        ("extract", {"pattern": "(?P<n>a)", "group": "m"}, "group"),
        ("extract", {"pattern": "a", "group": True}, "group"),
        ("mask", {"maskChar": "**"}, "maskChar"), ("mask", {"maskChar": ""}, "maskChar"),
        ("mask", {"preserveStart": -1}, "preserveStart"),
        ("mask", {"minMasked": 0}, "minMasked"), ("mask", {"maskchar": "*"}, "maskchar"),
        ("hash", {}, "key"), ("hash", {"key": "literal"}, "key"),
        ("hash", {"key": "${A}", "algorithm": "md5"}, "algorithm"),
        ("add", {}, "value"), ("copy", {}, "outputField"),
        ("copy", {"outputField": "a"}, "outputField"),
        ("flatten", {"separator": "."}, "separator"), ("flatten", {"separator": ""}, "separator"),
        ("parse", {}, "format"), ("parse", {"format": "xml"}, "format"),
        ("parse", {"format": "csv"}, "columns"), ("parse", {"format": "regex"}, "pattern"),
        ("parse", {"format": "regex", "pattern": "(a)"}, "pattern"),
        ("parse", {"format": "json", "columns": ["a"]}, "columns"),
        ("parse", {"format": "csv", "columns": ["a"], "delimiter": '"'}, "delimiter"),
        ("timestamp", {"format": "unix"}, "format"), ("timestamp", {"format": "%d.%m."}, "format"),
        ("timestamp", {"format": "%Y %Q"}, "format"), ("timestamp", {"format": "%Y %Y"}, "format"),
        ("timestamp", {"to": "text"}, "to"), ("timestamp", {"utcOffset": "CET"}, "utcOffset"),
        ("truncateIp", {"ipv4Bits": 33}, "ipv4Bits"), ("truncateIp", {"ipv6Bits": -1}, "ipv6Bits"),
        ("remove", {"value": 1}, "value"),
    ],
)  # fmt: skip
def test_a_config_that_is_wrong(operation: str, config: dict[str, Any], place: str) -> None:
    assert places(validate_transformation, of(operation, config)) == [f"{CONFIG}/{place}"]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (of("masq"), "/transformations/0/operation"),
        (of("remove", field=None), "/transformations/0/field"),
        (of("remove", field="a."), "/transformations/0/field"),
        (of("rename", {"newName": "b"}, field="a.*"), "/transformations/0/field"),
        (of("parse", {"format": "json", "outputField": "b"}, field="a.*"), f"{CONFIG}/outputField"),
        (of("remove", 5), CONFIG),
        ({"id": "t", "eventType": "*"}, "/transformations"),
        ({"id": "t", "eventType": "*", "transformations": []}, "/transformations"),
        ({"id": "t", "eventType": "*", "transformations": ["mask"]}, "/transformations/0"),
        ({**of("remove"), "eventType": None}, "/eventType"),
        ({**of("remove"), "eventType": []}, "/eventType"),
        ({**of("remove"), "eventType": 5}, "/eventType"),
        ({**of("remove"), "eventType": "auth.*"}, "/eventType"),
        ({**of("remove"), "eventType": ["*", "a"]}, "/eventType"),
        ({**of("remove"), "onError": "ignore"}, "/onError"),
        ({**of("remove"), "eventtype": "a"}, "/eventtype"),
        ({**of("remove"), "id": "a b"}, "/id"),
        ({**of("remove"), "kind": "filter"}, "/kind"),
    ],
)
def test_a_transformation_that_is_wrong(document: dict[str, Any], place: str) -> None:
    assert places(validate_transformation, document) == [place]


def test_a_secret_in_the_document_is_refused_and_not_repeated() -> None:
    with pytest.raises(Invalid) as caught:
        validate_transformation(of("hash", {"key": "hunter2"}))
    assert "hunter2" not in str(caught.value)


def test_too_many_operations() -> None:
    document = of("remove")
    document["transformations"] *= 201
    assert places(validate_transformation, document) == ["/transformations"]


def test_a_plan() -> None:
    document = {**of("mask", {"preserveStart": 2}), "eventType": ["x", "y"], "onError": "drop"}
    found = validate_transformation(document)
    assert found.to_dict() == {"kind": "transformation", **document}
    assert found.plan.event_types == {"x", "y"}
    assert found.plan.on_error == "drop"
    assert found.plan.operations == (("mask", MaskPlan(("a",), "*", 2, 0, 3, False)),)
    assert validate_transformation(of("remove")).plan.event_types == frozenset()


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"id": "f", "action": "include"}, "/conditions"),
        ({"id": "f", "action": "include", "conditions": []}, "/conditions"),
        ({"id": "f", "where": "a == 1"}, "/action"),
        ({"id": "f", "where": "a == 1", "action": "keep"}, "/action"),
        ({"id": "f", "where": "a ==", "action": "include"}, "/where"),
        ({"id": "f", "action": "include", "conditions": [{"field": "a", "operator": "is"}]},
         "/conditions/0/operator"),
        ({"id": "f", "action": "include", "where": "a == 1", "mode": "any"}, "/mode"),
    ],
)  # fmt: skip
def test_a_filter_that_is_wrong(document: dict[str, Any], place: str) -> None:
    assert places(validate_filter, document) == [place]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"where": None}, "/conditions"),
        ({"topic": None}, "/topic"),
        ({"topic": []}, "/topic"),
        ({"topic": "a b"}, "/topic"),
        ({"topic": ["a", "_summit.state"]}, "/topic"),
        ({"topic": 5}, "/topic"),
        ({"default": True}, "/default"),
        ({"where": None, "default": True, "stop": True}, "/stop"),
        ({"where": "count(x) > 1"}, "/where"),
    ],
)
def test_a_route_that_is_wrong(changes: dict[str, Any], place: str) -> None:
    document = {"id": "r", "where": "a == 1", "topic": "t", **changes}
    assert places(validate_route, document) == [place]
