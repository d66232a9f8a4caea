"""`StorageEngine`: partition logs on a disk, without a broker before them.

A thin face of the log room: Kafka's layout, CRC-checked, recovered when it is opened. Everything
runs on one thread; what is appended while a group is written makes up the next group.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Self, TypeVar

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Closed, Conflict, Invalid, SummitError, Unavailable
from summit.base.files import Files, OsFiles
from summit.base.rand import Rand
from summit.client import ConsumerRecord, ProducerRecord, StreamMessage, TopicConfig
from summit.log import LogStore, PartitionLog, RecoveryReport, truncate_closed
from summit.records import build_batch
from summit.stream_processing.fetching import read_batches
from summit.stream_processing.storage_settings import StorageConfig
from summit.stream_processing.stored_records import encodable

T = TypeVar("T")

_READ_BYTES = 1 << 20


class _Append:
    """One batch that waits for its turn."""

    __slots__ = ("batch", "done", "where")

    def __init__(self, where: tuple[str, int], batch: bytearray) -> None:
        self.where = where
        self.batch = batch
        self.done: Future[int] = Future()


class StorageEngine:
    """Logs under one directory; from `initialize` to `close`. Also an `async with` context.

    One engine at a time has a directory. A partition comes into being with its first record.

    Args:
        config: A `StorageConfig` or a mapping with its names; or give its fields by keyword.
        files, clock: The disk and the time, for tests.
    """

    def __init__(
        self,
        config: StorageConfig | Mapping[str, Any] | None = None,
        *,
        files: Files | None = None,
        clock: Clock | None = None,
        **fields: Any,
    ) -> None:
        if not isinstance(config, StorageConfig):
            config = StorageConfig.from_dict({**(config or {}), **fields})
        elif fields:
            config = config.replace(**fields)
        self.config = config
        self._files = files or OsFiles()
        self._clock = clock or SystemClock()
        self._rand = Rand()
        self._store: LogStore | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: deque[_Append] = deque()

    # ---- life ----

    async def initialize(self) -> RecoveryReport:
        """Open what is there, or make it. Returns: what was found, and cut off after a crash.

        Raises: Conflict("storage.open"); Conflict("disk.locked") when another has the directory;
            Corrupt; Unavailable("disk.full").
        """
        if self._thread is not None:
            raise Conflict("storage.open")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="summit-storage")
        try:
            return await self._run(self._open)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Make everything durable and let go of the directory. Idempotent.

        Raises: Corrupt when the disk failed; the next opening recovers.
        """
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                await asyncio.get_running_loop().run_in_executor(thread, self._shut)
            finally:
                thread.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- records ----

    async def append(
        self,
        topic: str,
        partition: int,
        message: StreamMessage | ProducerRecord | Mapping[str, Any],
    ) -> int:
        """Write one record. Returns its offset, when it is as durable as `durability` says.

        Args:
            message: Key, value, headers and timestamp are taken; where it came from is not.
        Raises: Invalid("topic.name_invalid" | "batch.too_large" | "batch.keyless" |
            "record.invalid"); Unavailable("disk.full"); Corrupt when the disk failed; Closed.
        """
        record = encodable(topic, message, self._clock.now_ms())
        TopicConfig(name=topic, partitions=partition + 1)  # refuses what can be no partition
        if record.key is None and self.config.is_compacted:
            raise Invalid("batch.keyless")
        batch = build_batch([record], codec=self.config.codec)
        if self._thread is None:
            raise Closed("storage.not_open")
        waiting = _Append((topic, partition), batch)
        self._waiting.append(waiting)
        await self._run(self._commit)
        return waiting.done.result(timeout=0)  # this commit or one before it has answered

    async def read(
        self, topic: str, partition: int, start: int, max_messages: int = 100
    ) -> list[ConsumerRecord]:
        """Up to `max_messages` records from offset `start` on; empty at the end of the log.

        Raises: Invalid("partition.unknown" | "log.offset_out_of_range");
            Corrupt("batch.crc_mismatch") for bytes that are not those that were written.
        """
        if start < 0 or max_messages < 1:
            raise Invalid("client.refused", reason="start is 0 or more, max 1 or more")
        return await self._run(lambda: self._read(topic, partition, start, max_messages))

    async def get_high_water_mark(self, topic: str, partition: int) -> int:
        """The offset that the next record gets. Raises Invalid("partition.unknown")."""
        return await self._run(lambda: self._log(topic, partition).high_watermark)

    async def get_log_start_offset(self, topic: str, partition: int) -> int:
        """The first offset that is kept. Raises Invalid("partition.unknown")."""
        return await self._run(lambda: self._log(topic, partition).start_offset)

    async def partitions(self) -> list[tuple[str, int]]:
        """Topic and partition of every log, sorted."""
        return await self._run(
            lambda: sorted((log.topic, log.index) for log in self._opened().partitions())
        )

    # ---- less of it ----

    async def truncate(self, topic: str, partition: int, offset: int) -> int:
        """Remove the records from `offset` on; their offsets are given again. Blocks the engine.

        Returns: The high watermark now.
        Raises: Invalid("partition.unknown" | "log.offset_out_of_range").
        Cost: Closes all logs and opens them again.
        """
        return await self._run(lambda: self._truncate(topic, partition, offset))

    async def cleanup_old_segments(self) -> int:
        """Delete the segments that retention by time or size does not keep. Returns how many."""
        return await self._run(self._cleanup)

    async def compact(self, topic: str | None = None, partition: int | None = None) -> int:
        """Keep only the last value of each key, and no key whose last value is a tombstone older
        than a day; of one topic or partition, or of all. Offsets stay.

        Returns: The bytes that were freed.
        Raises: Invalid("storage.not_compacted") unless the cleanup policy says compact;
            Invalid("partition.unknown").
        """
        if not self.config.is_compacted:
            raise Invalid("storage.not_compacted")
        return await self._run(lambda: self._compact(topic, partition))

    # ---- on the thread ----

    async def _run(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            raise Closed("storage.not_open")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _opened(self) -> LogStore:
        if self._store is None:
            raise Closed("storage.not_open")
        return self._store

    def _log(self, topic: str, partition: int) -> PartitionLog:
        log = self._opened().partition(topic, partition)
        if log is None:
            raise Invalid("partition.unknown", topic=topic, partition=partition)
        return log

    def _open(self) -> RecoveryReport:
        config = self.config
        self._store = LogStore.open(
            self._files,
            config.data_dir,
            config.partition_dirs,
            settings=config.store_settings(),
            clock=self._clock,
            rand=self._rand,
        )
        return self._store.report

    def _shut(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _commit(self) -> None:
        """Write all that waits as one group, and answer."""
        staged: list[tuple[_Append, int]] = []
        while self._waiting:
            append = self._waiting.popleft()
            try:
                result = self._log_for(*append.where).stage(append.batch, self._clock.now_ms())
            except SummitError as error:
                append.done.set_exception(error)
            else:
                staged.append((append, result.base_offset))
        try:
            self._write_staged()
        except SummitError as error:
            for append, _ in staged:
                append.done.set_exception(error)
            return
        for append, offset in staged:
            append.done.set_result(offset)
        if self._store is not None and self._store.maintenance_due:
            with suppress(SummitError):  # the store knows, and so will the next append
                self._store.checkpoint()

    def _write_staged(self) -> None:
        group = self._opened().seal()
        if group is None:
            return
        try:
            group.persist()
        except Unavailable:
            group.roll_back()
            raise
        group.publish()

    def _log_for(self, topic: str, partition: int) -> PartitionLog:
        """The log of a partition, made if it is new."""
        store = self._opened()
        log = store.partition(topic, partition)
        if log is None:
            others = store.partitions(topic)
            new_id = uuid.UUID(bytes=self._rand.bytes(16), version=4)
            topic_id = others[0].topic_id if others else new_id
            log = store.create_partition(topic, topic_id, partition, self.config.log_config())
        return log

    def _read(self, topic: str, partition: int, start: int, count: int) -> list[ConsumerRecord]:
        log = self._log(topic, partition)
        found: list[ConsumerRecord] = []
        at = start
        while len(found) < count:
            data = log.read(at, _READ_BYTES)
            if not data:
                break
            records, at = read_batches(topic, partition, data, at, count - len(found))
            found += records
        return found[:count]

    def _truncate(self, topic: str, partition: int, offset: int) -> int:
        log = self._log(topic, partition)
        if not log.start_offset <= offset <= log.high_watermark:
            raise Invalid(
                "log.offset_out_of_range", topic=topic, partition=partition, offset=offset,
                first=log.start_offset, end=log.high_watermark,
            )  # fmt: skip
        if offset < log.high_watermark:
            self._shut()
            data_dir = self.config.data_dir
            try:
                truncate_closed(self._files, data_dir, log.directory, partition, offset)
            finally:
                self._open()
        return self._log(topic, partition).high_watermark

    def _cleanup(self) -> int:
        store = self._opened()
        count = store.apply_retention(self._clock.now_ms())
        store.checkpoint()  # removes the files
        return count

    def _compact(self, topic: str | None, partition: int | None) -> int:
        store = self._opened()
        logs = [
            log for log in store.partitions(topic) if partition is None or log.index == partition
        ]
        if not logs and (topic, partition) != (None, None):
            raise Invalid("partition.unknown", topic=topic, partition=partition)
        for log in logs:
            store.roll(log)
        store.checkpoint()  # only what is on the disk for sure is compacted
        freed = 0
        while (cleaning := store.begin_cleaning(self._clock.now_ms(), logs)) is not None:
            is_complete = False
            try:
                cleaning.prepare(_go_on)
                while cleaning.copy(_go_on):
                    cleaning.replace()
                    cleaning.settle()
                is_complete = True
            finally:
                cleaning.finish(is_complete=is_complete)
            freed += cleaning.bytes_before - cleaning.bytes_after
        store.checkpoint()
        return freed


def _go_on(size_bytes: int) -> None:
    """Between two batches of a cleaning: there is nobody to give way to."""
