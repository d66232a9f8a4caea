"""The expression language: text to typed tree to generated Python function."""

from __future__ import annotations

from summit.events.expressions.analysis import (
    equality_constraint,
    reference_fields,
    required_fields,
    step_references,
)
from summit.events.expressions.generator import (
    Layout,
    Names,
    compile_predicate,
    compile_run_predicate,
    compile_value,
    false_code,
    true_code,
    value_code,
)
from summit.events.expressions.parser import parse_expression, parse_predicate
from summit.events.expressions.unparse import unparse

__all__ = [
    "Layout",
    "Names",
    "compile_predicate",
    "compile_run_predicate",
    "compile_value",
    "equality_constraint",
    "false_code",
    "parse_expression",
    "parse_predicate",
    "reference_fields",
    "required_fields",
    "step_references",
    "true_code",
    "unparse",
    "value_code",
]
