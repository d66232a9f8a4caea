"""What the handlers of a running broker share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from summit.base.clock import Clock
from summit.broker.altering import Altering
from summit.broker.catalogue import Catalogue
from summit.broker.commit import CommitScheduler
from summit.broker.disk_thread import Threads, Worker
from summit.broker.fetch_memory import FetchMemory
from summit.broker.fetch_sessions import FetchSessions
from summit.broker.groups.coordinator import Coordinator
from summit.broker.metadata_log import MetadataLog
from summit.broker.metrics import Metrics
from summit.broker.producer_ids import ProducerIds
from summit.broker.security.quotas import Quotas
from summit.broker.security.security import Security
from summit.broker.settings import BrokerSettings
from summit.broker.topics import TopicTable
from summit.broker.transactions.coordinator import Transactions
from summit.protocol.api_versions import ApiVersion

if TYPE_CHECKING:
    from summit.broker.connection import Connection


@dataclass(slots=True, kw_only=True)
class BrokerState:
    """The parts of one running broker. Loop thread only."""

    settings: BrokerSettings
    broker_id: int
    cluster_id: str
    clock: Clock
    loop: asyncio.AbstractEventLoop
    topics: TopicTable
    catalogue: Catalogue
    altering: Altering
    metadata: MetadataLog
    commit: CommitScheduler
    coordinator: Coordinator
    producer_ids: ProducerIds
    transactions: Transactions
    security: Security
    quotas: Quotas
    guard: Security | None  # the same where clients may not do everything
    metrics: Metrics
    fetch_sessions: FetchSessions
    fetch_memory: FetchMemory
    threads: Threads
    preparer: Worker  # opens large batches where a topic's settings ask for it
    api_versions: list[ApiVersion]

    def endpoint(self, connection: Connection) -> tuple[str, int]:
        """The host and port that this client is told to dial: by default those it came in on."""
        listener = connection.listener
        return (
            listener.advertised_host or connection.local_host,
            listener.advertised_port or connection.local_port,
        )
