"""Settings of an app of operators."""

from __future__ import annotations

import re
from typing import Final, Literal

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.client.addresses import parse_addresses

_APP_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")


class StreamSettings(Config, frozen=True, kw_only=True):
    """What an app is started with.

    Args:
        app_id: Names the app: its group, and the beginning of its topics' names. Processes with
            the same id share the work; the app goes on where it was under its id.
        bootstrap_servers: Addresses `host[:port]`; a text is split at commas.
        slots: In how many portions the work can be shared out, once and for all; None = the
            largest number of partitions among the topics that are read when the app first starts.
        start_from: Where a topic is begun that the app has never read.
        batch_records: Most records that are processed in one go.
        commit_interval_ms: Longest time between two commits while records come in.
        idle_ms: A partition that was read to its end and has been silent for so long holds back
            event time no more.
        topics_refresh_ms: How soon new partitions of topics are noticed.
        session_timeout_ms: When a killed process's work goes to another one; Kafka's least is 6 s.
        transaction_timeout_ms: When the brokers abort what a killed process left open; until then
            nobody can go on in its place, unless its `instance_id` comes back.
        instance_id: A name of its own for this process, kept over restarts: one that comes back
            under it goes on at once where it was. Two of the same name end the older one.
        retry_backoff_max_ms: Longest pause between attempts while the brokers are away.
        stop_at_end: Process what is there at the start, then stop by itself. With several
            processes each goes by its own share; what others send to it later, the next run takes.
    """

    app_id: str
    bootstrap_servers: list[str] | str = "localhost:9092"
    slots: int | None = None
    start_from: Literal["earliest", "latest"] = "earliest"
    batch_records: int = 4_000
    commit_interval_ms: int = 100
    idle_ms: int = 5_000
    topics_refresh_ms: int = 5_000
    session_timeout_ms: int = 6_000
    transaction_timeout_ms: int = 10_000
    instance_id: str | None = None
    retry_backoff_max_ms: int = 5_000
    stop_at_end: bool = False

    @property
    def servers(self) -> list[str]:
        """The addresses, each with its port."""
        return parse_addresses(self.bootstrap_servers)

    def check(self) -> None:
        if not _APP_ID.fullmatch(self.app_id):
            reason = "app_id has 1 to 100 of A-Z a-z 0-9 . _ -"
            raise Invalid("config.invalid", reason=reason, pointer="/appId")
        for field in ("batch_records", "commit_interval_ms", "idle_ms", "topics_refresh_ms",
                      "retry_backoff_max_ms"):  # fmt: skip
            if getattr(self, field) < 1:
                raise Invalid("config.invalid", reason=f"{field} must be 1 or more", pointer="")
        if self.slots is not None and self.slots < 1:
            raise Invalid("config.invalid", reason="slots must be 1 or more", pointer="/slots")
        if self.transaction_timeout_ms < 1_000:
            reason = "transaction_timeout_ms must be 1000 or more"
            raise Invalid("config.invalid", reason=reason, pointer="")
        if not self.servers:
            raise Invalid("config.invalid", reason="bootstrapServers is empty", pointer="")
