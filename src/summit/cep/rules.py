"""A pattern plan prepared for matching: its automaton, and its predicates split into parts.

Of every predicate, the part that the event alone decides becomes a bit of the mask; the part that
looks at the run becomes a guard, which is put only where the bit is set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from summit.base.errors import Invalid
from summit.cep import steps as automaton_steps
from summit.cep.lane import PatternLane
from summit.cep.lateness import LateRule
from summit.cep.moves import Automaton
from summit.cep.previous import Previous
from summit.cep.program import Program
from summit.cep.references import RunLayout
from summit.cep.releasing import Release, Skip
from summit.cep.runs import Guard
from summit.cep.temporal import relation_guards
from summit.cep.window_rule import WindowRule
from summit.documents.plan import PatternPlan, Span, StepPlan
from summit.documents.stream import StreamPlan
from summit.documents.temporal import INTERVAL_FIELDS
from summit.events.expressions.analysis import (
    equality_constraint,
    free_of_runs,
    reference_fields,
    required_fields,
    step_references,
)
from summit.events.expressions.generator import compile_run_predicate
from summit.events.expressions.ir import PREVIOUS, And, Field, Literal, Node, Or, Path, Present
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Origins
from summit.keyed.rule import EVENT_TYPE, KeyOf, key_by_paths
from summit.keyed.ruleset import RuleSet, make_rule_set

_TRUE: Final = Literal(True)


@dataclass(frozen=True, slots=True)
class PatternRule:
    """One plan, prepared; a `keyed.rule.KeyedRule`.

    Attributes:
        state_id: Names the rule's state; equal for plans whose state means the same.
        bits: What the event alone must satisfy, by bit of the mask.
        guards: (bit number, what the run must satisfy beside it).
        types: Values of `eventType` outside of which no bit can be set; None = any.
        sees_all: Whether every event of the stream matters, not only those that set a bit.
        previous: Fields of earlier events that are remembered; then the last bit says whether an
            event has one of them.
    """

    plan: PatternPlan
    state_id: str
    automaton: Automaton
    bits: tuple[Node, ...]
    guards: tuple[tuple[int, Node], ...]
    types: frozenset[Any] | None
    sees_all: bool
    previous: tuple[Path, ...] = ()
    lateness_ms: int = 0  # see `lateness.py`

    @property
    def id(self) -> str:
        """The pattern's id."""
        return self.plan.id

    @property
    def topics(self) -> Sequence[str]:
        """Where its events come from."""
        return self.plan.topics

    @property
    def group_by(self) -> Sequence[Path]:
        """The fields of its key."""
        return self.plan.group_by

    @property
    def where(self) -> Node | None:
        """Its own stream."""
        return self.plan.where

    @property
    def is_timed(self) -> bool:
        """Whether time alone can bring something about: an absence, a time-out, a release."""
        plan = self.plan
        return bool(
            self.automaton.pending
            or plan.on_timeout is not None
            or plan.strict_order
            or plan.emit == "longest"
        )

    def fields(self) -> Iterator[Path]:
        """Every field of an event that the rule reads."""
        yield from self.plan.group_by
        if self.plan.where is not None:
            yield from required_fields(self.plan.where)
        for node in self.bits:
            yield from required_fields(node)
        for _, node in self.guards:
            yield from required_fields(node)
            yield from reference_fields(node)
        if self.plan.relations:
            yield from INTERVAL_FIELDS

    def program(self, layout: TypedLayout) -> Program:
        """What runs the rule, with predicates that read events through `layout`."""
        plan = self.plan
        previous = Previous(self.previous, layout) if self.previous else None
        run_layout = RunLayout(layout, self.automaton.step_names, previous)
        guards: list[tuple[int, Guard]] = []
        for number, node in self.guards:
            guards.append((1 << number, _guard(node, run_layout)))
        for relation in plan.relations:
            for name, guard in relation_guards(relation, run_layout):
                guards.append((1 << run_layout.number(name), guard))
        after = plan.after_match
        step = -1 if after.step is None else self.automaton.step_names.index(after.step)
        return Program(
            self.automaton,
            Span(plan.within_ms, plan.slide_ms, plan.gap_ms),
            release=Release(
                Skip(after.kind, step),
                plan.emit,
                strict_order=plan.strict_order,
                held_max=plan.limits.runs_per_key,
            ),
            guards=tuple(guards),
            runs_max=plan.limits.runs_per_key,
            exact=self.is_timed,
            previous=None if previous is None else (1 << len(self.bits) - 1, previous),
        )

    def key_of(self, layout: TypedLayout) -> KeyOf:
        """A function that gives the key of a decoded event, None when it lacks one."""
        return key_by_paths(self.plan.group_by, layout)

    def new_lane(self, layout: TypedLayout, origins: Origins) -> PatternLane:
        """What runs it."""
        return PatternLane(self, layout, origins)


