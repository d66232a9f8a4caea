"""Replay: the past read again by rules, those of its day or those of now, and what they find.

The inputs are read as one sequence in the order of the records' times, so a replay gives the same
alerts whenever it is run, byte for byte, and those that workers found, however many there were (in
arrival order where each key lives in one partition). The clock is that of the records: where an
input has none for a while, its time goes on as it did in the workers. Nothing else is touched: no
group, no state, no dead letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Final, Literal

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Invalid
from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.merged_reading import read_merged
from summit.client.types import TopicPartition
from summit.flow.kinds import Plan, rule_name
from summit.flow.past_findings import Finding
from summit.flow.past_stage import stage_of_the_past
from summit.flow.replay_output import ReplayOutput
from summit.flow.rerun import Rerun
from summit.flow.rules import Rules, acting_ones, rules_of
from summit.flow.spans import Range, find_spans
from summit.journal.activation_log import Activation, Phase, decode_activation, phases_of
from summit.journal.definitions import Definitions
from summit.journal.inputs import TopicFilter
from summit.journal.progress_record import Positions, partition_name
from summit.journal.topics import ACTIVATIONS_TOPIC

WhichRules = Literal["recorded", "current"]
_TICK_MS: Final = 1_000  # of record time: how often the clock is looked at
_ALL: Final = TopicFilter(["*"])


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
    """

    def __init__(
        self,
        settings: ReplaySettings,
        found: Callable[[Sequence[Finding]], None],
        progress: Callable[[Replayed], None] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.result = Replayed()
        self._found = found
        self._progress = progress
        self._clock = clock or SystemClock()
        self._config = {"clientId": "summit-replay", "bootstrapServers": list(settings.servers)}
        self._rerun = Rerun()

    async def run(self, output: ReplayOutput | None = None) -> Replayed:
        """Read the range; returns when everything found is written.

        Args:
            output: Where what is found is written to; what is there already is not.
        Raises: Invalid for rules, topics or a range that do not exist; Unavailable.
        """
        definitions = Definitions(self.settings.servers)
        await definitions.start()
        await definitions.stop()
        end_ms = self._clock.now_ms() if self.settings.until_ms is None else self.settings.until_ms
        async with Admin(self._config) as admin, LogReader(self._config, committed=True) as reader:
            spans, self._rerun.topic_ids = await find_spans(admin, self.settings.range)
            phases = await self._phases(definitions, spans, reader)
            enrichments = [plan for _, rules in phases for plan in rules.stage.enrichments]
            self._rerun.stage = await stage_of_the_past(reader, enrichments)
            spans = {
                place: span
                for place, span in spans.items()
                if any(rules.plans_read(place.topic) for _, rules in phases)
            }
            self.result.phases = len(phases)
            self.result.total = sum(stop - first for first, stop in spans.values())
            self._rerun.open(spans)
            for phase, rules in phases:
                self._rerun.set_rules(self._chosen(rules), rules)
                part = _take_until(spans, phase.until)
                async for records in read_merged(reader, part):
                    self.result.records += len(records)
                    await self._write(self._rerun.process(records), output)
                    self._progress(self.result)
            await self._write(self._rerun.let_time_pass(end_ms, spans), output)
        self._progress(self.result)
        return self.result

    # ---- what is read ----

    async def _phases(
        self,
        definitions: Definitions,
        spans: dict[TopicPartition, tuple[int, int]],
        reader: LogReader,
    ) -> list[tuple[Phase, Rules]]:
        log = definitions.log
        if self.settings.rules == "current":
            phases = [Phase(log.next_offset, {})]
        else:
            starts = {partition_name(*place): first for place, (first, _) in spans.items()}
            phases = phases_of(await _activations(reader), starts)
            if not phases:
                raise Invalid("replay.no_activations")
        found = [(phase, rules_of(acting_ones(log.until(phase.definitions)))) for phase in phases]
        known = {rule_name(plan) for _, rules in found for plan in rules.plans}
        for rule_id in self.settings.rule_ids:
            if rule_id not in known:
                raise Invalid("replay.unknown_rule", rule=rule_id, known=", ".join(sorted(known)))
        return found

    def _chosen(self, rules: Rules) -> Iterable[Plan]:
        wanted = self.settings.rule_ids
        return [plan for plan in rules.plans if not wanted or rule_name(plan) in wanted]

    # ---- what comes of it ----

    async def _write(self, found: list[Finding], output: ReplayOutput | None) -> None:
        result = self.result
        result.rejected, result.late = self._rerun.rejected, self._rerun.late
        if not found:
            return
        result.alerts += sum(one.kind == "alert" for one in found)
        result.correlations += sum(one.kind == "correlation" for one in found)
        result.results += sum(one.count for one in found if one.kind == "result")
        self._found(found)
        if output is not None:
            await output.write(found)


def _take_until(
    spans: dict[TopicPartition, tuple[int, int]], until: Positions
) -> dict[TopicPartition, tuple[int, int]]:
    """Cut off the beginnings of the ranges, up to where the next phase begins."""
    part = {}
    for place, (first, stop) in spans.items():
        end = max(first, min(stop, until.get(partition_name(*place), stop)))
        part[place] = (first, end)
        spans[place] = (end, stop)
    return part


async def _activations(reader: LogReader) -> list[Activation]:
    try:
        first, end = await reader.span(ACTIVATIONS_TOPIC, 0)
    except Invalid as error:
        if error.code != "topic.unknown":
            raise
        return []
    found: list[Activation] = []
    async with aclosing(reader.read(ACTIVATIONS_TOPIC, 0, first, end)) as bursts:
        async for records in bursts:
            found += [decode_activation(record.value or b"") for record in records]
    return found
