"""Replay: the past read again by rules, those of its day or those of now, and what they find.

The inputs are read as one sequence in the order of the records' times, so a replay gives the same
alerts whenever it is run, byte for byte, and those that workers found, however many there were (in
arrival order where each key lives in one partition). What the clock decided then is read from
`_summit.time`; for rules that did not act then the clock is that of the records: where an input has
none for a while, its time goes on as it would have in a worker. Nothing else is touched: no group,
no state, no dead letters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing
from typing import Literal

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Invalid
from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.merged_reading import MergedReading
from summit.client.types import TopicPartition
from summit.flow.past_findings import Finding
from summit.flow.past_stage import stage_of_the_past
from summit.flow.replay_output import ReplayOutput, record_name
from summit.flow.replay_passes import Pass, Past, current_pass, recorded_passes
from summit.flow.rerun import Rerun
from summit.flow.spans import Range, Spans, find_spans
from summit.journal.activation_log import decode_activation
from summit.journal.definition_log import DefinitionLog
from summit.journal.definitions import Definitions
from summit.journal.progress_record import partition_name, split_partition_name
from summit.journal.time_log import decode_time
from summit.journal.topics import ACTIVATIONS_TOPIC, TIME_TOPIC
from summit.keyed.rule import sees_topic

WhichRules = Literal["recorded", "current"]


class ReplaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is replayed.

    Attributes:
        topics: Names and globs; none = all that the rules read.
        rules: `recorded`: the rules that acted when a record was processed. `current`: those in
            force now, for the whole range.
        rule_ids: Only these; none = all.
        since_ms: Begin at the first record of this time or later; None = at the first kept.
        until_ms: End before the first record of this time or later; None = at the end of now.
    """

    servers: Sequence[str]
    topics: Sequence[str] = ()
    rules: WhichRules = "recorded"
    rule_ids: Sequence[str] = ()
    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def range(self) -> Range:
        """The part of the log."""
        return Range(topics=self.topics, since_ms=self.since_ms, until_ms=self.until_ms)


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """What the log holds when a replay begins: so it is the same for all that take part.

    Attributes:
        definitions, activations, marks: How many of their records count.
        end_ms: Until when time goes on behind the last record.
    """

    spans: list[tuple[str, int, int, int]]
    topic_ids: dict[str, str]
    definitions: int
    activations: int
    marks: int
    end_ms: int


class Replayed(msgspec.Struct, kw_only=True, rename="camel"):
    """What became of it, so far.

    Attributes:
        records: Read.
        total: To be read; offsets, so that it may be more than the records.
        alerts: Found.
        correlations: Found; a group is told when it has enough events and when it is closed.
        results: Groups of windows of queries, found.
        rejected, late: Records that could not be processed; whose time was closed.
        phases: Sets of rules that acted one after the other.
    """

    records: int = 0
    total: int = 0
    alerts: int = 0
    correlations: int = 0
    results: int = 0
    rejected: int = 0
    late: int = 0
    phases: int = 0


