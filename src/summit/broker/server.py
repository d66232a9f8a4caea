"""The broker: starts, listens, keeps house, stops.

    start   lock, recover the log, read the metadata and the groups back, listen
    run     connections hand frames to `dispatch`; `commit` writes; timers keep house
    stop    no new connections, what is staged becomes durable, a clean close

One broker belongs to one event loop; whatever blocks on the disk for long runs on a thread.
"""

from __future__ import annotations

import asyncio
import errno
import functools
from collections.abc import Sequence
from typing import Any, Final

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Closed, Conflict, Invalid, SummitError
from summit.base.files import Files, OsFiles
from summit.base.limits import BACKLOG_BYTES_MAX, TLS_HANDSHAKE_MS
from summit.base.logs import get_logger
from summit.base.rand import Rand
from summit.broker.altering import Altering
from summit.broker.catalogue import Catalogue
from summit.broker.commit import CommitScheduler
from summit.broker.connection import SCRATCH_BYTES, Connection
from summit.broker.disk_thread import DiskThread, Threads, attempt
from summit.broker.dispatch import SERVED, Dispatcher
from summit.broker.fetch_memory import FetchMemory
from summit.broker.fetch_sessions import FetchSessions
from summit.broker.fetch_wait import FetchWait
from summit.broker.groups.consumer_group import ConsumerLimits
from summit.broker.groups.coordinator import Coordinator
from summit.broker.groups.states import GroupLimits
from summit.broker.housekeeping import Housekeeping
from summit.broker.identity import ensure_identity
from summit.broker.metadata_log import (
    METADATA_TOPIC_ID,
    Facts,
    MetadataLog,
    read_all,
)
from summit.broker.metrics import Metrics, busiest
from summit.broker.producer_ids import ProducerIds
from summit.broker.security.acls import Acls
from summit.broker.security.first_users import FirstUsers
from summit.broker.security.listeners import INNER, Listener
from summit.broker.security.quotas import Quotas
from summit.broker.security.security import InnerAccess, Security
from summit.broker.security.tls import SHUTDOWN_TIMEOUT_S, ServerTls
from summit.broker.security.users import Users
from summit.broker.settings import BrokerSettings
from summit.broker.state import BrokerState
from summit.broker.topic_configs import KEPT_FOR_EVER
from summit.broker.topics import (
    METADATA_TOPIC,
    OFFSETS_TOPIC,
    TRANSACTIONS_TOPIC,
    Topic,
    TopicTable,
)
from summit.broker.transactions.coordinator import Transactions
from summit.log.backup import Manifest
from summit.log.partition import PartitionLog
from summit.log.settings import StoreSettings
from summit.log.store import LogStore
from summit.protocol import codes, scram
from summit.protocol.api_versions import advertised
from summit.protocol.apis import APIS

_BACKLOG: Final = 1_024
_TOPICS_TOLD_MAX: Final = 500  # figures are written as one record a second
_PARTING_LOOKS: Final = 20
_PARTING_LOOK_S: Final = 0.025
_IDLE_TICKS_MAX: Final = 600  # seconds without a byte before a connection is closed

_log = get_logger(__name__)


