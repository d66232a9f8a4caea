"""Calls over the events of a window: `count()`, `distinct(x)`, `percentile(x, 95)` …

An expression about a window is parsed with a `WindowScope` in place of names of steps. Each call
becomes a field of the window, named by the call's text, and the scope remembers what was called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from summit.events.expressions import ir
from summit.events.expressions.lexer import Token, syntax_error
from summit.events.expressions.unparse import unparse

if TYPE_CHECKING:
    from summit.events.expressions.parser import Parser

WindowFunction = Literal[
    "count", "sum", "avg", "min", "max", "stddev", "percentile", "distinct", "values", "rate",
    "score", "zscore",
]  # fmt: skip
WINDOW_FUNCTIONS: Final[tuple[WindowFunction, ...]] = get_args(WindowFunction)
_PLAIN: Final = ("sum", "avg", "min", "max", "stddev", "distinct", "values")


@dataclass(frozen=True, slots=True)
class WindowCall:
    """One call.

    Attributes:
        path: The field; None for `count()`, `rate()`, `score()` and `zscore`.
        percent: Only of percentile, 0 to 100.
        of: Only of zscore: by what a group is compared with the other groups.
    """

    function: WindowFunction
    path: ir.Path | None = None
    percent: float | None = None
    of: WindowCall | None = None

    @property
    def text(self) -> str:
        """One spelling for equal calls.

        >>> WindowCall("percentile", ("duration",), 95.0).text
        'percentile(duration, 95)'
        """
        arguments: list[str] = []
        if self.of is not None:
            arguments += [self.of.text, "groups"]
        if self.path is not None:
            arguments.append(unparse(ir.Field(self.path)))
        if self.percent is not None:
            arguments.append(f"{self.percent:g}")
        return f"{self.function}({', '.join(arguments)})"

    @property
    def of_nothing(self) -> int | None:
        """Its value over no events; None = it has none."""
        return 0 if self.function in ("count", "sum", "distinct", "rate", "score") else None


class WindowScope(tuple[str, ...]):
    """In place of names of steps: calls are over the events of a window.

    Attributes:
        calls: What was called, by text.
    """

    calls: dict[str, WindowCall]

    def __new__(cls) -> WindowScope:
        made = super().__new__(cls)
        made.calls = {}
        return made

    def add(self, call: WindowCall) -> ir.Field:
        """The field of the window that a call is."""
        self.calls.setdefault(call.text, call)
        return ir.Field((call.text,))


def window_call(parser: Parser, scope: WindowScope, token: Token) -> ir.Node:
    """The call `name(` …; reads its arguments and the closing bracket."""
    function = cast(WindowFunction, token.value)
    arguments = parser.arguments()
    read = _READERS.get(function, _read_plain)
    call = read(scope, function, arguments)
    if call is None:
        raise syntax_error(f"write {_EXAMPLES.get(function, f'{function}(field)')}", token.column)
    return scope.add(call)


def _read_plain(
    scope: WindowScope, function: WindowFunction, arguments: list[ir.Node]
) -> WindowCall | None:
    if len(arguments) == 1 and isinstance(arguments[0], ir.Field):
        return WindowCall(function, arguments[0].path)
    return None


def _read_count(
    scope: WindowScope, function: WindowFunction, arguments: list[ir.Node]
) -> WindowCall | None:
    return _read_plain(scope, function, arguments) if arguments else WindowCall(function)


def _read_bare(
    scope: WindowScope, function: WindowFunction, arguments: list[ir.Node]
) -> WindowCall | None:
    return None if arguments else WindowCall(function)


def _read_percentile(
    scope: WindowScope, function: WindowFunction, arguments: list[ir.Node]
) -> WindowCall | None:
    match arguments:
        case [ir.Field(path), ir.Literal(percent)] if is_percent(percent):
            return WindowCall(function, path, float(cast(float, percent)))
        case _:
            return None


def _read_zscore(
    scope: WindowScope, function: WindowFunction, arguments: list[ir.Node]
) -> WindowCall | None:
    match arguments:
        case [ir.Field((text,)), ir.Field(("groups",))]:
            of = scope.calls.get(text)
            if of is not None and of.function not in ("zscore", "values"):
                return WindowCall(function, of=of)
    return None


def is_percent(value: object) -> bool:
    """Whether a value can be the second argument of percentile."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100


_Reader = Callable[[WindowScope, WindowFunction, list[ir.Node]], WindowCall | None]
_READERS: Final[dict[WindowFunction, _Reader]] = {
    "count": _read_count,
    "rate": _read_bare,
    "score": _read_bare,
    "percentile": _read_percentile,
    "zscore": _read_zscore,
}
_EXAMPLES: Final[dict[WindowFunction, str]] = {
    "count": "count() or count(field)",
    "rate": "rate()",
    "score": "score()",
    "percentile": "percentile(field, 95)",
    "zscore": "zscore(sum(field), groups)",
}
