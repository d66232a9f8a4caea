"""Generate Python functions from expression trees.

No text of a user ever enters the source: constants, field names and patterns are bound to
generated names, and the source is made of those names and fixed fragments only (`coding.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from summit.events.expressions.coding import Coder
from summit.events.expressions.ir import Node
from summit.events.expressions.names import Layout, Names

__all__ = [
    "Layout",
    "Names",
    "Predicate",
    "RunPredicate",
    "compile_predicate",
    "compile_run_predicate",
    "compile_value",
    "false_code",
    "true_code",
    "value_code",
]

Predicate = Callable[[Any], bool]
RunPredicate = Callable[[Any, Any], bool]


def true_code(node: Node, layout: Layout, names: Names) -> str:
    """A Python expression that is truthy exactly when the node is true."""
    return Coder(layout, names).truth(node, wanted=True)


def false_code(node: Node, layout: Layout, names: Names) -> str:
    """A Python expression that is truthy exactly when the node is false (not unknown)."""
    return Coder(layout, names).truth(node, wanted=False)


def value_code(node: Node, layout: Layout, names: Names) -> str:
    """A Python expression that gives the node's value, None when null or unknown."""
    return Coder(layout, names).value(node)


def compile_predicate(node: Node, layout: Layout) -> Predicate:
    """A function of one event: true exactly when the node is true. No step references."""
    names = Names()
    code = true_code(node, layout, names)
    found: Predicate = names.define(f"def predicate(e):\n return True if {code} else False\n",
                                    "predicate")  # fmt: skip
    return found


def compile_run_predicate(node: Node, layout: Layout) -> RunPredicate:
    """A function of (event, run); the node may hold step references."""
    names = Names()
    code = true_code(node, layout, names)
    found: RunPredicate = names.define(
        f"def predicate(e, r):\n return True if {code} else False\n", "predicate"
    )
    return found


def compile_value(node: Node, layout: Layout) -> Callable[[Any, Any], Any]:
    """A function of (event, run) that gives the node's value, None when null."""
    names = Names()
    code = value_code(node, layout, names)
    found: Callable[[Any, Any], Any] = names.define(f"def value(e, r):\n return {code}\n", "value")
    return found
