"""The expression language again, slow and obvious: a tree walk with three-valued logic.

`evaluate` gives the value of a node; None stands for null and unknown. It shares no code with the
generator: not the operators, not the field look-up, only the tree.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from summit.events.expressions import ir

RANKS = {"info": 0, "low": 1, "medium": 2, "high": 3, "critical": 4}


def evaluate(
    node: ir.Node,
    value: Mapping[str, Any],
    *,
    record: Mapping[str, Any] | None = None,
    run: Mapping[ir.Node, Any] | None = None,
) -> Any:
    """The value of a node for an event (its JSON value, and the record around it)."""
    return _Walk(value, record or {}, run or {}).of(node, {})


class _Walk:
    def __init__(
        self, value: Mapping[str, Any], record: Mapping[str, Any], run: Mapping[ir.Node, Any]
    ) -> None:
        self.value, self.record, self.run = value, record, run

    def of(self, node: ir.Node, variables: dict[str, Any]) -> Any:
        name = "_" + type(node).__name__.lower()
        return getattr(self, name)(node, variables)

    def _literal(self, node: ir.Literal, _: Any) -> Any:
        return node.value

    def _listof(self, node: ir.ListOf, variables: Any) -> Any:
        return [self.of(item, variables) for item in node.items]

    def _mapof(self, node: ir.MapOf, variables: Any) -> Any:
        return {name: self.of(item, variables) for name, item in node.items}

    def _field(self, node: ir.Field, _: Any) -> Any:
        path = list(node.path)
        if path == ["timestamp"]:
            own = self.value.get("timestamp")
            return time_of(own) if own is not None else self.record.get("timestamp")
        if path[0] in ("metadata", "data", "enrichedData") and len(path) > 1:
            return follow(self.value, path)
        other = {"source": "eventSource", "eventSource": "source"}.get(path[0])
        ways = [follow(self.value, path)]
        if other:
            ways.append(follow(self.value, [other, *path[1:]]))
        if path[0] in ("key", "topic", "partition", "offset", "headers"):
            ways.append(follow(self.record, path))
        for container in ("metadata", "data", "enrichedData"):
            ways.append(follow(self.value, [container, *path]))
        return next((way for way in ways if way is not None), None)

    def _stepfield(self, node: ir.StepField, _: Any) -> Any:
        return self.run.get(node)

    _stepaggregate = _stepfield

    def _variable(self, node: ir.Variable, variables: dict[str, Any]) -> Any:
        return variables[node.name]

    def _present(self, node: ir.Present, variables: Any) -> Any:
        return self.of(node.item, variables) is not None

    def _not(self, node: ir.Not, variables: Any) -> Any:
        item = self.of(node.item, variables)
        return not item if isinstance(item, bool) else None

    def _nottrue(self, node: ir.NotTrue, variables: Any) -> Any:
        return self.of(node.item, variables) is not True

    def _and(self, node: ir.And, variables: Any) -> Any:
        return conjunction([self.of(item, variables) for item in node.items])

    def _or(self, node: ir.Or, variables: Any) -> Any:
        return disjunction([self.of(item, variables) for item in node.items])

    def _choose(self, node: ir.Choose, variables: Any) -> Any:
        test = self.of(node.test, variables)
        if not isinstance(test, bool):
            return None
        return self.of(node.then if test else node.otherwise, variables)

    def _compare(self, node: ir.Compare, variables: Any) -> Any:
        left, right = self.of(node.left, variables), self.of(node.right, variables)
        for side, other in ((node.left, right), (node.right, left)):
            if isinstance(side, ir.Literal) and side.value is None:
                if node.op == "==":
                    return other is None
                return other is not None if node.op == "!=" else None
        if left is None or right is None:
            return None
        if node.compare_as != "auto":
            left, right = convert(left, node.compare_as), convert(right, node.compare_as)
            if left is None or right is None:
                return None
        elif node.op == "==":
            return same(left, right)
        elif node.op == "!=":
            return not same(left, right)
        elif not (is_number(left) and is_number(right)) and not (
            isinstance(left, str) and isinstance(right, str)
        ):
            return None
        return {
            "==": left == right, "!=": left != right, "<": left < right, "<=": left <= right,
            ">": left > right, ">=": left >= right,
        }[node.op]  # fmt: skip

    def _arithmetic(self, node: ir.Arithmetic, variables: Any) -> Any:
        left, right = self.of(node.left, variables), self.of(node.right, variables)
        if node.op == "+" and type(left) is type(right) and isinstance(left, (str, list)):
            return left + right if len(left) + len(right) <= 65_536 else None
        if not is_number(left) or not is_number(right):
            return None
        try:
            if node.op == "+":
                found = left + right
            elif node.op == "-":
                found = left - right
            elif node.op == "*":
                found = left * right
            elif right == 0:
                return None
            elif node.op == "/":
                found = left / right
            else:
                whole = isinstance(left, int) and isinstance(right, int)
                found = (
                    int(math.copysign(1, left)) * (abs(left) % abs(right))
                    if whole
                    else math.fmod(left, right)
                )
        except OverflowError:
            return None
        return bounded(found)

    def _negate(self, node: ir.Negate, variables: Any) -> Any:
        item = self.of(node.item, variables)
        return bounded(-item) if is_number(item) else None

    def _index(self, node: ir.Index, variables: Any) -> Any:
        item, at = self.of(node.item, variables), self.of(node.index, variables)
        if isinstance(item, dict) and isinstance(at, str):
            return item.get(at)
        if isinstance(item, list) and type(at) is int and 0 <= at < len(item):
            return item[at]
        return None

    def _size(self, node: ir.Size, variables: Any) -> Any:
        item = self.of(node.item, variables)
        return len(item) if isinstance(item, (str, list, dict)) else None

    def _in(self, node: ir.In, variables: Any) -> Any:
        return self._held(self.of(node.item, variables), self.of(node.container, variables))

    def _anyin(self, node: ir.AnyIn, variables: Any) -> Any:
        item, values = self.of(node.item, variables), self.of(node.container, variables)
        if item is None:
            return None
        items = item if isinstance(item, list) else [item]
        return any(same(one, value) for one in items for value in values)

    def _held(self, item: Any, container: Any) -> Any:
        if item is None:
            return None
        if isinstance(container, list):
            return any(same(item, one) for one in container)
        if isinstance(container, dict):
            return isinstance(item, str) and item in container
        return None

    def _contains(self, node: ir.Contains, variables: Any) -> Any:
        item, part = self.of(node.item, variables), self.of(node.part, variables)
        if isinstance(item, str):
            return part in item if isinstance(part, str) else None
        return self._held(part, item)

    def _startswith(self, node: ir.StartsWith, variables: Any) -> Any:
        item, part = self.of(node.item, variables), self.of(node.part, variables)
        return item[: len(part)] == part if both_texts(item, part) else None

    def _endswith(self, node: ir.EndsWith, variables: Any) -> Any:
        item, part = self.of(node.item, variables), self.of(node.part, variables)
        return item.endswith(part) if both_texts(item, part) else None

    def _matches(self, node: ir.Matches, variables: Any) -> Any:
        item = self.of(node.item, variables)
        return re.search(node.pattern, item) is not None if isinstance(item, str) else None

    def _innetwork(self, node: ir.InNetwork, variables: Any) -> Any:
        item = self.of(node.item, variables)
        if not isinstance(item, str):
            return None
        try:
            address = ipaddress.ip_address(item)
        except ValueError:
            return None
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in ipaddress.ip_network(text) for text in node.networks)

    def _quantified(self, node: ir.Quantified, variables: dict[str, Any]) -> Any:
        source = self.of(node.source, variables)
        if not isinstance(source, (list, dict)):
            return None
        answers = [self.of(node.body, {**variables, node.variable: item}) for item in source]
        return disjunction(answers) if node.kind == "exists" else conjunction(answers)


def conjunction(answers: list[Any]) -> bool | None:
    if any(answer is False for answer in answers):
        return False
    return True if all(answer is True for answer in answers) else None


def disjunction(answers: list[Any]) -> bool | None:
    if any(answer is True for answer in answers):
        return True
    return False if all(answer is False for answer in answers) else None


def follow(value: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def same(left: Any, right: Any) -> bool:
    if is_number(left) and is_number(right):
        return bool(left == right)
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return set(left) == set(right) and all(same(left[name], right[name]) for name in left)
    return bool(left == right)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def both_texts(left: Any, right: Any) -> bool:
    return isinstance(left, str) and isinstance(right, str)


def bounded(value: Any) -> Any:
    if isinstance(value, int):
        return value if abs(value) < 2**64 else None
    return value if math.isfinite(value) else None


def time_of(value: Any) -> int | None:
    if is_number(value):
        return math.floor(value)
    if isinstance(value, str):
        try:
            return math.floor(datetime.fromisoformat(value).timestamp() * 1_000)
        except ValueError:
            return None
    return None


def convert(value: Any, compare_as: str) -> Any:
    if compare_as == "severity":
        return RANKS.get(value.lower()) if isinstance(value, str) else None
    if compare_as == "time":
        return time_of(value)
    if compare_as == "number":
        try:
            return float(value) if isinstance(value, str) else value if is_number(value) else None
        except ValueError:
            return None
    if compare_as == "string":
        if isinstance(value, bool):
            return str(value).lower()
        return str(value) if isinstance(value, (str, int, float)) else None
    raise AssertionError(compare_as)