class Broker:
    """One embedded broker. `start` and `stop` once each, on the loop it shall run on.

    Attributes:
        failed: A future whose result is the error that stopped the broker, if one does.
        host, port: Where it listens; of several listeners the first.
        addresses: Where each listener is, by its name.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        files: Files | None = None,
        clock: Clock | None = None,
        rand: Rand | None = None,
        threads: Threads = DiskThread,
    ) -> None:
        self.settings = settings
        self.host = ""
        self.port = 0
        self.cluster_id = ""
        self._files = files or OsFiles()
        self._clock = clock or SystemClock()
        self._rand = rand or Rand()
        self._threads = threads
        self._connections: dict[Connection, None] = {}  # in the order they came
        self.addresses: dict[str, tuple[str, int]] = {}
        self._servers: list[asyncio.Server] = []
        self._tls: ServerTls | None = None
        self._store: LogStore | None = None
        self._state: BrokerState | None = None
        self._dispatcher: Dispatcher | None = None
        self._housekeeping: Housekeeping | None = None
        self._is_stopping = False
        # What connections need (`connection.Host`).
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        self.request_max_bytes = settings.socket_request_max_bytes
        self.request_queue_max = settings.request_queue_max
        self.send_buffer_bytes = settings.socket_send_buffer_bytes
        self.receive_buffer_bytes = settings.socket_receive_buffer_bytes
        self.tick = 0
        self.is_congested = False

    # ---- life ----

    async def start(self) -> None:
        """Recover what is on the disk and listen.

        Raises: Conflict("disk.locked") when another broker has the data directory; Corrupt or
            Conflict("web.port_in_use"), Invalid("web.bind_failed"); OSError when the disk cannot
            be read; Invalid("security.exposed" | "security.certificate").
        """
        loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[SummitError] = loop.create_future()
        settings = self.settings
        exposed = None if settings.insecure else settings.exposed()
        if exposed is not None:
            raise Invalid(
                "security.exposed", listener=exposed.name, host=exposed.host or "every address"
            )
        if any(listener.is_tls for listener in settings.all_listeners()):
            self._tls = ServerTls(settings)
        self._store = store = await asyncio.to_thread(self._open_store)
        self._disk = self._threads("summit-disk", loop)
        self._preparer = self._threads("summit-prepare", loop)
        self._commit = CommitScheduler(
            store,
            loop,
            inline=settings.durability != "fsync",
            on_published=self._on_published,
            on_failed=self._on_failed,
            threads=self._threads,
        )
        try:
            self._state = self._build_state(loop, store)
            self.first_users = FirstUsers(
                self._state.security.users, self._files, settings.data_dir
            )
            self.first_users.look()
            self.first_users.ensure(settings)
            await self._state.security.open()
            await self._commit.drain()  # transactions that the last run left behind, first users
            self._dispatcher = Dispatcher(self._state)
            await self._listen_everywhere(loop)
        except BaseException:
            self._is_stopping = True  # nothing is left for `stop`, which closes no disk twice
            if self._state is not None:
                self._state.coordinator.close()
                self._state.transactions.close()
            self._stop_listening()
            await self._close_disk()
            raise
        self._housekeeping = Housekeeping(self._state, self._store, self, self._files)
        self._housekeeping.start()
        _log.info(
            "broker.started", host=self.host, port=self.port, cluster_id=self.cluster_id,
            durability=settings.durability, topics=len(self._state.topics),
        )  # fmt: skip

    async def stop(self) -> None:
        """Stop listening, make what is staged durable, close the connections and the log."""
        if self._is_stopping or self._store is None or self._state is None:
            return
        self._is_stopping = True
        self._stop_listening()
        state = self._state
        if self._housekeeping is not None:
            await self._housekeeping.stop()
        state.coordinator.close()
        state.transactions.close()
        self.is_congested = True  # no new requests; what was taken is answered
        if self._commit.failure is None:
            await self._commit.drain()
        await self._part()
        await self._close_disk()
        _log.info("broker.stopped", port=self.port)

    async def _part(self) -> None:
        """End all connections: with TLS both sides say so, and who does not is not waited for."""
        for connection in list(self._connections):
            connection.close()
        if self._tls is not None:
            for _ in range(_PARTING_LOOKS):
                await asyncio.sleep(_PARTING_LOOK_S)
                if not self._connections:
                    break
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)

    async def _close_disk(self) -> None:
        assert self._store is not None
        if self._state is not None:
            await self._state.security.part()
            await asyncio.to_thread(self._state.security.close)
        await asyncio.to_thread(self._preparer.close)
        await asyncio.to_thread(self._disk.close)
        await asyncio.sleep(0)  # what its last jobs have to say may be staged now
        if self._commit.failure is None:
            await self._commit.drain()
        self._commit.close()
        _, error = await asyncio.to_thread(attempt, self._store.close)
        if error is not None:
            # What was acknowledged under `fsync` is in the write-ahead log all the same.
            _log.error("broker.not_closed_cleanly", error=str(error))
            if not self.failed.done():
                self.failed.set_result(error)

    def metrics(self) -> dict[str, Any]:
        """Totals and rates (10 s window), connections, topics, and every group's lag."""
        state = self._require_state()
        metrics = state.metrics
        return {
            **metrics.totals(),
            **metrics.rates(),
            "by_api": metrics.requests_by_api(),
            "by_topic": busiest(
                ((topic.name, topic.counters) for topic in state.topics), _TOPICS_TOLD_MAX
            ),
            "connections": len(self._connections),
            "topics": len(state.topics),
            "partitions": sum(len(topic.partitions) for topic in state.topics),
            "under_replicated_partitions": sum(
                len(topic.partitions)
                for topic in state.topics
                if int(topic.configs.get("summit.replication.factor", 1)) > 1
            ),
            "groups": state.coordinator.describe(state.topics),
            "commit_took": self._commit.took.told(),
        }

    @property
    def inner(self) -> InnerAccess | None:
        """How this machine's own parts reach it; None where everybody who may reach it may ask."""
        address = self.addresses.get(INNER)
        if address is None:
            return None
        return InnerAccess(*address, self._require_state().security.inner_password)

    async def backup(self, target: str) -> Manifest:
        """Write a backup to the directory `target`, absent or empty; the broker serves on.

        It holds every partition up to one common moment: whole transactions, and no group's offset
        ahead of the records.

        Raises: Conflict("backup.refused" | "backup.target_in_use"); Unavailable("disk.full");
            Closed("broker.not_running").
        """
        if self._housekeeping is None or self._is_stopping:
            raise Closed("broker.not_running")
        return await self._housekeeping.backups.make(target)

    # ---- starting ----

    async def _listen_everywhere(self, loop: asyncio.AbstractEventLoop) -> None:
        listeners = self.settings.all_listeners()
        if self.settings.is_secured:
            listeners.append(
                Listener(INNER, "SASL_PLAINTEXT", "127.0.0.1", 0, mechanisms=(scram.SCRAM_SHA_256,))
            )
        for listener in listeners:
            server = await self._listen(loop, listener)
            self._servers.append(server)
            self.addresses[listener.name] = server.sockets[0].getsockname()[:2]
        self.host, self.port = self.addresses[listeners[0].name]

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()

    async def _listen(self, loop: asyncio.AbstractEventLoop, listener: Listener) -> asyncio.Server:
        """Take connections. Raises: Conflict("web.port_in_use"); Invalid("web.bind_failed")."""
        host, port = listener.host, listener.port
        tls: dict[str, Any] = {}
        if listener.is_tls and self._tls is not None:
            tls = {
                "ssl": self._tls.context,
                "ssl_handshake_timeout": TLS_HANDSHAKE_MS / 1000,
                "ssl_shutdown_timeout": SHUTDOWN_TIMEOUT_S,
            }
        try:
            return await loop.create_server(
                functools.partial(Connection, self, listener),
                host or None, port, backlog=_BACKLOG, **tls,
            )  # fmt: skip
        except OSError as error:
            address = f"{host}:{port}"
            if error.errno == errno.EADDRINUSE:
                raise Conflict("web.port_in_use", address=address) from error
            reason = error.strerror or str(error)
            raise Invalid("web.bind_failed", address=address, reason=reason) from error

    def _open_store(self) -> LogStore:
        settings = self.settings
        store = LogStore.open(
            self._files,
            settings.data_dir,
            settings.partition_dirs,
            settings=StoreSettings(
                durability=settings.durability,
                wal_file_bytes=settings.wal_file_bytes,
                producer_expiry_ms=settings.producer_id_expiration_ms,
            ),
            clock=self._clock,
            rand=self._rand,
        )
        try:
            self.cluster_id = ensure_identity(
                self._files, settings.data_dir, settings.broker_id, self._rand
            )
        except BaseException:
            store.close()
            raise
        return store

    def _build_state(self, loop: asyncio.AbstractEventLoop, store: LogStore) -> BrokerState:
        settings = self.settings
        commit = self._commit
        topics = TopicTable()
        catalogue = Catalogue(
            settings, self._rand, store, topics, self._disk, self._on_topic_deleted
        )
        metadata = MetadataLog(_metadata_log(store), self._clock)
        facts = metadata.replay()
        catalogue.attach(commit, metadata)
        altering = Altering(settings, catalogue, topics, self._disk, commit, metadata)
        altering.restore_configs(facts)
        catalogue.restore(facts.created, facts.deleted)
        altering.restore_starts(facts.deleted_to)
        offsets_log = catalogue.ensure_internal(OFFSETS_TOPIC)
        coordinator = self._build_coordinator(loop, offsets_log, topics)
        coordinator.replay(read_all(offsets_log))
        metrics = Metrics(self._clock)
        security = self._build_security(loop, metadata, facts, metrics)
        quotas = Quotas(metadata, commit, self._clock, loop)
        quotas.restore(facts.quotas.values())
        producer_ids = ProducerIds(facts.next_producer_id, metadata, commit)
        transactions_log = catalogue.ensure_internal(TRANSACTIONS_TOPIC)
        transactions = Transactions(
            clock=self._clock,
            loop=loop,
            commit=commit,
            log=transactions_log,
            topics=topics,
            groups=coordinator,
            producer_ids=producer_ids,
            timeout_max_ms=settings.transaction_max_timeout_ms,
        )
        transactions.replay(read_all(transactions_log))
        transactions.resume(was_clean=store.report.was_clean)
        state = BrokerState(
            settings=altering.settings,
            broker_id=settings.broker_id,
            cluster_id=self.cluster_id,
            clock=self._clock,
            loop=loop,
            topics=topics,
            catalogue=catalogue,
            altering=altering,
            metadata=metadata,
            commit=commit,
            coordinator=coordinator,
            producer_ids=producer_ids,
            transactions=transactions,
            security=security,
            quotas=quotas,
            guard=security if security.is_guarded else None,
            metrics=metrics,
            fetch_sessions=FetchSessions(self._clock, self._rand),
            fetch_memory=FetchMemory(),
            threads=self._threads,
            preparer=self._preparer,
            api_versions=advertised(APIS[key] for key in SERVED),
        )
        altering.on_settings = functools.partial(setattr, state, "settings")
        return state

    def _build_coordinator(
        self, loop: asyncio.AbstractEventLoop, log: PartitionLog, topics: TopicTable
    ) -> Coordinator:
        settings = self.settings
        return Coordinator(
            limits=GroupLimits(
                session_timeout_min_ms=settings.group_min_session_timeout_ms,
                session_timeout_max_ms=settings.group_max_session_timeout_ms,
                initial_delay_ms=settings.group_initial_rebalance_delay_ms,
                members_max=settings.group_members_max,
            ),
            clock=self._clock,
            rand=self._rand,
            loop=loop,
            commit=self._commit,
            log=log,
            topics=topics,
            consumer_limits=ConsumerLimits(
                session_timeout_ms=settings.group_consumer_session_timeout_ms,
                heartbeat_interval_ms=settings.group_consumer_heartbeat_interval_ms,
                members_max=settings.group_members_max,
            ),
        )

    def _build_security(
        self,
        loop: asyncio.AbstractEventLoop,
        metadata: MetadataLog,
        facts: Facts,
        metrics: Metrics,
    ) -> Security:
        users = Users(metadata, self._commit)
        users.restore(facts.credentials)
        acls = Acls(metadata, self._commit)
        acls.restore(facts.access)
        return Security(self.settings, users, acls, metrics, self._clock, loop, self._threads)

    # ---- what connections call ----

    def opened(self, connection: Connection) -> bool:
        """Register a connection; False when there are too many."""
        if self._is_stopping or len(self._connections) >= self.settings.connections_max:
            return False
        state = self._require_state()
        if not state.security.opened(connection, connection.listener, self.tick):
            return False
        self._connections[connection] = None
        state.metrics.connections_total += 1
        return True

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.pop(connection, None)
        state = self._require_state()
        state.security.closed(connection)
        state.fetch_memory.forget(connection)

    def handle_frame(self, connection: Connection, frame: bytearray) -> None:
        """Serve one request."""
        assert self._dispatcher is not None
        if connection.gate is not None and connection.gate.takes(frame):
            return
        self._dispatcher.handle(connection, frame)
        if self._commit.backlog_bytes > BACKLOG_BYTES_MAX:
            self.is_congested = True

    def close_idle(self) -> None:
        """Count a second; close connections that have been silent for too long."""
        self.tick += 1
        self._require_state().security.tick(self.tick)
        if self.tick % 30:
            return
        if self._tls is not None:
            self._tls.look()
        for connection in list(self._connections):
            if connection.tick_seen + _IDLE_TICKS_MAX < self.tick:
                connection.close()

    # ---- what happens inside ----

    def _on_published(self, logs: Sequence[PartitionLog]) -> None:
        assert self._state is not None
        of_log = self._state.topics.of_log
        touched: dict[FetchWait, None] = {}
        for log in logs:
            partition = of_log(log)
            if partition is not None and partition.waits:
                touched.update(partition.waits)
                for wait in partition.waits:
                    wait.moved(partition)
        for wait in touched:
            wait.check()
        if self._is_stopping:
            return
        if self.is_congested and self._commit.backlog_bytes <= BACKLOG_BYTES_MAX // 2:
            self.is_congested = False
            for connection in list(self._connections):
                connection.resume()

    def _on_topic_deleted(self, topic: Topic) -> None:
        for partition in topic.partitions:
            for wait in list(partition.waits):
                wait.fail(partition, codes.UNKNOWN_TOPIC_OR_PARTITION)
        self._require_state().coordinator.forget_topic(topic.name)
        self._require_state().transactions.forget_topic(topic.name)

    def _on_failed(self, error: SummitError) -> None:
        """A sync failed: nothing that is written from now on could be promised."""
        if not self.failed.done():
            self.failed.set_result(error)
        self._stop_listening()
        # The waiters hear their error first, then every connection ends.
        asyncio.get_running_loop().call_soon(self._close_connections)

    def _close_connections(self) -> None:
        for connection in list(self._connections):
            connection.close()

    def _require_state(self) -> BrokerState:
        if self._state is None:
            raise Closed("broker.not_running")
        return self._state


def _metadata_log(store: LogStore) -> PartitionLog:
    log = store.partition(METADATA_TOPIC, 0)
    if log is None:
        log = store.create_partition(METADATA_TOPIC, METADATA_TOPIC_ID, 0)
    log.config = KEPT_FOR_EVER
    return log
