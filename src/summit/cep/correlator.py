"""The correlator: batches of records in, correlations out. Pure: no clock, no I/O, no chance.

Events are taken in arrival order, as the matcher takes them: at once, in log order; one that is
older than what its partition has reached is taken at that time. A group is closed when F, the
frontier of its rule's topics, reaches its end, before the events of that time. The batch
boundaries change nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.base.limits import CAPTURED_BYTES_MAX, EVENT_AHEAD_MS_MAX
from summit.cep.correlation_lane import CorrelationCounters, CorrelationLane
from summit.cep.correlation_rules import Around, SeenRule
from summit.cep.groups import Correlation
from summit.documents.correlation import CorrelationPlan
from summit.events.event import decode_value, event_time, make_event
from summit.events.fields import compile_path
from summit.events.times import TIME_MS_MAX, TIME_MS_MIN
from summit.keyed.captured import EventRef
from summit.keyed.chunks import Chunk, source_of
from summit.keyed.frontier import Frontier, Place
from summit.keyed.outputs import Rejected, StateKey

_COUNTERS: Final = ("events", "unseen", "rejected", "clamped", "ahead", "untyped", "dropped")
_NEVER: Final = float("inf")
_find_type = compile_path("eventType")
_encode = msgspec.json.Encoder().encode


class Correlated(msgspec.Struct, frozen=True, gc=False):
    """What one `apply` gave.

    Attributes:
        correlations: In the order in which they were certain.
        rejected: Events that could not be processed.
        dirty: Keys whose open groups changed, so that `dump` may give something new (or None).
        next_timer_ms: The frontier at which a group is over even without events; None = never.
    """

    correlations: list[Correlation]
    rejected: list[Rejected]
    dirty: set[StateKey]
    next_timer_ms: int | None


class Correlator:
    """Runs correlation rules over batches.

    Args:
        plans: The rules.
        event_bytes_max: What a group keeps of an event: its value, or of a longer one only its
            id, type and time; the rest stands in the log at its place.
    """

    def __init__(
        self, plans: Iterable[CorrelationPlan], *, event_bytes_max: int = CAPTURED_BYTES_MAX
    ) -> None:
        self._frontier = Frontier()
        self._event_bytes_max = event_bytes_max
        self._counters = dict.fromkeys(_COUNTERS, 0)
        self._of_gone_rules = Counter(asdict(CorrelationCounters()))
        self._rules: list[SeenRule] = []
        self._here: list[SeenRule] = []  # those that see the chunk's topic
        self._told: list[Correlation] = []
        self._rejected: list[Rejected] = []
        self.replace_rules(plans)

    def replace_rules(self, plans: Iterable[CorrelationPlan]) -> set[StateKey]:
        """Go on with other rules; the open groups of rules that mean the same stay.

        Returns: The keys whose groups were dropped, untold; they are counted.
        """
        before = {rule.lane.plan.state_id: rule.lane for rule in self._rules}
        self._rules = []
        for plan in plans:
            lane = before.pop(plan.state_id, None)
            if lane is None:
                lane = CorrelationLane(plan)
            lane.plan = plan
            self._rules.append(SeenRule(lane, self._frontier))
        gone: set[StateKey] = set()
        for state_id, lane in before.items():
            gone |= {StateKey(state_id, key) for key in lane.all_keys()}
            self._counters["dropped"] += lane.groups
            self._of_gone_rules.update(asdict(lane.counters))
        return gone

    # ---- batches ----

    def apply(self, batch: Iterable[Chunk], frontier_ms: int | None = None) -> Correlated:
        """Take a batch.

        Args:
            batch: Records in the order in which they were read.
            frontier_ms: Behind the batch, time has reached this in every partition known so far.
        Raises: Nothing for bad events.
        """
        self._told, self._rejected = [], []
        for chunk in batch:
            self._take_chunk(chunk)
        if frontier_ms is not None:
            self._frontier.raise_to(frontier_ms)
        for rule in self._rules:
            rule.lane.fire(rule.view.now, self._told)
        dirty = {StateKey(r.lane.plan.state_id, key) for r in self._rules for key in r.lane.dirty}
        for rule in self._rules:
            rule.lane.dirty.clear()
        timer = min((rule.lane.next_timer_ms for rule in self._rules), default=_NEVER)
        return Correlated(
            self._told, self._rejected, dirty, None if timer == _NEVER else int(timer)
        )

    def _take_chunk(self, chunk: Chunk) -> None:
        place = (chunk.topic, chunk.partition)
        self._here = [rule for rule in self._rules if rule.sees(chunk.topic)]
        if not self._here:
            self._counters["unseen"] += len(chunk.values)
            return
        self._counters["events"] += len(chunk.values)
        self._frontier.open(place, 0)
        if len(chunk.values):
            self._frontier.wake(place)
        for rule in self._here:
            rule.others_ms = rule.view.others(place)
        timer = self._timer_ms()
        for n, value in enumerate(chunk.values):
            try:
                parsed = _parse(value)
                own_ms = self._time(parsed, chunk.timestamps_ms[n])
            except Invalid as error:
                self._reject(chunk, n, error.code, str(error))
                continue
            reached = self._frontier.reached(place)
            if own_ms > reached:
                self._frontier.reach(place, own_ms)
                if own_ms >= timer:
                    self._fire(own_ms)
                    timer = self._timer_ms()
            if self._take(chunk, n, parsed, own_ms, max(own_ms, reached)):
                timer = self._timer_ms()

    def _take(self, chunk: Chunk, n: int, parsed: Any, own_ms: int, taken_ms: int) -> bool:
        """Put an event to the rules that want it; says whether one took it."""
        kind = _find_type(parsed)
        event_type = kind if type(kind) is str else ""
        if not event_type:
            self._counters["untyped"] += 1
        wanting = [rule for rule in self._here if rule.wants(event_type)]
        if not wanting:
            return False
        if own_ms < taken_ms:
            self._counters["clamped"] += 1
        around = Around(chunk, n, parsed)
        ref: EventRef | None = None
        for rule in wanting:
            key = rule.key(event_type, parsed, around)
            if key is None:
                rule.lane.counters.without_key += 1
                continue
            if ref is None:
                ref = self._ref(chunk, n, around, own_ms, taken_ms)
            rule.lane.take(key, ref, event_type, self._told)
        return ref is not None

    def _fire(self, own_ms: int) -> None:
        for rule in self._here:
            rule.lane.fire(min(rule.others_ms, own_ms), self._told)

    def _timer_ms(self) -> float:
        """The time of this chunk's partition before which no group is over."""
        first = _NEVER
        for rule in self._here:
            soon = rule.lane.soon_ms
            if soon < first and rule.others_ms >= soon:
                first = soon
        return first

    def _time(self, parsed: Any, stamp_ms: int) -> int:
        own_ms = event_time(parsed.get("timestamp"), stamp_ms)
        if not TIME_MS_MIN <= own_ms <= TIME_MS_MAX:
            raise Invalid("event.bad_time", value=str(own_ms))
        if own_ms > stamp_ms + EVENT_AHEAD_MS_MAX and stamp_ms > 0:
            self._counters["ahead"] += 1
            return stamp_ms
        return own_ms

    def _ref(self, chunk: Chunk, n: int, around: Around, own_ms: int, taken_ms: int) -> EventRef:
        value = chunk.values[n]
        assert value is not None
        headers = None if chunk.headers is None else chunk.headers[n]
        is_whole = len(value) <= self._event_bytes_max
        projection = None
        if not is_whole:
            event = around.event()
            shown = {"eventId": event.event_id, "eventType": event.event_type}
            projection = _encode({**shown, "timestamp": own_ms})
        return EventRef(
            chunk.topic, chunk.partition, chunk.offsets[n], source_of(headers) if headers else None,
            own_ms, taken_ms, bytes(value) if is_whole else None, projection,
        )  # fmt: skip

    def _reject(self, chunk: Chunk, n: int, code: str, message: str) -> None:
        self._counters["rejected"] += 1
        self._rejected.append(
            Rejected(chunk.topic, chunk.partition, chunk.offsets[n], code, message)
        )

    # ---- state ----

    def dump(self, key: StateKey) -> bytes | None:
        """A key's open groups as bytes of version `GROUP_STATE_VERSION`; None = it has none."""
        lane = self._lane(key.rule)
        return None if lane is None else lane.dump(key.key)

    def load(self, key: StateKey, data: bytes, version: int) -> bool:
        """Set a key's open groups.

        Returns: False when no active rule has this state id; then nothing happens.
        Raises: Corrupt("correlation.state").
        """
        lane = self._lane(key.rule)
        if lane is None:
            return False
        lane.load(key.key, data, version)
        return True

    def forget(self, key: StateKey) -> None:
        """Drop a key's open groups, untold and counted; unknown rules and keys are ignored."""
        lane = self._lane(key.rule)
        if lane is not None:
            self._counters["dropped"] += lane.forget(key.key)

    def state_keys(self) -> list[StateKey]:
        """Every key with open groups."""
        lanes = [rule.lane for rule in self._rules]
        return [StateKey(lane.plan.state_id, key) for lane in lanes for key in lane.all_keys()]

    def open_groups(self, keys: Iterable[StateKey]) -> list[Correlation]:
        """The open groups of some keys that have enough events, by their start, rule and key."""
        lanes = {rule.lane.plan.state_id: rule.lane for rule in self._rules}
        found = [group for name in keys if name.rule in lanes
                 for group in lanes[name.rule].open_groups(name.key)]  # fmt: skip
        return sorted(found, key=lambda group: (group.start_ms, group.rule_id, repr(group.key)))

    def watermarks(self) -> dict[Place, int]:
        """Largest event time per topic partition; to be saved beside the positions."""
        return self._frontier.all()

    def set_watermarks(self, reached: dict[Place, int]) -> None:
        """Go on from saved watermarks."""
        for place, time_ms in reached.items():
            self._frontier.open(place, 0)
            self._frontier.reach(place, time_ms)

    def open_input(self, topic: str, partition: int) -> None:
        """The partition is read: it holds the frontier back until its first event."""
        self._frontier.open((topic, partition), 0)

    def forget_input(self, topic: str, partition: int) -> None:
        """The partition is no longer read: it holds the frontier back no more."""
        self._frontier.close((topic, partition))

    def rest(self, topic: str, partition: int, clock_ms: int, *, idle: bool) -> None:
        """The partition is read to its end and silent; see `Frontier.rest`."""
        self._frontier.rest((topic, partition), clock_ms, idle=idle)

    def stats(self) -> dict[str, int]:
        """Counters since the correlator was made; those of rules, also of gone ones, are sums.

        `dropped` are open groups that were forgotten or went with their rule, untold.
        """
        totals = Counter(self._counters)
        totals.update(self._of_gone_rules)
        for counts in self.rule_stats().values():
            totals.update(counts)
        return dict(totals)

    def rule_stats(self) -> dict[str, dict[str, int]]:
        """`CorrelationCounters` by rule id, with `keys`, `groups` and `events_kept` of now."""
        return {rule.lane.plan.id: rule.lane.counts() for rule in self._rules}

    def _lane(self, state_id: str) -> CorrelationLane | None:
        return next((r.lane for r in self._rules if r.lane.plan.state_id == state_id), None)


def _parse(value: bytes | None) -> dict[str, Any]:
    if not value:
        raise Invalid("event.empty")
    parsed = decode_value(value)
    return parsed if type(parsed) is dict else make_event(parsed).value  # which raises
