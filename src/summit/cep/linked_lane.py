"""The living half of a rule that links events: open groups, and which entity is in which of them.

A rule's key, where it has one, keeps tenants apart; without one all events are linked among each
other. Whoever has the key group of a tenant has all its groups, so an event can join any of them,
and make one of several: the oldest goes on, and a younger one that was told is told as merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from summit.cep.correlation_lane import CorrelationCounters, CorrelationLane
from summit.cep.groups import CloseReason, Correlation, Group, Place, takes
from summit.cep.linked_groups import Entity, LinkedGroup, name_for
from summit.cep.linked_state import LINKED_STATE_VERSION, dump_linked, load_linked
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Captured, event_ref
from summit.keyed.keys import Key

if TYPE_CHECKING:
    from summit.cep.correlation_rules import CorrelationRule  # which makes lanes


@dataclass(slots=True)
class LinkedCounters(CorrelationCounters):
    """What happened to the groups of one rule, and

    Attributes:
        ignored: Events that name nothing but ignored values.
        merged: Groups that went into an older one.
        held_back: Events that a hub did not link.
    """

    ignored: int = 0
    merged: int = 0
    held_back: int = 0


class LinkedLane(CorrelationLane):
    """Runs one rule; its keys are the names of its groups, each of one group."""

    state_version = LINKED_STATE_VERSION
    counters: LinkedCounters

    def __init__(self, rule: CorrelationRule, layout: TypedLayout) -> None:
        super().__init__(rule, layout)
        self.counters = LinkedCounters()
        self._entities_of = rule.entities_of(layout)
        self._having: dict[tuple[Key, Entity], list[LinkedGroup]] = {}

    def replace(self, rule: CorrelationRule, layout: TypedLayout) -> None:
        """See `CorrelationLane`."""
        super().replace(rule, layout)
        self._entities_of = rule.entities_of(layout)

    def wants(self, key: Key, mask: int, time_ms: int) -> Sequence[Group] | None:
        """A rule takes every event of its types."""
        return () if mask else None

    def advance(
        self, key: Key, held: Sequence[Group], event: Captured, mask: int, frontier_ms: float
    ) -> list[Correlation]:
        """Put an event into the groups that it links, which are one then."""
        plan, counters = self.plan, self.counters
        told: list[Correlation] = []
        entities = self._entities_of(event.fields)
        if not entities:
            counters.ignored += 1
            return told
        place = (event.origin.topic, event.origin.partition, event.offset)
        counters.taken += 1
        joined, entities = self._joined(key, entities, event.time_ms)
        group = joined[0] if joined else self._open(key, place, event.time_ms)
        taken_ms = max(event.time_ms, group.start_ms)
        self._link(group, joined, entities, place)
        was_told = self._merge(group, joined[1:], told)
        if group.add(event_ref(event, taken_ms), plan, self._type_of(event.fields)):
            self.events += 1
        else:
            counters.beyond_max += 1
            entities = [entity for entity in entities if entity in group.entities]
        self._bear(group, entities, taken_ms, place)
        self.dirty.add(group.name)
        self._set_timer(group.name, [group])
        if group.is_full(plan):
            self._close(group.name, group, "max", told)
        elif was_told or (not group.is_told and group.is_enough(plan)):
            counters.completed += not (group.is_told or was_told)
            group.is_told = True
            told.append(group.shown(plan, None))
        self._evict(told)
        return told

    def dump(self, key: Key) -> bytes | None:
        """A group as bytes; None = it is closed."""
        groups = self._keys.get(key)
        return None if groups is None else dump_linked(_linked(groups[0]))

    def load(self, key: Key, data: bytes, version: int) -> None:
        """Set a group. Raises: Corrupt("correlation.state")."""
        group = load_linked(key, data, version)
        self.forget(key)
        self.dirty.discard(key)
        self._keys[key] = [group]
        self.groups += 1
        self.events += len(group.events)
        self._set_timer(key, [group])
        self._index(group, group.entities)

    def forget(self, key: Key) -> None:
        """Drop a group without telling it."""
        for group in self._keys.get(key, ()):
            self._unindex(_linked(group))
        super().forget(key)

    # ---- inside ----

    def _joined(
        self, tenant: Key, entities: list[Entity], time_ms: int
    ) -> tuple[list[LinkedGroup], list[Entity]]:
        """The groups that an event joins, the oldest first, and what it is to bear there."""
        plan = self.plan
        linking: dict[int, LinkedGroup] = {}
        hubs: dict[Entity, list[LinkedGroup]] = {}
        for entity in entities:
            having = self._having.get((tenant, entity))
            if having is None:
                continue
            having = [group for group in having if takes(group, time_ms, plan)]
            held = [group for group in having if group.is_hub(entity, plan)]
            if held:
                hubs[entity] = held
            else:
                for group in having:
                    linking[id(group)] = group
        joined = list(linking.values())
        if len(joined) > 1:
            joined.sort(key=lambda group: group.order)
            joined = [g for g in joined if g is joined[0] or joined[0].fits(g, time_ms, plan)]
        elif not joined and len(hubs) == len(entities):  # it brings nothing new
            known = {id(group): group for held in hubs.values() for group in held}
            joined = [min(known.values(), key=lambda group: group.order)]
        if hubs:
            own = [e for e in entities if e not in hubs or any(e in g.entities for g in joined)]
            self.counters.held_back += len(own) < len(entities)
            entities = own
        return joined, entities

    def _open(self, tenant: Key, place: Place, time_ms: int) -> LinkedGroup:
        group = LinkedGroup(name_for(tenant, place, self._keys), time_ms)
        self._keys[group.name] = [group]
        self.counters.opened += 1
        self.groups += 1
        return group

    def _link(
        self, group: LinkedGroup, joined: list[LinkedGroup], entities: list[Entity], place: Place
    ) -> None:
        """Note by what an event joins each group."""
        plan = self.plan
        new = len(joined) > 1 or any(entity not in group.entities for entity in entities)
        for each in joined:
            shared = [entity for entity in entities if entity in each.entities]
            by = next((e for e in shared if not each.is_hub(e, plan)), shared[0])
            if len(group.links) < 2 * plan.max_events:
                group.links.append((by, each.entities[by].place, place))
            for entity in shared if new else ():
                each.entities[entity].brought += not each.is_hub(entity, plan)

    def _merge(
        self, group: LinkedGroup, others: list[LinkedGroup], told: list[Correlation]
    ) -> bool:
        """Make one group of several; says whether one was told that is none any more."""
        was_told = False
        for other in others:
            if other.is_told:
                was_told = True
                told.append(other.shown(self.plan, "merged", group.events[0]))
            self.forget(other.name)
            self.counters.merged += 1
            cut = group.absorb(other, self.plan)
            self.events += len(other.events) - cut
            self.counters.beyond_max += cut
            self._index(group, other.entities)
        return was_told

    def _bear(self, group: LinkedGroup, entities: list[Entity], time_ms: int, place: Place) -> None:
        self._index(group, entities)
        group.bear(entities, time_ms, place)

    def _index(self, group: LinkedGroup, entities: Iterable[Entity]) -> None:
        for entity in entities:
            having = self._having.setdefault((group.tenant, entity), [])
            if group not in having:
                having.append(group)

    def _unindex(self, group: LinkedGroup) -> None:
        for entity in group.entities:
            name = (group.tenant, entity)
            having = self._having[name]
            having.remove(group)
            if not having:
                del self._having[name]

    def _close(self, key: Key, group: Group, reason: CloseReason, told: list[Correlation]) -> None:
        self._unindex(_linked(group))
        super()._close(key, group, reason, told)

    def _told(self, key: Key, group: Group, reason: CloseReason | None) -> Correlation:
        return _linked(group).shown(self.plan, reason)


def _linked(group: Group) -> LinkedGroup:
    assert isinstance(group, LinkedGroup)
    return group
