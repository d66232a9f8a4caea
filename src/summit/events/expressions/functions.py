"""The functions of the expression language, one row each: name and how its call becomes a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from summit.base.config import suggestion
from summit.base.errors import Invalid
from summit.base.units import parse_duration_ms
from summit.events.expressions.ir import (
    AGGREGATES,
    Aggregate,
    Contains,
    EndsWith,
    Field,
    Index,
    InNetwork,
    Literal,
    Lower,
    Matches,
    Node,
    Not,
    NotTrue,
    Path,
    Present,
    Quantified,
    Size,
    StartsWith,
    StepAggregate,
    StepField,
    Variable,
)
from summit.events.expressions.kinds import kind_of
from summit.events.expressions.lexer import Token, syntax_error
from summit.events.expressions.window_calls import WINDOW_FUNCTIONS, window_call
from summit.events.fields import check_path
from summit.events.networks import parse_network
from summit.events.regexes import compile_search
from summit.events.times import epoch_ms

if TYPE_CHECKING:
    from summit.events.expressions.parser import Parser

_Method = Callable[["Parser", Node, Token], Node]
_Function = Callable[["Parser", Token], Node]


def call_method(parser: Parser, subject: Node, token: Token) -> Node:
    """The call `subject.name(` …; reads its arguments and the closing bracket."""
    method = _METHODS.get(str(token.value))
    if method is None:
        parser.unknown_function(token, tuple(_METHODS))
    return method(parser, subject, token)


def call_function(parser: Parser, token: Token) -> Node:
    """The call `name(` …; reads its arguments and the closing bracket."""
    if parser.window is not None and token.value in WINDOW_FUNCTIONS:
        return window_call(parser, parser.window, token)
    function = _FUNCTIONS.get(str(token.value))
    if function is None and parser.window is not None:
        parser.unknown_function(token, (*_FUNCTIONS, *WINDOW_FUNCTIONS))
    if function is None:
        parser.unknown_function(token, tuple(_FUNCTIONS))
    return function(parser, token)


def _text_test(node: type[StartsWith | EndsWith]) -> _Method:
    def build(parser: Parser, subject: Node, token: Token) -> Node:
        (part,) = _exactly(parser, token, 1)
        for item in (subject, part):
            parser.require(item, ("text",), token.column, f"for {token.value}()")
        return node(subject, part)

    return build


def _contains(parser: Parser, subject: Node, token: Token) -> Node:
    (part,) = _exactly(parser, token, 1)
    parser.require(subject, ("text", "list", "map"), token.column, "for contains()")
    if kind_of(subject) == "text":
        parser.require(part, ("text",), token.column, "in contains()")
    return Contains(subject, part)


def _matches(parser: Parser, subject: Node, token: Token) -> Node:
    (pattern,) = _exactly(parser, token, 1)
    parser.require(subject, ("text",), token.column, "for matches()")
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        raise syntax_error("matches() needs its pattern written as a text", token.column)
    compile_search(pattern.value)
    return Matches(subject, pattern.value)


def _size_method(parser: Parser, subject: Node, token: Token) -> Node:
    _exactly(parser, token, 0)
    parser.require(subject, ("text", "list", "map"), token.column, "for size()")
    return Size(subject)


def _lower(parser: Parser, subject: Node, token: Token) -> Node:
    _exactly(parser, token, 0)
    parser.require(subject, ("text",), token.column, "for lowerAscii()")
    return Lower(subject)


def _in_network(parser: Parser, subject: Node, token: Token) -> Node:
    networks: list[str] = []
    for argument in parser.arguments():
        if not isinstance(argument, Literal) or not isinstance(argument.value, str):
            raise syntax_error("inNetwork() needs networks written as texts", token.column)
        parse_network(argument.value)
        networks.append(argument.value)
    if not networks:
        raise syntax_error("inNetwork() needs at least one network", token.column)
    parser.require(subject, ("text",), token.column, "for inNetwork()")
    return InNetwork(subject, tuple(networks))


def _quantified(parser: Parser, subject: Node, token: Token) -> Node:
    name = parser.name("a name for the element")
    variable = str(name.value)
    if variable in parser.variables:
        raise syntax_error(f"'{variable}' already names an element", name.column)
    parser.require(subject, ("list", "map"), token.column, f"for {token.value}()")
    parser.expect(",")
    parser.variables.append(variable)
    column = parser.token.column
    body = parser.choice()
    parser.variables.pop()
    parser.expect(")")
    parser.require(body, ("boolean",), column, f"in {token.value}()")
    return Quantified("exists" if token.value == "exists" else "all", variable, subject, body)


def _has(parser: Parser, token: Token) -> Node:
    (item,) = _exactly(parser, token, 1)
    if not isinstance(item, (Field, StepField, StepAggregate, Index, Variable)):
        raise syntax_error("has() needs a field", token.column)
    return Present(item)


def _holds(parser: Parser, token: Token) -> Node:
    (item,) = _exactly(parser, token, 1)
    parser.require(item, ("boolean",), token.column, "in holds()")
    return Not(NotTrue(item))


def _size(parser: Parser, token: Token) -> Node:
    (item,) = _exactly(parser, token, 1)
    parser.require(item, ("text", "list", "map"), token.column, "in size()")
    return Size(item)


def _aggregate(parser: Parser, token: Token) -> Node:
    function = cast(Aggregate, token.value)
    step = parser.name(f"a step's name in {function}()")
    if step.value not in parser.steps:
        raise Invalid(
            "expression.unknown_step",
            name=step.value,
            hint=suggestion(str(step.value), parser.steps),
            column=step.column,
        )
    path: list[str] = []
    while parser.token.value == "." and parser.token.kind == "sign":
        parser.expect(".")
        path.append(str(parser.name("a field's name after '.'").value))
    parser.expect(")")
    if (function == "count") is bool(path):
        example = "count(step)" if path else f"{function}(step.field)"
        raise syntax_error(f"write {example}", token.column)
    fields: Path | None = tuple(path) or None
    if fields is not None:
        check_path(fields)
    return StepAggregate(function, str(step.value), fields)


def _timestamp(parser: Parser, token: Token) -> Node:
    (item,) = _exactly(parser, token, 1)
    found = epoch_ms(item.value) if isinstance(item, Literal) else None
    if found is None:
        raise syntax_error("timestamp() needs RFC 3339 text", token.column)
    return Literal(found)


def _duration(parser: Parser, token: Token) -> Node:
    (item,) = _exactly(parser, token, 1)
    if not isinstance(item, Literal):
        raise syntax_error("duration() needs a text such as '30s'", token.column)
    return Literal(parse_duration_ms(item.value))


def _exactly(parser: Parser, token: Token, count: int) -> list[Node]:
    arguments = parser.arguments()
    if len(arguments) != count:
        noun = "argument" if count == 1 else "arguments"
        reason = f"{token.value}() takes {count} {noun}, not {len(arguments)}"
        raise syntax_error(reason, token.column)
    return arguments


_METHODS: Final[dict[str, _Method]] = {
    "startsWith": _text_test(StartsWith),
    "endsWith": _text_test(EndsWith),
    "contains": _contains,
    "matches": _matches,
    "size": _size_method,
    "lowerAscii": _lower,
    "inNetwork": _in_network,
    "exists": _quantified,
    "all": _quantified,
}
_FUNCTIONS: Final[dict[str, _Function]] = {
    "has": _has,
    "holds": _holds,
    "size": _size,
    "timestamp": _timestamp,
    "duration": _duration,
    **dict.fromkeys(AGGREGATES, _aggregate),
}
