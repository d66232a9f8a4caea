"""The runtime: what one worker holds, and what comes of the records it takes. Pure.

No clock, no I/O: the session brings records, frames and states, and takes what is to be written.
Everything between two `cut`s belongs to one transaction. An event goes straight to the key groups
held here and, as a `Remote`, to those that are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from summit.base.collecting import collection_paused
from summit.base.errors import Corrupt
from summit.base.limits import STATE_BYTES_MAX, WATERMARK_UNKNOWN
from summit.client.transactor import Outgoing
from summit.client.types import TopicPartition
from summit.documents.stream import StreamPlan
from summit.events.times import TIME_MS_MAX
from summit.flow.engine import Applied, Engine
from summit.flow.findings import Made
from summit.flow.kinds import Plan
from summit.flow.placement import carrier
from summit.flow.state_cutting import StateCutting
from summit.journal.exchange_log import NO_TIME, Frame, Told
from summit.journal.progress_record import Positions, partition_name, split_partition_name
from summit.journal.state_log import (
    Acts,
    Content,
    KeyState,
    Record,
    acts_record,
    time_record,
)
from summit.journal.time_log import TimeMark
from summit.journal.topics import EXCHANGE_TOPIC
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS, key_group
from summit.keyed.outputs import Late, Remote, StateKey
from summit.keyed.processor import Processor
from summit.keyed.waiting import WaitKey

Place = tuple[str, int]


class Cut(NamedTuple):
    """What belongs to one transaction.

    Attributes:
        made: Alerts, in order.
        records: For other topics, in order.
        remote: Events for key groups of others, by group.
        told: How far the inputs are that moved, for those groups.
        state: Records of `_summit.state`, by key group.
        positions: Next offsets of the inputs that moved.
        exchange: Next offsets of the key groups' partitions that moved.
        seen: By input partition, the offset below which every key group held here has seen
            what concerns it.
        events: Number of records taken.
        suppressed: By alert that stands, how many were suppressed, and the latest event time.
        acting: The definitions by which it was made.
        mark: No more events of the inputs told will come by older definitions.
        ready: Key groups that are ready for these.
        counts: How many matches, groups and results there are, by rule id.
        clock: What the clock has decided of this.
        state_cut: By rule id, how often a key's state was too large to be saved whole.
    """

    made: list[Made]
    records: list[Outgoing]
    remote: dict[int, list[Remote]]
    told: dict[Place, Told]
    state: dict[int, list[Record]]
    positions: Positions
    exchange: dict[int, int]
    seen: Positions
    events: int
    suppressed: dict[str, tuple[int, int]]
    acting: int = 0
    mark: int = 0
    ready: tuple[int, ...] = ()
    counts: Mapping[str, int] = {}
    clock: Sequence[TimeMark] = ()
    state_cut: Mapping[str, int] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        written = (self.positions, self.exchange, self.state, self.remote, self.made, self.records)
        return not any(written) and not self.suppressed


class Runtime:
    """See the module.

    Args:
        topic_id: Gives a topic's id for alert ids.
        state_bytes_max: Says how long a record of state may be; a longer one is cut.

    Attributes:
        held: The key groups held here.
        positions: Next offset to process of each input read here.
        exchange: Next offset to process of each held key group's partition.
        events: Records taken since the last cut.
    """

    def __init__(
        self,
        topic_id: Callable[[str], str] = str,
        state_bytes_max: Callable[[], int] = lambda: STATE_BYTES_MAX,
    ) -> None:
        self.engine = Engine(topic_id)
        self._cutting = StateCutting(state_bytes_max)
        self.held: frozenset[int] = frozenset()
        self.positions: Positions = {}
        self.exchange: dict[int, int] = {}
        self._told: dict[int, dict[Place, Told]] = {}
        self._ended: dict[Place, int] = {}  # how far time had come in inputs that were ended
        self._silent: dict[str, tuple[int, bool]] = {}
        self._saved_waits: set[WaitKey] = set()
        self._catching_up = False
        self._elsewhere: set[Place] = set()
        self._marks: dict[int, dict[Place, int]] = {}  # by key group: the input's definitions
        self._acts = Acts(0, 0)
        self._mark = 0
        self._is_ready = True
        self._saved_acts: dict[int, Acts] = {}
        self._clocks: dict[str, tuple[int, bool]] = {}
        self._clock_mark: TimeMark | None = None
        self._clock_signs: tuple[object, ...] = ()
        self._clock_told: tuple[object, ...] | None = None  # what the last mark said
        self._begin_cut()

    def _begin_cut(self) -> None:
        self._made: list[Made] = []
        self._records: list[Outgoing] = []
        self._suppressed: dict[str, tuple[int, int]] = {}
        self._remote: dict[int, list[Remote]] = {}
        self._dirty: set[StateKey] = set()
        self._dirty_waits: set[WaitKey] = set()
        self._moved: set[str] = set()
        self._exchange_moved: set[int] = set()
        self._counts: Counter[str] = Counter()
        self._clock_marks: list[TimeMark] = []
        self.events = 0

    def set_rules(
        self,
        plans: Iterable[Plan],
        streams: Iterable[StreamPlan],
        paused: Collection[str] = (),
    ) -> None:
        """Go by other rules; what those that go have begun is deleted with the next cut.

        Raises: as `Engine.set_rules`.
        """
        self._clock_told = None
        self._dirty |= self.engine.set_rules(plans, streams, paused)
        self._dirty_waits |= self.engine.processor.take_changed_waits()
        for name in self.positions:  # who reads a topic may have changed
            place = split_partition_name(name)
            if self.engine.processor.rules.index(place[0]) is None:
                self._keep_time(place)
                self.engine.processor.forget_input(*place)
            else:
                self._open(place)

    def _open(self, place: Place) -> None:
        """An input holds time back until it is known what it has, if some rule reads it.

        It goes on from how far it had come. Inputs that only routes read have no time.
        """
        if self.engine.processor.rules.index(place[0]) is not None:
            self.engine.processor.open_input(*place)
            if (time_ms := self._ended.pop(place, None)) is not None:
                self.engine.processor.set_watermarks({place: time_ms})

    def _keep_time(self, place: Place) -> None:
        """Remember how far time had come in an input that is not read on, or without time."""
        time_ms = self.engine.processor.watermarks().get(place)
        if time_ms is not None:
            self._ended[place] = time_ms

    def set_acts(self, acts: Acts, mark: int, *, is_ready: bool) -> None:
        """Say by which definitions what is cut from now on is made; see `Cut`."""
        self._acts = acts
        self._mark = mark
        self._is_ready = is_ready

    def is_marked(self, definitions: int) -> bool:
        """Whether no more events by older definitions than these will come from other workers."""
        return all(
            marks.get(place, -1) >= definitions
            for marks in self._marks.values()
            for place in self._elsewhere
        )

    # ---- what is held ----

    def clear(self) -> None:
        """Hold nothing; what was not cut is forgotten."""
        for place in self.engine.processor.watermarks():
            self.engine.processor.forget_input(*place)
        for name in list(self.positions):
            self.engine.processor.forget_input(*split_partition_name(name))
        self.engine.hold(())
        self.held = frozenset()
        self.positions.clear()
        self.exchange.clear()
        self._told.clear()
        self._ended.clear()
        self._silent.clear()
        self._saved_waits.clear()
        self._catching_up = False
        self._elsewhere.clear()
        self._marks.clear()
        self._saved_acts.clear()
        self._clocks.clear()
        self._clock_mark = self._clock_told = None
        self._begin_cut()

    @collection_paused()
    def hold(self, groups: Mapping[int, int], content: Content, *, tidy: bool = False) -> int:
        """Hold these key groups too.

        Args:
            groups: Next offset of each one's partition of the exchange.
            content: What is kept of them.
            tidy: Delete with the next cut what no rule takes up.
        Returns: How many keys have state that an active rule takes up.
        Raises: Corrupt("pattern.state") for a state of a version that this one cannot read.
        """
        self.held |= groups.keys()
        self.exchange.update(groups)
        self._told.update({group: {} for group in groups})
        self._marks.update({group: {} for group in groups})
        self._saved_acts.update(content.acts)
        self.engine.hold(self.held)
        matcher = self.engine.processor
        for name, data in content.waits.items():
            self._saved_waits.add(name)
            matcher.load_wait(name, data)
            if tidy and len(matcher.dump_wait(name) or b"") != len(data):
                self._dirty_waits.add(name)  # not all that waited for it are there any more
        for (rule, key), data in content.standing.items():
            self.engine.suppressor.load(rule, key, data)
        count = 0
        for key, state in content.states.items():
            if _load(matcher, key, state):
                count += 1
            elif tidy:
                self._dirty.add(key)
        return count

    def exchange_places(self, groups: Iterable[int]) -> dict[TopicPartition, int]:
        """Next offsets of these key groups' partitions, of those held."""
        return {
            TopicPartition(EXCHANGE_TOPIC, group): self.exchange[group]
            for group in groups
            if group in self.exchange
        }

    def made_by(self, group: int) -> int:
        """By which definitions the committed state of a held key group was made; -1 = by none."""
        saved = self._saved_acts.get(group)
        return -1 if saved is None else saved.acting

    def take_up(self, content: Content, groups: Collection[int]) -> None:
        """Go on with what a rule has begun elsewhere, in these of the held key groups.

        The state is written with the next cut, as everything that has changed.
        Raises: as `hold`.
        """
        matcher, suppressor = self.engine.processor, self.engine.suppressor
        for key, state in content.states.items():
            if key_group(key.key) in groups and _load(matcher, key, state):
                self._dirty.add(key)
        for name, data in content.waits.items():
            if name.group in groups and matcher.load_wait(name, data):
                self._dirty_waits.add(name)
        for (rule, named), data in content.standing.items():
            if key_group(named) in groups:
                suppressor.load(rule, named, data, changed=True)

    def catch_up(self, *, begins: bool) -> None:
        """Key groups that were just taken up get what was sent to them before.

        In between only frames may be taken, and nothing is due.
        """
        self._catching_up = begins
        self.engine.catch_up(begins=begins)
        if not begins:
            self.advance()

    def release(self, groups: Iterable[int]) -> None:
        """Hold these no more; everything of them must have been cut and committed."""
        gone = set(groups)
        self.held -= gone
        self.engine.hold(self.held)
        for group in gone:
            self.exchange.pop(group, None)
            self._told.pop(group, None)
            self._marks.pop(group, None)
            self._saved_acts.pop(group, None)
            self._exchange_moved.discard(group)
        self._saved_waits = {name for name in self._saved_waits if name.group not in gone}
        for name in list(self.positions):
            if carrier(*split_partition_name(name)) in gone:
                del self.positions[name]
                self._moved.discard(name)
                self._silent.pop(name, None)
                self._speaks(name)

    def begin(self, name: str, offset: int, time_ms: int = WATERMARK_UNKNOWN) -> None:
        """Read an input from an offset on.

        Args:
            time_ms: How far event time had come there.
        """
        self.positions[name] = offset
        self._moved.add(name)
        place = split_partition_name(name)
        self.engine.processor.forget_input(*place)
        if time_ms != WATERMARK_UNKNOWN:
            self._ended[place] = time_ms
        self._open(place)

    def end(self, name: str, *, anew: bool = False) -> None:
        """Read an input no more.

        Args:
            anew: It was deleted and made anew: how far its time had come does not count either.
        """
        place = split_partition_name(name)
        if anew:
            self._ended.pop(place, None)
        else:
            self._keep_time(place)
        self.positions.pop(name, None)
        self._moved.discard(name)
        self._silent.pop(name, None)
        self._speaks(name)
        self.engine.processor.forget_input(*split_partition_name(name))

    def watch(self, elsewhere: Iterable[str]) -> None:
        """Inputs that others read: nothing is due here until they tell how far they are."""
        self._elsewhere = set(map(split_partition_name, elsewhere))
        if len(self.held) == KEY_GROUPS:
            return
        told = set().union(*self._told.values())
        for place in self._elsewhere:
            if place not in told:
                self._open(place)

    # ---- records ----

    def take(self, chunks: Sequence[Chunk], staged: Sequence[Chunk] | None = None) -> Applied:
        """Process records of inputs.

        Args:
            staged: What the stage before the rules has made of them; None = there is none.
        """
        seen = chunks if staged is None else staged
        applied = self.engine.apply(seen)
        self._note(applied)
        for remote in applied.remote:
            self._remote.setdefault(remote.group, []).append(remote)
        for chunk in chunks:
            name = partition_name(chunk.topic, chunk.partition)
            self.positions[name] = chunk.offsets[-1] + 1
            self._moved.add(name)
            self.events += len(chunk.offsets)
        for chunk in seen:
            name = partition_name(chunk.topic, chunk.partition)
            self._silent.pop(name, None)
            self._speaks(name)
        return applied

    def rest(self, name: str, clock_ms: int, *, idle: bool) -> None:
        """An input is read to its end and silent; see `Processor.rest`. `advance` lets it count."""
        self._silent[name] = self._clocks[name] = (clock_ms, idle)
        self.engine.processor.rest(*split_partition_name(name), clock_ms, idle=idle)

    def wake(self, name: str) -> None:
        """An input holds time back again, as if it had just spoken."""
        self._silent.pop(name, None)
        self._speaks(name)
        self.engine.processor.wake(*split_partition_name(name))

    def reach(self, ends: Mapping[str, int]) -> None:
        """Inputs were read to here; the last offsets may hold no record."""
        for name, end in ends.items():
            if end > self.positions.get(name, end):
                self.positions[name] = end
                self._moved.add(name)

    def take_frame(self, group: int, offset: int, frame: Frame) -> list[Late]:
        """Process a record of a held group's partition of the exchange.

        Returns: Events of the frame that came too late for rules; who read them could not know.
        """
        late: list[Late] = []
        self.exchange[group] = offset + 1
        self._exchange_moved.add(group)
        for place, row in frame.told.items():
            if row.clock_ms is None and partition_name(*place) not in self.positions:
                self._speaks(partition_name(*place))
                self.engine.processor.wake(*place)
        for chunk, taken_ms in frame.chunks:
            applied = self.engine.apply_remote(group, chunk, taken_ms)
            self._note(applied)
            late += applied.late
        if frame.told:
            told = self._told[group]
            told.update(frame.told)
            self._marks[group].update(dict.fromkeys(frame.told, frame.definitions))
            self._raise_times(frame.told)
        return late

    def reach_exchange(self, group: int, end: int) -> None:
        """A held group's partition was read to here; the last offsets may hold no record."""
        if end > self.exchange.get(group, end):
            self.exchange[group] = end
            self._exchange_moved.add(group)

    def _raise_times(self, places: Iterable[Place]) -> None:
        """Let time come as far as every held group has been told."""
        for place in places:
            if partition_name(*place) in self.positions:
                continue
            rows = [told[place] for told in self._told.values() if place in told]
            if len(rows) < len(self._told):
                continue
            self._open(place)
            if self.engine.processor.rules.index(place[0]) is None:
                continue
            if all(row.time_ms != NO_TIME for row in rows):
                self.engine.processor.set_watermarks({place: min(row.time_ms for row in rows)})
            clocks = [row.clock_ms for row in rows if row.clock_ms is not None]
            if len(clocks) == len(rows):
                idle = all(row.is_idle for row in rows)
                self._clocks[partition_name(*place)] = (min(clocks), idle)
                self.engine.processor.rest(*place, min(clocks), idle=idle)

    def mark_clock(self, *, ends: bool = False) -> None:
        """What comes next may be due by the clock: if something does, it is told from where.

        Args:
            ends: Time runs out.
        """
        if ends or (self._clocks and self.engine.processor.waits_for_time):
            clocks, seen = dict(self._clocks), self._seen()
            # How long idle inputs are silent makes no difference while others are not idle.
            idle = {name for name, (_, is_idle) in clocks.items() if is_idle}
            counts = clocks if idle == seen.keys() else clocks.keys() - idle
            self._clock_signs = (idle, {name: clocks[name] for name in counts})
            told = not ends and self._clock_signs == self._clock_told
            self._clock_mark = None if told else TimeMark(self._acts.acting, seen, clocks, ends)

    def _speaks(self, name: str) -> None:
        """The clock does not speak for the input any more."""
        if self._clocks.pop(name, None) is not None:
            self._clock_told = None

    def advance(self) -> int:
        """Fire what is due by now; how many alerts that made."""
        applied = self.engine.apply([])
        self._note(applied)
        return len(applied.made)

    def end_time(self) -> int:
        """Let event time run out; how many alerts that made."""
        self.mark_clock(ends=True)
        applied = self.engine.apply([], TIME_MS_MAX)
        self._note(applied)
        return len(applied.made)

    def _note(self, applied: Applied) -> None:
        if self._clock_mark is not None and (applied.dirty or applied.waits or applied.made):
            self._clock_marks.append(self._clock_mark)
            self._clock_mark, self._clock_told = None, self._clock_signs
        self._made += applied.made
        self._records += applied.records
        self._counts.update(applied.counts)
        for each in applied.suppressed:
            count, last_ms = self._suppressed.get(each.alert_id, (0, 0))
            last_ms = max(last_ms, each.last_seen_ms)
            self._suppressed[each.alert_id] = (count + 1, last_ms)
        self._dirty |= applied.dirty
        self._dirty_waits |= applied.waits

    # ---- what is written ----

    def cut(self, *, tell_all: bool = False) -> Cut:
        """Everything since the last cut, for one transaction.

        Args:
            tell_all: Tell other workers how far all inputs are, not only those that moved.
        """
        times = self.engine.processor.watermarks()
        state: dict[int, list[Record]] = {}
        for key in self._dirty:
            record = self._cutting.state(self.engine.processor, key)
            state.setdefault(key_group(key.key), []).append(record)
        for wait in self._dirty_waits:
            self._cut_wait(wait, state)
        for group, rule, named in self.engine.suppressor.take_dirty():
            record = self._cutting.standing(self.engine.suppressor, rule, named)
            state.setdefault(group, []).append(record)
        positions = {name: self.positions[name] for name in sorted(self._moved)}
        for name in positions:
            place = split_partition_name(name)
            if place in times:
                record = time_record(*place, times[place])
                state.setdefault(carrier(*place), []).append(record)
        for group in self.held:
            if self._saved_acts.get(group) != self._acts:
                self._saved_acts[group] = self._acts
                state.setdefault(group, []).append(acts_record(group, self._acts))
        told: dict[Place, Told] = {}
        if len(self.held) < KEY_GROUPS:
            for name in self.positions if tell_all else positions:
                place = split_partition_name(name)
                silent = self._silent.get(name, (None, False))
                told[place] = Told(self.positions[name], times.get(place, NO_TIME), *silent)
        cut = Cut(
            self._made, self._records, self._remote, told, state, positions,
            {group: self.exchange[group] for group in self._exchange_moved},
            self._seen(), self.events, self._suppressed, self._acts.acting, self._mark,
            tuple(self.held) if tell_all and self._is_ready else (), self._counts,
            self._clock_marks, self._cutting.take_counts(),
        )  # fmt: skip
        self._begin_cut()
        return cut

    def tell_early(self, now_ms: float) -> None:
        """Let the next cut hold open windows as they stand, where it is time; see `Engine`."""
        if not self._catching_up:
            self._records += self.engine.early(now_ms)

    def cut_alerts(self) -> Cut:
        """The alerts since the last cut of either kind, to be written before the others' one.

        What other actions write stays: it may be counted by rules, and must not come twice.
        """
        made = [each for each in self._made if each.alert is not None]
        self._made = [each for each in self._made if each.alert is None]
        return Cut(made, [], {}, {}, {}, {}, {}, self._seen(), 0, {})

    @property
    def has_alerts(self) -> bool:
        """Whether the next cut holds alerts."""
        return any(each.alert is not None for each in self._made)

    def _cut_wait(self, name: WaitKey, state: dict[int, list[Record]]) -> None:
        data = self.engine.processor.dump_wait(name)
        if data is not None:
            self._saved_waits.add(name)
        elif name in self._saved_waits:
            self._saved_waits.discard(name)
        else:
            return  # it waited between two cuts only
        record = self._cutting.wait(name, data)
        state.setdefault(name.group, []).append(record)

    def _seen(self) -> Positions:
        if self._catching_up:
            return {}  # what was sent before is not taken yet
        seen: Positions = dict(self.positions)
        if len(self.held) == KEY_GROUPS or not self._told:
            return seen
        first, *others = self._told.values()
        for place in first:
            name = partition_name(*place)
            if name not in seen and all(place in told for told in others):
                seen[name] = min(told[place].offset for told in self._told.values())
        return seen


def _load(matcher: Processor, key: StateKey, state: KeyState) -> bool:
    """As `Processor.load`; an error says whose state it is."""
    try:
        return matcher.load(key, state.data, state.version)
    except Corrupt as error:
        whose = f"that of rule '{key.rule.partition('/')[0]}', key {key.key!r}"
        reason = f"{whose}: {error.details.get('reason', '')}"
        raise Corrupt(error.code, **{**error.details, "reason": reason}) from error
