"""Source code of predicates and values, as single Python expressions.

Because only *true* counts at the top, three-valued logic needs no third value at run time: a node
is written either for "is it true?" or for "is it false?", and `!` swaps the two; unknown makes
both false. Where the value of a test is needed, it is None for unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from summit.events import values
from summit.events.expressions.ir import (
    And,
    AnyIn,
    Arithmetic,
    Choose,
    Compare,
    Contains,
    EndsWith,
    Field,
    In,
    Index,
    InNetwork,
    ListOf,
    Literal,
    Lower,
    MapOf,
    Matches,
    Negate,
    Node,
    Not,
    NotTrue,
    Or,
    Present,
    Quantified,
    Size,
    StartsWith,
    StepAggregate,
    StepField,
    Variable,
)
from summit.events.expressions.names import Layout, Names
from summit.events.networks import compile_networks
from summit.events.regexes import compile_search
from summit.events.severities import SEVERITY_RANK

_INVERSE: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_MIRROR: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_ARITHMETIC: Final = {
    "+": values.add, "-": values.subtract, "*": values.multiply,
    "/": values.divide, "%": values.remainder,
}  # fmt: skip
_TESTS: Final = {
    Contains: values.contains, StartsWith: values.starts_with, EndsWith: values.ends_with,
}  # fmt: skip


class Coder:
    """Writes one tree. Every fragment it gives can stand in any larger expression."""

    def __init__(self, layout: Layout, names: Names) -> None:
        self._layout = layout
        self._names = names
        self._variables: dict[str, str] = {}

    # ---- is it true, is it false ----

    def truth(self, node: Node, *, wanted: bool) -> str:
        """Source that is truthy exactly when the node is `wanted`."""
        match node:
            case And(items) | Or(items):
                joint = " and " if isinstance(node, And) is wanted else " or "
                return "(" + joint.join(self.truth(item, wanted=wanted) for item in items) + ")"
            case Not(item):
                return self.truth(item, wanted=not wanted)
            case NotTrue(item):
                return f"({'not ' if wanted else ''}{self.truth(item, wanted=True)})"
            case Present(item):
                return f"({self.value(item)} is {'not None' if wanted else 'None'})"
            case Literal(constant):
                return "True" if constant is wanted else "False"
            case Choose():
                return self._choose_truth(node, wanted=wanted)
            case Compare():
                return self._compare(node, wanted=wanted)
            case In() | AnyIn():
                return self._membership(node, wanted=wanted)
            case StartsWith() | EndsWith() | Contains():
                return self._text_test(node, wanted=wanted)
            case Matches(item, pattern):
                return self._call_on_text(item, self._names.bind(compile_search(pattern)), wanted)
            case Quantified():
                return self._quantified(node, wanted=wanted)
            case _:
                return f"({self.value(node)} is {wanted})"

    def _choose_truth(self, node: Choose, *, wanted: bool) -> str:
        test = self._names.fresh()
        return (
            f"({self.truth(node.then, wanted=wanted)}"
            f" if ({test} := {self.value(node.test)}) is True"
            f" else {test} is False and {self.truth(node.otherwise, wanted=wanted)})"
        )

    def _compare(self, node: Compare, *, wanted: bool) -> str:
        left, right = node.left, node.right
        op: str = node.op
        if isinstance(left, Literal) and (not isinstance(right, Literal) or left.value is None):
            left, right, op = right, left, _MIRROR[op]
        if op == "!=":
            op, wanted = "==", not wanted
        if isinstance(right, Literal):
            return self._compare_constant(left, op, right.value, node.compare_as, wanted)
        if op == "==" and node.compare_as == "auto":
            equal = self._names.bind(values.equal)
            return f"({equal}({self.value(left)}, {self.value(right)}) is {wanted})"
        sign = self._names.fresh()
        return (
            f"(({sign} := {self._order(left, right, node.compare_as)}) is not None"
            f" and {sign} {op if wanted else _INVERSE[op]} 0)"
        )

    def _order(self, left: Node, right: Node, compare_as: str) -> str:
        """Source of -1, 0, 1 or None."""
        one, two = self.value(left), self.value(right)
        if compare_as != "auto":
            convert = self._names.bind(values.CONVERTERS[compare_as])
            one, two = f"{convert}({one})", f"{convert}({two})"
        return f"{self._names.bind(values.order)}({one}, {two})"

    def _compare_constant(
        self, item: Node, op: str, constant: Any, compare_as: str, wanted: bool
    ) -> str:
        if constant is None:
            if op != "==":
                return "False"
            return f"({self.value(item)} is {'None' if wanted else 'not None'})"
        if compare_as == "severity":
            return self._compare_severity(item, op, constant, wanted)
        if compare_as != "auto":
            key = values.CONVERTERS[compare_as](constant)
            if key is None:
                return "False"
            sign = self._names.fresh()
            convert = self._names.bind(values.CONVERTERS[compare_as])
            order = self._names.bind(values.order)
            return (
                f"(({sign} := {order}({convert}({self.value(item)}), {self._names.bind(key)}))"
                f" is not None and {sign} {op if wanted else _INVERSE[op]} 0)"
            )
        if op == "==":
            return self._equals(item, constant, wanted)
        local, bound = self._names.fresh(), self._names.bind(constant)
        if type(constant) is bool:
            return "False"
        kind = self._kind_test(local, self.value(item), constant)
        return f"({kind} and {local} {op if wanted else _INVERSE[op]} {bound})"

    def _kind_test(self, local: str, code: str, constant: Any) -> str:
        if type(constant) is str:
            return f"type({local} := {code}) is str"
        return f"type({local} := {code}) in {self._names.bind(values.NUMBERS)}"

    def _equals(self, item: Node, constant: Any, wanted: bool) -> str:
        code = self.value(item)
        if type(constant) is bool:
            if wanted:
                return f"({code} is {constant})"
            local = self._names.fresh()
            return f"(({local} := {code}) is not None and {local} is not {constant})"
        bound = self._names.bind(constant)
        if type(constant) is str or constant not in (0, 1):
            if wanted:
                return f"({code} == {bound})"
            local = self._names.fresh()
            return f"(({local} := {code}) is not None and {local} != {bound})"
        local = self._names.fresh()  # 0 and 1: Python takes false and true for them
        if wanted:
            return f"(({local} := {code}) == {bound} and type({local}) is not bool)"
        return (
            f"(({local} := {code}) is not None and ({local} != {bound} or type({local}) is bool))"
        )

    def _compare_severity(self, item: Node, op: str, constant: Any, wanted: bool) -> str:
        rank = SEVERITY_RANK.get(constant) if type(constant) is str else None
        if rank is None:
            return "False"
        effective = op if wanted else _INVERSE[op]
        # What is no severity gets a rank for which the comparison is false.
        absent = {"<": 9, "<=": 9, ">": -1, ">=": -1, "==": -1, "!=": rank}[effective]
        local, table = self._names.fresh(), self._names.bind(SEVERITY_RANK)
        return (
            f"(type({local} := {self.value(item)}) is str"
            f" and {table}.get({local}, {absent}) {effective} {rank})"
        )

    def _membership(self, node: In | AnyIn, *, wanted: bool) -> str:
        container = node.container
        texts = _literal_texts(container)
        if texts is None:
            helper = values.any_member if isinstance(node, AnyIn) else values.member
            call = f"{self._names.bind(helper)}({self.value(node.item)}, {self.value(container)})"
            return f"({call} is {wanted})"
        local, table = self._names.fresh(), self._names.bind(texts)
        assign = f"({local} := {self.value(node.item)})"
        if isinstance(node, AnyIn):
            helper_name = self._names.bind(values.any_member)
            held = (
                f"({local} in {table} if type{assign} is str else {helper_name}({local}, {table}))"
            )
            return f"({held} is {wanted})"
        if wanted:
            return f"(type{assign} is str and {local} in {table})"
        return f"({assign} is not None and (type({local}) is not str or {local} not in {table}))"

    def _text_test(self, node: StartsWith | EndsWith | Contains, *, wanted: bool) -> str:
        part, helper = node.part, self._names.bind(_TESTS[type(node)])
        if not isinstance(part, Literal) or type(part.value) is not str:
            return f"({helper}({self.value(node.item)}, {self.value(part)}) is {wanted})"
        local, bound = self._names.fresh(), self._names.bind(part.value)
        assign = f"({local} := {self.value(node.item)})"
        negation = "" if wanted else "not "
        if isinstance(node, Contains):
            return (
                f"({negation}{bound} in {local} if type{assign} is str"
                f" else {helper}({local}, {bound}) is {wanted})"
            )
        method = "startswith" if isinstance(node, StartsWith) else "endswith"
        return f"(type{assign} is str and {negation}{local}.{method}({bound}))"

    def _call_on_text(self, item: Node, function: str, wanted: bool) -> str:
        local = self._names.fresh()
        negation = "" if wanted else "not "
        return f"(type({local} := {self.value(item)}) is str and {negation}{function}({local}))"

    def _quantified(self, node: Quantified, *, wanted: bool) -> str:
        # "exists is false" = the body is false for each; "all is false" = false for some.
        helper = _some if (node.kind == "exists") is wanted else _each
        source = self.value(node.source)
        local = self._names.fresh()
        outer = dict(self._variables)
        self._variables[node.variable] = local
        body = self.truth(node.body, wanted=wanted)
        self._variables = outer
        return f"{self._names.bind(helper)}({source}, lambda {local}: {body})"

    # ---- values ----

    def value(self, node: Node) -> str:
        """Source of the node's value, None when null or unknown."""
        match node:
            case Field(path):
                return self._layout.field_code(path, self._names)
            case StepField() | StepAggregate():
                return self._layout.reference_code(node, self._names)
            case Variable(name):
                return self._variables[name]
            case Literal(constant):
                return str(constant) if constant in (None, True, False) and type(
                    constant) not in values.NUMBERS else self._names.bind(constant)  # fmt: skip
            case ListOf(items):
                if _literal_texts(node) is not None:
                    return self._names.bind([item.value for item in items])  # type: ignore[attr-defined]
                return "[" + ", ".join(self.value(item) for item in items) + "]"
            case MapOf(pairs):
                return "{" + ", ".join(
                    f"{self._names.bind(name)}: {self.value(item)}" for name, item in pairs
                ) + "}"  # fmt: skip
            case Arithmetic(op, left, right):
                return self._call(_ARITHMETIC[op], left, right)
            case Negate(item):
                return self._call(values.negate, item)
            case Index(item, at):
                return self._call(values.index, item, at)
            case Size(item):
                return self._call(values.size, item)
            case Lower(item):
                return self._call(values.lower_ascii, item)
            case Choose(test, then, otherwise):
                local = self._names.fresh()
                return (
                    f"({self.value(then)} if ({local} := {self.value(test)}) is True"
                    f" else {self.value(otherwise)} if {local} is False else None)"
                )
            case _:
                return self._logic_value(node)

    def _logic_value(self, node: Node) -> str:
        """Source of True, False or None; strict, so that nothing stands in it twice."""
        match node:
            case And(items):
                return self._joined(values.all_of, items)
            case Or(items):
                return self._joined(values.any_of, items)
            case Not(item):
                return self._call(values.opposite, item)
            case NotTrue(item):
                return f"({self.value(item)} is not True)"
            case Present(item):
                return f"({self.value(item)} is not None)"
            case Compare():
                return self._compare_value(node)
            case In(item, container):
                return self._call(values.member, item, container)
            case AnyIn(item, container):
                return self._call(values.any_member, item, container)
            case Contains(item, part) | StartsWith(item, part) | EndsWith(item, part):
                return self._call(_TESTS[type(node)], item, part)
            case Matches(item, pattern):
                local, search = self._names.fresh(), self._names.bind(compile_search(pattern))
                return (
                    f"({search}({local}) if type({local} := {self.value(item)}) is str else None)"
                )
            case InNetwork(item, networks):
                inside = self._names.bind(compile_networks(networks))
                return f"{inside}({self.value(item)})"
            case Quantified(kind, variable, source, body):
                helper = self._names.bind(_some_value if kind == "exists" else _each_value)
                source_code = self.value(source)
                local = self._names.fresh()
                outer = dict(self._variables)
                self._variables[variable] = local
                body_code = self.value(body)
                self._variables = outer
                return f"{helper}({source_code}, lambda {local}: {body_code})"
            case _:
                raise AssertionError(f"no code for {type(node).__name__}")

    def _compare_value(self, node: Compare) -> str:
        left, right = node.left, node.right
        for item, other in ((left, right), (right, left)):
            if isinstance(other, Literal) and other.value is None:
                if node.op not in ("==", "!="):
                    return "None"
                return f"({self.value(item)} is {'' if node.op == '==' else 'not '}None)"
        if node.compare_as == "auto" and node.op in ("==", "!="):
            equal = self._call(values.equal, left, right)
            if node.op == "==":
                return equal
            return f"{self._names.bind(values.opposite)}({equal})"
        sign = self._names.fresh()
        order = self._order(left, right, node.compare_as)
        return f"({sign} {node.op} 0 if ({sign} := {order}) is not None else None)"

    def _call(self, function: Callable[..., Any], *items: Node) -> str:
        arguments = ", ".join(self.value(item) for item in items)
        return f"{self._names.bind(function)}({arguments})"

    def _joined(self, function: Callable[..., Any], items: tuple[Node, ...]) -> str:
        arguments = ", ".join(self.value(item) for item in items)
        return f"{self._names.bind(function)}(({arguments},))"


def _literal_texts(node: Node) -> frozenset[str] | None:
    """The texts of a list that holds only constant texts."""
    if not isinstance(node, ListOf):
        return None
    texts = [item.value for item in node.items if isinstance(item, Literal)]
    if len(texts) != len(node.items) or not all(type(text) is str for text in texts):
        return None
    return frozenset(text for text in texts if isinstance(text, str))


def _some(source: Any, test: Callable[[Any], Any]) -> bool:
    items = values.elements(source)
    return items is not None and any(test(item) for item in items)


def _each(source: Any, test: Callable[[Any], Any]) -> bool:
    items = values.elements(source)
    return items is not None and all(test(item) for item in items)


def _some_value(source: Any, test: Callable[[Any], Any]) -> bool | None:
    items = values.elements(source)
    return None if items is None else values.any_of(test(item) for item in items)


def _each_value(source: Any, test: Callable[[Any], Any]) -> bool | None:
    items = values.elements(source)
    return None if items is None else values.all_of(test(item) for item in items)
