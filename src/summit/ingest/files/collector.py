"""The file collector: lines of files become events of a topic, each exactly once.

Modes: `batch` reads what is there and completes; `tail` follows what is appended, through
renames, truncations and restarts.

Guarantee: every line once, in order per file, also after kill -9: each record carries its place
in the file (`summit.src`), and a restart goes on after the last place that the log holds. Lines
that were not read before a file was truncated or removed are gone with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.ids import uuid7
from summit.base.rand import Rand
from summit.base.tasks import Tasks
from summit.ingest.collector import Collector
from summit.ingest.files.kafka_log import log_of
from summit.ingest.files.log_access import LogAccess
from summit.ingest.files.reading import Reading
from summit.ingest.files.transacting import TransactingWriter, needs_transactions
from summit.ingest.files.writing import Writer, Writing
from summit.ingest.producing import Producer
from summit.ingest.settings import CollectorConfig
from summit.ingest.topics import addresses_of

DRAIN_MS: Final = 10_000  # how long `stop` waits for the broker
RETRY_FIRST_S: Final = 0.2
RETRY_MAX_S: Final = 10.0
_GOES_ON: Final = ("producer.", "client.", "transaction.")
STATUS_FILES_MAX: Final = 1_000  # files that a status lists


class FileProgress(msgspec.Struct, frozen=True, rename="camel"):
    """How far a collector is.

    Attributes:
        bytes_read: Bytes of the files whose events are all acknowledged.
        bytes_total: Bytes of the files, as they are now.
        files_done: Files read to their end (mode batch).
    """

    bytes_read: int = 0
    bytes_total: int = 0
    files_done: int = 0
    files_total: int = 0
    accepted: int = 0
    rejected: int = 0


class FileCollector(Collector):
    """Writes the lines of files to its topic.

    Args:
        config: Its configuration, of type `file`.
        producer: Only for `async with`; else `start` gets it.
        open_log: Makes the access to the log where earlier records are looked up; default:
            the client room, at the producer's brokers.
        clock: Where time comes from.
    """

    type = "file"
    guarantee = "exactly_once"

    def __init__(
        self,
        config: CollectorConfig,
        *,
        producer: Producer | None = None,
        open_log: Callable[[Producer], LogAccess] = log_of,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(config, producer=producer, clock=clock)
        self._open_log = open_log
        self._log_access: LogAccess | None = None
        self._reading: Reading | None = None
        self._writer: Writing | None = None
        self._owner, self._is_owner = "", False
        self._restarts = 0
        self._left_over: list[asyncio.Future[Any]] = []
        self._tasks = Tasks()
        self._task: asyncio.Task[None] | None = None

    def progress(self) -> FileProgress:
        """How far it is now."""
        reading = self._reading
        if reading is None:
            return FileProgress(accepted=self._accepted.total, rejected=self._rejected.total)
        tracked = reading.tracked.values()
        done = reading.bytes_done + sum(one.durable_bytes for one in tracked)
        sizes = reading.sizes | {one.path: one.file.size_bytes() for one in tracked}
        return FileProgress(
            bytes_read=done,
            bytes_total=max(sum(sizes.values()), done),
            files_done=reading.files_done,
            files_total=len(sizes),
            accepted=self._accepted.total,
            rejected=self._rejected.total,
        )

    def paths(self) -> dict[str, str]:
        """The path of each file by its identity: what `summit.src` of a record speaks of."""
        return dict(self._reading.paths) if self._reading is not None else {}

    async def done(self) -> FileProgress:
        """Wait until it has ended: mode `batch` has read everything, or it was stopped.

        Raises: SummitError when it failed.
        """
        if self._task is not None:
            await asyncio.wait((self._task,))
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                raise error
        return self.progress()

    async def pause(self) -> None:
        """Read nothing until `resume`. Raises: Conflict("collector.not_running")."""
        await super().pause()
        if self._reading is not None:
            self._reading.paused = True

    async def resume(self) -> None:
        """Go on after `pause`. Raises: Conflict("collector.not_running")."""
        await super().resume()
        if self._reading is not None:
            self._reading.paused = False
            self._reading.wake()

    async def _open(self, producer: Producer) -> None:
        self._owner, self._is_owner = str(uuid7(self._clock, Rand())), False
        self._log_access = log = self._open_log(producer)
        self._reading = reading = await self._make_reading(producer, log)
        try:
            await reading.find()
            await log.ensure_topic(self.config.topic)
        except BaseException:
            await self._drop_reading()
            raise
        self._task = self._tasks.spawn(self._run(producer, log), f"collector {self.name}")

    async def _make_reading(self, producer: Producer, log: LogAccess) -> Reading:
        writer: Writing
        if needs_transactions(self.config):
            addresses = addresses_of(producer)
            if not addresses:
                raise Invalid("collector.no_log")
            writer = TransactingWriter(
                self.config, addresses, listener=self, clock=self._clock,
                owner=self._owner, is_again=self._is_owner,
            )  # fmt: skip
        else:
            writer = Writer(self.config, producer, log, listener=self, clock=self._clock)
        self._writer = writer
        await writer.open()
        self._is_owner = True
        return Reading(self.config, writer, listener=self, clock=self._clock)

    async def _close(self) -> None:
        if self._reading is not None:
            self._reading.end()
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=DRAIN_MS / 1000)
            await self._tasks.cancel_all()
        await self._drop_reading()
        if self._log_access is not None:
            await self._log_access.close()
            self._log_access = None

    async def _drop_reading(self) -> None:
        if self._reading is not None:
            self._left_over += self._reading.close()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            await writer.close()

    async def _run(self, producer: Producer, log: LogAccess) -> None:
        wait_s = RETRY_FIRST_S
        while True:
            reading = self._reading
            assert reading is not None
            left_over, self._left_over = self._left_over, []
            accepted = self._accepted.total
            try:
                await reading.run(left_over)
                break
            except SummitError as error:
                self._note_error(error)
                if not (needs_transactions(self.config) and _may_go_on(error)):
                    self._state = "failed"
                    raise
                self.trouble(error)
            except asyncio.CancelledError:
                self._left_over += left_over
                raise
            if self._accepted.total > accepted:
                wait_s = RETRY_FIRST_S
            while not await self._again(producer, log, wait_s):
                wait_s = min(wait_s * 2, RETRY_MAX_S)
            if self._state == "stopping":
                return
        if self.config.file_options.mode == "batch" and self._state != "stopping":
            self._state = "completed"

    async def _again(self, producer: Producer, log: LogAccess, wait_s: float) -> bool:
        """Open writer and files anew, from what is committed; False: try it again later."""
        old = self._reading
        assert old is not None
        await self._drop_reading()
        await old.rest(wait_s)
        if self._state == "stopping":
            return True
        try:
            self._reading = new = await self._make_reading(producer, log)
        except SummitError as error:
            if not _may_go_on(error):
                self._note_error(error)
                self._state = "failed"
                raise
            self.trouble(error)
            return False
        new.go_on_for(old)
        new.paused = self._state == "paused"
        self._restarts += 1
        self.trouble(None)
        return True

    def _details(self) -> dict[str, Any]:
        options, progress = self.config.file_options, self.progress()
        tracked = self._reading.tracked.values() if self._reading is not None else ()
        files = [
            {
                "path": one.path,
                "identity": one.name or None,
                "position": one.durable_position,
                "sizeBytes": one.file.size_bytes(),
            }
            for one in islice(tracked, STATUS_FILES_MAX)
        ]
        return {
            "mode": options.mode,
            "format": options.format,
            "bytesRead": progress.bytes_read,
            "bytesTotal": progress.bytes_total,
            "filesDone": progress.files_done,
            "filesTotal": progress.files_total,
            "filesFinished": self._reading.files_finished if self._reading is not None else 0,
            "reconnects": self._restarts,
            "replaced": self._reading.replaced if self._reading is not None else 0,
            "files": files,
        }

    # ---- what the reading tells ----

    def accepted(self, count: int, size_bytes: int) -> None:
        """Events were acknowledged."""
        self._note_accepted(count, size_bytes)

    def rejected(self) -> None:
        """A dead letter was acknowledged."""
        self._rejected.add(1)
        self._dead_letters += 1

    def sampled(self) -> None:
        """Sampling left an event out."""
        self._sampled += 1

    def note_error(self, error: SummitError) -> None:
        """Something went wrong with one line or file."""
        self._note_error(error)


def _may_go_on(error: SummitError) -> bool:
    """Whether opening the writer again may help."""
    return isinstance(error, Unavailable) or error.code.startswith(_GOES_ON)
