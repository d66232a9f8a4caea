"""What clients of the simulation did and saw, and the promises that can be checked at once.

Every value is unique, so a record tells which batch it belongs to. What is known of an offset stays
known: whoever reads it later, after whatever crash, must find the same record there.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.sim.world.scheduler import Violation, World

from summit.records import Record

FOR_EVER_US = 1 << 62


@dataclass(slots=True)
class Topic:
    """A topic as clients know it."""

    name: str
    topic_id: uuid.UUID
    partition_count: int
    is_compacted: bool = False
    is_trimmed: bool = False  # retention or DeleteRecords move its start


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction of a producer.

    Attributes:
        outcome: open, committed, aborted, or unknown for one whose end was not answered.
        may_commit: Its commit was asked for, at least once.
        ordinal: Its number among its producer's; what it commits as offset is that.
    """

    name: str
    ordinal: int
    group_id: str | None = None
    outcome: str = "open"
    may_commit: bool = False
    batches: list[Batch] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Batch:
    """Records that were sent together.

    Attributes:
        order: Its number among its writer's to that partition.
        is_once: Its producer is idempotent: it may be there once at most.
        state: open, acked, refused (it is certainly not there) or unknown.
    """

    writer: str
    topic: Topic
    index: int
    order: int
    values: list[bytes | None]
    keys: list[bytes | None]
    names: list[bytes]  # of the records: their values, or where null what stands in a header
    is_once: bool
    transaction: Transaction | None = None
    state: str = "open"
    base_offset: int = -1

    @property
    def place(self) -> tuple[uuid.UUID, int]:
        return self.topic.topic_id, self.index


@dataclass(slots=True, eq=False)
class Place:
    """What is known of one partition.

    Attributes:
        known: Offset → name of its record, as acknowledged or read by anybody.
        deleted_to: The start that an answered DeleteRecords has set.
    """

    topic: Topic
    index: int
    known: dict[int, bytes] = field(default_factory=dict)
    offset_of: dict[bytes, int] = field(default_factory=dict)
    high: int = 0
    stable: int = 0
    start: int = 0
    deleted_to: int = 0
    crash_count: int = 0  # when `start` was seen


@dataclass(frozen=True, slots=True)
class Mark:
    """What was known of a partition when a request was sent."""

    high: int
    stable: int
    start: int
    deleted_to: int
    crash_count: int


@dataclass(slots=True)
class Pass:
    """What one reader was given between two offsets, half-open."""

    place: Place
    is_committed: bool
    first: int
    stop: int
    names: list[tuple[int, bytes]]
    reader: str


@dataclass(slots=True, eq=False)
class Commit:
    """One OffsetCommit of a group for one partition."""

    offset: int
    text: str
    sent_us: int
    answered_us: int = FOR_EVER_US
    is_refused: bool = False


@dataclass(slots=True)
class Lookup:
    """One OffsetFetch of it."""

    sent_us: int
    answered_us: int
    text: str  # "" when nothing was committed
    offset: int
    reader: str


