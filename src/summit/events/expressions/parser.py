"""Parse an expression: the subset of CEL that rules use.

    choice     = or [ "?" choice ":" choice ]
    or         = and { "||" and }
    and        = relation { "&&" relation }
    relation   = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") sum ]
    sum        = product { ("+" | "-") product }
    product    = unary { ("*" | "/" | "%") unary }
    unary      = { "!" | "-" } postfix
    postfix    = primary { "." name [ "(" arguments ")" ] | "[" choice "]" }
    primary    = "(" choice ")" | list | map | constant | name [ "(" arguments ")" ]

A name is a field of the event under test; names that are not letters, digits and underscores
stand in backquotes. Beyond CEL: step references (`failed.last.user`, `count(failed)`), severities
compare by rank, numbers are one kind as in JSON (`7 / 2` is 3.5), null is an absent field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NoReturn, cast

from summit.base import limits
from summit.base.config import suggestion
from summit.base.errors import Invalid
from summit.events.expressions import functions
from summit.events.expressions.analysis import depth
from summit.events.expressions.building import all_of, any_of, comparison, comparison_mistake
from summit.events.expressions.ir import (
    Arithmetic,
    ArithmeticOp,
    Choose,
    CompareOp,
    Field,
    In,
    Index,
    ListOf,
    Literal,
    MapOf,
    Negate,
    Node,
    Not,
    StepField,
    Variable,
)
from summit.events.expressions.kinds import Kind, comparable, kind_of
from summit.events.expressions.lexer import Token, syntax_error, tokenize
from summit.events.expressions.window_calls import WindowScope
from summit.events.fields import check_path

_COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=")
_CONSTANTS: Final = {"true": True, "false": False, "null": None}


def parse_expression(text: str, *, steps: Sequence[str] = ()) -> Node:
    """Parse an expression of any kind.

    Args:
        steps: Names of the steps to which the expression may refer; or a `WindowScope`, where it
            is about the events of a window.

    Raises: Invalid("expression.syntax", "expression.type", "expression.too_large",
        "expression.unknown_function", "expression.unknown_step", "regex.invalid",
        "path.invalid"), with the column where there is one.
    """
    return Parser(tokenize(text), steps).whole()


def parse_predicate(text: str, *, steps: Sequence[str] = ()) -> Node:
    """Parse an expression that is true or false.

    Raises: as `parse_expression`.

    >>> parse_predicate("user == 'eve'").op
    '=='
    """
    node = parse_expression(text, steps=steps)
    if kind_of(node) not in ("any", "boolean"):
        reason = f"the expression gives a {kind_of(node)}, not true or false"
        raise Invalid("expression.type", reason=reason, column=1)
    return node


class Parser:
    """One pass over the tokens."""

    def __init__(self, tokens: list[Token], steps: Sequence[str]) -> None:
        self.steps = tuple(steps)
        self.window = steps if isinstance(steps, WindowScope) else None
        self.variables: list[str] = []
        self._tokens = tokens
        self._position = 0
        self._nesting = 0

    @property
    def token(self) -> Token:
        """The token to read next."""
        return self._tokens[self._position]

    def whole(self) -> Node:
        """The expression and nothing after it."""
        node = self.choice()
        if self.token.kind != "end":
            raise syntax_error(f"unexpected '{self.token.value}'", self.token.column)
        return node

    # ---- for `functions` too ----

    def choice(self) -> Node:
        """One expression."""
        self._enter()
        column = self.token.column
        node = self._or()
        if self._take("?"):
            self.require(node, ("boolean",), column, "before '?'")
            then = self.choice()
            self.expect(":")
            node = self.limited(Choose(node, then, self.choice()), column)
        self._nesting -= 1
        return node

    def expect(self, sign: str) -> Token:
        """Read one sign that must come."""
        if self.token.kind != "sign" or self.token.value != sign:
            got = f"'{self.token.value}'" if self.token.kind != "end" else "the end"
            raise syntax_error(f"'{sign}' expected, not {got}", self.token.column)
        return self._next()

    def name(self, what: str) -> Token:
        """Read one name."""
        if self.token.kind not in ("name", "quoted"):
            raise syntax_error(f"{what} expected", self.token.column)
        return self._next()

    def arguments(self) -> list[Node]:
        """Read the rest of a call, its closing bracket included."""
        return self._items(")")

    def require(self, node: Node, kinds: tuple[Kind, ...], column: int, where: str) -> None:
        """Refuse a value whose kind can never fit."""
        kind = kind_of(node)
        if kind != "any" and kind not in kinds:
            reason = f"a {' or '.join(kinds)} is needed {where}, not a {kind}"
            raise Invalid("expression.type", reason=reason, column=column)

    def limited(self, node: Node, column: int) -> Node:
        """The node, if it is not nested too deeply."""
        if depth(node) > limits.EXPRESSION_DEPTH_MAX:
            self._too_deep(column)
        return node

    def unknown_function(self, token: Token, known: Sequence[str]) -> NoReturn:
        """Refuse a function's name."""
        raise Invalid(
            "expression.unknown_function",
            name=token.value,
            hint=suggestion(str(token.value), known),
            known=", ".join(known),
            column=token.column,
        )

    # ---- grammar ----

    def _or(self) -> Node:
        return self._joined("||", self._and, any_of)

    def _and(self) -> Node:
        return self._joined("&&", self._relation, all_of)

    def _joined(
        self, sign: str, part: Callable[[], Node], join: Callable[[list[Node]], Node]
    ) -> Node:
        column = self.token.column
        items = [part()]
        if not self._is(sign):
            return items[0]
        self.require(items[0], ("boolean",), column, f"beside '{sign}'")
        while self._take(sign):
            column = self.token.column
            items.append(part())
            self.require(items[-1], ("boolean",), column, f"beside '{sign}'")
        return self.limited(join(items), column)

    def _relation(self) -> Node:
        left = self._sum()
        token = self.token
        if token.kind == "sign" and token.value in _COMPARISONS:
            self._next()
            right = self._sum()
            op = cast(CompareOp, token.value)
            self._check_comparison(op, left, right, token.column)
            left = self.limited(comparison(op, left, right), token.column)
        elif token.kind == "name" and token.value == "in":
            self._next()
            right = self._sum()
            self.require(right, ("list", "map"), token.column, "after 'in'")
            left = self.limited(In(left, right), token.column)
        else:
            return left
        if self.token.kind == "sign" and self.token.value in _COMPARISONS:
            raise syntax_error("join comparisons with && or ||", self.token.column)
        return left

    def _check_comparison(self, op: CompareOp, left: Node, right: Node, column: int) -> None:
        one, two = kind_of(left), kind_of(right)
        mistake = comparison_mistake(op, left, right)
        if not comparable(one, two, op):
            mistake = f"'{op}' between a {one} and a {two} is never true"
        if mistake is not None:
            raise Invalid("expression.type", reason=mistake, column=column)

    def _sum(self) -> Node:
        return self._arithmetic(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._arithmetic(("*", "/", "%"), self._unary)

    def _arithmetic(self, signs: tuple[str, ...], part: Callable[[], Node]) -> Node:
        left = part()
        while self.token.kind == "sign" and self.token.value in signs:
            token = self._next()
            right = part()
            kinds: tuple[Kind, ...] = ("number",)
            if token.value == "+":
                kinds = ("number", "text", "list")
            for side in (left, right):
                self.require(side, kinds, token.column, f"beside '{token.value}'")
            one, two = kind_of(left), kind_of(right)
            if one != two and "any" not in (one, two):
                reason = f"'{token.value}' cannot join a {one} and a {two}"
                raise Invalid("expression.type", reason=reason, column=token.column)
            op = cast(ArithmeticOp, token.value)
            left = self.limited(Arithmetic(op, left, right), token.column)
        return left

    def _unary(self) -> Node:
        token = self.token
        if token.kind == "sign" and token.value in ("!", "-"):
            self._next()
            self._enter()
            item = self._unary()
            self._nesting -= 1
            if token.value == "!":
                self.require(item, ("boolean",), token.column, "after '!'")
                return self.limited(Not(item), token.column)
            self.require(item, ("number",), token.column, "after '-'")
            if isinstance(item, Literal) and isinstance(item.value, (int, float)):
                return Literal(-item.value)
            return self.limited(Negate(item), token.column)
        return self._postfix()

    def _postfix(self) -> Node:
        node = self._primary()
        while True:
            column = self.token.column
            if self._take("."):
                name = self.name("a member's name after '.'")
                if self._take("("):
                    node = functions.call_method(self, node, name)
                else:
                    node = self._member(node, str(name.value))
            elif self._take("["):
                at = self.choice()
                self.expect("]")
                node = self._index(node, at)
            else:
                return node
            node = self.limited(node, column)

    def _member(self, node: Node, name: str) -> Node:
        if isinstance(node, Field):
            return _extended(node, name) or Index(node, Literal(name))
        if isinstance(node, StepField):
            check_path((*node.path, name))
            return StepField(node.step, node.which, (*node.path, name))
        return Index(node, Literal(name))

    def _index(self, node: Node, at: Node) -> Node:
        if isinstance(at, Literal) and type(at.value) is str:
            return self._member(node, at.value)
        return Index(node, at)

    def _primary(self) -> Node:
        token = self._next()
        if token.kind in ("number", "text"):
            return Literal(token.value)
        if token.kind in ("name", "quoted"):
            return self._named(token)
        if token.kind == "sign" and token.value == "(":
            node = self.choice()
            self.expect(")")
            return node
        if token.kind == "sign" and token.value == "[":
            return ListOf(tuple(self._items("]")))
        if token.kind == "sign" and token.value == "{":
            return self._map()
        what = "the end" if token.kind == "end" else f"'{token.value}'"
        raise syntax_error(f"a value expected, not {what}", token.column)

    def _named(self, token: Token) -> Node:
        name = str(token.value)
        if token.kind == "name":
            if self._take("("):
                return functions.call_function(self, token)
            if name in _CONSTANTS:
                return Literal(_CONSTANTS[name])
            if name == "in":
                raise syntax_error("a value expected, not 'in'", token.column)
        if name in self.variables:
            return Variable(name)
        if name in self.steps and self._is("."):
            found = self._step_field(name)
            if found is not None:
                return found
        check_path((name,))
        return Field((name,))

    def _step_field(self, step: str) -> Node | None:
        """`.first.x` or `.last.x` after a step's name; None when something else follows."""
        which = self._tokens[self._position + 1]
        if which.value not in ("first", "last"):
            return None
        self._position += 2
        if not self._take("."):
            reason = f"a field expected, as in {step}.{which.value}.user"
            raise syntax_error(reason, self.token.column)
        member = self.name("a field's name after '.'")
        check_path((str(member.value),))
        return StepField(step, "first" if which.value == "first" else "last", (str(member.value),))

    def _map(self) -> Node:
        items: list[tuple[str, Node]] = []
        while not self._is("}"):
            token = self._next()
            if token.kind != "text":
                raise syntax_error("a map's key must be a text", token.column)
            self.expect(":")
            items.append((str(token.value), self.choice()))
            if not self._take(","):
                break
        self.expect("}")
        return MapOf(tuple(items))

    def _items(self, closing: str) -> list[Node]:
        items: list[Node] = []
        while not self._is(closing):
            items.append(self.choice())
            if not self._take(","):
                break
        self.expect(closing)
        return items

    # ---- tokens ----

    def _next(self) -> Token:
        token = self._tokens[self._position]
        if token.kind != "end":
            self._position += 1
        return token

    def _is(self, sign: str) -> bool:
        return self.token.kind == "sign" and self.token.value == sign

    def _take(self, sign: str) -> bool:
        if not self._is(sign):
            return False
        self._position += 1
        return True

    def _enter(self) -> None:
        self._nesting += 1
        if self._nesting > limits.EXPRESSION_DEPTH_MAX:
            self._too_deep(self.token.column)

    def _too_deep(self, column: int) -> NoReturn:
        reason = f"more than {limits.EXPRESSION_DEPTH_MAX} nested parts (column {column})"
        raise Invalid("expression.too_large", reason=reason)


def _extended(node: Field, name: str) -> Field | None:
    """The field one part further down; None when the name cannot be part of a path."""
    path = (*node.path, name)
    try:
        check_path(path)
    except Invalid:
        return None
    return Field(path)
