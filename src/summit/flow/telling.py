"""What a worker tells in `_summit.progress`: how far it is, and now and then how it fares."""

from __future__ import annotations

import os
import socket

from summit.base.clock import Clock
from summit.base.ids import uuid7
from summit.base.limits import FIGURES_TOLD_MS, RULES_TOLD_MAX
from summit.base.rand import Rand
from summit.client.member import GroupMember
from summit.flow.metrics import WorkerMetrics
from summit.flow.placement import carrier
from summit.flow.rules import Rules
from summit.flow.runtime import Cut, Runtime
from summit.flow.settings import WorkerSettings
from summit.journal.progress_record import ProgressRecord, split_partition_name
from summit.journal.worker_figures import RuleFigures, WorkerFigures

_TOPICS_TOLD_MAX = 10
# The matcher's names, and what they are called where they are shown.
# What is told, and how the lanes of patterns and of correlations call it.
_RULE_FIGURES = {
    "keys": ("keys",), "runs": ("live_runs",),
    "keys_evicted": ("keys_dropped",), "runs_evicted": ("runs_dropped", "evicted"),
    "captures_evicted": ("captures_dropped", "beyond_max"),
    "released_early": ("released_early",),
    "keys_expired": ("keys_expired",),
    "timeouts": ("timeouts", "incomplete"), "without_key": ("without_key",),
    "late": ("late",), "corrected": ("corrected",), "withdrawn": ("withdrawn",),
    "merged": ("merged",), "held_back": ("held_back",), "ignored": ("ignored",),
}  # fmt: skip


class Teller:
    """Makes progress records; figures at most every `FIGURES_TOLD_MS`.

    Args:
        member: Its name in the group is told.
        runtime: What is held, and the rules' counters.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        clock: Clock,
        metrics: WorkerMetrics,
        member: GroupMember,
        runtime: Runtime,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._member = member
        self._runtime = runtime
        self._figures_ms = float("-inf")
        self._told: tuple[object, ...] = ()

    @property
    def is_due(self) -> bool:
        """Whether figures are to be told though nothing is to be committed.

        After the last movement they are told once more, and again when the rates are zero.
        """
        return bool(self._told) and self._is_time and self._told != self._signs()

    def _signs(self) -> tuple[object, ...]:
        """What changes when something moves, and not because figures are told."""
        metrics = self._metrics
        return (
            metrics.events, metrics.matches, metrics.alerts, metrics.suppressed, metrics.restores,
            metrics.restarts, metrics.state_records, metrics.exchange_events,
            metrics.undeliverable_count, metrics.state_cut.total(),
            metrics.calls, metrics.calls_failed,
            tuple(metrics.faults.items()),
            self._runtime.engine.processor.live_runs, metrics.events_per_s() > 0,
        )  # fmt: skip

    @property
    def _is_time(self) -> bool:
        return self._clock.monotonic_ms() - self._figures_ms >= FIGURES_TOLD_MS

    def progress(self, cut: Cut, rules: Rules, definitions: int) -> ProgressRecord:
        """The record that belongs to a cut."""
        positions = {
            name: at for name, at in cut.seen.items()
            if carrier(*split_partition_name(name)) in self._runtime.held
        }  # fmt: skip
        return ProgressRecord(
            worker=self._settings.name,
            groups=sorted(self._runtime.held),
            positions=positions,
            seen=cut.seen,
            definitions=definitions,
            reads=rules.filter.wanted,
            runs=self._runtime.engine.processor.live_runs,
            guarantee=self._settings.guarantee_told,
            at=self._clock.now_ms(),
            figures=self._figures_told() if self._is_time else None,
        )

    def restoring(self, rules: Rules, definitions: int) -> ProgressRecord:
        """What is told while state is read: nothing about key groups, only figures."""
        return ProgressRecord(
            worker=self._settings.name,
            definitions=definitions,
            reads=rules.filter.wanted,
            guarantee=self._settings.guarantee_told,
            at=self._clock.now_ms(),
            figures=self._figures_told(),
        )

    def _figures_told(self) -> WorkerFigures:
        self._figures_ms = self._clock.monotonic_ms()
        self._told = self._signs()
        return self.figures()

    def figures(self) -> WorkerFigures:
        """The figures as they are now."""
        metrics, matcher = self._metrics, self._runtime.engine.processor
        frontier_ms = matcher.frontier_ms
        rules = {
            rule: RuleFigures(
                matches=metrics.matches_by_rule[rule],  # what was aborted does not count
                **{
                    told: sum(counts.get(name, 0) for name in names)
                    for told, names in _RULE_FIGURES.items()
                },
            )
            for rule, counts in matcher.rule_stats().items()
        }
        busy = {rule: told for rule, told in rules.items() if told != RuleFigures()}
        shown = sorted(busy, key=lambda rule: (-busy[rule].runs, -busy[rule].matches, rule))
        return WorkerFigures(
            id=metrics.id,
            member=self._member.member_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=metrics.started_at,
            events=metrics.events,
            events_per_sec=round(metrics.events_per_s(), 1),
            inputs=metrics.rates(),
            matches=metrics.matches,
            alerts=metrics.alerts,
            suppressed=metrics.suppressed,
            suppress_evicted=self._runtime.engine.suppressor.evicted,
            correctable_evicted=self._runtime.engine.suppressor.made_evicted,
            rejected=sum(metrics.rejected.values()),
            skipped=sum(metrics.skipped.values()),
            undeliverable=metrics.undeliverable_count,
            undeliverable_topics=dict(
                sorted(metrics.undeliverable.items(), key=lambda told: -told[1])[:_TOPICS_TOLD_MAX]
            ),
            state_cut=dict(metrics.state_cut.most_common(_TOPICS_TOLD_MAX)),
            published=metrics.published,
            calls=metrics.calls,
            calls_failed=metrics.calls_failed,
            late=metrics.late,
            **metrics.stage.totals(),
            commits=metrics.commits,
            aborts=metrics.aborts,
            restarts=metrics.restarts,
            restarted=metrics.restarted,
            commit_wait_ms=int(metrics.commit_wait_ms),
            commit_wait_share=metrics.commit_wait_share(),
            state_records=metrics.state_records,
            state_bytes=metrics.state_bytes,
            exchange_events=metrics.exchange_events,
            exchange_bytes=metrics.exchange_bytes,
            restores=metrics.restores,
            restored_records=metrics.restored_records,
            restore_ms=int(metrics.restore_ms),
            restoring=metrics.restore_under_way,
            frontier_ms=int(frontier_ms) if abs(frontier_ms) != float("inf") else None,
            rules={rule: busy[rule] for rule in shown[:RULES_TOLD_MAX]},
            rules_left_out=max(0, len(shown) - RULES_TOLD_MAX),
            faulty=metrics.faults,
            batches_took=metrics.batches_took.told(),
            commits_took=metrics.commits_took.told(),
        )


def worker_id(settings: WorkerSettings, clock: Clock) -> str:
    """What tells this worker from others: its kept name, else a new one."""
    return settings.instance_id or str(uuid7(clock, Rand()))
