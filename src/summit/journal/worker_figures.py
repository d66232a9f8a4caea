"""What a worker tells of itself in its progress, at most once a second: counters and rates.

Counters count from the worker's start. A member that is zero is left out, so that a quiet worker
tells little. Members may come later: readers pass over those that they do not know, and take
those that are missing as zero.

    {"id": "0190…",                   this worker, for as long as it runs
     "member": "summit-worker-…",     its name in the workers' group
     "host": "edge-1", "pid": 4711, "startedAt": 1700000000000,
     "events": 1200, "eventsPerSec": 99.5,
     "inputs": {"events/0": 99.5},    events a second by input
     "stateRecords": 40, "stateBytes": 9000,
     "rules": {"brute": {"matches": 3, "runs": 4, "keys": 2}},
     "restoring": [5000, 20000]}      offsets of the changelog read, and to be read
"""

from __future__ import annotations

import msgspec


class RuleFigures(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What one rule has done on one worker.

    Attributes:
        keys, runs: Alive now.
        keys_evicted: Keys dropped because of `limits.keys`.
        keys_expired: Keys forgotten because of `limits.ttl`.
        runs_evicted: Unfinished matches dropped because of `limits.runsPerKey`.
        captures_evicted: Events that count for a match and that it will not show.
        released_early: Matches that came out before their turn, because too many waited.
        timeouts: Unfinished matches whose time was over.
        without_key: Events that satisfied the rule and lacked its `groupBy`.
        late: Events that came too late for the rule.
        corrected, withdrawn: Matches that late events have changed, or ended.
        merged: Groups that went into another, because an event has linked them.
        held_back: Events that were not linked by a value that too many things came with.
        ignored: Events that name nothing by which they could be linked but ignored values.
    """

    matches: int = 0
    keys: int = 0
    runs: int = 0
    keys_evicted: int = 0
    keys_expired: int = 0
    runs_evicted: int = 0
    captures_evicted: int = 0
    released_early: int = 0
    timeouts: int = 0
    without_key: int = 0
    late: int = 0
    corrected: int = 0
    withdrawn: int = 0
    merged: int = 0
    held_back: int = 0
    ignored: int = 0


class WorkerFigures(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """See the module.

    Attributes:
        rejected, skipped: Records put into dead letters; counted only.
        published: Records that actions have written: forwarded events, aggregates, starts.
        calls, calls_failed: Webhooks called; attempts that were refused or not answered.
        late: Events whose time was closed.
        filtered, dropped: Events that a filter stopped; that a rule with `onError: drop` refused.
        transformed, enriched, routed: Events changed; look-ups that found something; events sent
            by routes.
        stage_faults: Events on which a transformation or an enrichment has failed.
        commits, aborts: Transactions that were committed; that the brokers refused cleanly.
        state_cut: By rule, how often a key's state was too large to be saved whole; by
            "waiting events of TOPIC", how often an event was.
        undeliverable, undeliverable_topics: Records that their topics refused for good; by topic,
            those of the most.
        restarts: How often everything was begun anew from what was committed.
        restarted: When that was last, milliseconds since 1970 UTC, and why.
        commit_wait_ms: Time in which nothing was processed because a commit was waited for.
        commit_wait_share: The same as a part of the last seconds, 0 to 1.
        state_records, state_bytes: Written to the state's changelog.
        exchange_events, exchange_bytes: Sent to other workers.
        restores, restored_records, restore_ms: How often key groups were taken up, what was read
            for that, and how long it took.
        frontier_ms: How far event time has come; None before the first event.
        rules: By rule id; rules that have done nothing are left out.
        rules_left_out: How many more there are than are told.
        batches_took, commits_took: How long batches and transactions took (`base/histogram.py`).
        faulty: Why definitions cannot act, by rule id, of the stage and of backfills by
            `kind/id`.
    """

    id: str
    member: str = ""
    host: str = ""
    pid: int = 0
    started_at: int = 0
    events: int = 0
    events_per_sec: float = 0.0
    inputs: dict[str, float] = {}
    matches: int = 0
    alerts: int = 0
    suppressed: int = 0
    suppress_evicted: int = 0
    correctable_evicted: int = 0
    rejected: int = 0
    skipped: int = 0
    undeliverable: int = 0
    undeliverable_topics: dict[str, int] = {}
    state_cut: dict[str, int] = {}
    published: int = 0
    calls: int = 0
    calls_failed: int = 0
    late: int = 0
    filtered: int = 0
    dropped: int = 0
    transformed: int = 0
    enriched: int = 0
    routed: int = 0
    stage_faults: int = 0
    commits: int = 0
    aborts: int = 0
    restarts: int = 0
    restarted: tuple[int, str] | None = None
    commit_wait_ms: int = 0
    commit_wait_share: float = 0.0
    state_records: int = 0
    state_bytes: int = 0
    exchange_events: int = 0
    exchange_bytes: int = 0
    restores: int = 0
    restored_records: int = 0
    restore_ms: int = 0
    restoring: tuple[int, int] | None = None
    frontier_ms: int | None = None
    rules: dict[str, RuleFigures] = {}
    rules_left_out: int = 0
    faulty: dict[str, str] = {}
    batches_took: list[float] = []
    commits_took: list[float] = []

    @property
    def state_bytes_per_event(self) -> float:
        """Bytes of the changelog that an input event costs."""
        return self.state_bytes / self.events if self.events else 0.0