class History:
    """Everything that clients know."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.crash_count = 0  # of the machine so far: set by the run
        self.topics: dict[str, Topic] = {}
        self.places: dict[tuple[uuid.UUID, int], Place] = {}
        self.batches: list[Batch] = []
        self.transactions: list[Transaction] = []
        self.passes: list[Pass] = []
        self.commits: dict[tuple[str, str, int], list[Commit]] = {}
        self.lookups: dict[tuple[str, str, int], list[Lookup]] = {}
        self.producer_ids: set[int] = set()
        self.epochs: dict[str, tuple[int, int]] = {}
        self.counts: dict[str, int] = {}
        self._by_name: dict[bytes, tuple[Batch, int]] = {}
        self._number = 0

    def count(self, what: str, number: int = 1) -> None:
        """Count what was reached, so that a run can be seen to do something."""
        self.counts[what] = self.counts.get(what, 0) + number

    # ---- topics ----

    def add_topic(self, topic: Topic) -> None:
        self.topics[topic.name] = topic
        for index in range(topic.partition_count):
            self.places.setdefault((topic.topic_id, index), Place(topic, index))

    def place(self, topic: Topic, index: int) -> Place:
        return self.places[topic.topic_id, index]

    # ---- writing ----

    def new_name(self, writer: str) -> bytes:
        """The next unique name of a record."""
        self._number += 1
        return f"{writer}:{self._number}:".encode()

    def sent(self, batch: Batch) -> None:
        """A batch is about to be sent for the first time."""
        self.batches.append(batch)
        for i, name in enumerate(batch.names):
            self._by_name[name] = (batch, i)
        if batch.transaction is not None:
            batch.transaction.batches.append(batch)

    def acked(self, batch: Batch, base_offset: int) -> None:
        """A batch was acknowledged at an offset; -1 where the broker does not say."""
        self.count("acked batches")
        batch.state = "acked"
        if base_offset < 0:
            return
        batch.base_offset = base_offset
        for i, name in enumerate(batch.names):
            self._learn(self.places[batch.place], base_offset + i, name, "acknowledged")

    def refused(self, batch: Batch) -> None:
        """A batch is certainly not there and will not come."""
        batch.state = "refused"

    # ---- reading ----

    def mark(self, place: Place) -> Mark:
        """To be taken when a request is sent whose answer tells offsets."""
        start = place.start if place.crash_count == self.crash_count else 0
        return Mark(place.high, place.stable, start, place.deleted_to, self.crash_count)

    def told(self, place: Place, mark: Mark, high: int, stable: int, start: int, who: str) -> None:
        """An answer named the partition's offsets: none of them may go back."""
        where = f"{place.topic.name}-{place.index}"
        if high >= 0:
            self._never_back(where, "high watermark", mark.high, high, who)
            place.high = max(place.high, high)
        if stable >= 0:
            self._never_back(where, "last stable offset", mark.stable, stable, who)
            place.stable = max(place.stable, stable)
            if high >= 0 and stable > high:
                raise Violation(f"{where}: stable {stable} beyond {high}, told to {who}")
        if start >= 0:
            self._never_back(where, "deleted records' end", mark.deleted_to, start, who)
            if mark.crash_count == self.crash_count == place.crash_count:
                self._never_back(where, "log start", mark.start, start, who)
            # What retention took may come back with a crash: only DeleteRecords is a promise.
            place.start = (
                start if place.crash_count != self.crash_count else max(place.start, start)
            )
            place.crash_count = self.crash_count

    @staticmethod
    def _never_back(where: str, what: str, before: int, now: int, who: str) -> None:
        if now < before:
            raise Violation(f"{where}: the {what} went back from {before} to {now}, told to {who}")

    def read(self, place: Place, record: Record, who: str) -> bytes:
        """A reader was given a record. Returns: its name."""
        name = name_of(record)
        where = f"{place.topic.name}-{place.index}@{record.offset}"
        found = self._by_name.get(name)
        if found is None:
            raise Violation(f"{where}: {name!r} was never sent, given to {who}")
        batch, i = found
        if batch.place != (place.topic.topic_id, place.index):
            raise Violation(f"{where}: {name!r} was sent to {batch.topic.name}-{batch.index}")
        if batch.state == "refused":
            raise Violation(f"{where}: {name!r} was refused and is there, given to {who}")
        if record.key != batch.keys[i] or record.value != batch.values[i]:
            raise Violation(f"{where}: {name!r} has changed: {record}")
        self._learn(place, record.offset, name, f"given to {who}")
        return name

    def _learn(self, place: Place, offset: int, name: bytes, how: str) -> None:
        where = f"{place.topic.name}-{place.index}"
        before = place.known.setdefault(offset, name)
        if before != name:
            raise Violation(f"{where}@{offset}: {name!r} {how}, but {before!r} was there")
        other = place.offset_of.setdefault(name, offset)
        if other != offset and self._by_name[name][0].is_once:
            raise Violation(f"{where}: {name!r} is doubled: at {other} and, {how}, at {offset}")

    def batch_of(self, name: bytes) -> Batch:
        return self._by_name[name][0]

    # ---- producers ----

    def given_id(self, producer_id: int) -> None:
        """An idempotent producer was given an id."""
        if producer_id in self.producer_ids:
            raise Violation(f"producer id {producer_id} was given twice")
        self.producer_ids.add(producer_id)

    def given_epoch(
        self, name: str, before: tuple[int, int], now: tuple[int, int], *, may_repeat: bool
    ) -> None:
        """A transactional id was given an id and epoch; `before`: the last when it asked."""
        if now < before or (now == before and not may_repeat):
            raise Violation(f"{name}: from {before} to {now}")
        self.epochs[name] = max(self.epochs.get(name, (-1, -1)), now)

    # ---- groups ----

    def committing(self, where: tuple[str, str, int], offset: int, text: str) -> Commit:
        commit = Commit(offset, text, self.world.now_us)
        self.commits.setdefault(where, []).append(commit)
        return commit

    def looked_up(
        self, where: tuple[str, str, int], sent_us: int, offset: int, text: str, who: str
    ) -> None:
        self.lookups.setdefault(where, []).append(
            Lookup(sent_us, self.world.now_us, text, offset, who)
        )


def name_of(record: Record) -> bytes:
    """The name that a record was given when it was made."""
    if record.value is not None:
        return record.value[: record.value.rindex(b":") + 1]
    return next((value or b"" for key, value in record.headers if key == "name"), b"")


def describe(counts: dict[str, int]) -> str:
    """The counts in one line."""
    return ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))


def texts(values: Any) -> str:
    """Some values, not all of very many."""
    found = [str(value) for value in values]
    return ", ".join(found[:8]) + (f" … ({len(found)})" if len(found) > 8 else "")
