"""One group of linked events: what they share, why each is in it, how two become one.

Its links form a tree over all its events: each event that joins `n` groups comes with `n` links,
and makes one group of them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Final

import msgspec

from summit.cep.groups import CloseReason, Correlation, EntityTold, Group, LinkTold, Place
from summit.documents.correlation import CorrelationPlan
from summit.keyed.captured import EventRef
from summit.keyed.keygroups import key_group, keys_of_group
from summit.keyed.keys import Key, key_values, many_key

Entity = tuple[int, Key]  # number of its kind in the plan, and its value
Link = tuple[Entity, Place, Place]
_NAME_PARTS: Final = 4


class Bearing(msgspec.Struct, gc=False):
    """What a group knows of an entity.

    Attributes:
        count: Events that bear it.
        brought: Events that it linked and that brought something new.
        place: Of the last event that bears it.
    """

    count: int
    brought: int
    first_ms: int
    last_ms: int
    place: Place


class LinkedGroup(Group):
    """One open group.

    Attributes:
        name: Its state's key, in the key group of its tenant.
        tenant: The rule's key; groups of different ones are never linked.
    """

    __slots__ = ("entities", "links", "name", "tenant")

    def __init__(self, name: Key, start_ms: int) -> None:
        super().__init__(start_ms)
        self.name = name
        self.tenant = tenant_of(name)
        self.entities: dict[Entity, Bearing] = {}
        self.links: list[Link] = []

    @property
    def order(self) -> tuple[int, Place]:
        """Which of two groups is the older one."""
        return self.start_ms, place_of(self.events[0])

    def is_hub(self, entity: Entity, plan: CorrelationPlan) -> bool:
        """Whether an entity of it brings nothing more into it."""
        assert plan.linking is not None
        bearing = self.entities.get(entity)
        return bearing is not None and bearing.brought >= plan.linking.links_max

    def bear(self, entities: Iterable[Entity], time_ms: int, place: Place) -> None:
        """An event that it has taken bears these."""
        for entity in entities:
            bearing = self.entities.get(entity)
            if bearing is None:
                self.entities[entity] = Bearing(1, 0, time_ms, time_ms, place)
            else:
                bearing.count += 1
                bearing.first_ms = min(bearing.first_ms, time_ms)
                bearing.last_ms = max(bearing.last_ms, time_ms)
                bearing.place = place

    def absorb(self, other: LinkedGroup, plan: CorrelationPlan) -> int:
        """Take in all of a younger group; says how many events are not kept."""
        self.end_ms = max(self.end_ms, other.end_ms)
        self.count += other.count
        self.seen |= other.seen
        events = sorted([*self.events, *other.events], key=lambda event: event.taken_ms)
        self.events = events[: plan.max_events]
        self.links += other.links
        for entity, theirs in other.entities.items():
            ours = self.entities.get(entity)
            if ours is None:
                self.entities[entity] = theirs
                continue
            ours.count += theirs.count
            ours.brought += theirs.brought
            ours.first_ms = min(ours.first_ms, theirs.first_ms)
            if theirs.last_ms > ours.last_ms:
                ours.last_ms, ours.place = theirs.last_ms, theirs.place
        return len(events) - len(self.events)

    def fits(self, other: LinkedGroup, time_ms: int, plan: CorrelationPlan) -> bool:
        """Whether a younger group and an event would be within its window."""
        end_ms = max(self.end_ms, other.end_ms, time_ms)
        return plan.window_ms is None or end_ms < self.start_ms + plan.window_ms

    def shown(
        self, plan: CorrelationPlan, reason: CloseReason | None, into: EventRef | None = None
    ) -> Correlation:
        """As it is told."""
        assert plan.linking is not None
        kinds, most = plan.linking.kinds, plan.linking.links_max
        entities = tuple(
            EntityTold(
                kinds[kind].name, key_values(value)[0], one.count, one.first_ms, one.last_ms,
                one.brought >= most,
            )
            for (kind, value), one in self.entities.items()
        )  # fmt: skip
        number = {place_of(event): n for n, event in enumerate(self.events)}
        in_order = sorted(self.links, key=lambda link: number.get(link[2], len(number)))
        links = tuple(
            LinkTold(kinds[kind].name, key_values(value)[0], source, target)
            for (kind, value), source, target in in_order
        )
        return Correlation(
            plan.id, key_values(self.tenant), tuple(self.events), self.count, self.start_ms,
            self.end_ms, reason, reason is not None and self.is_told, entities, links, into,
        )  # fmt: skip


def place_of(event: EventRef) -> Place:
    """Where an event stands."""
    return event.topic, event.partition, event.offset


def name_for(tenant: Key, place: Place, taken: Container[Key]) -> Key:
    """A name for a group that begins with an event.

    All groups of a tenant belong to one key group, the tenant's, so that whoever has it can link
    them. A key's group is a hash of the key; so the name ends with the first number that makes it
    so, and that makes it a name of its own.
    """
    begin = (tenant,) if type(tenant) is str else tenant
    tail = many_key(place)
    assert tail is not None
    names = keys_of_group(key_group(tenant), (*begin, *tail))
    return next(name for name in names if name not in taken)


def tenant_of(name: Key) -> Key:
    """The rule's key, of a group's name."""
    parts: Sequence[object] = name[:-_NAME_PARTS]
    return parts[0] if len(parts) == 1 and type(parts[0]) is str else tuple(parts)
