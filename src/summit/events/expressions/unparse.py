"""Write a tree as text: one form for equal trees, with every bracket.

Used to show predicates and to hash them: the text is part of alert ids, so it may not change.
What a condition can say and an expression cannot (`compareAs`, `in` that looks into a list) is
written as a call; such a text does not parse.
"""

from __future__ import annotations

import json
import re
from typing import Final

from summit.events.expressions.building import comparison
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
    Path,
    Present,
    Quantified,
    Size,
    StartsWith,
    StepAggregate,
    StepField,
    Variable,
)

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_@][A-Za-z0-9_]*", re.ASCII)
_RESERVED: Final = frozenset(("true", "false", "null", "in"))
_METHOD_NAMES: Final = {StartsWith: "startsWith", EndsWith: "endsWith", Contains: "contains"}


def unparse(node: Node) -> str:
    """The text of a tree.

    >>> from summit.events.expressions.parser import parse_expression
    >>> unparse(parse_expression("a>1&&!has(b)"))
    '((a > 1) && !(has(b)))'
    """
    match node:
        case Literal(value):
            return json.dumps(value, ensure_ascii=False)
        case Field(path):
            return _path(path)
        case StepField(step, which, path):
            return f"{_name(step)}.{which}.{_path(path)}"
        case StepAggregate(function, step, None):
            return f"{function}({_name(step)})"
        case StepAggregate(function, step, path):
            return f"{function}({_name(step)}.{_path(path or ())})"
        case Variable(name):
            return _name(name)
        case ListOf(items):
            return "[" + _joined(items) + "]"
        case MapOf(pairs):
            members = (f"{json.dumps(name, ensure_ascii=False)}: {unparse(item)}"
                       for name, item in pairs)  # fmt: skip
            return "{" + ", ".join(members) + "}"
        case _:
            return _operation(node)


def _operation(node: Node) -> str:
    match node:
        case And(items):
            return "(" + " && ".join(map(unparse, items)) + ")"
        case Or(items):
            return "(" + " || ".join(map(unparse, items)) + ")"
        case Not(item):
            return f"!({unparse(item)})"
        case Negate(item):
            return f"-({unparse(item)})"
        case Present(item):
            return f"has({unparse(item)})"
        case Size(item):
            return f"size({unparse(item)})"
        case Lower(item):
            return f"({unparse(item)}).lowerAscii()"
        case In(item, container):
            return f"({unparse(item)} in {unparse(container)})"
        case Arithmetic(op, left, right):
            return f"({unparse(left)} {op} {unparse(right)})"
        case Compare():
            return _compare(node)
        case Choose(test, then, otherwise):
            return f"({unparse(test)} ? {unparse(then)} : {unparse(otherwise)})"
        case Index(item, at):
            return f"({unparse(item)})[{unparse(at)}]"
        case _:
            return _test(node)


def _test(node: Node) -> str:
    match node:
        case NotTrue(item):
            return f"notTrue({unparse(item)})"
        case AnyIn(item, container):
            return f"anyIn({unparse(item)}, {unparse(container)})"
        case Contains(item, part) | StartsWith(item, part) | EndsWith(item, part):
            return f"({unparse(item)}).{_METHOD_NAMES[type(node)]}({unparse(part)})"
        case Matches(item, pattern):
            return f"({unparse(item)}).matches({json.dumps(pattern, ensure_ascii=False)})"
        case InNetwork(item, networks):
            return f"({unparse(item)}).inNetwork({', '.join(map(json.dumps, networks))})"
        case Quantified(kind, variable, source, body):
            return f"({unparse(source)}).{kind}({_name(variable)}, {unparse(body)})"
        case _:
            raise AssertionError(f"no text for {type(node).__name__}")


def _compare(node: Compare) -> str:
    text = f"{unparse(node.left)} {node.op} {unparse(node.right)}"
    if node == comparison(node.op, node.left, node.right):  # the plain text says it all
        return f"({text})"
    return f"compareAs({json.dumps(node.compare_as)}, {text})"


def _path(path: Path) -> str:
    return ".".join(map(_name, path))


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) and name not in _RESERVED else f"`{name}`"


def _joined(items: tuple[Node, ...]) -> str:
    return ", ".join(map(unparse, items))
