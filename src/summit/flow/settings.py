"""Settings of a worker."""

from __future__ import annotations

from typing import Literal

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.client.addresses import parse_addresses
from summit.journal.progress_record import AT_LEAST_ONCE, EXACTLY_ONCE

WORKERS_GROUP = "summit-workers"
WORKERS_IDLE_MS = 30_000


class WorkerSettings(Config, frozen=True, kw_only=True):
    """What a worker is started with.

    Args:
        bootstrap_servers: Addresses `host[:port]`; a text is split at commas.
        name: Shown as client id and in progress records.
        group_id: Workers of one group share the work.
        start_from: Where a topic is begun that the group has never read, when the worker starts:
            at the first record that is kept, or behind the last. Topics that come into being
            later are always read from their first record.
        guarantee: `exactly-once`: alerts are part of the transaction of state and positions, which
            every alert begins. `at-least-once`: alerts and dead letters leave at once, before it,
            and transactions are fewer; after a crash the alerts made since the last one are made
            and written again, with the same ids. State counts every event once in both, and what
            other actions write is part of the transaction.
        batch_records: Most records that are matched in one go.
        commit_interval_ms: Longest time between two commits while records come in; with
            `exactly-once` a batch that raised an alert is committed at once, while more records
            wait than a batch takes after at most 100 ms. None = 100, and with
            `at-least-once` 1,000 for a worker that has no others beside it.
        progress_interval_ms: Longest time until progress is told while records come in.
        topics_refresh_ms: How soon new topics and partitions are noticed.
        idle_ms: After so long a silence a partition holds back no timer and no waiting event of
            others, unless its stream says another time.
        session_timeout_ms: When a killed worker's work goes to another one; Kafka's least is 6 s.
        retry_backoff_max_ms: Longest pause between attempts while the brokers are away.
        transaction_timeout_ms: When the brokers abort what a killed worker left open; until then
            nobody can go on in its place, unless its `instance_id` comes back.
        instance_id: A name of its own for this worker, kept over restarts: a worker that comes
            back under it goes on at once where it was. Two of the same name end the older one.
        standby: 1 = keep a copy of the state that others hold, so that taking it over is fast.
            Costs memory for all of it and some CPU for each change.
        stop_at_end: Process what is there at the start, then stop by itself.
        allow_internal_addresses: Whether triggers may call addresses of this machine and of private
            networks; who may register a pattern could reach them.
        time_ends: Then let event time run out, for input that has an end: what is awaited in vain
            comes true, and nothing waits for its time any more.
    """

    bootstrap_servers: list[str] | str = "localhost:9092"
    name: str = "summit-worker"
    group_id: str = WORKERS_GROUP
    start_from: Literal["earliest", "latest"] = "earliest"
    guarantee: Literal["exactly-once", "at-least-once"] = "exactly-once"
    batch_records: int = 4_000
    commit_interval_ms: int | None = None
    progress_interval_ms: int = 250
    topics_refresh_ms: int = 1_000
    idle_ms: int = WORKERS_IDLE_MS
    session_timeout_ms: int = 6_000
    retry_backoff_max_ms: int = 5_000
    transaction_timeout_ms: int = 10_000
    instance_id: str | None = None
    allow_internal_addresses: bool = False
    standby: Literal[0, 1] = 0
    stop_at_end: bool = False
    time_ends: bool = False

    @property
    def servers(self) -> list[str]:
        """The addresses, each with its port."""
        return parse_addresses(self.bootstrap_servers)

    @property
    def alerts_leave_at_once(self) -> bool:
        """Whether alerts leave before the transaction of what they were made of."""
        return self.guarantee == "at-least-once"

    @property
    def guarantee_told(self) -> str:
        """The guarantee by the name of the wire."""
        return AT_LEAST_ONCE if self.alerts_leave_at_once else EXACTLY_ONCE

    def interval_ms(self, *, shared: bool) -> int:
        """Longest time between two commits.

        Args:
            shared: Other workers wait for what a commit tells them.
        """
        if self.commit_interval_ms is not None:
            return self.commit_interval_ms
        return 1_000 if self.alerts_leave_at_once and not shared else 100

    def check(self) -> None:
        for field in ("batch_records", "commit_interval_ms", "topics_refresh_ms", "idle_ms",
                      "retry_backoff_max_ms", "progress_interval_ms"):  # fmt: skip
            value = getattr(self, field)
            if value is not None and value < 1:
                raise Invalid("config.invalid", reason=f"{field} must be 1 or more", pointer="")
        if self.transaction_timeout_ms < 1_000:
            raise Invalid(
                "config.invalid", reason="transaction_timeout_ms must be 1000 or more", pointer=""
            )  # fmt: skip
        if not self.servers:
            raise Invalid("config.invalid", reason="bootstrapServers is empty", pointer="")
