"""Following the groups of one correlation over events, to say why they are not told. Pure.

The rule runs as it does; of each group that closes without having enough it is said what it lacks,
and whether that came soon after. For people, not for the hot path; all that is kept is bounded.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from summit.cep.correlation_lane import CorrelationLane
from summit.cep.correlation_rules import prepare_correlation
from summit.cep.explaining import RunState, Taken
from summit.cep.groups import CloseReason, Group
from summit.cep.linked_groups import LinkedGroup
from summit.cep.near_misses import Collection as Nearest
from summit.cep.near_misses import NearMiss, seen_event
from summit.cep.tracing import OpenMatch
from summit.cep.window_tracing import captured_of, clock_text, without_key
from summit.documents.correlation import CorrelationPlan
from summit.events.times import TIME_MS_MAX
from summit.keyed.captured import EventRef
from summit.keyed.chunks import Chunk
from summit.keyed.keys import Key, key_values
from summit.keyed.processor import Processor
from summit.keyed.ruleset import make_rule_set

_OPEN_MAX: Final = 1_000
_OVER_MAX: Final = 10_000  # groups of which it is known that they lacked something
_NAMED_MAX: Final = 5  # values of a linked group that its text names
_STEP: Final = "event"
_CLOSED: Final[dict[CloseReason, str]] = {
    "window": "its timeWindow was over", "gap": "its gap was over", "max": "it had maxEvents",
    "evicted": "of the rule's limits", "merged": "it went into an older one",
}  # fmt: skip
_decode = msgspec.json.Decoder().decode


class _Lacking(NamedTuple):
    """A group that closed without enough: what it has, and what it lacks."""

    key: tuple[Any, ...]
    events: list[EventRef]
    had: int
    types: tuple[str, ...]
    over_ms: int


class CorrelationTracer:
    """Follows one rule; `feed` it chunks in order, then `finish`. As `tracing.Tracer`.

    Args:
        plan: Its `topics` do not matter here.
        keys: Only what becomes of these; none = of all. Of linked events those that bear one of
            these values, too.
    """

    def __init__(self, plan: CorrelationPlan, keys: Collection[Key] = ()) -> None:
        self._plan = plan
        self._only = frozenset(keys)
        followed = dataclasses.replace(plan, topics=(), enabled=True)
        self._processor = Processor(make_rule_set([prepare_correlation(followed)]))
        (lane,) = self._processor.lanes
        assert isinstance(lane, CorrelationLane)
        self._lane = lane
        lane.watcher = self._closed
        self._nearest = Nearest()
        self._events = 0
        self._over: OrderedDict[Any, _Lacking] = OrderedDict()

    def feed(self, chunk: Chunk) -> None:
        """Take records; what is no event is passed over."""
        self._events += len(chunk.values)
        for rejected in self._processor.apply([chunk]).outputs.rejected:
            if rejected.code == "event.no_key":
                self._nearest.add(5.0, without_key(rejected, chunk))

    def finish(self) -> tuple[list[NearMiss], list[OpenMatch]]:
        """The near-misses, the nearest first, and the groups that are still open."""
        unfinished: list[OpenMatch] = []
        for key, group in self._lane.all_groups():
            if self._concerns(key, group):
                self._came_late(key, group)
                if not group.is_enough(self._plan):
                    self._tell(key, group, None)
                if len(unfinished) < _OPEN_MAX:
                    unfinished.append(self._open(key, group))
        self._lane.watcher = None
        self._processor.apply([], TIME_MS_MAX)
        if not self._lane.counters.taken and not self._lane.counters.without_key and self._events:
            types = "any" if self._plan.types is None else " or ".join(self._plan.types)
            text = f"no group was opened: none of {self._events} events is of type {types}"
            found = NearMiss(kind="missing", text=text, key=None, step=_STEP, taken=[], missing=1)
            self._nearest.add(9.0, found)
        return self._nearest.nearest(), unfinished

    # ---- inside ----

    def _closed(self, key: Key, group: Group, reason: CloseReason) -> None:
        if not self._concerns(key, group):
            return
        self._came_late(key, group)
        if group.is_enough(self._plan):
            return
        self._tell(key, group, reason)
        types = _missing_types(group, self._plan)
        over_ms = group.over_ms(self._plan)
        lacking = _Lacking(_values(key, group), list(group.events), group.count, types, over_ms)
        for name in self._names(key, group):
            self._over[name] = lacking
            self._over.move_to_end(name)
        while len(self._over) > _OVER_MAX:
            self._over.popitem(last=False)

    def _tell(self, key: Key, group: Group, reason: CloseReason | None) -> None:
        """A near-miss of a group that has not enough."""
        plan = self._plan
        missing = _missing(group.count, _missing_types(group, plan), plan)
        # Which part of what it needs it lacks; a group with more of it is nearer.
        distance = missing / max(plan.min_events, len(plan.require_types), 1)
        if not self._nearest.wants(distance):
            return
        is_open = reason is None
        found = NearMiss(
            kind="missing", text=_text(group, plan, reason), key=_values(key, group), step=_STEP,
            taken=[seen_event(captured_of(event), _STEP) for event in group.events[-100:]],
            missing=missing, expires_ms=group.over_ms(plan) if is_open else None, open=is_open,
        )  # fmt: skip
        self._nearest.add(distance, found)

    def _came_late(self, key: Key, group: Group) -> None:
        """Is in this group what an earlier one has lacked?"""
        names = self._names(key, group)
        lacking = next((self._over[name] for name in names if name in self._over), None)
        if lacking is None:
            return
        count, wanted = lacking.had, set(lacking.types)
        for event in group.events:
            if event.taken_ms < lacking.over_ms:  # of a partition that was behind
                continue
            count += 1
            wanted.discard(_type_of(event))
            if count >= self._plan.min_events and not wanted:
                self._tell_late(lacking, event, count - lacking.had)
                break
        for name in names:
            self._over.pop(name, None)

    def _tell_late(self, lacking: _Lacking, event: EventRef, number: int) -> None:
        late_ms = event.taken_ms - lacking.over_ms + 1
        which = "the event that it lacked" if number == 1 else f"the {number} events that it lacked"
        text = (
            f"{which} came {late_ms} ms too late: the group with {_events(lacking.had)} was over"
            f" at {clock_text(lacking.over_ms)}"
        )
        taken = [seen_event(captured_of(one), _STEP) for one in lacking.events[-100:]]
        found = NearMiss(
            kind="outsideWindow", text=text, key=lacking.key, step=_STEP, taken=taken,
            event=seen_event(captured_of(event)), missing=number, late_ms=late_ms,
        )  # fmt: skip
        self._nearest.add(number / max(self._plan.min_events, 1) / 2, found)

    def _open(self, key: Key, group: Group) -> OpenMatch:
        plan = self._plan
        taken = [Taken(_STEP, captured_of(event)) for event in group.events]
        enough = group.is_enough(plan)
        waits = () if enough else _missing_types(group, plan) or (_STEP,)
        state = RunState(
            waits, (), taken, group.start_ms, group.end_ms, group.over_ms(plan), enough, False,
            _text(group, plan, None),
        )  # fmt: skip
        return OpenMatch(_values(key, group), state)

    def _names(self, key: Key, group: Group) -> list[Any]:
        """By what a later group is known to follow this one: its key, or what it is linked by."""
        if not isinstance(group, LinkedGroup):
            return [key]
        return [(group.tenant, e) for e in group.entities if not group.is_hub(e, self._plan)]

    def _concerns(self, key: Key, group: Group) -> bool:
        if not self._only:
            return True
        if not isinstance(group, LinkedGroup):
            return key in self._only
        return group.tenant in self._only or any(value in self._only for _, value in group.entities)


def _text(group: Group, plan: CorrelationPlan, reason: CloseReason | None) -> str:
    """One line: what a group has, what it would need, when it closes or why it did."""
    parts = [f"the group of {clock_text(group.start_ms)} has {_events(group.count)}"]
    needs = []
    if group.count < plan.min_events:
        needs.append(f"minEvents is {plan.min_events}")
    if types := _missing_types(group, plan):
        needs.append(
            "of requireTypes " + " and ".join(f"'{name}'" for name in types) + " is missing"
        )
    parts.append("; ".join(needs) if needs else "it has enough")
    text = ": ".join(parts)
    if isinstance(group, LinkedGroup):
        text += _linked_text(group, plan)
    if reason is None:
        return f"{text}; it closes at {clock_text(group.over_ms(plan))}"
    return f"{text}; it closed because {_CLOSED[reason]}"


def _linked_text(group: LinkedGroup, plan: CorrelationPlan) -> str:
    """What links its events, and what does not, because too many events bear it."""
    assert plan.linking is not None
    kinds = plan.linking.kinds
    named = {e: f"{kinds[e[0]].name}={key_values(e[1])[0]}" for e in group.entities}
    hubs = [text for e, text in named.items() if group.is_hub(e, plan)]
    others = [text for text in named.values() if text not in hubs]
    text = ""
    if others:
        text += "; it would be linked by " + _some(others)
    if hubs:
        text += f"; {_some(hubs)} brings nothing more in, as hubs.links is {plan.linking.links_max}"
    return text


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - _NAMED_MAX
    return ", ".join(texts[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def _values(key: Key, group: Group) -> tuple[Any, ...]:
    return key_values(group.tenant if isinstance(group, LinkedGroup) else key)


def _missing_types(group: Group, plan: CorrelationPlan) -> tuple[str, ...]:
    return tuple(
        name for place, name in enumerate(plan.require_types) if not group.seen >> place & 1
    )


def _missing(count: int, types: Collection[str], plan: CorrelationPlan) -> int:
    """How many events a group lacks at the least."""
    return max(plan.min_events - count, len(types))


def _type_of(event: EventRef) -> Any:
    body = event.value if event.value is not None else event.projection
    found = _decode(body or b"null")
    return found.get("eventType") if isinstance(found, dict) else None


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"
