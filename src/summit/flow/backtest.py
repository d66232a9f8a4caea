"""Backtest: what a rule of any kind, or two versions of it, would have found in a part of the log.

The same code runs as in workers and in a replay; nothing is written, and what is held in memory is
bounded by the rule's own limits and by `comparing`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.merged_reading import read_merged
from summit.flow.comparing import Comparison, Difference, Side
from summit.flow.kinds import Plan, rule_name
from summit.flow.over_time import CountsOverTime
from summit.flow.past_findings import Finding
from summit.flow.past_stage import stage_of_the_past
from summit.flow.rerun import Rerun
from summit.flow.rules import acting_ones, as_applied, rules_of
from summit.flow.spans import Range, find_spans
from summit.journal.definitions import Definitions
from summit.journal.inputs import TopicFilter, rule_topics


class BacktestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried on what.

    Attributes:
        plan: The rule.
        against: Another version, or another rule, to compare it with.
        range: With topics, the rules read these whatever their own `topics` say.
    """

    servers: Sequence[str]
    plan: Plan
    against: Plan | None = None
    range: Range = Range()


class Raised(msgspec.Struct, kw_only=True, rename="camel"):
    """What one version has found.

    Attributes:
        correlations: Groups told: when they have enough events, and when they are closed.
        results: Groups of windows.
        step_ms: Width of a step of `over_time`, which holds [begin, count] of those with any.
    """

    rule: str
    alerts: int = 0
    correlations: int = 0
    results: int = 0
    severities: dict[str, int] = {}
    step_ms: int = 0
    over_time: list[tuple[int, int]] = []


class Backtested(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """What became of it, so far; the comparison when there are two versions."""

    records: int = 0
    total: int = 0
    rejected: int = 0
    late: int = 0
    a: Raised
    b: Raised | None = None
    both: int | None = None
    only_a: int | None = None
    only_b: int | None = None


class _Version:
    """One of the versions, over the records."""

    def __init__(self, side: Side, plan: Plan) -> None:
        self.side = side
        self.plan = plan
        self.rerun = Rerun()
        self.raised = Raised(rule=rule_name(plan))
        self.over_time = CountsOverTime()

    def count(self, found: Finding) -> None:
        raised = self.raised
        if found.alert is not None:
            severity = found.alert.severity
            raised.alerts += 1
            count = raised.severities.get(severity, 0) + 1
            raised.severities = {**raised.severities, severity: count}
        elif found.kind == "correlation":
            raised.correlations += 1
        else:
            raised.results += found.count
        self.over_time.add(found.timestamp_ms, found.count)
        raised.step_ms, raised.over_time = self.over_time.width_ms, self.over_time.rows()


class Backtest:
    """One backtest; one loop's, used once.

    Args:
        found: Takes what a single version finds, in order, as `onlyA`; of two versions the
            differences and the pairs, when they are certain.
        progress: Told now and then.
    """

    def __init__(
        self,
        settings: BacktestSettings,
        found: Callable[[Difference], None],
        progress: Callable[[Backtested], None] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._found = found
        self._progress = progress
        self._clock = clock or SystemClock()
        plans = [settings.plan] if settings.against is None else [settings.plan, settings.against]
        self._versions = [_Version(side, plan) for side, plan in zip(_SIDES, plans, strict=False)]
        self._comparison = None if settings.against is None else Comparison(found)
        self.result = Backtested(a=self._versions[0].raised)
        if settings.against is not None:
            self.result.b = self._versions[1].raised

    async def run(self) -> Backtested:
        """Read the range; returns when all is found.

        Raises: Invalid for rules, topics or a range that do not exist; Unavailable.
        """
        settings = self._settings
        definitions = Definitions(settings.servers)
        await definitions.start()
        await definitions.stop()
        rules = rules_of(acting_ones(definitions.log))
        until_ms = settings.range.until_ms
        end_ms = self._clock.now_ms() if until_ms is None else until_ms
        config = {"clientId": "summit-backtest", "bootstrapServers": list(settings.servers)}
        async with Admin(config) as admin, LogReader(config, committed=True) as reader:
            spans, topic_ids = await find_spans(admin, settings.range)
            if not settings.range.topics:
                for version in self._versions:
                    version.plan = as_applied(version.plan, rules)
                topics = [t for v in self._versions for t in rule_topics(v.plan.topics)]
                wanted = TopicFilter(topics)
                spans = {place: span for place, span in spans.items() if wanted.reads(place.topic)}
            self.result.total = sum(stop - first for first, stop in spans.values())
            for version in self._versions:
                rerun = version.rerun
                rerun.topic_ids = topic_ids
                rerun.stage = await stage_of_the_past(reader, rules.stage.enrichments)
                plan = dataclasses.replace(version.plan, enabled=True)
                if settings.range.topics:
                    plan = dataclasses.replace(plan, topics=())
                rerun.set_rules([plan], rules._replace(paused=()))
                rerun.open(spans)
            async for records in read_merged(reader, spans):
                self.result.records += len(records)
                self._take([v.rerun.process(records) for v in self._versions])
                self._progress(self.result)
            self._take([v.rerun.let_time_pass(end_ms, spans) for v in self._versions])
        if self._comparison is not None:
            self._comparison.finish()
            self._compared()
        self._progress(self.result)
        return self.result

    def _take(self, findings: list[list[Finding]]) -> None:
        for version, found in zip(self._versions, findings, strict=True):
            for each in found:
                if each.kind == "published":
                    continue  # a result once more
                version.count(each)
                if self._comparison is None:
                    self._found(Difference(kind="onlyA", a=each))
                else:
                    self._comparison.add(version.side, each)
        first = self._versions[0].rerun
        self.result.rejected, self.result.late = first.rejected, first.late
        self._compared()

    def _compared(self) -> None:
        if self._comparison is not None:
            self.result.both = self._comparison.both
            self.result.only_a = self._comparison.only_a
            self.result.only_b = self._comparison.only_b


_SIDES: tuple[Side, Side] = (0, 1)
