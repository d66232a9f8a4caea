"""The database collector: rows and their changes become events of a topic, each exactly once.

Reads a source (`source.py`) and writes each batch in one transaction with the source's position;
only then is the position confirmed to the database. After any trouble both sides are opened anew,
from the last position that is committed, so nothing is lost and nothing doubled, whoever was
killed. What cannot be decoded, or written as a record, is a dead letter of the same transaction.

Guarantee: exactly once for readers of what is committed, in the order of the database's commits
per key. Sampling, schema, templates and rates as with all collectors.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Internal, Invalid, SummitError, Unavailable
from summit.base.ids import uuid7
from summit.base.rand import Rand
from summit.base.tasks import Tasks
from summit.identity.rates import RateLimit
from summit.ingest.collector import Collector
from summit.ingest.database.kinds import make_source
from summit.ingest.database.source import Batch, Position, Source
from summit.ingest.database.writing import Tally, Writer
from summit.ingest.producing import Producer
from summit.ingest.settings import CollectorConfig
from summit.ingest.topics import addresses_of

BATCH_CHANGES: Final = 5_000  # of a transaction, where the configuration does not say it
FLUSH_INTERVAL_MS: Final = 100  # how long changes wait for company
RETRY_FIRST_S: Final = 0.2
RETRY_MAX_S: Final = 10.0
DRAIN_S: Final = 10.0
_GOES_ON: Final = ("producer.", "client.", "transaction.")


class DatabaseCollector(Collector):
    """Writes what changes in a database to its topic.

    Args:
        config: Its configuration, of type `database`.
        producer: Only for `async with`; else `start` gets it. It names the brokers; the records
            go by a transactional producer of the collector's own.
        clock: Where time comes from.
    """

    type = "database"
    guarantee = "exactly_once"

    def __init__(
        self,
        config: CollectorConfig,
        *,
        producer: Producer | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(config, producer=producer, clock=clock)
        self._addresses: list[str] = []
        self._source: Source | None = None
        self._writer: Writer | None = None
        self._tasks = Tasks()
        self._task: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[Batch | SummitError | None] | None = None
        self._limit = RateLimit.of(config.rate_limit, config.rate_burst, self._clock)
        self._ending = asyncio.Event()
        self._seen: dict[str, Any] = {}
        self._owner = ""
        self._is_owner = False
        self._restarts = 0
        self._transactions = 0

    async def done(self) -> None:
        """Wait until it has ended: `initialOnly` is complete, or it was stopped.

        Raises: SummitError when it failed.
        """
        if self._task is not None:
            await asyncio.wait((self._task,))
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                raise error

    async def _open(self, producer: Producer) -> None:
        self._addresses = addresses_of(producer)
        if not self._addresses:
            raise Invalid("collector.no_log")
        self._ending.clear()
        self._owner, self._is_owner = str(uuid7(self._clock, Rand())), False
        await self._connect()
        self._task = self._tasks.spawn(self._run(), f"collector {self.name}")

    async def _close(self) -> None:
        self._ending.set()
        self._open_gate.set()
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=DRAIN_S)
            await self._tasks.cancel_all()
        await self._disconnect()

    def _details(self) -> dict[str, Any]:
        source = self._source
        if source is not None:
            self._seen = {**source.status(), "warnings": source.warnings()}
        return {
            "kind": self.config.block.kind,
            "transactions": self._transactions,
            "reconnects": self._restarts,
            **self._seen,  # of a source that is closed: how it was at last
        }

    # ---- both sides ----

    async def _connect(self) -> None:
        self._source = source = make_source(self.config, self._clock)
        self._writer = writer = Writer(
            self.config, self._addresses, source.source_id, self._clock,
            owner=self._owner, is_again=self._is_owner,
        )  # fmt: skip
        position = await writer.open()
        self._is_owner = True
        await source.open(position)

    async def _disconnect(self) -> None:
        self._details()
        source, writer = self._source, self._writer
        self._source = self._writer = None
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait((reading,), timeout=DRAIN_S)
        try:
            if writer is not None:
                await writer.close()
        finally:
            if source is not None:
                await source.close()

    async def _run(self) -> None:
        """Read and write until the end; after trouble anew, from what is committed."""
        wait_s = RETRY_FIRST_S
        while not self._ending.is_set():
            try:
                if self._source is None:
                    await self._connect()
                    self.trouble(None)
                before = self._transactions
                await self._copy()
                break
            except SummitError as error:
                if self._transactions > before:
                    wait_s = RETRY_FIRST_S
                if not _may_go_on(error):
                    await self._fail(error)
                    raise
                self.trouble(error)
                self._log.warning("collector.reconnects", error=str(error))
            except Exception as error:  # what nobody thought of must be seen, not end in silence
                self._log.exception("collector.broke")
                await self._fail(Internal("internal", reason=type(error).__name__))
                raise
            self._restarts += 1
            await self._disconnect()
            if await _set_within(self._ending, wait_s):
                break
            wait_s = min(wait_s * 2, RETRY_MAX_S)
        if self._state not in ("stopping", "failed"):
            self._state = "completed"

    async def _fail(self, error: SummitError) -> None:
        self._note_error(error)
        self._state = "failed"
        self._log.error("collector.failed", error=str(error))
        await self._disconnect()

    async def _copy(self) -> None:
        """Transaction after transaction, until the source or the collector ends."""
        source, writer = self._source, self._writer
        assert source is not None
        assert writer is not None
        while not self._ending.is_set():
            await self._open_gate.wait()
            batch = await self._next(source)
            if batch is None:
                return
            if not self._open_gate.is_set():  # paused meanwhile; what a stop leaves comes again
                await self._open_gate.wait()
                if self._ending.is_set():
                    return
            tally, position, size, fault = await self._fill(source, writer, batch)
            if position is None:
                return  # ended inside of what belongs together: it comes again
            await writer.commit(position)
            if size:
                self._transactions += 1
            self.trouble(None)
            self._count(tally)
            await source.confirm(position)
            if fault is not None:
                raise fault

    async def _fill(
        self, source: Source, writer: Writer, batch: Batch
    ) -> tuple[Tally, Position | None, int, SummitError | None]:
        """Write batches until a transaction has its size or its time, and a position.

        What the source says after a position must not undo what came before it: it is returned.
        """
        limit = self.config.batch_size or BATCH_CHANGES
        flush_ms = self.config.flush_interval or FLUSH_INTERVAL_MS
        begun_ms = self._clock.monotonic_ms()
        tally, position, size = Tally(), None, 0
        current: Batch | None = batch
        while current is not None:
            if current.changes:
                await self._keep_rate(len(current.changes))
                tally = tally.plus(await writer.write(current.changes))
                size += len(current.changes)
            position = current.position
            left_ms = flush_ms - (self._clock.monotonic_ms() - begun_ms)
            # Where a rate holds it back, no transaction is left open for the wait.
            is_enough = size >= limit or left_ms <= 0 or self._limit is not None
            if position is not None and is_enough:
                break
            try:
                current = await self._next(source, None if position is None else left_ms / 1000)
            except SummitError as error:
                if position is None:
                    raise
                return tally, position, size, error
        return tally, position, size, None

    async def _next(self, source: Source, timeout_s: float | None = None) -> Batch | None:
        """The source's next batch; None when it ends, the collector ends, or time is over."""
        if self._reading is None:
            self._reading = self._tasks.spawn(_read(source), f"collector {self.name} reading")
        reading = self._reading  # one that is not done yet is awaited again the next time
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait(
                (reading, ending), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ending.cancel()
        if not reading.done():
            return None
        self._reading = None
        batch = reading.result()
        if isinstance(batch, SummitError):
            raise batch
        return batch

    async def _keep_rate(self, count: int) -> None:
        while self._limit is not None and (wait_ms := self._limit.take("", count)):
            await asyncio.sleep(wait_ms / 1000)

    def _count(self, tally: Tally) -> None:
        self._dead_letters += tally.letters
        self._sampled += tally.sampled
        if tally.letters:
            self._rejected.add(tally.letters)
            if tally.fault is not None:
                self._note_error(tally.fault)
        if tally.events:
            self._note_accepted(tally.events, tally.size_bytes)


def _may_go_on(error: SummitError) -> bool:
    """Whether opening both sides again may help."""
    if isinstance(error, Internal):
        return False
    return isinstance(error, Unavailable) or error.code.startswith(_GOES_ON)


async def _read(source: Source) -> Batch | SummitError | None:
    """The source's next batch, or its error as a value: it is raised where the batch is awaited."""
    try:
        return await source.read()
    except SummitError as error:
        return error


async def _set_within(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