def compile_rules(
    plans: Iterable[PatternPlan],
    streams: Iterable[StreamPlan] = (),
    paused: Collection[str] = (),
) -> RuleSet:
    """Compile all enabled patterns, those with a window too; see `make_rule_set`.

    Raises: Invalid("pattern.steps") for a plan that cannot be matched.
    """
    return make_rule_set([prepare_any(plan) for plan in plans if plan.enabled], streams, paused)


def prepare_any(plan: PatternPlan) -> PatternRule | WindowRule | LateRule:
    """Prepare one plan, with steps or with a window, as workers run it.

    Raises: as `prepare_rule`.
    """
    rule = prepare_rule(plan) if plan.window is None else WindowRule(plan)
    return LateRule(rule) if plan.lateness_ms else rule


def prepare_rule(plan: PatternPlan) -> PatternRule:
    """Prepare one plan.

    Raises: Invalid("pattern.steps") for steps that go together in no defined way.
    """
    steps = [_step(step) for step in plan.steps]
    bound_ms = plan.within_ms or plan.gap_ms
    automaton = Automaton(steps, bound_ms, ordered=plan.matching == "ordered")
    if plan.emit == "longest" and bound_ms is None:
        raise Invalid("pattern.steps", step="", reason="emit: longest needs a within")
    bits: list[Node] = []
    guards: list[tuple[int, Node]] = []
    for number, node in enumerate((*_predicates(plan.steps), *_untils(plan.steps))):
        static, dynamic = _split(node)
        bits.append(static)
        if dynamic is not None:
            guards.append((number, dynamic))
    previous = _previous(node for _, node in guards)
    if previous:
        keyed = tuple(Present(Field(path)) for path in plan.group_by)
        bits.append(And((*keyed, _any_of([Present(Field(path)) for path in previous]))))
    # A strict step may be broken by any event of the stream, so none may be left out.
    types = None if automaton.sees_all else _types(bits)
    after = plan.after_match
    if after.step is not None and after.step not in automaton.step_names:
        raise Invalid("pattern.steps", step=after.step, reason="afterMatch names no step")
    skip = f"{after.kind}:{after.step}" if after.step else after.kind
    return PatternRule(
        plan,
        "/".join([plan.id, plan.semantic_hash, skip, *_release(plan)]),
        automaton,
        tuple(bits),
        tuple(guards),
        types,
        automaton.sees_all,
        previous,
    )


def _previous(nodes: Iterable[Node]) -> tuple[Path, ...]:
    """The fields of earlier events that the nodes read."""
    found = {
        each.path
        for node in nodes
        for each in step_references(node)
        if each.step == PREVIOUS and each.path is not None
    }
    return tuple(sorted(found))


def _any_of(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))


def _release(plan: PatternPlan) -> list[str]:
    """What of the way in which matches are released changes the meaning of the state."""
    found: list[str] = [] if plan.emit == "all" else [plan.emit]
    if plan.strict_order:
        found.append("strictOrder")
    return found


def _step(plan: StepPlan) -> automaton_steps.Step:
    return automaton_steps.Step(
        name=plan.name,
        relation=plan.relation,
        times_min=plan.times_min,
        times_max=plan.times_max,
        contiguity=plan.contiguity,
        optional=plan.optional,
        greedy=plan.greedy,
        until=plan.until is not None,
        within_ms=plan.within_ms,
        group=tuple(_step(step) for step in plan.group),
    )


def _predicates(steps: Sequence[StepPlan]) -> Iterator[Node]:
    """The predicates in the order of `steps.takers`."""
    for step in steps:
        if step.group:
            yield from _predicates(step.group)
        else:
            assert step.predicate is not None, step.name
            yield step.predicate


def _untils(steps: Sequence[StepPlan]) -> Iterator[Node]:
    """The stop conditions in the order of `steps.stoppers`."""
    for step in steps:
        if step.until is not None:
            yield step.until
        yield from _untils(step.group)


def _split(node: Node) -> tuple[Node, Node | None]:
    """The part that the event alone decides, and the part that looks at the run."""
    items = node.items if isinstance(node, And) else (node,)
    static = tuple(item for item in items if free_of_runs(item))
    dynamic = tuple(item for item in items if not free_of_runs(item))
    return _all_of(static) or _TRUE, _all_of(dynamic)


def _all_of(items: tuple[Node, ...]) -> Node | None:
    if len(items) > 1:
        return And(items)
    return items[0] if items else None


def _types(bits: Sequence[Node]) -> frozenset[Any] | None:
    found: set[Any] = set()
    for node in bits:
        of_bit = equality_constraint(node, EVENT_TYPE)
        if of_bit is None:
            return None
        found |= of_bit
    return frozenset(found)


def _guard(node: Node, layout: RunLayout) -> Guard:
    predicate = compile_run_predicate(node, layout)
    return lambda event, captures: predicate(event.fields, captures)
