"""A predicate taken apart: which of its parts an event fails, and on what values. Pure.

For explanations only: the parts are those of its `&&`, each a function of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from summit.cep.references import RunLayout
from summit.cep.runs import Captures
from summit.events.expressions.analysis import required_fields, step_references
from summit.events.expressions.generator import (
    RunPredicate,
    compile_run_predicate,
    compile_value,
)
from summit.events.expressions.ir import And, Field, Node, StepAggregate, StepField
from summit.events.expressions.unparse import unparse

_VALUES_MAX: Final = 8  # shown of one part
_TEXT_CHARS: Final = 200  # shown of one value
_TYPE: Final = ("eventType",)


class FailedPart(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a predicate that did not hold.

    Attributes:
        condition: What it would need, as an expression.
        values: What the fields it reads had; null = missing.
    """

    condition: str
    values: dict[str, Any]

    @property
    def text(self) -> str:
        """The part and its values in one line."""
        had = ", ".join(f"{name} is {_shown(value)}" for name, value in self.values.items())
        return f"{self.condition} does not hold" + (f": {had}" if had else "")


class _Part(NamedTuple):
    holds: RunPredicate
    text: str
    values: list[tuple[str, Callable[[Any, Any], Any]]]
    of_type: bool


class Parts:
    """The parts of one predicate."""

    def __init__(self, node: Node, layout: RunLayout) -> None:
        self._parts = [_part(part, layout) for part in _flat(node)]

    def failed(self, event: Any, captures: Captures) -> Sequence[int]:
        """Numbers of the parts that do not hold."""
        return [n for n, part in enumerate(self._parts) if not part.holds(event, captures)]

    def show(self, numbers: Sequence[int], event: Any, captures: Captures) -> list[FailedPart]:
        """These parts with the values that they have now."""
        return [
            FailedPart(
                self._parts[n].text,
                {name: _cut(read(event, captures)) for name, read in self._parts[n].values},
            )
            for n in numbers
        ]

    def distance(self, numbers: Sequence[int]) -> int | None:
        """How far an event is off that fails these parts; None = it has nothing of the predicate.

        An event of another type is further off than one with another value.
        """
        if len(numbers) == len(self._parts):
            # Of a predicate of one part only a part that is not the type says anything.
            return None if self._parts[0].of_type or len(numbers) > 1 else 1
        return sum(3 if self._parts[n].of_type else 1 for n in numbers)


def _flat(node: Node) -> Iterator[Node]:
    if isinstance(node, And):
        for item in node.items:
            yield from _flat(item)
    else:
        yield node


def _part(node: Node, layout: RunLayout) -> _Part:
    fields = required_fields(node)
    read: list[Node] = [Field(path) for path in sorted(fields)]
    read += sorted(step_references(node), key=unparse)
    values = [(unparse(found), compile_value(found, layout)) for found in read[:_VALUES_MAX]]
    text = condition_of(node)
    of_type = fields == {_TYPE} and not any(isinstance(n, (StepField, StepAggregate)) for n in read)
    return _Part(compile_run_predicate(node, layout), text, values, of_type)


def condition_of(node: Node) -> str:
    """A node as text, without brackets around all of it."""
    text = unparse(node)
    return text[1:-1] if text.startswith("(") and _is_one_bracket(text) else text


def _is_one_bracket(text: str) -> bool:
    """Whether the first bracket is closed by the last one; texts in quotes are not looked into."""
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return place == len(text) - 1 and '"' not in text.replace('"', "", 2)
    return False


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _TEXT_CHARS:
        return value[:_TEXT_CHARS] + "…"
    return value


def _shown(value: Any) -> str:
    if value is None:
        return "missing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _TEXT_CHARS else text[:_TEXT_CHARS] + "…"
