"""`ClusterBackEnd`: an Apache Kafka cluster behind a `MessageBroker`; it is watched, not run.

A thread of its own looks at the cluster once a second, so that figures can be asked for from any
thread and at any moment without a wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from summit.base.errors import Closed, Conflict, Invalid, SummitError
from summit.base.limits import METRICS_INTERVAL_MS
from summit.base.logs import get_logger
from summit.client import AdminConfig, ClusterAdmin, ClusterFigures, ClusterObserver
from summit.client.security import ClientSecurity
from summit.stream_processing.back_end import BackupMade
from summit.stream_processing.metrics import UNKNOWN_METRICS, StreamMetrics

log = get_logger(__name__)


class ClusterBackEnd:
    """Watches a cluster from `start` to `stop`; the cluster itself lives on its own.

    Args:
        servers: Addresses of its brokers, `host:port`; several = fail-over.
    """

    leads_all = False

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = list(servers)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._figures: ClusterFigures | None = None
        self._changing = threading.Lock()

    @property
    def address(self) -> str:
        """What clients dial. Raises Closed while it is not watched."""
        if self._thread is None:
            raise Closed("broker.not_running")
        return ",".join(self._servers)

    @property
    def inner(self) -> tuple[str, ClientSecurity | None]:
        """What this process dials. Raises Closed while it is not watched."""
        return self.address, None

    @property
    def is_running(self) -> bool:
        """Whether the cluster is watched and answers."""
        return self._thread is not None and self._figures is not None

    @property
    def is_controller(self) -> bool:
        """Whether the cluster has an elected controller."""
        return self.broker_id is not None

    @property
    def broker_id(self) -> int | None:
        """The id of the elected controller; None while there is none, or nobody says."""
        figures = self._figures
        return None if figures is None else figures.controller_id

    def start(self, on_failed: Callable[[SummitError], None] | None = None) -> None:
        """Dial and look for the first time; blocks.

        A cluster that goes away later is waited for: nothing is a failure for good.

        Raises: Conflict("broker.running"); Unavailable("client.no_brokers").
        """
        del on_failed
        with self._changing:
            if self._thread is not None:
                raise Conflict("broker.running")
            begun: Future[None] = Future()
            thread = threading.Thread(
                target=lambda: asyncio.run(self._watch(begun)), name="summit-cluster", daemon=True
            )
            thread.start()
            begun.result()
            self._thread = thread

    def stop(self) -> None:
        """Watch no more; blocks shortly. Idempotent."""
        with self._changing:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            assert self._loop is not None
            assert self._ending is not None
            self._loop.call_soon_threadsafe(self._ending.set)
            thread.join()
            self._figures = None

    def metrics(self) -> StreamMetrics:
        """The figures of the last look; nothing is known while no broker answers."""
        figures = self._figures
        if figures is None:
            return UNKNOWN_METRICS
        return StreamMetrics(
            messages_in_per_sec=figures.messages_in_per_s,
            messages_out_per_sec=None,
            bytes_in_per_sec=figures.bytes_in_per_s,
            bytes_out_per_sec=None,
            producer_request_rate=None,
            consumer_request_rate=None,
            # What followers take in is what leaders give out.
            replication_bytes_in_per_sec=figures.replication_bytes_per_s,
            replication_bytes_out_per_sec=figures.replication_bytes_per_s,
            under_replicated_partitions=figures.under_replicated_partitions,
            offline_partitions_count=figures.offline_partitions,
            active_controller_count=figures.controllers,
            leader_election_rate=figures.leader_elections_per_s,
            unclean_leader_elections_per_sec=None,
        )

    def backup(self, directory: str) -> BackupMade:
        """Raise Invalid("backup.of_a_cluster"): no client can copy a cluster at one moment."""
        raise Invalid("backup.of_a_cluster", servers=",".join(self._servers))

    async def _watch(self, begun: Future[None]) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        admin = ClusterAdmin(
            AdminConfig(client_id="summit-message-broker", bootstrap_servers=self._servers)
        )
        observer = ClusterObserver(admin)
        try:
            await admin.connect()
            self._figures = await observer.look()
        except SummitError as error:
            await admin.close()
            begun.set_exception(error)
            return
        begun.set_result(None)
        while not await self._is_ending():
            try:
                self._figures = await observer.look()
            except SummitError as error:
                if self._figures is not None:
                    log.warning("cluster.not_seen", error=str(error))
                self._figures = None
        await admin.close()

    async def _is_ending(self) -> bool:
        """Wait for the next look, or the end."""
        assert self._ending is not None
        try:
            await asyncio.wait_for(self._ending.wait(), METRICS_INTERVAL_MS / 1000)
        except TimeoutError:
            return False
        return True
