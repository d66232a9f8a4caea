"""How predicates read what a run has captured: `failed.last.user`, `count(failed)`, …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from summit.cep.previous import Previous
from summit.cep.runs import Captures
from summit.events.aggregates import FOLDS
from summit.events.expressions.generator import Names
from summit.events.expressions.ir import PREVIOUS, Path, StepAggregate, StepField
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Captured

Reader = Callable[[Captures], Any]


class RunLayout:
    """The layout of guards: `e` is the decoded event under test, `r` the captures of the run.

    Args:
        layout: How a decoded event is read, under test or captured.
        steps: Step names in the order of their indexes.
        previous: What is remembered of earlier events.
    """

    def __init__(
        self, layout: TypedLayout, steps: Sequence[str], previous: Previous | None = None
    ) -> None:
        self._layout = layout
        self._steps = list(steps)
        self._previous = previous

    def number(self, step: str) -> int:
        """The index of a step."""
        return self._steps.index(step)

    def field_code(self, path: Path, names: Names) -> str:
        """A field of the event under test."""
        return self._layout.field_code(path, names)

    def reference_code(self, node: StepField | StepAggregate, names: Names) -> str:
        """A value of the run."""
        return f"{names.bind(self._reader(node))}(r)"

    def _reader(self, node: StepField | StepAggregate) -> Reader:
        if isinstance(node, StepField) and node.step == PREVIOUS:
            assert self._previous is not None
            return self._previous.reader(node.path)
        step = self.number(node.step)
        if isinstance(node, StepField):
            return self._end_reader(step, node.which == "last", self.value_of(node.path))
        value_of = None if node.path is None else self.value_of(node.path)
        return _aggregate_reader(node.function, step, value_of)

    def value_of(self, path: Path) -> Callable[[Captured], Any]:
        """A function that gives a field of a captured event."""
        names = Names()
        code = self._layout.field_code(path, names)
        read = names.define(f"def value(e):\n return {code}\n", "value")
        decode = self._layout.decode

        def value_of(event: Captured) -> Any:
            if event.fields is None:
                event.fields = decode(event.value)
            return read(event.fields)

        return value_of

    @staticmethod
    def _end_reader(step: int, last: bool, value_of: Callable[[Captured], Any]) -> Reader:
        def read(captures: Captures) -> Any:
            places = range(len(captures) - 2, -1, -2) if last else range(0, len(captures), 2)
            for place in places:
                if captures[place] == step:
                    return value_of(captures[place + 1])
            return None

        return read


def _aggregate_reader(
    function: str, step: int, value_of: Callable[[Captured], Any] | None
) -> Reader:
    def taken(captures: Captures) -> list[Captured]:
        return [captures[n + 1] for n in range(0, len(captures), 2) if captures[n] == step]

    if value_of is None:
        return lambda captures: len(taken(captures))
    fold = FOLDS[function]

    def read(captures: Captures) -> Any:
        values = (value_of(event) for event in taken(captures))
        return fold([value for value in values if value is not None])

    return read
