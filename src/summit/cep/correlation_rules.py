"""A correlation plan prepared: which events concern it, and where their keys stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from summit.cep.correlation_lane import CorrelationLane
from summit.cep.linked_entities import EntitiesOf, entities_of, names_any
from summit.cep.linked_lane import LinkedLane
from summit.documents.correlation import ANY_TYPE, CorrelationPlan
from summit.events.expressions.generator import Names
from summit.events.expressions.ir import Compare, Field, Literal, Node, Or, Path
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Origins
from summit.keyed.keys import Key
from summit.keyed.rule import EVENT_TYPE, KeyOf, key_by_paths

_EVENT_ID: Path = ("eventId",)


@dataclass(frozen=True, slots=True)
class CorrelationRule:
    """One plan, prepared; a `keyed.rule.KeyedRule`."""

    plan: CorrelationPlan
    bits: tuple[Node, ...]
    types: frozenset[Any] | None
    where: Node | None = None
    sees_all: bool = False
    lateness_ms: int = 0

    @property
    def id(self) -> str:
        """Its id among rules of all kinds."""
        return f"correlation:{self.plan.id}"

    @property
    def state_id(self) -> str:
        """Names its state."""
        return f"correlation:{self.plan.id}/{self.plan.state_id}"

    @property
    def topics(self) -> Sequence[str]:
        """Where its events come from."""
        return self.plan.topics

    @property
    def group_by(self) -> Sequence[Path]:
        """The fields of its key, whatever the event's type; where it has none, of its links."""
        return tuple(dict.fromkeys(_paths(self.plan))) or tuple(_link_paths(self.plan))

    def fields(self) -> Iterator[Path]:
        """Every field of an event that the rule reads, or keeps of a long event."""
        yield from (EVENT_TYPE, _EVENT_ID)
        yield from _paths(self.plan)
        yield from _link_paths(self.plan)

    def key_of(self, layout: TypedLayout) -> KeyOf:
        """A function that gives the key of a decoded event, None when it lacks one."""
        found = self._key_of(layout)
        if self.plan.linking is None:
            return found
        names = names_any(self.plan.linking, layout)
        return lambda event: found(event) if names(event) else None

    def entities_of(self, layout: TypedLayout) -> EntitiesOf:
        """A function that gives the entities by which a decoded event is linked."""
        assert self.plan.linking is not None
        return entities_of(self.plan.linking, layout)

    def _key_of(self, layout: TypedLayout) -> KeyOf:
        if all(part.path is not None for part in self.plan.keys):
            return _key_for(self.plan, "", layout)
        named = {name for part in self.plan.keys for name, _ in part.by_type} - {ANY_TYPE}
        by_type = {name: _key_for(self.plan, name, layout) for name in named}
        other = _key_for(self.plan, ANY_TYPE, layout)
        type_of = self.type_of(layout)
        return lambda event: by_type.get(type_of(event), other)(event)

    def type_of(self, layout: TypedLayout) -> Callable[[Any], str]:
        """A function that gives the type of a decoded event, or an empty text."""
        names = Names()
        code = layout.field_code(EVENT_TYPE, names)
        source = f"def kind(e):\n k = {code}\n return k if type(k) is str else ''\n"
        made: Callable[[Any], str] = names.define(source, "kind")
        return made

    def new_lane(self, layout: TypedLayout, origins: Origins) -> CorrelationLane:
        """What runs it."""
        return (CorrelationLane if self.plan.linking is None else LinkedLane)(self, layout)


def prepare_correlation(plan: CorrelationPlan) -> CorrelationRule:
    """Prepare one plan."""
    if plan.types is None:
        return CorrelationRule(plan, (Literal(True),), None)
    wanted = tuple(Compare("==", Field(EVENT_TYPE), Literal(name)) for name in plan.types)
    bit = wanted[0] if len(wanted) == 1 else Or(wanted)
    return CorrelationRule(plan, (bit,), frozenset(plan.types))


def _paths(plan: CorrelationPlan) -> Iterator[Path]:
    for part in plan.keys:
        if part.path is not None:
            yield part.path
        yield from (path for _, path in part.by_type)


def _link_paths(plan: CorrelationPlan) -> Iterator[Path]:
    for kind in () if plan.linking is None else plan.linking.kinds:
        yield from kind.paths


def _key_for(plan: CorrelationPlan, event_type: str, layout: TypedLayout) -> KeyOf:
    """How the key of events of a type is found."""
    paths = [path for part in plan.keys if (path := part.path_for(event_type)) is not None]
    return key_by_paths(paths, layout) if len(paths) == len(plan.keys) else _no_key


def _no_key(event: Any) -> Key | None:
    return None
