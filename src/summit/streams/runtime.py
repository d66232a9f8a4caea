"""The runtime: the slots of one process, and what comes of the records it takes. Pure.

No clock, no I/O: the session brings records and states, and takes what is to be written. Everything
between two `cut`s belongs to one transaction. What a task sends to a slot that is held here goes
there at once; for others it becomes frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from summit.base.errors import Conflict, Invalid
from summit.client.dead_letters import DeadLetterError
from summit.client.placement import keyed_partition
from summit.client.transactor import Outgoing
from summit.client.types import ConsumerRecord, TopicPartition
from summit.operators.batch import NO_TIME_MS, Batch
from summit.operators.formats import key_bytes
from summit.operators.graph import Part, Repartition, Sink, Source
from summit.operators.task import Task, owner_of
from summit.streams.frames import Told, decode_frame, encode_frames
from summit.streams.plan import Plan, changelog_topic, repartition_topic

_PLACES_MAX = 100_000  # keys whose partition is remembered

Letter = Callable[[ConsumerRecord, DeadLetterError], None]


class Cut(NamedTuple):
    """What belongs to one transaction.

    Attributes:
        records: Outputs, frames and state, in an order that keeps each topic's.
        positions: Next offsets of the partitions that moved.
    """

    records: list[Outgoing]
    positions: dict[TopicPartition, int]
    state_bytes: int


class _Slot:
    """The tasks of one slot, by the index of their part."""

    def __init__(self, plan: Plan, slot: int) -> None:
        self.tasks: dict[int, Task] = {}
        for part in plan.parts:
            if plan.exists(part, slot):
                task = self.tasks[part.index] = Task(part, slot)
                for name, number in plan.entries(part, slot):
                    task.open(name, number)


class Runtime:
    """See the module.

    Args:
        put_aside: Takes records that cannot be read, with the reason.

    Attributes:
        positions: Next offset to process of each partition that is read.
        events: Records of topics from outside that were taken since the last cut.
    """

    def __init__(self, plan: Plan, put_aside: Letter) -> None:
        self.plan = plan
        self.positions: dict[TopicPartition, int] = {}
        self.events = 0
        self._put_aside = put_aside
        self._slots: dict[int, _Slot] = {}
        self._sources: dict[str, list[tuple[Part, Source]]] = {}
        for part in plan.parts:
            for entry in part.entries:
                if isinstance(entry, Source):
                    self._sources.setdefault(entry.topic, []).append((part, entry))
        self._senders = sorted({part.index for part in plan.writers.values()})
        self._places: dict[Any, bytes] = {}
        self._told: dict[tuple[int, int], Told] = {}
        self._begin_cut()

    def _begin_cut(self) -> None:
        self._moved: set[TopicPartition] = set()
        self._outputs: list[Outgoing] = []
        self._frames: dict[tuple[str, int, int], list[Batch]] = {}
        self.events = 0

    # ---- what is held ----

    @property
    def held(self) -> frozenset[int]:
        """The slots held here."""
        return frozenset(self._slots)

    @property
    def tasks(self) -> Iterable[Task]:
        """All tasks, slot by slot, in the order of their parts."""
        return (task for _, slot in sorted(self._slots.items()) for task in slot.tasks.values())

    def hold(
        self,
        slot: int,
        states: Iterable[tuple[bytes, bytes]],
        positions: Mapping[TopicPartition, int],
    ) -> None:
        """Hold a slot too.

        Args:
            states: What its tasks have left.
            positions: Where its partitions are read from.
        Raises: Conflict("streams.state_left") where an operator is not in the graph any more;
            Corrupt("streams.state"); then the slot is not held.
        """
        made = _Slot(self.plan, slot)
        by_node = {
            name: task
            for task in made.tasks.values()
            for name in (task.part.name, *(node.name for node in task.part.nodes))
        }
        by_task: dict[int, list[tuple[bytes, bytes]]] = {index: [] for index in made.tasks}
        for name, data in states:
            owner = by_node.get(owner_of(name))
            if owner is None:
                raise Conflict("streams.state_left", operator=owner_of(name))
            by_task[owner.part.index].append((name, data))
        for index, task in made.tasks.items():
            task.restore(by_task[index])
        self._slots[slot] = made
        self.positions.update(positions)
        self._moved.update(positions)  # so that a beginning is not chosen twice

    def release(self, slots: Iterable[int]) -> None:
        """Hold these no more; everything of them must have been cut and committed."""
        for slot in slots:
            if self._slots.pop(slot, None) is None:
                continue
            for place in [*self.plan.inputs(slot), *self.plan.sent(slot)]:
                self.positions.pop(place, None)
            for sender in [key for key in self._told if key[1] == slot]:
                del self._told[sender]

    def clear(self) -> None:
        """Hold nothing; what was not cut is forgotten."""
        self._slots.clear()
        self.positions.clear()
        self._told.clear()
        self._begin_cut()

    # ---- records ----

    def take(self, place: TopicPartition, records: list[ConsumerRecord]) -> None:
        """Records of one partition, in order; those below its position were taken already.

        Raises: Internal("streams.operator_failed"); Corrupt("streams.frame").
        """
        at = self.positions.get(place)
        if at is None or not records:
            return
        if records[0].offset < at:
            records = [record for record in records if record.offset >= at]
            if not records:
                return
        slot = self._slots[self.plan.slot_of(place.partition)]
        if place.topic in self.plan.by_topic:
            self._take_frames(slot, self.plan.by_topic[place.topic], records)
        if place.topic in self._sources:
            self.events += len(records)
            self._take_events(slot, place, records)
        self.positions[place] = records[-1].offset + 1
        self._moved.add(place)

    def _take_events(
        self, slot: _Slot, place: TopicPartition, records: list[ConsumerRecord]
    ) -> None:
        entries = self._sources[place.topic]
        apart = len(entries) > 1 and any(part.one_by_one for part, _ in entries)
        for stretch in [[record] for record in records] if apart else [records]:
            for part, source in entries:
                task = slot.tasks[part.index]
                keys, values, times = self._read(source, stretch)
                if values:
                    task.take(source.name, place.partition, keys, values, times)
        for index in {part.index for part, _ in entries}:
            self._fetch(slot.tasks[index])

    def _read(
        self, source: Source, records: list[ConsumerRecord]
    ) -> tuple[list[Any], list[Any], list[int]]:
        """Keys, values and times; records that cannot be read are put aside."""
        key, value, time_of = source.key, source.value, source.time_of
        try:
            keys = [None if r.key is None else key(r.key) for r in records]
            values = [None if r.value is None else value(r.value) for r in records]
            times = [r.timestamp for r in records]
            if time_of is not None:
                times = [
                    at if one is None else _checked_time(time_of(one))
                    for one, at in zip(values, times, strict=True)
                ]
        except Exception as error:  # noqa: BLE001  (the user's functions raise anything)
            if len(records) > 1:
                found = [self._read(source, [record]) for record in records]
                columns: tuple[list[Any], list[Any], list[int]] = ([], [], [])
                for one in found:
                    for column, item in zip(columns, one, strict=True):
                        column.extend(item)
                return columns
            unreadable = Invalid("streams.unreadable", reason=f"{type(error).__name__}: {error}")
            fault = DeadLetterError(
                code=unreadable.code, message=str(unreadable), stage=f"stream {source.name}"
            )
            self._put_aside(records[0], fault)
            return [], [], []
        return keys, values, times

    def _take_frames(self, slot: _Slot, name: str, records: list[ConsumerRecord]) -> None:
        packing = self.plan.repartitions[name].packing
        task = slot.tasks[self.plan.readers[name].index]
        for record in records:
            frame = decode_frame(record.value or b"", packing)
            if len(frame.batch):
                task.take_sent(name, frame.sender, frame.batch)
            task.tell(name, frame.sender, frame.clock_ms, is_idle=frame.is_idle)
        self._fetch(task)

    def reach(self, place: TopicPartition, end: int) -> None:
        """A partition was read to here; its last offsets may hold no record."""
        if end > self.positions.get(place, end):
            self.positions[place] = end
            self._moved.add(place)

    def rest(self, place: TopicPartition) -> None:
        """A partition is silent: it holds back event time no more."""
        slot = self._slots[self.plan.slot_of(place.partition)]
        for part, source in self._sources.get(place.topic, ()):
            task = slot.tasks[part.index]
            task.rest(source.name, place.partition)
            self._fetch(task)

    def settle(self) -> None:
        """Let event time go from the tasks that are ahead to those that they send to.

        After each round of records; not before all frames are read that were sent before slots
        came: who has sent them is ahead of them.
        """
        for index in self._senders:
            for number, slot in sorted(self._slots.items()):
                task = slot.tasks.get(index)
                if task is None:
                    continue
                for name, reader in self.plan.readers.items():
                    if self.plan.writers[name].index != index:
                        continue
                    for target in self._slots.values():
                        there = target.tasks.get(reader.index)
                        if there is not None:
                            there.tell(name, number, task.clock_ms, is_idle=task.is_idle)
                            self._fetch(there)

    def _fetch(self, task: Task) -> None:
        """Bring what has come out of a task where it goes."""
        for node, batch in task.fetch():
            if isinstance(node, Sink):
                self._outputs += _records(node, batch)
            elif node.name in self.plan.repartitions:
                self._send(node, task.slot, batch)

    def _send(self, node: Repartition, sender: int, batch: Batch) -> None:
        count = self.plan.counts[node.name]
        reader = self.plan.readers[node.name].index
        for target, part in _by_partition(batch, count, self._places).items():
            slot = self._slots.get(target)
            if slot is not None:
                task = slot.tasks[reader]
                task.take_sent(node.name, sender, part)
                self._fetch(task)
            else:
                self._frames.setdefault((node.name, target, sender), []).append(part)

    # ---- what is written ----

    def cut(self) -> Cut:
        """Everything since the last cut, for one transaction.

        Raises: Internal("streams.operator_failed") for state that cannot be packed.
        """
        records, self._outputs = self._outputs, []
        state_topic = changelog_topic(self.plan.app_id)
        size = 0
        for task in self.tasks:
            for key, data in task.changes():
                records.append(Outgoing(state_topic, key, data, task.slot))
                size += len(key) + len(data or b"")
            records += self._frames_of(task)
        cut = Cut(records, {place: self.positions[place] for place in self._moved}, size)
        self._begin_cut()
        return cut

    def _frames_of(self, task: Task) -> Iterable[Outgoing]:
        index, sender = task.part.index, task.slot
        if index not in self._senders:
            return
        told = Told(task.clock_ms, task.is_idle)
        before = self._told.get((index, sender))
        self._told[index, sender] = told
        for name, node in self.plan.repartitions.items():
            if self.plan.writers[name].index != index:
                continue
            topic = repartition_topic(self.plan.app_id, name)
            for target in range(self.plan.counts[name]):
                batches = self._frames.get((name, target, sender), [])
                if target in self._slots or (told == before and not batches):
                    continue
                floor = before.clock_ms if before else NO_TIME_MS
                for frame in encode_frames(sender, batches, told, floor, node.packing):
                    yield Outgoing(topic, None, frame, target)


def _records(sink: Sink, batch: Batch) -> Iterable[Outgoing]:
    topic, key_of, value_of = sink.topic, sink.key, sink.value
    return [
        Outgoing(
            topic,
            None if key is None else key_of(key),
            None if value is None else value_of(value),
            timestamp_ms=max(0, at),
        )
        for key, value, at in zip(batch.keys, batch.values, batch.times, strict=True)
    ]


def _by_partition(batch: Batch, count: int, known: dict[Any, Any]) -> dict[int, Batch]:
    """A batch split by where its keys belong, in order within each."""
    if count == 1:
        return {0: batch}
    if len(known) > _PLACES_MAX:
        known.clear()
    places: list[int] = []
    for key in batch.keys:
        name = (type(key), key, count)
        place = known.get(name)
        if place is None:
            place = known[name] = keyed_partition(key_bytes(key), count)
        places.append(place)
    found = sorted(set(places))
    if len(found) == 1:
        return {found[0]: batch}
    return {one: batch.select([place == one for place in places]) for one in found}


def _checked_time(at: Any) -> int:
    if type(at) is not int:
        raise TypeError(f"an event time is a whole number of milliseconds, not {at!r}")
    return at
