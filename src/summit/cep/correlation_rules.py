"""How correlation rules look at events: which topics and types they want, and where the key is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from summit.cep.correlation_lane import CorrelationLane
from summit.documents.correlation import CorrelationPlan
from summit.events.event import Event, field_reader, make_event
from summit.events.fields import candidates, compile_path
from summit.keyed.captured import transport_of
from summit.keyed.chunks import Chunk
from summit.keyed.frontier import Frontier, View
from summit.keyed.keys import Key, make_key, one_key
from summit.keyed.rule import sees_topic

_NEVER: Final = float("inf")

KeyOf = Callable[[dict[str, Any], "Around"], Key | None]


class Around:
    """An event with its record, made only when a rule looks at it."""

    __slots__ = ("_chunk", "_event", "_n", "_parsed")

    def __init__(self, chunk: Chunk, n: int, parsed: dict[str, Any]) -> None:
        self._chunk = chunk
        self._n = n
        self._parsed = parsed
        self._event: Event | None = None

    def event(self) -> Event:
        if self._event is None:
            chunk, n = self._chunk, self._n
            transport = transport_of(
                chunk.topic, chunk.partition, chunk.offsets[n],
                None if chunk.keys is None else chunk.keys[n], chunk.timestamps_ms[n],
                None if chunk.headers is None else chunk.headers[n],
            )  # fmt: skip
            self._event = make_event(self._parsed, transport)
        return self._event


class SeenRule:
    """One rule: its lane, what it sees, and how it finds keys."""

    def __init__(self, lane: CorrelationLane, frontier: Frontier) -> None:
        plan = lane.plan
        self.lane = lane
        self.view = View(frontier, self.sees)
        self.others_ms = _NEVER  # how far the other partitions let F come, in this chunk
        self._key_of: dict[str, KeyOf] = {}
        self._by_type = any(part.path is None for part in plan.keys)
        self._types = None if plan.types is None else frozenset(plan.types)

    def sees(self, topic: str) -> bool:
        return sees_topic(self.lane.plan.topics, topic)

    def wants(self, event_type: str) -> bool:
        return self._types is None or event_type in self._types

    def key(self, event_type: str, parsed: dict[str, Any], around: Around) -> Key | None:
        """The key of an event that the rule wants; None = it lacks a part."""
        name = event_type if self._by_type else ""
        key_of = self._key_of.get(name)
        if key_of is None:
            key_of = _key_of(self.lane.plan, event_type)
            if not self._by_type or self._types is not None:  # else types could fill it for ever
                self._key_of[name] = key_of
        return key_of(parsed, around)


def _key_of(plan: CorrelationPlan, event_type: str) -> KeyOf:
    """How a rule finds the key of events of a type."""
    paths = [path for part in plan.keys if (path := part.path_for(event_type)) is not None]
    if len(paths) < len(plan.keys):
        return lambda parsed, around: None
    if any(place.place == "record" for path in paths for place in candidates(path)):
        reads = [field_reader(path) for path in paths]
        return lambda parsed, around: make_key([read(around.event()) for read in reads])
    finds = [compile_path(path) for path in paths]
    if len(finds) == 1:
        find = finds[0]
        return lambda parsed, around: one_key(find(parsed))
    return lambda parsed, around: make_key([find(parsed) for find in finds])
