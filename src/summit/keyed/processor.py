"""The processor: batches of records in, what the lanes of the rules make of them out.

Pure: no clock, no I/O, no chance.

Two orders, by topic (its stream says which). In `arrival` order an event is taken at once, in log
order; one that is older than what its partition has reached (its watermark W_p) is taken at W_p. In
`eventTime` order an event waits until the frontier F of its rule's topics has passed it; events
then come in the order (time, topic, partition, offset), and one that is older than its partition's
W_p is late.

Timers due at t fire before the events of t. The batch boundaries change nothing but the moment at
which state that is over is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

from summit.base.errors import SummitError
from summit.events.event import Transport, event_time, parse_event
from summit.events.times import TIME_MS_MAX, TIME_MS_MIN
from summit.keyed.awake import Awake
from summit.keyed.captured import Origins
from summit.keyed.chunks import Chunk
from summit.keyed.decisions import Found
from summit.keyed.frontier import BEFORE_ALL_MS, Frontier
from summit.keyed.keygroups import KEY_GROUPS, RemoteChunk, key_group
from summit.keyed.lane import Begins, Corrects, Lane
from summit.keyed.ordering import Way, order
from summit.keyed.outputs import Applied, Outputs, StateKey
from summit.keyed.reading import NOTHING, Reading
from summit.keyed.rule import no_key_text
from summit.keyed.ruleset import RuleSet
from summit.keyed.scan import Concern
from summit.keyed.scopes import Scope, make_scopes
from summit.keyed.type_index import TypeIndex, Untyped
from summit.keyed.waiting import (
    Interest,
    WaitingEvent,
    WaitKey,
    WaitLog,
    decode_again,
    interest,
    load_wait,
)

_COUNTERS: Final = ("events", "unseen", "rejected", "clamped", "ahead", "late", "dropped")
_NEVER: Final = float("inf")


class Processor:
    """Runs a rule set over batches.

    Args:
        rules: What `make_rule_set` gave.
    """

    def __init__(self, rules: RuleSet) -> None:
        self._frontier = Frontier()
        self._origins = Origins()
        self._wait_log = WaitLog()
        self._scopes: list[Scope] = []
        self._scope_of: list[Scope] = []  # by rule number
        self._counters = Counter(dict.fromkeys(_COUNTERS, 0))
        self._outputs = Outputs([], [], [], [])
        self._reading = NOTHING
        self._others_ms = _NEVER
        self._allowed: list[tuple[Scope, float]] = []  # how far others let F come, in this chunk
        self._held: frozenset[int] | None = None
        self._remote: RemoteChunk | None = None
        self._catching_up = False
        self._lanes: list[Lane] = []
        self._by_state: dict[str, Lane] = {}
        self._rules = rules
        self._set_rules(rules)

    # ---- rules ----

    @property
    def rules(self) -> RuleSet:
        """The active rules."""
        return self._rules

    @property
    def lanes(self) -> Sequence[Lane]:
        """The living halves of the active rules, in the order of `rules.rules`."""
        return self._lanes

    def replace_rules(self, rules: RuleSet) -> set[StateKey]:
        """Go on with other rules; the state of rules that mean the same stays.

        Returns: The keys whose state was dropped.
        """
        before = self._lanes
        self._set_rules(rules)
        kept = {lane.rule.state_id for lane in self._lanes}
        gone = [lane for lane in before if lane.rule.state_id not in kept]
        for lane in gone:
            self._counters.update(lane.counts())
            self._counters["dropped"] += lane.live_runs
        return {StateKey(lane.rule.state_id, key) for lane in gone for key in lane.all_keys()}

    def _set_rules(self, rules: RuleSet) -> None:
        kept = {lane.rule.state_id: lane for lane in self._lanes}
        for rested, scope in zip(self._lanes, self._scope_of, strict=True):
            if rested.rule.id in self._rules.paused - rules.paused:
                rested.forget_over(scope.view.now)
        self._rules = rules
        self._lanes = []
        for rule in rules.rules:
            lane = kept.get(rule.state_id)
            if lane is None:
                lane = rule.new_lane(rules.layout, self._origins)
                if isinstance(lane, Begins):
                    lane.hold(self._held)
            else:
                lane.replace(rule, rules.layout)
            if isinstance(lane, Corrects):
                lane.expect_late(expected=any(stream.is_ordered for stream in rules.streams))
            self._lanes.append(lane)
        self._by_state = {lane.rule.state_id: lane for lane in self._lanes}
        waiting = [item for scope in self._scopes for item in scope.waiting]
        self._awake = Awake(self._lanes)
        self._scope_of = make_scopes(self._lanes, self._frontier, self._awake, rules.paused)
        self._ways = list(map(Way, self._scope_of, self._lanes))
        self._scopes = list(dict.fromkeys(self._scope_of))
        self._exact = [scope for scope in self._scopes if scope.exact]
        alive = {id(lane): scope for lane, scope in zip(self._lanes, self._scope_of, strict=True)}
        for item in waiting:
            kept_by = alive.get(id(item.lane))
            if kept_by is None:
                self._wait_log.remove(item)
            else:
                kept_by.waiting.add(item)
        for event in {id(item.waiting): item.waiting for item in waiting}.values():
            event.event = decode_again(event, rules.decode, needs_record=rules.needs_record)
        for place in self._frontier.partitions:
            self._frontier.open(place, rules.stream(place[0]).delay_ms)

    # ---- key groups ----

    def hold(self, groups: Iterable[int]) -> None:
        """Keep the keys of these key groups only; the state of others is dropped.

        Events that keys of other groups need come out as `Outputs.remote`. Until the first call
        every key is kept, and `Applied.waits` stays empty.
        """
        self._wait_log.is_on = True
        held = frozenset(groups)
        before = frozenset(range(KEY_GROUPS)) if self._held is None else self._held
        self._held = None if len(held) == KEY_GROUPS else held
        self._awake.touch_all()
        for lane in self._lanes:
            if isinstance(lane, Begins):
                lane.hold(self._held)
        for scope in self._exact:
            scope.unsettle()
        if before - held:
            for lane in self._lanes:
                for key in lane.all_keys():
                    if key_group(key) not in held:
                        lane.forget(key)
                lane.dirty = {key for key in lane.dirty if key_group(key) in held}
            for scope in self._scopes:
                for item in scope.waiting.take(_NEVER):
                    if item.group in held:
                        scope.waiting.add(item)
                    else:
                        self._wait_log.remove(item, changed=False)

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
            place = (chunk.topic, chunk.partition)
            self._frontier.open(place, self._rules.stream(chunk.topic).delay_ms)
            self._others_ms = self._frontier.others(place)
            self._scan_remote(index, chunk, RemoteChunk(group, taken_ms))
        return self._finish(outputs)

    def _scan_remote(self, index: TypeIndex, chunk: Chunk, remote: RemoteChunk) -> None:
        self._remote = remote
        self._begin_chunk(chunk)
        self._rules.scan(
            chunk.values, chunk.timestamps_ms, index, BEFORE_ALL_MS, _NEVER,
            self._reading.stream.max_future_ms, self, self.concern,
        )  # fmt: skip
        self._reading = NOTHING
        self._remote = None

    def _begin_chunk(self, chunk: Chunk) -> None:
        origin = self._origins.of(chunk.topic, chunk.partition)
        stream = self._rules.stream(chunk.topic)
        self._reading = Reading(chunk, origin, stream, self._rules.keep)

    # ---- batches ----

    def apply(self, batch: Iterable[Chunk], frontier_ms: int | None = None) -> Applied:
        """Take a batch.

        Args:
            batch: Records in the order in which they were read.
            frontier_ms: Behind the batch, time has reached this in every partition known so
                far, whatever its events say (an idle partition, the end of the input).
        Returns: Matches, rejected and late events; the keys whose state changed.
        Raises: Nothing for bad events.
        """
        outputs = self._outputs = Outputs([], [], [], [])
        for chunk in batch:
            self._take_chunk(chunk)
        self._reading = NOTHING
        if frontier_ms is not None:
            self._frontier.raise_to(frontier_ms)
        return self._finish(outputs)

    def _finish(self, outputs: Outputs) -> Applied:
        now = self._frontier.now
        if not self._catching_up:
            for scope in self._scopes:
                if scope.waiting or scope.exact:
                    self._pass(scope)
        dirty: set[StateKey] = set()
        for lane in self._awake.due(now):
            if not self._catching_up:
                lane.tidy(now)
            lane.bound()
            if lane.dirty:
                state_id = lane.rule.state_id
                dirty.update([StateKey(state_id, key) for key in lane.dirty])
                lane.dirty.clear()
        self._awake.rest(asked=not self._catching_up)
        return Applied(outputs, dirty, self._wait_log.take_changed())

    def _take_chunk(self, chunk: Chunk) -> None:
        count = len(chunk.values)
        index = self._rules.index(chunk.topic)
        if index is None:
            self._counters["unseen"] += count
            return
        self._counters["events"] += count
        self._begin_chunk(chunk)
        place = (chunk.topic, chunk.partition)
        self._frontier.open(place, self._reading.stream.delay_ms)
        if count:
            self._frontier.wake(place)
        self._others_ms = self._frontier.others(place)
        self._allowed = [(scope, scope.view.others(place)) for scope in self._exact]
        reached = self._rules.scan(
            chunk.values, chunk.timestamps_ms, index, self._frontier.reached(place),
            self._timer_ms(), self._reading.stream.max_future_ms, self, self._concern(),
        )  # fmt: skip
        self._frontier.reach(place, reached)

    def _concern(self) -> Concern:
        """What takes the events of the chunk that is begun."""
        if not self._reading.stream.is_ordered or self._held is not None or self._catching_up:
            return self.concern
        return order(self._reading, self._ways, self._wait_log, self._lacks_key, self.concern)

    # ---- what the scan calls (`scan.Sink`, `scan.Concern`) ----

    def transport(self, n: int) -> Transport:
        """The record around an event, for rules that read it."""
        return self._reading.transport(n)

    def concern(self, n: int, event: Any, own_ms: int, watermark_ms: int, found: Found) -> float:
        """Put an event to the rules that it concerns; gives the next exact timer."""
        ordered = self._reading.stream.is_ordered
        time = own_ms if own_ms > watermark_ms or ordered else watermark_ms
        remote, held, touch = self._remote, self._held, self._awake.touch
        waiting: WaitingEvent | None = None
        if remote is not None:
            time = remote.taken_ms[n]
            watermark_ms = own_ms  # the other worker has counted what was out of order
        taken = is_late = missed = False
        elsewhere: tuple[int, ...] = ()
        for rule, mask, key_of in found:
            lane = self._lanes[rule]
            if not taken:
                if own_ms < TIME_MS_MIN:
                    self._reject_time(n, own_ms)
                    break
                taken, is_late = True, self._is_late(own_ms, time if remote else watermark_ms)
            if is_late and not lane.rule.lateness_ms:
                missed = True
                continue
            key = key_of(event)
            if key is None:
                self._lacks_key(n, lane, mask)
            elif remote is not None and remote.leaves_out(key, lane.rule.state_id):
                continue
            elif held is not None and remote is None and (group := key_group(key)) not in held:
                elsewhere += (group,)
            elif ordered:
                waiting = waiting or self._reading.waiting(n, event, own_ms)
                item = interest(waiting, lane, key, mask, self._wait_log.group_of(key))
                self._put_in_order(item, self._scope_of[rule], watermark_ms, time, is_late=is_late)
            else:
                touch(rule)
                runs = lane.wants(key, mask, time)
                if runs is not None:
                    captured = self._reading.captured(n, event, time, own_ms)
                    over = min(self._others_ms, time)
                    self._outputs.found += lane.advance(key, runs, captured, mask, over)
                    if lane.is_exact:
                        self._scope_of[rule].advanced(lane)
        if is_late and remote is None:
            # For other workers, the time at which it is taken says that it is.
            time = self._reading.in_order_from(watermark_ms)
            self._counters["late"] += missed
            self._outputs.late += [self._reading.late(n, own_ms, time)] * missed
        if elsewhere:
            self._outputs.remote += self._reading.sent(n, time, elsewhere)
        if not taken and type(found) is Untyped and own_ms >= TIME_MS_MIN:
            self._reject(n, "event.no_type", "the event has no eventType")
        return self._timer_ms() if self._exact else _NEVER

    def undecodable(self, n: int) -> None:
        """Say what is wrong with a value that the layout cannot decode."""
        value = self._reading.chunk.values[n]
        try:
            parse_event(value, timestamp_ms=self._reading.chunk.timestamps_ms[n])
        except SummitError as error:
            self._reject(n, error.code, str(error))
        else:
            self._reject(n, "event.not_json", "the event cannot be decoded")

    def odd_time(self, n: int, own: object) -> int | None:
        """The time of an event that does not write it as an integer."""
        try:
            return event_time(own, self._reading.chunk.timestamps_ms[n])
        except SummitError as error:
            self._reject(n, error.code, str(error))
            return None

    def ahead(self, n: int, own: int) -> int | None:
        """The record's time for an event far past it, where the record has one."""
        if own > TIME_MS_MAX:
            self._reject_time(n, own)
            return None
        stamp = self._reading.chunk.timestamps_ms[n]
        if stamp <= 0:
            return own
        self._counters["ahead"] += 1
        return stamp

    def fire(self, watermark_ms: int) -> float:
        """Fire exact timers while a chunk is read."""
        self._frontier.reach(self._reading.place, watermark_ms)
        for scope in self._exact:
            self._pass(scope)
        return self._timer_ms()

    # ---- state ----

    def dump(self, key: StateKey) -> bytes | None:
        """The state of a key as bytes of its lane's `state_version`; None = it has none."""
        lane = self.lane_of(key.rule)
        return None if lane is None else lane.dump(key.key)

    def state_version(self, key: StateKey) -> int:
        """The version of what `dump` gives for the key; 0 where no active rule has it."""
        lane = self.lane_of(key.rule)
        return 0 if lane is None else lane.state_version

    def load(self, key: StateKey, data: bytes, version: int) -> bool:
        """Set the state of a key.

        Returns: False when no active rule has this state id; then nothing happens.
        Raises: Corrupt("pattern.state").
        """
        lane = self.lane_of(key.rule)
        if lane is None:
            return False
        lane.load(key.key, data, version)
        self._awake.touch_lane(lane)
        for scope in self._exact:
            scope.unsettle()
        return True

    def forget(self, key: StateKey) -> None:
        """Drop what a rule has begun for a key; unknown rules and keys are ignored."""
        lane = self.lane_of(key.rule)
        if lane is not None:
            before = lane.live_runs
            lane.forget(key.key)
            self._awake.touch_lane(lane)
            for scope in self._exact:
                scope.unsettle()  # an expected key begins anew
            self._counters["dropped"] += before - lane.live_runs

    def take_changed_waits(self) -> set[WaitKey]:
        """Waiting events to be saved anew since the last `apply`: other rules wait for them."""
        return self._wait_log.take_changed()

    def dump_wait(self, name: WaitKey) -> bytes | None:
        """A waiting event, for one key group, as bytes; None = it waits no more."""
        return self._wait_log.dump(name)

    def load_wait(self, name: WaitKey, data: bytes) -> bool:
        """Let an event wait that `dump_wait` has saved.

        Returns: False when no active rule waits for it any more; then nothing happens.
        Raises: Corrupt("pattern.state").
        """
        saved = load_wait(data)
        index = self._rules.whole_index(name.topic)
        if index is None or not self._rules.stream(name.topic).is_ordered:
            return False
        chunk = Chunk(
            name.topic, name.partition, (name.offset,), (saved.stamp_ms,), (saved.value,),
            (saved.headers,), (saved.key,),
        )  # fmt: skip
        before = self.waiting
        remote = RemoteChunk(name.group, (TIME_MS_MIN,), saved.state_ids, saved.due_ms)
        self._scan_remote(index, chunk, remote)
        self._wait_log.take_changed()
        return self.waiting > before

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
            self._frontier.open(place, self._rules.stream(place[0]).delay_ms)
            self._frontier.reach(place, time)

    def open_input(self, topic: str, partition: int) -> None:
        """The partition is read: it holds the frontier back until its first event."""
        self._frontier.open((topic, partition), self._rules.stream(topic).delay_ms)

    def forget_input(self, topic: str, partition: int) -> None:
        """The partition is no longer read: it holds the frontier back no more."""
        self._frontier.close((topic, partition))

    def rest(self, topic: str, partition: int, clock_ms: int, *, idle: bool) -> None:
        """The partition is read to its end and silent; it wakes by itself with its next event.

        Args:
            clock_ms: How far the clock says that event time has come there: timers go by it,
                events do not.
            idle: It is silent for so long that it holds nothing back.
        """
        self._frontier.rest((topic, partition), clock_ms, idle=idle)

    def wake(self, topic: str, partition: int) -> None:
        """The partition has spoken to another worker: what `rest` said is over."""
        self._frontier.wake((topic, partition))

    @property
    def waiting(self) -> int:
        """How many events wait for the frontier, each counted for every rule that it concerns."""
        return sum(len(scope.waiting) for scope in self._scopes)

    @property
    def waits_for_time(self) -> bool:
        """Whether something would come of time alone: an absence, or a waiting event."""
        return any(scope.waiting or scope.next_exact_ms != _NEVER for scope in self._scopes)

    @property
    def next_timer_ms(self) -> int | None:
        """The frontier at which something is due even without events; None = nothing.

        An absence to report, an event to take, or state to forget. Cost: linear in the rules.
        """
        timers = (lane.next_timer_ms for lane in self._lanes if not lane.is_exact)
        exact = (scope.next_exact_ms for scope in self._exact)
        released = (scope.next_release_ms for scope in self._scopes)
        first = min(chain(timers, exact, released), default=_NEVER)
        return None if first == _NEVER else int(first)

    def allowed_ms(self, topic: str, partition: int) -> float:
        """How far the other partitions let F come, for the rules that read this one.

        A reader far past it only fills the memory. Infinite when nothing holds it back.
        """
        all_ms = (scope.allowed_ms(topic, partition) for scope in self._scopes)
        return max((at_ms for at_ms in all_ms if at_ms is not None), default=_NEVER)

    @property
    def frontier_ms(self) -> float:
        """Smallest watermark of the partitions read; minus infinity before the first event."""
        return self._frontier.now

    @property
    def live_runs(self) -> int:
        """Partial matches alive now."""
        return sum(lane.live_runs for lane in self._lanes)

    def stats(self) -> dict[str, int]:
        """Counters since the processor was made; those of lanes summed up, also gone ones.

        `dropped` is what was under way and was forgotten, or went with its rule.
        """
        totals = dict(self._counters)
        totals["live_runs"] = self.live_runs
        totals["keys"] = sum(map(len, self._lanes))
        totals["waiting"] = self.waiting
        for lane in self._lanes:
            for name, count in lane.counts().items():
                totals[name] = totals.get(name, 0) + count
        return totals

    def rule_stats(self) -> dict[str, dict[str, int]]:
        """Counters by rule id, with `live_runs` and `keys`."""
        return {
            lane.rule.id: {
                **lane.counts(), "live_runs": lane.live_runs, "keys": len(lane)
            }
            for lane in self._lanes
        }  # fmt: skip

    # ---- inside ----

    def _timer_ms(self) -> float:
        """The watermark at which an exact timer may fire while the chunk is read.

        None does that another partition holds back, whatever comes in this one.
        """
        if not self._exact or self._reading.stream.is_ordered or self._remote is not None:
            return _NEVER
        timers = ((scope.soon_ms, others_ms) for scope, others_ms in self._allowed)
        return min((at for at, others_ms in timers if others_ms >= at), default=_NEVER)

    def lane_of(self, state_id: str) -> Lane | None:
        """The lane of the active rule whose state has this id."""
        return self._by_state.get(state_id)

    def _is_late(self, own_ms: int, watermark_ms: int) -> bool:
        """Whether an event is behind what its partition has reached; in arrival order counted."""
        if own_ms >= watermark_ms or self._reading.stream.is_ordered:
            behind_ms = 0 if self._remote is not None else self._reading.stream.delay_ms
            return own_ms < watermark_ms - behind_ms
        if self._remote is None:  # else the other worker has counted it
            self._counters["clamped"] += 1
        return False

    def _pass(self, scope: Scope) -> None:
        scope.pass_to(scope.view.now, self._wait_log, self._rules.keep, self._outputs.found)

    def _lacks_key(self, n: int, lane: Lane, mask: int) -> None:
        if mask:
            lane.no_key()
            self._reject(n, "event.no_key", no_key_text(lane.rule), lane.rule.id)

    def _put_in_order(
        self, item: Interest, scope: Scope, watermark_ms: int, taken_ms: int, *, is_late: bool
    ) -> None:
        """Let an event wait for its time; one that is late is taken now by rules that allow it."""
        if self._remote is not None:
            due_ms = self._remote.due_ms.get(item.lane.rule.state_id, item.due_ms)
            item = item if due_ms == item.due_ms else item._replace(due_ms=due_ms)
        elif is_late:
            self._frontier.reach(self._reading.place, watermark_ms)
        if is_late and self._catching_up:
            item = item.behind(min(scope.view.now, taken_ms))  # where its partition was then
        if not is_late or self._catching_up:
            scope.waiting.add(item)
            self._wait_log.add(item)
        else:
            scope.take_late(item, self._wait_log, self._rules.keep, self._outputs.found)

    def _reject(self, n: int, code: str, message: str, rule: str | None = None) -> None:
        if self._remote is None:
            self._counters["rejected"] += 1
            self._outputs.rejected.append(self._reading.rejected(n, code, message, rule))

    def _reject_time(self, n: int, own: int) -> None:
        self._reject(n, "event.bad_time", f"{own} is no time in milliseconds")
