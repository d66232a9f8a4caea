"""The engine over records of the past: their times are its clock. Pure.

Where an input has none for a while, its time goes on as it did in the workers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from summit.base.limits import CLOCK_SILENT_MS
from summit.client.types import ConsumerRecord, TopicPartition
from summit.events.times import TIME_MS_MAX
from summit.flow.engine import Applied, Engine
from summit.flow.kinds import Plan
from summit.flow.past_findings import Finding, past_findings
from summit.flow.past_stage import PastStage
from summit.flow.rules import Rules
from summit.flow.runtime import Runtime
from summit.flow.settings import WORKERS_IDLE_MS
from summit.journal.progress_record import partition_name, split_partition_name
from summit.journal.time_log import TimeMark
from summit.keyed.chunks import chunk_records

_TICK_MS: Final = 1_000  # of record time: how often the clock is looked at


class Rerun:
    """Runs rules over records that come in the order of their times.

    Args:
        groups: The key groups whose keys count here; None = all.
        runtime: Takes what is found, until it is cut; None = it is given back.

    Attributes:
        topic_ids: By name, for the ids of alerts.
        stage: What is done to events before the rules see them; set before the rules.
        timed: What the clock decided is known and said with `obey`; the records do not say it.
        rejected, late: Records that could not be processed; whose time was closed.
    """

    def __init__(
        self, groups: Collection[int] | None = None, runtime: Runtime | None = None
    ) -> None:
        self.topic_ids: dict[str, str] = {}
        self.rejected = 0
        self.late = 0
        self.timed = False
        self.stage = PastStage()
        self._runtime = runtime
        self._engine = (
            Engine(lambda topic: self.topic_ids.get(topic, topic))
            if runtime is None else runtime.engine
        )  # fmt: skip
        if groups is not None:
            self._engine.hold(groups)
        self._last_ms: dict[str, tuple[TopicPartition, int]] = {}
        self._tick_ms: int | None = None
        self._opened: set[str] = set()

    def open(self, places: Iterable[TopicPartition]) -> None:
        """These partitions will be read: each holds time back until its first record."""
        for place in places:
            self._opened.add(partition_name(*place))
            self._engine.processor.open_input(*place)

    def set_rules(self, plans: Iterable[Plan], rules: Rules) -> None:
        """Go on with these rules; the rest of `rules` (streams, pauses, stage) acts beside them."""
        self._engine.set_rules(plans, rules.streams, rules.paused)
        self.stage.go_by(rules.stage)

    def process(self, records: Sequence[ConsumerRecord]) -> list[Finding]:
        """Take records; gives what they, and time up to the last of them, completed."""
        found: list[Finding] = []
        begin = 0
        for number, record in enumerate(records):
            if self._tick_ms is None or self.timed:
                self._tick_ms = max(record.timestamp, self._tick_ms or record.timestamp)
            elif record.timestamp - self._tick_ms >= _TICK_MS:
                found += self._apply(records[begin:number])
                found += self._tick(record.timestamp)
                begin = number
        return found + self._apply(records[begin:])

    def obey(self, mark: TimeMark) -> list[Finding]:
        """Let time go on as the clock decided then; everything before is read."""
        processor = self._engine.processor
        for name in self._opened:
            clock = mark.clocks.get(name)
            if name not in mark.positions:
                clock = (0, True)  # nobody read it then
            place = split_partition_name(name)
            if clock is None:
                processor.wake(*place)
            else:
                processor.rest(*place, clock[0], idle=clock[1])
        return self._found(self._engine.apply([], TIME_MS_MAX if mark.ends else None))

    @property
    def own_late(self) -> int:
        """Of the late events those that came after all their windows, of the key groups here."""
        return self.late - self._engine.processor.stats()["late"]

    def let_time_pass(self, end_ms: int, places: Iterable[TopicPartition]) -> list[Finding]:
        """Everything is read: the clock goes on to the end of the range."""
        times = self._engine.processor.watermarks()
        for place in places:
            if place not in times:
                self._engine.processor.forget_input(*place)
        return self._tick(max(end_ms, self._tick_ms or end_ms))

    def _apply(self, records: Sequence[ConsumerRecord]) -> list[Finding]:
        if not records:
            return []
        chunks = read = chunk_records(list(records))
        if self.stage.concerns(chunks):
            chunks, refused = self.stage.apply(chunks)
            self.rejected += len(refused)
        for chunk in chunks:
            place = TopicPartition(chunk.topic, chunk.partition)
            self._last_ms[partition_name(*place)] = (place, chunk.timestamps_ms[-1])
        if self._runtime is not None:
            return self._found(self._runtime.take(read, chunks))
        return self._found(self._engine.apply(chunks))

    @property
    def clock(self) -> tuple[int | None, dict[str, int]]:
        """How far the clock has come, and when each input has spoken last."""
        return self._tick_ms, {name: last_ms for name, (_, last_ms) in self._last_ms.items()}

    def set_clock(self, tick_ms: int | None, last_ms: Mapping[str, int]) -> None:
        """Go on from what `clock` gave."""
        self._tick_ms = tick_ms
        for name, at_ms in last_ms.items():
            self._last_ms[name] = (TopicPartition(*split_partition_name(name)), at_ms)

    def _found(self, applied: Applied) -> list[Finding]:
        self.rejected += len(applied.rejected)
        self.late += len(applied.late)
        return past_findings(applied) if self._runtime is None else []

    def _tick(self, now_ms: int) -> list[Finding]:
        """The clock of the records has come to `now_ms`."""
        self._tick_ms = now_ms
        processor = self._engine.processor
        if not processor.waits_for_time:
            return []
        times = processor.watermarks()
        for place, last_ms in self._last_ms.values():
            silent_ms = now_ms - last_ms
            if silent_ms >= CLOCK_SILENT_MS and place in times:
                given = processor.rules.stream(place.topic).idle_ms
                idle_ms = WORKERS_IDLE_MS if given is None else given
                idle = silent_ms >= idle_ms
                if self._runtime is not None:
                    self._runtime.rest(partition_name(*place), times[place] + silent_ms, idle=idle)
                else:
                    processor.rest(*place, times[place] + silent_ms, idle=idle)
        if self._runtime is not None:
            self._runtime.advance()
            return []
        return self._found(self._engine.apply([]))
