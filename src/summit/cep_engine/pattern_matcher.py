"""`PatternMatcher`: patterns over a finished list of events, in one process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Payload
from summit.documents.event_pattern import EventPattern
from summit.documents.pattern import validate_pattern
from summit.documents.plan import PatternPlan
from summit.events.event import event_bytes
from summit.events.times import TIME_MS_MAX
from summit.flow.engine import Engine
from summit.keyed.chunks import Chunk

_OWN_TOPIC: Final = "events"
_decode = msgspec.json.Decoder().decode


class PatternMatcher(Emitter):
    """Matches patterns over finished lists, by the rules of `CEPEngine`; one loop's.

    Every call is for itself: nothing that one list has begun goes on in the next. Behind the last
    event time goes on without end, so that what is awaited in vain comes true. The `topics` of
    patterns do not matter here.

    Events told: `pattern:registered` {pattern}; `event:rejected` {code, message, event}; `error`.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        self._plans: dict[str, PatternPlan] = {}

    def register_pattern(self, pattern: EventPattern | Mapping[str, Any]) -> list[str]:
        """Let a pattern act from the next call on; the same id = a new version.

        Returns: Warnings, such as that all entities are matched together.
        Raises: Invalid with `problems`, each with a pointer into the document.
        """
        made = pattern if isinstance(pattern, EventPattern) else EventPattern.from_dict(pattern)
        document = validate_pattern(made.to_dict())
        plans = {**self._plans, document.id: dataclasses.replace(document.plan, topics=())}
        Engine().set_rules(plans.values())
        self._plans = plans
        self.emit("pattern:registered", Payload(pattern=made))
        return list(document.warnings)

    async def match_events(self, events: Iterable[Any]) -> dict[str, list[dict[str, Any]]]:
        """The events that patterns match in a list.

        A bad event raises nothing: it is told by `event:rejected`.

        Args:
            events: Mappings with the names of the wire, `Event`s, JSON texts or bytes, or records
                whose value is JSON. Without a `timestamp` their time is now.
        Returns: By pattern id, for each pattern that matches: the events of all its matches, each
            once, in the order of the list.
        """
        given = list(events)
        values = [event_bytes(event) for event in given]
        engine = Engine()
        engine.set_rules(self._plans.values())
        stamps = [self._clock.now_ms()] * len(values)
        applied = engine.apply([Chunk(_OWN_TOPIC, 0, range(len(values)), stamps, values)])
        for reject in applied.rejected:
            event = given[reject.offset]
            payload = Payload(code=reject.code, message=reject.message, event=event)
            self.emit("event:rejected", payload)
        matched: dict[str, set[int]] = {}
        for made in (*applied.made, *engine.apply([], TIME_MS_MAX).made):
            match = made.match
            if match is None or match.timed_out:
                continue
            places = matched.setdefault(match.pattern_id, set())
            places.update(event.offset for _, event in match.captures)
        return {
            name: [_decode(values[place]) for place in sorted(places)]
            for name, places in matched.items()
        }
