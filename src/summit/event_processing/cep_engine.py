"""`CEPEngine`: the guide's engine for patterns, in one process and in memory."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Payload
from summit.base.errors import Invalid, SummitError
from summit.documents import PatternDocument, validate_pattern
from summit.documents.event_pattern import EventPattern, TemporalRelation
from summit.documents.plan import PatternPlan, TemporalPlan
from summit.documents.relating import with_relations
from summit.documents.temporal import validate_relation
from summit.event_processing.actions import Actions, Producer
from summit.event_processing.active import active_sequences
from summit.event_processing.given import result_event
from summit.event_processing.sequence import EventSequence, make_sequence
from summit.event_processing.snapshot import Buffered, Remembered, dump_engine, load_engine
from summit.events.event import Event, Transport, decode_value, event_bytes
from summit.flow.engine import Applied, Engine
from summit.flow.reading import with_starts
from summit.flow.suppressing import Suppressed
from summit.flow.trying import Tried, try_pattern
from summit.keyed.chunks import Chunk

Pattern = EventPattern | Mapping[str, Any]
# A mapping with the names of the wire, an `Event`, JSON text, or a record whose value is JSON.
Given = Any

_OWN_TOPIC = "events"
_CUT = {
    "runs_dropped": "runs", "keys_dropped": "keys", "captures_dropped": "captures",
    "released_early": "order",
}  # fmt: skip


class CEPEngine(Emitter):
    """Matches patterns over the events it is given; one loop's. Nothing outlives the process.

    Events arrive in the order of the calls; their times are their own `timestamp`, or now. The
    `topics` of patterns do not matter here: every pattern sees every event. For patterns that
    read topics, survive restarts and share work, publish them to a running Summit.

    Events told, in this order: `pattern:registered` {pattern}; per match `pattern:matched`
    {pattern, sequence}, or `pattern:timeout` of the same form for a partial match that ran out of
    time (patterns with `onTimeout`), then that of its action: `alert:generated` with the `Alert`,
    or `alert:suppressed` {pattern, by} where by the rule's `suppress` an earlier alert stands for
    it; `action:forward` {pattern, sequence, topic, record_keys, events}, `events:aggregated`
    {pattern, sequence, key, timestamp, window, groups}, `action:trigger` {pattern, sequence, url,
    target};
    `state:evicted` {pattern, what, count} for what limits have cut; `event:processed` {event,
    matched}; `event:rejected` {code, message, event} for what cannot be processed; `error`.

    Webhooks are called in the background: `flush` waits for them, and `close` ends them; the engine
    is also an `async with` context.

    Args:
        producer: A `StreamProducer` that publishes forwarded events and aggregates to their
            topics; without one they are told only.
        secrets: Secrets by name, for `secret: "${NAME}"` of triggers; without it the
            environment's.
        allow_internal_addresses: Whether webhooks may be called on this machine and in private
            networks.
        event_buffer: How many events `get_event_buffer` gives at most.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        producer: Producer | None = None,
        secrets: Mapping[str, str] | None = None,
        allow_internal_addresses: bool = False,
        event_buffer: int = 10_000,
    ) -> None:
        super().__init__()
        self._buffer: deque[Buffered] = deque(maxlen=event_buffer)
        self._clock = clock or SystemClock()
        self._actions = Actions(
            self.emit, self._clock, producer=producer, secrets=secrets,
            allow_internal=allow_internal_addresses,
        )  # fmt: skip
        self._evicted: dict[tuple[str, str], int] = {}
        self._offsets: dict[str, int] = {}
        self._relations: list[TemporalPlan] = []
        self._engine = Engine()
        self._patterns: dict[str, tuple[EventPattern, PatternDocument]] = {}
        self._next_offset = 0

    # ---- patterns ----

    def register_pattern(self, pattern: Pattern) -> list[str]:
        """Let a pattern act from now on; the same id = a new version.

        What has begun under a version that means the same goes on.

        Args:
            pattern: An `EventPattern`, or a mapping with its names (camelCase or snake_case).
        Returns: Warnings, such as that all entities are matched together.
        Raises: Invalid with `problems`, each with a pointer into the document.
        """
        event_pattern, document = _checked(pattern)
        patterns = {**self._patterns, document.id: (event_pattern, document)}
        self._engine.set_rules(_plans(patterns, self._relations))
        self._patterns = patterns
        self.emit("pattern:registered", Payload(pattern=event_pattern))
        return list(document.warnings)

    def remove_pattern(self, pattern_id: str) -> bool:
        """Let a pattern act no more; False when there is none with this id."""
        if pattern_id not in self._patterns:
            return False
        patterns = {name: pair for name, pair in self._patterns.items() if name != pattern_id}
        self._engine.set_rules(_plans(patterns, self._relations))
        self._patterns = patterns
        return True

    def define_temporal_relation(self, relation: TemporalRelation | Mapping[str, Any]) -> None:
        """Let two events of one match lie to each other in time as the relation says.

        It is for every pattern, registered before or later, that has steps of these names, or for
        these event types. Those of one pattern only are its `temporalRelations`.

        Raises: Invalid with `problems`.
        """
        made = (
            relation
            if isinstance(relation, TemporalRelation)
            else TemporalRelation.from_dict(relation)
        )
        relations = [*self._relations, validate_relation(made.to_dict())]
        self._engine.set_rules(_plans(self._patterns, relations))
        self._relations = relations

    def list_patterns(self) -> list[EventPattern]:
        """The registered patterns, in the order of their registration."""
        return [pattern for pattern, _ in self._patterns.values()]

    def test_pattern(self, pattern: Pattern, events: Iterable[Given]) -> Tried:
        """Try a pattern on events; neither the pattern nor the events stay.

        Raises: Invalid as `register_pattern`.
        """
        _, document = _checked(pattern)
        return try_pattern(document.plan, [event_bytes(event) for event in events])

    # ---- events ----

    async def process_event(self, event: Given) -> list[Any]:
        """Process one event; returns the alerts it completed."""
        return await self.process_events([event])

    async def process_events(self, events: Iterable[Given]) -> list[Any]:
        """Process events in order; returns the alerts they completed.

        A bad event raises nothing: it is told by `event:rejected`. Listeners have run when this
        returns, async ones have been started.
        """
        given = list(events)
        if not given:
            return []
        now_ms = self._clock.now_ms()
        values = [event_bytes(event) for event in given]
        first, self._next_offset = self._next_offset, self._next_offset + len(given)
        offsets = range(first, self._next_offset)
        # One at a time, so that each event's matches are told before `event:processed` of it.
        alerts: list[Any] = []
        for event, value, offset in zip(given, values, offsets, strict=True):
            chunk = Chunk(_OWN_TOPIC, 0, [offset], [now_ms], [value])
            applied = self._engine.apply([chunk])
            for reject in applied.rejected:
                self.emit(
                    "event:rejected",
                    Payload(code=reject.code, message=reject.message, event=event),
                )
            self._buffer.append((offset, now_ms, value))
            alerts += await self._act(applied)
            matched = len(applied.made) + len(applied.suppressed)
            self.emit("event:processed", Payload(event=event, matched=matched))
        return alerts

    async def advance_time(self, time_ms: int) -> list[Any]:
        """Say how late it is; returns the alerts that come of it.

        Absences and time-outs come true without a further event. Events that come later and are
        older count as of this time.
        """
        return await self._act(self._engine.apply([], time_ms))

    # ---- what it remembers ----

    def get_active_sequences(self) -> list[EventSequence]:
        """The partial matches that are alive, with `waits_for` and `expires_at`.

        Window rules have none.
        """
        return active_sequences(self._engine)

    def get_event_buffer(self) -> list[Event]:
        """The events processed last, the oldest first; at most `event_buffer`."""
        found: list[Event] = []
        for offset, at_ms, value in self._buffer:
            transport = Transport(topic=_OWN_TOPIC, partition=0, offset=offset, timestamp=at_ms)
            with suppress(SummitError):  # what is no JSON was told as `event:rejected`
                found.append(result_event(decode_value(value), transport))
        return found

    def clear_buffer(self) -> None:
        """Forget the events of the buffer. What patterns have begun goes on."""
        self._buffer.clear()

    def snapshot(self) -> bytes:
        """Everything that the engine remembers but its patterns, for `restore`."""
        beside = Remembered(self._next_offset, self._offsets, list(self._buffer))
        return dump_engine(self._engine, beside)

    def restore(self, data: bytes) -> int:
        """Go on from a snapshot, instead of from what was seen here.

        The patterns are those registered here, whether before or after those of the snapshot were;
        what the snapshot has begun for others, or for other meanings of them, is dropped.

        Returns: How many keys were dropped.
        Raises: Corrupt("pattern.state") for what is no snapshot; then the engine is as before.
        """
        engine = Engine()
        engine.set_rules(_plans(self._patterns, self._relations))
        beside, dropped = load_engine(engine, data)
        self._engine, self._evicted = engine, {}
        self._next_offset, self._offsets = beside.next_offset, beside.offsets
        self._buffer.clear()
        self._buffer.extend(beside.buffer)
        return dropped

    async def flush(self) -> None:
        """Wait until the webhooks' calls under way are answered or given up."""
        await self._actions.flush()

    async def close(self) -> None:
        """End the calls under way and close connections. Idempotent."""
        await self._actions.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def stats(self) -> dict[str, int]:
        """Counters of the engine; `live_runs` are the partial matches alive now."""
        return {**self._engine.processor.stats(), **self._actions.counters}

    async def _act(self, applied: Applied) -> list[Any]:
        """Do what the matches lead to; also those of patterns that they start."""
        alerts: list[Any] = []
        waiting = deque(applied.made)
        suppressed = list(applied.suppressed)
        while waiting:
            made = waiting.popleft()
            assert made.match is not None  # there are no queries here
            pattern, _ = self._patterns[made.match.pattern_id]
            raised, started = await self._actions.act(pattern, made)
            alerts += raised
            for start in started:
                offset = self._offsets.get(start.topic, 0)
                self._offsets[start.topic] = offset + 1
                chunk = Chunk(start.topic, 0, [offset], [start.timestamp_ms], [start.value],
                              [start.headers])  # fmt: skip
                begun = self._engine.apply([chunk])
                waiting += begun.made
                suppressed += begun.suppressed
        self._tell_suppressed(suppressed)
        if self.has_listeners("state:evicted"):
            self._tell_evictions()
        return alerts

    def _tell_suppressed(self, suppressed: Sequence[Suppressed]) -> None:
        for match, alert_id, _ in suppressed:
            assert match is not None
            pattern, _ = self._patterns[match.pattern_id]
            sequence = make_sequence(match, alert_id)
            self.emit("pattern:matched", Payload(pattern=pattern, sequence=sequence))
            self.emit("alert:suppressed", Payload(pattern=match.pattern_id, by=alert_id))

    def _tell_evictions(self) -> None:
        for rule, counters in self._engine.processor.rule_stats().items():
            for name, what in _CUT.items():
                count = counters.get(name, 0)
                new = count - self._evicted.get((rule, name), 0)
                if new:
                    self._evicted[rule, name] = count
                if new > 0 and rule in self._patterns:
                    pattern, _ = self._patterns[rule]
                    self.emit("state:evicted", Payload(pattern=pattern, what=what, count=new))


def _checked(pattern: Pattern) -> tuple[EventPattern, PatternDocument]:
    made = pattern if isinstance(pattern, EventPattern) else EventPattern.from_dict(pattern)
    document = validate_pattern(made.to_dict(), custom=True)
    if document.plan.action.type == "custom" and (
        made.action is None or made.action.handler is None
    ):
        reason = "a custom action needs a handler: EventAction(type='custom', handler=…)"
        raise Invalid("config.invalid", reason=reason, pointer="/action/handler")
    return made, document


def _plans(
    patterns: Mapping[str, tuple[EventPattern, PatternDocument]],
    relations: Sequence[TemporalPlan],
) -> list[PatternPlan]:
    return with_starts(
        [
            with_relations(dataclasses.replace(document.plan, topics=(_OWN_TOPIC,)), relations)
            for _, document in patterns.values()
        ]
    )
