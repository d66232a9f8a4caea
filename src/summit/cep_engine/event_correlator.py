"""`EventCorrelator`: the guide's engine for correlation rules, in one process and in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Payload
from summit.cep.correlation_lane import CorrelationLane
from summit.cep.correlation_rules import prepare_correlation
from summit.cep.groups import Correlation
from summit.documents.correlation import CorrelationPlan, validate_correlation
from summit.documents.correlation_rule import CorrelationRule
from summit.events.event import event_bytes
from summit.flow.trying import TriedCounted, try_counted
from summit.keyed.chunks import Chunk
from summit.keyed.outputs import StateKey
from summit.keyed.processor import Processor
from summit.keyed.ruleset import RuleSet, make_rule_set

_OWN_TOPIC: Final = "events"
_EVENT_BYTES_MAX: Final = 1 << 40  # no log keeps these events, so groups keep them whole
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class EventCorrelator(Emitter):
    """Groups events by their keys over time; one loop's. Nothing outlives the process.

    Groups stay open from call to call. Time is that of the events: their own `timestamp`, or now;
    an event older than one before it counts as if it had come with that. So a group whose time is
    over is closed by the next event of any key. The `topics` of rules do not matter here.

    Events told: `events:correlated` {rule, events, key, count, close_reason} when a group has its
    `min_events` (`close_reason` is None; as it stands at the end of the call, if it is open then),
    and again, complete, when it is closed: `window` (its time is over), `gap` (its session is),
    `max` (it has `max_events`), `evicted` (the rule's limits). A group that is closed by the event
    that gives it enough is told once.
    A rule with `linked_by` also tells `entities` {type, value, count, first_ms, last_ms, is_hub},
    what the events share, and `links` {type, value, source, target}, by what the event `target` is
    linked to the event `source`: numbers in `events`, None for one that is not kept. A group that
    an event links to an older one is told as `merged`, the older one again.
    `event:rejected` {code, message, event} for what is no event; `error`.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        self._rules: dict[str, tuple[CorrelationRule, CorrelationPlan]] = {}
        self._processor = Processor(_rule_set(()))
        self._next_offset = 0

    def register_correlation_rule(self, rule: CorrelationRule | Mapping[str, Any]) -> None:
        """Let a rule act from now on; the same id = a new version.

        Groups that are open under a version that means the same stay open; others are dropped
        and counted.

        Raises: Invalid with `problems`, each with a pointer into the document.
        """
        made = rule if isinstance(rule, CorrelationRule) else CorrelationRule.from_dict(rule)
        document = validate_correlation(made.to_dict())
        named = made if made.name is not None else made.replace(name=document.plan.name)
        plan = dataclasses.replace(document.plan, topics=(_OWN_TOPIC,))
        self._rules[document.id] = (named, plan)
        active = [each for given, each in self._rules.values() if given.enabled is not False]
        self._processor.replace_rules(_rule_set(active))

    def test_correlation_rule(
        self, rule: CorrelationRule | Mapping[str, Any], events: Iterable[Any]
    ) -> TriedCounted:
        """Try a rule on events; neither the rule nor the events stay.

        Returns: The closed groups, and of the others what they lack and when they close.
        Raises: Invalid as `register_correlation_rule`.
        """
        made = rule if isinstance(rule, CorrelationRule) else CorrelationRule.from_dict(rule)
        plan = validate_correlation(made.to_dict()).plan
        return try_counted(plan, [event_bytes(event) for event in events])

    async def correlate_events(self, events: Iterable[Any]) -> dict[str, list[dict[str, Any]]]:
        """Take events, in order.

        A bad event raises nothing: it is told by `event:rejected`. An event without the key is
        skipped and counted. Listeners have run when this returns, async ones have been started.

        Args:
            events: Mappings with the names of the wire, `Event`s, JSON texts or bytes, or records
                whose value is JSON.
        Returns: The groups that got an event or were closed, and have `min_events`: their events
            by `ruleId:key`. The key of a linked group is what its first event names first, such
            as `user=alice`. A key of one text stands as it is, any other as a JSON list. Where a
            key has several such groups, the further ones are `ruleId:key#2`, `ruleId:key#3`, …
        """
        given = list(events)
        if not given:
            return {}
        now_ms = self._clock.now_ms()
        values = [event_bytes(event) for event in given]
        first, self._next_offset = self._next_offset, self._next_offset + len(given)
        offsets = range(first, self._next_offset)
        chunk = Chunk(_OWN_TOPIC, 0, offsets, [now_ms] * len(given), values)
        done = self._processor.apply([chunk])
        for reject in done.outputs.rejected:
            event = given[reject.offset - first]
            payload = Payload(code=reject.code, message=reject.message, event=event)
            self.emit("event:rejected", payload)
        still_open = self._open_groups(done.dirty)
        grown = {_identity(found): found for found in still_open}
        for found in done.outputs.found:
            self._tell(grown.get(_identity(found), found))
        closed = [
            found for found in done.outputs.found if found.close_reason not in (None, "merged")
        ]
        groups: dict[str, list[dict[str, Any]]] = {}
        for found in (*closed, *still_open):
            groups[_free_name(found, groups)] = _events(found)
        return groups

    @property
    def stats(self) -> dict[str, int]:
        """Counters of the engine and, summed up, of its rules.

        `without_key` are events that were skipped; `groups` are open now; `evicted` and `dropped`
        are groups that were closed before their time, or went with their rule.
        """
        return self._processor.stats()

    def _open_groups(self, keys: Collection[StateKey]) -> list[Correlation]:
        """The open groups of some keys that have enough events, by their start, rule and key."""
        found: list[Correlation] = []
        for lane in self._processor.lanes:
            assert isinstance(lane, CorrelationLane)
            for name in keys:
                if name.rule == lane.rule.state_id:
                    found += lane.open_groups(name.key)
        return sorted(found, key=lambda group: (group.start_ms, group.rule_id, repr(group.key)))

    def _tell(self, found: Correlation) -> None:
        if not self.has_listeners("events:correlated"):
            return
        rule, _ = self._rules[found.rule_id]
        self.emit(
            "events:correlated",
            Payload(
                rule=rule, events=_events(found), key=_key_text(found), count=found.count,
                close_reason=found.close_reason, **_linking(found),
            ),
        )  # fmt: skip


def _rule_set(plans: Iterable[CorrelationPlan]) -> RuleSet:
    rules = [prepare_correlation(plan) for plan in plans]
    return make_rule_set(rules, captured_bytes_max=_EVENT_BYTES_MAX)


def _identity(found: Correlation) -> tuple[str, int]:
    """What tells groups apart; two may have the same key and start."""
    return found.rule_id, found.events[0].offset


def _events(found: Correlation) -> list[dict[str, Any]]:
    return [_decode(event.value) for event in found.events if event.value is not None]


def _linking(found: Correlation) -> dict[str, Any]:
    """What is told of a linked group besides."""
    if not found.entities:
        return {}
    number = {(one.topic, one.partition, one.offset): n for n, one in enumerate(found.events)}
    return {
        "entities": [
            Payload(type=kind, value=value, count=count, first_ms=first, last_ms=last, is_hub=hub)
            for kind, value, count, first, last, hub in found.entities
        ],
        "links": [
            Payload(
                type=kind, value=value, source=number.get(source), target=number.get(target)
            )
            for kind, value, source, target in found.links
        ],
    }  # fmt: skip


def _key_text(found: Correlation) -> str:
    key = found.key
    if found.entities:
        first = found.entities[0]
        value = first.value if isinstance(first.value, str) else _encode(first.value).decode()
        return "/".join([*map(str, key), f"{first.kind}={value}"])
    if len(key) == 1 and isinstance(key[0], str):
        return key[0]
    return _encode(key).decode()


def _free_name(found: Correlation, taken: Mapping[str, Any]) -> str:
    name = f"{found.rule_id}:{_key_text(found)}"
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}#{number}"
    return free
