"""A window plan prepared: which events concern it, where their keys stand, what it computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from summit.cep.window_lane import WindowLane
from summit.cep.window_program import WindowProgram
from summit.cep.window_state import WINDOW_STATE_ID_END
from summit.documents.plan import PatternPlan
from summit.events.expressions.analysis import equality_constraint, required_fields
from summit.events.expressions.ir import Node, Path
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Origins
from summit.keyed.keys import GLOBAL_KEY, Key, make_key
from summit.keyed.rule import EVENT_TYPE, KeyOf, key_by_paths


class WindowRule:
    """One plan with a window, prepared; a `keyed.rule.KeyedRule`.

    Attributes:
        expected: Keys that count as seen when the rule begins.
    """

    sees_all = False
    lateness_ms = 0  # see `lateness.py`

    def __init__(self, plan: PatternPlan) -> None:
        assert plan.window is not None
        (step,) = plan.steps
        assert step.predicate is not None
        self.plan = plan
        self.window = plan.window
        self.program = WindowProgram(plan.window)
        self.id = plan.id
        self.state_id = f"{plan.id}/{plan.window.state_hash}{WINDOW_STATE_ID_END}"
        self.topics: Sequence[str] = plan.topics
        self.group_by: Sequence[Path] = plan.group_by
        self.where: Node | None = plan.where
        self.bits: Sequence[Node] = (step.predicate,)
        types = equality_constraint(step.predicate, EVENT_TYPE)
        self.types: frozenset[Any] | None = None if types is None else frozenset(types)
        keys = (make_key(values) for values in plan.window.expected)
        self.expected: list[Key] = [key for key in keys if key is not None]

    def fields(self) -> Iterator[Path]:
        """Every field of an event that the rule reads, or keeps of a long event."""
        yield from self.plan.group_by
        yield from self.program.fields()
        for node in (self.where, *self.bits):
            if node is not None:
                yield from required_fields(node)

    def key_of(self, layout: TypedLayout) -> KeyOf:
        """A function that gives the key of a decoded event, None when it lacks one."""
        by_paths = key_by_paths(self.plan.group_by, layout)
        if not self.window.by_groups:
            return by_paths
        return lambda event: None if by_paths(event) is None else GLOBAL_KEY

    def group_of(self, layout: TypedLayout) -> KeyOf:
        """The group of an event among those that are compared."""
        return key_by_paths(self.plan.group_by, layout)

    def new_lane(self, layout: TypedLayout, origins: Origins) -> WindowLane:
        """What runs it."""
        return WindowLane(self, layout, origins)
