"""What a worker counts, and rates over a sliding window."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from summit.base.clock import Clock
from summit.base.histogram import Histogram
from summit.base.limits import RATE_WINDOW_MS, STATE_BYTES_MAX, STATE_BYTES_MIN
from summit.flow.stage_figures import StageFigures


class _Slot(NamedTuple):
    """A stretch of time: what came in it, by input, and how long a commit was waited for."""

    since_ms: float
    inputs: dict[str, int]
    waited_ms: float


class WorkerMetrics:
    """Counters since the worker was started.

    Attributes:
        id: Tells the worker from others.
        started_at: When that was, milliseconds since 1970 UTC.
        events: Records processed.
        restores, restored_records, restore_ms: How often key groups were taken up; what was read
            from the state's changelog for that; and how long it took.
        restarts: How often everything was begun anew from what was committed.
        copies_taken: How often key groups were taken over from the copy that was kept of them.
        loose_switches: How often rules changed before all workers were ready for it.
        commits, aborts: Transactions committed; refused cleanly by the brokers.
        commit_wait_ms: Time in which nothing was processed because a commit was waited for.
        state_records, state_bytes: Written to the state's changelog.
        exchange_events, exchange_bytes: Sent to other workers.
        matches, alerts: Of rules of all kinds, committed; acknowledged by the broker.
        matches_by_rule: The same by rule id.
        suppressed: Matches for which, by their rule's `suppress`, an earlier alert stands.
        rejected: Records put into dead letters, by error code.
        skipped: Records counted only (no type, no key, deletions), by error code.
        lags: Records behind the end by input, as last looked at.
        exchange_lag: The same for what other workers have sent.
        late: Events whose time was closed.
        stage: What filters, transformations, enrichments and routes have done.
        published: Records that actions have written.
        undeliverable: By topic, records that it refused for good.
        state_cut: By rule, how often a key's state was too large to be saved whole; by
            "waiting events of TOPIC", how often an event was.
        state_bytes_max: How large a record of state may be; less once brokers have refused one.
        restarted: When everything was begun anew last (milliseconds since 1970 UTC), and why.
        faulty: Why definitions cannot act, by rule id, of the stage by `kind/id`.
        past_faults: What became of the past of rules that begin with it, by rule id.
        batches_took, commits_took: How long batches and transactions have taken.
        calls, calls_failed: Webhooks called; calls that were refused or not answered, each attempt.
    """

    def __init__(self, clock: Clock, worker_id: str = "") -> None:
        self._clock = clock
        self.id = worker_id
        self.started_at = clock.now_ms()
        self._slots: deque[_Slot] = deque([_Slot(clock.monotonic_ms(), {}, 0.0)])
        self.events = 0
        self.matches = 0
        self.matches_by_rule: Counter[str] = Counter()
        self.alerts = 0
        self.suppressed = 0
        self.commits = 0
        self.aborts = 0
        self.commit_wait_ms = 0.0
        self.restores = 0
        self.restored_records = 0
        self.restore_ms = 0.0
        self.restarts = 0
        self.loose_switches = 0
        self.copies_taken = 0
        self.state_records = 0
        self.state_bytes = 0
        self.exchange_events = 0
        self.exchange_bytes = 0
        self.batches_took = Histogram()
        self.commits_took = Histogram()
        self._restoring: tuple[int, int] | None = None
        self.undeliverable: Counter[str] = Counter()
        self.state_cut: Counter[str] = Counter()
        self.state_bytes_max = STATE_BYTES_MAX
        self.restarted: tuple[int, str] | None = None
        self.lags: dict[str, int] = {}
        self.exchange_lag = 0
        self.late = 0
        self.faulty: dict[str, str] = {}
        self.past_faults: dict[str, str] = {}
        self.published = 0
        self.calls = 0
        self.calls_failed = 0
        self.rejected: dict[str, int] = {}
        self.skipped: dict[str, int] = {}
        self.stage = StageFigures()

    @property
    def lag(self) -> int:
        """Records behind the end of all inputs."""
        return sum(self.lags.values())

    def count_events(self, by_input: Iterable[tuple[str, int]], took_ms: float) -> None:
        """So many records more were processed, by input, in one batch."""
        self.batches_took.add(took_ms)
        inputs = self._slot().inputs
        for name, count in by_input:
            self.events += count
            inputs[name] = inputs.get(name, 0) + count

    def count_matches(self, counts: Mapping[str, int]) -> None:
        """So many matches, groups and results are committed, by rule."""
        self.matches += sum(counts.values())
        self.matches_by_rule.update(counts)

    @property
    def undeliverable_count(self) -> int:
        """Records that their topics refused for good."""
        return self.undeliverable.total()

    def count_undeliverable(self, by_topic: Mapping[str, int]) -> None:
        """So many records more are not written, because their topics refused them."""
        self.undeliverable.update(by_topic)

    def state_refused(self, size_bytes: int) -> bool:
        """The brokers have refused a record of state so large: from now on at most half of it.

        Returns: Whether that changes anything.
        """
        most = max(min(self.state_bytes_max, size_bytes) // 2, STATE_BYTES_MIN)
        if size_bytes <= STATE_BYTES_MIN or most >= self.state_bytes_max:
            return False
        self.state_bytes_max = most
        return True

    @property
    def faults(self) -> dict[str, str]:
        """Why definitions cannot act, or not as they say; of backfills by `backfill/rule`."""
        return {
            **self.faulty,
            **{f"backfill/{rule}": reason for rule, reason in self.past_faults.items()},
        }

    def count_restart(self, reason: str) -> None:
        """Everything is begun anew."""
        self.restarts += 1
        self.restarted = (self._clock.now_ms(), reason)

    def count_commit_wait(self, waited_ms: float) -> None:
        """A commit was waited for so long."""
        self.commit_wait_ms += waited_ms
        slot = self._slot()
        self._slots[-1] = slot._replace(waited_ms=slot.waited_ms + waited_ms)

    def _slot(self) -> _Slot:
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._slots[-1].since_ms >= RATE_WINDOW_MS / 20:
            self._slots.append(_Slot(now_ms, {}, 0.0))
            while now_ms - self._slots[0].since_ms > RATE_WINDOW_MS:
                self._slots.popleft()
        return self._slots[-1]

    def _recent(self) -> tuple[list[_Slot], float]:
        """The slots of the last seconds, and how long they are together."""
        now_ms = self._clock.monotonic_ms()
        recent = [slot for slot in self._slots if now_ms - slot.since_ms <= RATE_WINDOW_MS]
        return recent, now_ms - recent[0].since_ms if recent else 0.0

    def restoring(self, done: int, total: int) -> None:
        """So many offsets of the changelog are read, of so many."""
        self._restoring = (done, total) if done < total else None

    def count_restore(self, records: int, took_ms: float) -> None:
        """Key groups were taken up."""
        self.restores += 1
        self.restored_records += records
        self.restore_ms += took_ms
        self._restoring = None

    @property
    def restore_under_way(self) -> tuple[int, int] | None:
        """Offsets of the changelog that are read, and are to be read; None = nothing restores."""
        return self._restoring

    def restore_progress(self) -> float:
        """The part of the last restoring that is done, 0 to 1."""
        if self._restoring is None:
            return 1.0
        done, total = self._restoring
        return round(done / total, 3)

    def rates(self) -> dict[str, float]:
        """Events per second by input over the last seconds; silent inputs are left out."""
        recent, elapsed_ms = self._recent()
        if elapsed_ms <= 0:
            return {}
        counts: dict[str, int] = {}
        for slot in recent:
            for name, count in slot.inputs.items():
                counts[name] = counts.get(name, 0) + count
        return {name: round(1000 * count / elapsed_ms, 1) for name, count in counts.items()}

    def events_per_s(self) -> float:
        """Events per second over the last seconds, whenever it is asked."""
        recent, elapsed_ms = self._recent()
        count = sum(sum(slot.inputs.values()) for slot in recent)
        return 1000 * count / elapsed_ms if elapsed_ms > 0 else 0.0

    def commit_wait_share(self) -> float:
        """Which part of the last seconds was spent on waiting for a commit, 0 to 1."""
        recent, elapsed_ms = self._recent()
        waited_ms = sum(slot.waited_ms for slot in recent)
        return min(1.0, round(waited_ms / elapsed_ms, 3)) if elapsed_ms > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """By the names of the wire."""
        return {
            "events": self.events,
            "eventsPerSec": round(self.events_per_s(), 1),
            "matches": self.matches,
            "alerts": self.alerts,
            "rejected": sum(self.rejected.values()),
            "rejectedByReason": dict(self.rejected),
            "skipped": sum(self.skipped.values()),
            "skippedByReason": dict(self.skipped),
            "commits": self.commits,
            "aborts": self.aborts,
            "commitWaitShare": self.commit_wait_share(),
            "restores": self.restores,
            "restoredRecords": self.restored_records,
            "restoring": self.restore_progress(),
            "restarts": self.restarts,
            "looseSwitches": self.loose_switches,
            "copiesTaken": self.copies_taken,
            "stateRecords": self.state_records,
            "stateBytes": self.state_bytes,
            "stateBytesPerEvent": round(self.state_bytes / self.events, 1) if self.events else 0.0,
            "exchangeEvents": self.exchange_events,
            "exchangeLag": self.exchange_lag,
            "late": self.late,
            "suppressed": self.suppressed,
            "undeliverable": self.undeliverable_count,
            "published": self.published,
            "calls": self.calls,
            "callsFailed": self.calls_failed,
            "lag": self.lag,
            "stage": self.stage.as_dict(),
        }
