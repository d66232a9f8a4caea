"""Rules for tests, made from their documents."""

from __future__ import annotations

from typing import Any

from summit.documents.transformation import validate_transformation
from summit.enrich.transforming import Transformed, Transformer

SECRETS = {"${KEY}": b"a secret"}


def operation(name: str, field: str, /, **config: Any) -> dict[str, Any]:
    return {"field": field, "operation": name, "config": config}


def rule(*operations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    given = {"id": "r", "eventType": "*", "transformations": list(operations)}
    return {**given, **fields}


def transformer(*rules: dict[str, Any]) -> Transformer:
    return Transformer([validate_transformation(each).plan for each in rules], SECRETS.__getitem__)


def transform(value: dict[str, Any], *operations: dict[str, Any]) -> Transformed:
    return transformer(rule(*operations)).apply([value])[0]


def result(value: dict[str, Any], name: str, field: str, /, **config: Any) -> dict[str, Any]:
    """The new value where nothing may fail."""
    done = transform(value, operation(name, field, **config))
    assert done.faults == ()
    return done.value


def refused(value: dict[str, Any], name: str, field: str, /, **config: Any) -> str:
    """The reason of the fault where the value must stay as it is."""
    done = transform(value, operation(name, field, **config))
    assert done.value == value
    assert done.changed == ()
    assert [fault.operation for fault in done.faults] == [name]
    return done.faults[0].reason
