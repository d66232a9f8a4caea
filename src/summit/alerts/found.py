"""A match as this room needs it, and what expressions and texts read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from summit.documents.plan import PatternPlan
from summit.events.aggregates import FOLDS
from summit.events.expressions.generator import Names, RunPredicate, compile_run_predicate
from summit.events.expressions.ir import Node, Path, StepAggregate, StepField
from summit.events.fields import compile_path

NO_VALUES: Final[Mapping[str, Any]] = MappingProxyType({})


class CapturedEvent(NamedTuple):
    """One matched event, read in full.

    Attributes:
        src: The text of its header `summit.src`, or None.
        timestamp_ms: Event time.
        body: The JSON object as it was written.
        whole: False when `body` holds only the fields that rules read (a very long event).
        raw: The record's value, where the event is whole.
    """

    step: str
    topic: str
    partition: int
    offset: int
    src: str | None
    timestamp_ms: int
    body: dict[str, Any]
    whole: bool = True
    raw: bytes | None = None


class Found(NamedTuple):
    """A match as this room needs it.

    Attributes:
        key: Values of the plan's `group_by`, in its order.
        events: In the order of the match; never empty, but where a window had none.
        end_ms: Event time at which it came true.
        timed: Whether time completed it (an absence); then `end_ms` is the deadline.
        timed_out: Whether it is a partial match that ran out of time; `timed`, too.
        window: Of a window rule, half-open; then `events` are the last ones of it.
        first_ms: Then, the time of its first event.
        events_seen: Then, how many events it had.
        values: Then, its figures, by the texts of their calls and by their names.
        late: Whether it is told because of a late event.
        revision: Then, how often it was told before.
        withdrawn: Then, whether it is none any more.
    """

    key: tuple[Any, ...]
    events: Sequence[CapturedEvent]
    end_ms: int
    timed: bool = False
    timed_out: bool = False
    window: tuple[int, int] | None = None
    first_ms: int = 0
    events_seen: int = 0
    values: Mapping[str, Any] = NO_VALUES
    late: bool = False
    revision: int = 0
    withdrawn: bool = False


class MatchSource:
    """Values of a match for the holes of texts.

    Args:
        whole: The match whose steps are meant, where `found` is a part of it.
    """

    def __init__(self, plan: PatternPlan, found: Found, *, whole: Found | None = None) -> None:
        self.events = found.events
        self._all = found.events if whole is None else whole.events
        self._values = found.values
        self._key = dict(zip(plan.group_by, found.key, strict=True))

    def field(self, path: Path) -> object:
        name = ".".join(path)
        if name in self._values:
            return self._values[name]
        if path in self._key:
            return self._key[path]
        find = compile_path(path)
        for event in reversed(self.events):
            value = find(event.body)
            if value is not None:
                return value
        return None

    def step_field(self, step: str, which: str, path: Path) -> object:
        events = self._of_step(step)
        if not events:
            return None
        return compile_path(path)(events[0 if which == "first" else -1].body)

    def aggregate(self, function: str, step: str, path: Path | None) -> object:
        events = self._of_step(step)
        if path is None:
            return len(events) if function == "count" else None
        find = compile_path(path)
        return FOLDS[function]([value for e in events if (value := find(e.body)) is not None])

    def _of_step(self, step: str) -> list[CapturedEvent]:
        return [event for event in self._all if event.step == step]


def holds(condition: Node, source: MatchSource) -> bool:
    """Whether a condition is true of a match; its fields are found as those of texts."""
    return _predicate(condition)(source, None)


@lru_cache(maxsize=1_024)
def _predicate(condition: Node) -> RunPredicate:
    return compile_run_predicate(condition, _MatchLayout())


class _MatchLayout:
    """How generated code reads a match: `e` is its source."""

    def field_code(self, path: Path, names: Names) -> str:
        return f"e.field({names.bind(path)})"

    def reference_code(self, node: StepField | StepAggregate, names: Names) -> str:
        if isinstance(node, StepField):
            arguments = (node.step, node.which, node.path)
            return f"e.step_field(*{names.bind(arguments)})"
        return f"e.aggregate(*{names.bind((node.function, node.step, node.path))})"