class Replay:
    """One replay; one loop's, used once.

    Args:
        found: Takes what is found, in order.
        progress: Told now and then.
        groups: Key groups whose keys count; None = all.

    Attributes:
        bursts: Numbers what is given to `found`: the same in each of several that share the key
            groups.
        own_late: Of the late events those that only the owner of their key knows of.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        found: Callable[[Sequence[Finding]], None],
        progress: Callable[[Replayed], None] = lambda _: None,
        clock: Clock | None = None,
        groups: Collection[int] | None = None,
    ) -> None:
        self.settings = settings
        self.bursts = 0
        self.own_late = 0
        self._groups = groups
        self.result = Replayed()
        self._found = found
        self._progress = progress
        self._clock = clock or SystemClock()
        self._config = {"clientId": "summit-replay", "bootstrapServers": list(settings.servers)}
        self._told: set[bytes] | None = None

    async def fix(self) -> Fixed:
        """See what there is now. Raises: as `run`."""
        definitions = Definitions(self.settings.servers)
        await definitions.start()
        await definitions.stop()
        end_ms = self._clock.now_ms() if self.settings.until_ms is None else self.settings.until_ms
        async with Admin(self._config) as admin, LogReader(self._config, committed=True) as reader:
            found = await find_spans(admin, self.settings.range)
            return Fixed(
                spans=[(*place, *span) for place, span in found.spans.items()],
                topic_ids=found.topic_ids,
                definitions=definitions.next_offset,
                activations=len(await _values(reader, ACTIVATIONS_TOPIC)),
                marks=len(await _values(reader, TIME_TOPIC)),
                end_ms=end_ms,
            )

    async def run(self, output: ReplayOutput | None = None, fixed: Fixed | None = None) -> Replayed:
        """Read the range; returns when everything found is written.

        Args:
            fixed: What there was when `fix` was asked; None = what there is now.
            output: Where what is found is written to; what is there already is not.
        Raises: Invalid for rules, topics or a range that do not exist; Unavailable.
        """
        fixed = await self.fix() if fixed is None else fixed
        spans = {TopicPartition(t, p): (first, stop) for t, p, first, stop in fixed.spans}
        definitions = Definitions(self.settings.servers)
        await definitions.start()
        await definitions.stop()
        log = definitions.log.until(fixed.definitions)
        async with Admin(self._config) as admin, LogReader(self._config, committed=True) as reader:
            passes = await self._passes(log, spans, reader, fixed)
            parts = [await self._begin(each, spans, admin) for each in passes]
            self.result.total = sum(
                stop - first for part in parts for first, stop in part.values()
            )  # fmt: skip
            self._told = set() if len(passes) > 1 else None
            for each, part in zip(passes, parts, strict=True):
                rerun = Rerun(self._groups)
                rerun.topic_ids = fixed.topic_ids
                enrichments = [e for step in each.steps for e in step.rules.stage.enrichments]
                rerun.stage = await stage_of_the_past(reader, enrichments)
                await self._read(
                    rerun, each, part, MergedReading(reader, part), fixed.end_ms, output
                )
        self._progress(self.result)
        return self.result

    # ---- what is read ----

    async def _passes(
        self, log: DefinitionLog, spans: Spans, reader: LogReader, fixed: Fixed
    ) -> list[Pass]:
        wanted = self.settings.rule_ids
        self.result.phases = 1
        if self.settings.rules == "current":
            return [current_pass(log, wanted)]
        told = (await _values(reader, ACTIVATIONS_TOPIC))[: fixed.activations]
        marked = (await _values(reader, TIME_TOPIC))[: fixed.marks]
        starts = {partition_name(*place): first for place, (first, _) in spans.items()}
        past = Past(log, list(map(decode_activation, told)), list(map(decode_time, marked)))
        passes, self.result.phases = recorded_passes(past, starts, wanted)
        return passes

    async def _begin(self, each: Pass, spans: Spans, admin: Admin) -> Spans:
        """The part of the range that a pass reads."""
        topics = {plan.topics for plan in each.plans}
        part = {
            place: span for place, span in spans.items()
            if any(sees_topic(seen, place.topic) for seen in topics)
        }  # fmt: skip
        if each.begin is None:
            return part
        wanted = Range(topics=self.settings.topics, since_ms=each.begin.since_ms)
        firsts = (await find_spans(admin, wanted)).spans
        begun: Spans = {}
        for place, (first, stop) in part.items():
            name = partition_name(*place)
            begin = each.begin.offsets.get(name, firsts.get(place, (first, stop))[0])
            begun[place] = (min(max(first, begin), stop), stop)
        return begun

    async def _read(
        self,
        rerun: Rerun,
        each: Pass,
        spans: Spans,
        merged: MergedReading,
        end_ms: int,
        output: ReplayOutput | None,
    ) -> None:
        rerun.open(spans)
        before = (self.result.rejected, self.result.late)

        async def read(halts: dict[TopicPartition, int]) -> None:
            async for records in merged.read(halts):
                self.result.records += len(records)
                await self._write(rerun.process(records), output)
                self.result.rejected = before[0] + rerun.rejected
                self.result.late = before[1] + rerun.late
                self._progress(self.result)

        for step in each.steps:
            rerun.set_rules(step.plans, step.rules)
            rerun.timed = step.timed
            for mark in step.marks:
                halts = {place: mark.positions.get(partition_name(*place), 0) for place in spans}
                if any(halts[place] > stop for place, (_, stop) in spans.items()):
                    break  # that was behind the range
                if all(halts[place] <= first for place, (first, _) in spans.items()):
                    continue  # that was before it
                await read(halts)
                await self._write(rerun.obey(mark), output)
            until = {TopicPartition(*split_partition_name(n)): at for n, at in step.until.items()}
            await read(until)
        self.own_late += rerun.own_late
        if not rerun.timed:
            await self._write(rerun.let_time_pass(end_ms, spans), output)

    # ---- what comes of it ----

    async def _write(self, found: list[Finding], output: ReplayOutput | None) -> None:
        result = self.result
        self.bursts += 1
        if self._told is not None:
            found = [one for one in found if self._is_new(one)]
        if not found:
            return
        result.alerts += sum(one.kind == "alert" for one in found)
        result.correlations += sum(one.kind == "correlation" for one in found)
        result.results += sum(one.count for one in found if one.kind == "result")
        self._found(found)
        if output is not None:
            await output.write(found)

    def _is_new(self, one: Finding) -> bool:
        """Whether no other pass has found it: a rule that began anew finds much once more."""
        assert self._told is not None
        name = record_name(one.record.key, one.record.value)
        if name in self._told:
            return False
        self._told.add(name)
        return True


async def _values(reader: LogReader, topic: str) -> list[bytes]:
    """The records' values of a topic of one partition; none where there is no topic."""
    try:
        first, end = await reader.span(topic, 0)
    except Invalid as error:
        if error.code != "topic.unknown":
            raise
        return []
    found: list[bytes] = []
    async with aclosing(reader.read(topic, 0, first, end)) as bursts:
        async for records in bursts:
            found += [record.value or b"" for record in records]
    return found
