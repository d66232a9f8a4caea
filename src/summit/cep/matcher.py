"""The matcher: batches of records in, matches out. Pure: no clock, no I/O, no chance.

Two orders. In `arrival` order an event is taken at once, in log order; one that is older than what
its partition has reached (its watermark W_p) is taken at W_p. In `eventTime` order an event waits
until the frontier F = min W_p has passed it; events then come in the order (time, topic,
partition, offset), and one that is older than its partition's W_p is late.

Timers due at t fire before the events of t. The batch boundaries change nothing but the moment at
which state that is over is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

import msgspec

from summit.base.errors import Invalid, SummitError
from summit.base.limits import CAPTURED_BYTES_MAX
from summit.cep.chunks import Chunk, header_texts, source_of
from summit.cep.frontier import BEFORE_ALL_MS, Frontier
from summit.cep.keygroups import KEY_GROUPS, key_group
from summit.cep.keys import Key, key_values
from summit.cep.lane import Lane
from summit.cep.match import (
    Applied,
    EventRef,
    Late,
    Match,
    Outputs,
    Rejected,
    Remote,
    StateKey,
)
from summit.cep.probes import Probe
from summit.cep.ruleset import RuleSet
from summit.cep.runs import Captured, Origin, Run
from summit.cep.state import Origins
from summit.events.event import Transport, event_time, parse_event
from summit.events.times import TIME_MS_MAX, TIME_MS_MIN

Order = Literal["arrival", "eventTime"]
_COUNTERS: Final = ("events", "unseen", "rejected", "clamped", "ahead", "late")
_NEVER: Final = float("inf")
_NO_ORIGIN: Final = Origin("", -1)
_RELEASE_ORDER: Final = itemgetter(0, 1, 2, 3)
_EMPTY: Final = Chunk("", -1, (), (), ())


class _Waiting(msgspec.Struct, gc=False):
    """An event that waits for the frontier, for one rule."""

    lane: Lane
    key: Key
    mask: int
    event: Any
    value: bytes
    headers: Any
    own_ms: int
    origin: Origin


class _RemoteChunk(NamedTuple):
    """What is known of a chunk that another worker has sent."""

    group: int
    taken_ms: Sequence[int]


class Matcher:
    """Runs a rule set over batches.

    Args:
        rules: What `compile_rules` gave.
        order: See the module.
        delay_ms: How far W_p stays behind the largest time of its partition; 0 in arrival order.
    """

    def __init__(self, rules: RuleSet, *, order: Order = "arrival", delay_ms: int = 0) -> None:
        if order == "arrival" and delay_ms:
            raise Invalid("pattern.steps", step="", reason="arrival order has no delay")
        self._ordered = order == "eventTime"
        self._delay_ms = delay_ms
        self._frontier = Frontier(delay_ms)
        self._origins = Origins()
        self._waiting: list[tuple[int, tuple[str, int], int, int, _Waiting]] = []
        self._counters = dict.fromkeys(_COUNTERS, 0)
        self._outputs = Outputs([], [], [], [])
        self._chunk = _EMPTY
        self._origin = _NO_ORIGIN
        self._others_ms = _NEVER
        self._held: frozenset[int] | None = None
        self._remote: _RemoteChunk | None = None
        self._catching_up = False
        self._lanes: list[Lane] = []
        self._rules = rules
        self._set_rules(rules)

    # ---- rules ----

    @property
    def rules(self) -> RuleSet:
        """The active rules."""
        return self._rules

    def replace_rules(self, rules: RuleSet) -> list[str]:
        """Go on with other rules; the state of rules that mean the same stays.

        Returns: The state ids whose state was dropped.
        """
        before = {lane.rule.state_id: lane for lane in self._lanes}
        self._set_rules(rules)
        return sorted(before.keys() - {lane.rule.state_id for lane in self._lanes})

    def _set_rules(self, rules: RuleSet) -> None:
        kept = {lane.rule.state_id: lane for lane in self._lanes}
        self._rules = rules
        self._lanes = []
        for rule in rules.rules:
            lane = kept.get(rule.state_id)
            if lane is None:
                lane = Lane(rule, rules.program(rule), self._origins)
            else:
                lane.replace(rule, rules.program(rule))
            self._lanes.append(lane)
        self._exact = [lane for lane in self._lanes if lane.exact is not None]
        alive = {id(lane) for lane in self._lanes}
        self._waiting = [entry for entry in self._waiting if id(entry[-1].lane) in alive]
        for entry in self._waiting:
            entry[-1].event = rules.decode(entry[-1].value)

    # ---- key groups ----

    def hold(self, groups: Iterable[int]) -> None:
        """Keep the keys of these key groups only; the state of others is dropped.

        Events that keys of other groups need come out as `Outputs.remote`. Until the first call
        every key is kept. Only in arrival order.
        """
        if self._ordered:
            raise Invalid("pattern.steps", step="", reason="event-time order is not sharded")
        held = frozenset(groups)
        before = frozenset(range(KEY_GROUPS)) if self._held is None else self._held
        self._held = None if len(held) == KEY_GROUPS else held
        if before - held:
            for lane in self._lanes:
                for key in lane.all_keys():
                    if key_group(key) not in held:
                        lane.forget(key)
                lane.dirty = {key for key in lane.dirty if key_group(key) in held}

    def catch_up(self, *, begins: bool) -> None:
        """While keys catch up with events that others have sent, nothing is due.

        The frontier is that of the inputs, and those keys are behind it. Only `apply_remote` may
        be called meanwhile.
        """
        self._catching_up = begins

    def apply_remote(self, group: int, chunk: Chunk, taken_ms: Sequence[int]) -> Applied:
        """Take what another worker's `Outputs.remote` held for one of this one's key groups.

        Args:
            chunk: The events, at their own places.
            taken_ms: The time at which each is taken.
        Returns: As `apply`; nothing is rejected, which is the other worker's to tell. How far
            time has come in that partition is told by `set_watermarks`.
        """
        outputs = self._outputs = Outputs([], [], [], [])
        index = self._rules.index(chunk.topic)
        if index is not None:
            self._counters["events"] += len(chunk.values)
            self._remote = _RemoteChunk(group, taken_ms)
            self._chunk = chunk
            place = (chunk.topic, chunk.partition)
            self._origin = self._origins.of(*place)
            self._frontier.open(place)
            self._others_ms = self._frontier.others(place)
            self._rules.scan(chunk.values, chunk.timestamps_ms, index, BEFORE_ALL_MS, _NEVER, self)
            self._chunk = _EMPTY
            self._remote = None
        return self._finish(outputs)

    # ---- batches ----

    def apply(self, batch: Iterable[Chunk], frontier_ms: int | None = None) -> Applied:
        """Take a batch.

        Args:
            batch: Records in the order in which they were read.
            frontier_ms: Behind the batch, time has reached this in every partition known so
                far, whatever its events say (an idle partition, the end of the input).
        Returns: Matches, rejected and late events; the keys whose state changed; the next timer.
        Raises: Nothing for bad events.
        """
        outputs = self._outputs = Outputs([], [], [], [])
        for chunk in batch:
            self._take_chunk(chunk)
        self._chunk = _EMPTY
        if frontier_ms is not None:
            self._frontier.raise_to(frontier_ms)
        return self._finish(outputs)

    def _finish(self, outputs: Outputs) -> Applied:
        now = self._frontier.now
        if self._ordered:
            self._release(now)
        if self._exact and not self._catching_up:
            self._fire(now)
        for lane in self._lanes:
            if not self._catching_up:
                lane.tidy(now)
            lane.bound()
        dirty = {StateKey(lane.rule.state_id, key) for lane in self._lanes for key in lane.dirty}
        for lane in self._lanes:
            lane.dirty.clear()
        return Applied(outputs, dirty, self._next_timer())

    def _take_chunk(self, chunk: Chunk) -> None:
        count = len(chunk.values)
        index = self._rules.index(chunk.topic)
        if index is None:
            self._counters["unseen"] += count
            return
        self._counters["events"] += count
        self._chunk = chunk
        place = (chunk.topic, chunk.partition)
        self._origin = self._origins.of(*place)
        self._frontier.open(place)
        self._others_ms = self._frontier.others(place)
        reached = self._rules.scan(
            chunk.values,
            chunk.timestamps_ms,
            index,
            self._frontier.reached(place),
            self._timer_ms(),
            self,
        )
        self._frontier.reach(place, reached)

    # ---- what the scan calls (`scan.Sink`) ----

    def concern(self, n: int, event: Any, own_ms: int, watermark_ms: int, probe: Probe) -> float:
        """Put an event to the rules that it may concern; gives the next exact timer."""
        if self._rules.needs_record:
            event.t = self._transport(n)
        time = own_ms if own_ms > watermark_ms or self._ordered else watermark_ms
        remote, held = self._remote, self._held
        if remote is not None:
            time = remote.taken_ms[n]
            watermark_ms = own_ms  # the other worker has counted what was out of order
        taken = False
        elsewhere: set[int] | None = None
        for rule, constant, mask_of, key_of in (
            probe.interests(event) if probe.tables else probe.always
        ):
            mask = constant if mask_of is None else mask_of(event)
            lane = self._lanes[rule]
            if mask < 0 or (mask == 0 and not lane.rule.sees_all):
                continue
            if not taken and not self._in_time(n, own_ms, watermark_ms):
                return self._timer_ms() if self._exact else _NEVER
            taken = True
            key = key_of(event)
            if key is None:
                if mask:
                    lane.counters.without_key += 1
                    self._reject(n, "event.no_key", _no_key(lane), lane.rule.plan.id)
            elif remote is not None and key_group(key) != remote.group:
                continue
            elif held is not None and remote is None and (group := key_group(key)) not in held:
                if elsewhere is None:
                    elsewhere = set()
                elsewhere.add(group)
            elif self._ordered:
                self._wait(n, event, own_ms, rule, key, mask)
            else:
                runs = lane.wants(key, mask, time)
                if runs is not None:
                    captured = self._capture(n, event, time, own_ms)
                    over = min(self._others_ms, time)
                    matches = lane.advance(key, runs, captured, mask, over)
                    if matches:
                        self._emit(lane, key, matches)
        if elsewhere is not None:
            self._send(n, time, elsewhere)
        if not taken and not probe.typed:
            self._reject(n, "event.no_type", "the event has no eventType")
        return self._timer_ms() if self._exact else _NEVER

    def undecodable(self, n: int) -> None:
        """Say what is wrong with a value that the layout cannot decode."""
        value = self._chunk.values[n]
        try:
            parse_event(value, timestamp_ms=self._chunk.timestamps_ms[n])
        except SummitError as error:
            self._reject(n, error.code, str(error))
        else:
            self._reject(n, "event.not_json", "the event cannot be decoded")

    def odd_time(self, n: int, own: object) -> int | None:
        """The time of an event that does not write it as an integer."""
        try:
            return event_time(own, self._chunk.timestamps_ms[n])
        except SummitError as error:
            self._reject(n, error.code, str(error))
            return None

    def ahead(self, n: int, own: int) -> int | None:
        """The record's time for an event far past it, where the record has one."""
        if own > TIME_MS_MAX:
            self._reject_time(n, own)
            return None
        stamp = self._chunk.timestamps_ms[n]
        if stamp <= 0:
            return own
        self._counters["ahead"] += 1
        return stamp

    def fire(self, watermark_ms: int) -> float:
        """Fire exact timers while a chunk is read."""
        self._frontier.reach((self._chunk.topic, self._chunk.partition), watermark_ms)
        self._fire(self._frontier.now)
        return self._timer_ms()

    # ---- state ----

    def dump(self, key: StateKey) -> bytes | None:
        """The state of a key as bytes of version `STATE_VERSION`; None = it has none."""
        lane = self._lane(key.rule)
        return None if lane is None else lane.dump(key.key)

    def load(self, key: StateKey, data: bytes, version: int) -> bool:
        """Set the state of a key.

        Returns: False when no active rule has this state id; then nothing happens.
        Raises: Corrupt("pattern.state").
        """
        lane = self._lane(key.rule)
        if lane is None:
            return False
        lane.load(key.key, data, version)
        return True

    def forget(self, key: StateKey) -> None:
        """Drop what a rule has begun for a key; unknown rules and keys are ignored."""
        lane = self._lane(key.rule)
        if lane is not None:
            lane.forget(key.key)

    def state_keys(self) -> list[StateKey]:
        """Every key with state."""
        return [
            StateKey(lane.rule.state_id, key) for lane in self._lanes for key in lane.all_keys()
        ]

    def watermarks(self) -> dict[tuple[str, int], int]:
        """Largest event time per topic partition; to be saved beside the positions."""
        return self._frontier.all()

    def set_watermarks(self, reached: dict[tuple[str, int], int]) -> None:
        """Go on from saved watermarks."""
        for place, time in reached.items():
            self._frontier.open(place)
            self._frontier.reach(place, time)

    def open_input(self, topic: str, partition: int) -> None:
        """The partition is read: it holds the frontier back until its first event."""
        self._frontier.open((topic, partition))

    def forget_input(self, topic: str, partition: int) -> None:
        """The partition is no longer read: it holds the frontier back no more."""
        self._frontier.close((topic, partition))

    @property
    def frontier_ms(self) -> float:
        """Smallest watermark of the partitions read; minus infinity before the first event."""
        return self._frontier.now

    @property
    def live_runs(self) -> int:
        """Partial matches alive now."""
        return sum(lane.live_runs for lane in self._lanes)

    def stats(self) -> dict[str, int]:
        """Counters since the matcher was made; those of `LaneCounters` are sums over rules."""
        totals = dict(self._counters)
        totals["live_runs"] = self.live_runs
        totals["keys"] = sum(map(len, self._lanes))
        totals["waiting"] = len(self._waiting)
        for lane in self._lanes:
            for name, count in lane.counts().items():
                totals[name] = totals.get(name, 0) + count
        return totals

    def rule_stats(self) -> dict[str, dict[str, int]]:
        """Counters by rule id, with `live_runs` and `keys`."""
        return {
            lane.rule.plan.id: {
                **lane.counts(), "live_runs": lane.live_runs, "keys": len(lane)
            }
            for lane in self._lanes
        }  # fmt: skip

    # ---- inside ----

    def _timer_ms(self) -> float:
        """The next exact timer that may fire while a chunk is read."""
        if not self._exact or self._ordered or self._remote is not None:
            return _NEVER
        return min(lane.next_timer_ms for lane in self._exact)

    def _lane(self, state_id: str) -> Lane | None:
        return next((lane for lane in self._lanes if lane.rule.state_id == state_id), None)

    def _in_time(self, n: int, own_ms: int, watermark_ms: int) -> bool:
        """Count and report an event that comes out of order; False = no rule may take it."""
        if own_ms >= watermark_ms and own_ms >= TIME_MS_MIN:
            return True
        if own_ms < TIME_MS_MIN:
            self._reject_time(n, own_ms)
            return False
        if not self._ordered:
            self._counters["clamped"] += 1
            return True
        if own_ms >= watermark_ms - self._delay_ms:
            return True
        self._late(n, own_ms, watermark_ms - self._delay_ms)
        return False

    def _capture(self, n: int, event: Any, time_ms: int, own_ms: int) -> Captured:
        chunk = self._chunk
        headers = None if chunk.headers is None else chunk.headers[n]
        return self._captured(
            chunk.values[n], event, headers, (time_ms, own_ms), self._origin, chunk.offsets[n]
        )

    def _captured(
        self,
        value: Any,
        event: Any,
        headers: Any,
        times: tuple[int, int],
        origin: Origin,
        offset: int,
    ) -> Captured:
        whole = len(value) <= CAPTURED_BYTES_MAX
        kept = bytes(value) if whole else self._rules.project(event)
        source = source_of(headers) if headers else None
        return Captured(0, times[0], times[1], origin, offset, source, kept, whole, event)

    def _wait(self, n: int, event: Any, own_ms: int, rule: int, key: Key, mask: int) -> None:
        chunk = self._chunk
        value = chunk.values[n]
        headers = None if chunk.headers is None else chunk.headers[n]
        lane = self._lanes[rule]
        waiting = _Waiting(lane, key, mask, event, value or b"", headers, own_ms, self._origin)
        place = (chunk.topic, chunk.partition)
        self._waiting.append((own_ms, place, chunk.offsets[n], rule, waiting))

    def _release(self, now: float) -> None:
        """Take the events that the frontier has passed, in order."""
        waiting = self._waiting
        waiting.sort(key=_RELEASE_ORDER)
        count = 0
        for time, _, offset, _, event in waiting:
            if time >= now:
                break
            count += 1
            if self._exact:
                self._fire(time)
            lane = event.lane
            runs = lane.wants(event.key, event.mask, time)
            if runs is not None:
                captured = self._captured(
                    event.value, event.event, event.headers, (time, event.own_ms),
                    event.origin, offset,
                )  # fmt: skip
                matches = lane.advance(event.key, runs, captured, event.mask, time)
                if matches:
                    self._emit(lane, event.key, matches)
        del waiting[:count]

    def _fire(self, now: float) -> None:
        """Fire the exact timers up to `now`, in order of time, then of rules, then of keys."""
        while True:
            lane = min(self._exact, key=lambda lane: lane.next_timer_ms)
            deadline = lane.next_timer_ms
            fired = lane.fire(now)
            if fired is None:
                return
            key, matches = fired
            if matches:
                self._emit(lane, key, matches, at_ms=int(deadline))

    def _emit(self, lane: Lane, key: Key, matches: list[Run], at_ms: int | None = None) -> None:
        names = lane.rule.automaton.step_names
        values = key_values(key)
        for run in matches:
            captures = run.captures
            times = [event.time_ms for event in captures[1::2]]
            self._outputs.matches.append(
                Match(
                    lane.rule.plan.id,
                    values,
                    [
                        (names[captures[n]], _event_ref(captures[n + 1]))
                        for n in range(0, len(captures), 2)
                    ],
                    min(times),
                    max(times) if at_ms is None else at_ms,
                    at_ms is not None,
                )
            )

    def _send(self, n: int, taken_ms: int, groups: set[int]) -> None:
        chunk = self._chunk
        value = chunk.values[n]
        assert value is not None
        headers = None if chunk.headers is None else chunk.headers[n]
        key = None if chunk.keys is None else chunk.keys[n]
        for group in sorted(groups):
            self._outputs.remote.append(
                Remote(
                    group, chunk.topic, chunk.partition, chunk.offsets[n],
                    chunk.timestamps_ms[n], taken_ms, key, value, headers,
                )
            )  # fmt: skip

    def _reject(self, n: int, code: str, message: str, rule: str | None = None) -> None:
        if self._remote is not None:
            return
        chunk = self._chunk
        self._counters["rejected"] += 1
        self._outputs.rejected.append(
            Rejected(chunk.topic, chunk.partition, chunk.offsets[n], code, message, rule)
        )

    def _reject_time(self, n: int, own: int) -> None:
        self._reject(n, "event.bad_time", f"{own} is no time in milliseconds")

    def _late(self, n: int, own_ms: int, watermark_ms: int) -> None:
        chunk = self._chunk
        self._counters["late"] += 1
        self._outputs.late.append(
            Late(chunk.topic, chunk.partition, chunk.offsets[n], own_ms, watermark_ms)
        )

    def _transport(self, n: int) -> Transport:
        chunk = self._chunk
        headers = None if chunk.headers is None else chunk.headers[n]
        key = None if chunk.keys is None else chunk.keys[n]
        return Transport(
            topic=chunk.topic,
            partition=chunk.partition,
            offset=chunk.offsets[n],
            key=key.decode(errors="replace") if isinstance(key, bytes) else key,
            timestamp=chunk.timestamps_ms[n],
            headers=header_texts(headers),
        )

    def _next_timer(self) -> int | None:
        timers = [lane.next_timer_ms for lane in self._lanes]
        if self._waiting:
            timers.append(min(entry[0] for entry in self._waiting) + 1)
        first = min(timers, default=_NEVER)
        return None if first == _NEVER else int(first)


def _no_key(lane: Lane) -> str:
    paths = ", ".join(".".join(path) for path in lane.rule.plan.group_by)
    return f"the event satisfies '{lane.rule.plan.id}' but lacks its groupBy: {paths}"


def _event_ref(event: Captured) -> EventRef:
    return EventRef(
        event.origin.topic,
        event.origin.partition,
        event.offset,
        event.src,
        event.own_ms,
        event.time_ms,
        event.value if event.whole else None,
        None if event.whole else event.value,
    )
