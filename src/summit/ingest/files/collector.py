"""The file collector: lines of files become events of a topic, each exactly once.

Modes: `batch` reads what is there and completes; `tail` follows what is appended, through
renames, truncations and restarts.

Guarantee: every line once, in order per file, also after kill -9: each record carries its place
in the file (`summit.src`), and a restart goes on after the last place that the log holds. Lines
that were not read before a file was truncated or removed are gone with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.ids import uuid7
from summit.base.rand import Rand
from summit.base.tasks import Tasks
from summit.events.fields import compile_path
from summit.ingest.bodies import key_reader
from summit.ingest.collector import Collector
from summit.ingest.dead_letters import dead_letter, dead_letter_topic
from summit.ingest.files.coordinates import SOURCE_HEADER, Coordinate
from summit.ingest.files.finding import find_files
from summit.ingest.files.identity import single_use
from summit.ingest.files.lane import Lane, Outgoing, Window
from summit.ingest.files.ledger import Ledger
from summit.ingest.files.lines import Line
from summit.ingest.files.log_access import LogAccess
from summit.ingest.files.shapes import check_length, make_shape
from summit.ingest.files.source import Place, SourceFile, size_of
from summit.ingest.files.standard_input import STANDARD_INPUT, StandardInput
from summit.ingest.files.tracking import TrackedFile
from summit.ingest.producing import Producer
from summit.ingest.settings import CollectorConfig

T = TypeVar("T")

DRAIN_MS: Final = 10_000  # how long `stop` waits for the broker
RETRY_S: Final = 1.0  # how long to wait before asking the broker again
STATUS_FILES_MAX: Final = 1_000  # files that a status lists
YIELD_LINES: Final = 100  # lines between two looks at the rest of the loop
SETTLE_MS: Final = 250  # how long the log must be quiet before a fresh start trusts it
RECENT_MS: Final = 30_000  # records younger than this may have siblings on their way


class FileProgress(msgspec.Struct, frozen=True, rename="camel"):
    """How far a collector is.

    Attributes:
        bytes_read: Bytes of the files whose events are all acknowledged.
        bytes_total: Bytes of the files, as they are now.
        files_done: Files read to their end (mode batch).
    """

    bytes_read: int
    bytes_total: int
    files_done: int
    files_total: int
    accepted: int
    rejected: int


class FileCollector(Collector):
    """Writes the lines of files to its topic.

    Args:
        config: Its configuration, of type `file`.
        producer: Only for `async with`; else `start` gets it.
        open_log: Makes the access to the log where earlier records are looked up.
        clock: Where time comes from.
    """

    type = "file"

    def __init__(
        self,
        config: CollectorConfig,
        *,
        producer: Producer | None = None,
        open_log: Callable[[Producer], LogAccess],
        clock: Clock | None = None,
    ) -> None:
        super().__init__(config, producer=producer, clock=clock)
        self._options = config.file_options
        self._key_of = key_reader(compile_path(config.key_field)) if config.key_field else None
        self._open_log = open_log
        self._log_access: LogAccess | None = None
        self._ledger: Ledger | None = None
        self._window = Window()
        self._tracked: dict[Place, TrackedFile] = {}
        self._paths: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._bytes_done = 0
        self._files_done = 0
        self._fresh = [0, 0]
        self._left_over: list[asyncio.Future[Any]] = []
        self._tasks = Tasks()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._ending = False
        self._replaced_count = 0

    def progress(self) -> FileProgress:
        """How far it is now."""
        tracked = self._tracked.values()
        reading = sum(one.durable_position for one in tracked)
        sizes = dict(self._sizes)
        now = {one.path: one.file.size_bytes() for one in tracked}
        sizes = now if self._options.mode == "tail" else {**sizes, **now}
        return FileProgress(
            bytes_read=self._bytes_done + reading,
            bytes_total=max(sum(sizes.values()), self._bytes_done + reading),
            files_done=self._files_done,
            files_total=len(sizes),
            accepted=self._accepted,
            rejected=self._rejected,
        )

    def paths(self) -> dict[str, str]:
        """The path of each file by its identity: what `summit.src` of a record speaks of."""
        return dict(self._paths)

    async def done(self) -> FileProgress:
        """Wait until it has ended: mode `batch` has read everything, or it was stopped.

        Raises: SummitError when it failed.
        """
        if self._task is not None:
            await asyncio.wait((self._task,))
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                raise error
        return self.progress()

    async def resume(self) -> None:
        """Go on after `pause`. Raises: Conflict("collector.not_running")."""
        await super().resume()
        self._wake.set()

    async def _open(self, producer: Producer) -> None:
        patterns = self.config.file_patterns
        found = await asyncio.to_thread(find_files, patterns, self._options.exclude)
        paths = [*found.values()]
        if STANDARD_INPUT in patterns:
            paths.append(STANDARD_INPUT)
        if self._options.mode == "batch" and not paths:
            raise Invalid("collector.no_files", patterns=", ".join(patterns), pointer="/path")
        self._sizes = {path: size_of(path) for path in paths}
        self._bytes_done = self._files_done = 0
        self._ending = False
        self._wake.clear()
        self._window = Window()
        self._log_access = self._open_log(producer)
        await self._log_access.ensure_topic(self.config.topic)
        self._ledger = Ledger(self._log_access, self.name, self.config.topic)
        self._task = self._tasks.spawn(self._run(), f"collector {self.name}")

    async def _close(self) -> None:
        self._ending = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=DRAIN_MS / 1000)
            await self._tasks.cancel_all()
        for tracked in self._tracked.values():
            if tracked.lane is not None:
                self._left_over += tracked.lane.abandon()
            tracked.file.close()
        self._tracked.clear()
        if self._log_access is not None:
            await self._log_access.close()
            self._log_access = None

    def _details(self) -> dict[str, Any]:
        progress = self.progress()
        files = [
            {
                "path": one.path,
                "identity": one.identity.text if one.identity is not None else None,
                "position": one.durable_position,
                "sizeBytes": one.file.size_bytes(),
            }
            for one in islice(self._tracked.values(), STATUS_FILES_MAX)
        ]
        return {
            "mode": self._options.mode,
            "format": self._options.format,
            "bytesRead": progress.bytes_read,
            "bytesTotal": progress.bytes_total,
            "filesDone": progress.files_done,
            "filesTotal": progress.files_total,
            "replaced": self._replaced_count,
            "files": files,
        }

    async def _run(self) -> None:
        try:
            await self._load()
            if self._options.mode == "batch":
                await self._run_batch()
            else:
                await self._run_tail()
            for tracked in self._tracked.values():
                await self._drain(tracked)
        except SummitError as error:
            self._note_error(error)
            self._state = "failed"
            raise

    async def _load(self) -> None:
        """Learn from the log how far each file was written."""
        assert self._ledger is not None
        if self._left_over:
            # Records of an earlier run that its producer still holds must have met their fate.
            await asyncio.wait(self._left_over)
            self._left_over.clear()
        ledger = self._ledger
        await self._patiently(ledger.load)
        while self._clock.now_ms() - ledger.newest_ms < RECENT_MS and not self._ending:
            await asyncio.sleep(SETTLE_MS / 1000)
            if not await self._patiently(ledger.catch_up):
                break

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the log until it answers."""
        while True:
            try:
                answer = await ask()
            except Unavailable as error:
                self._trouble(error)
                await asyncio.sleep(RETRY_S)
            else:
                self._trouble(None)
                return answer

    async def _run_batch(self) -> None:
        for path in self._sizes:
            tracked, ended = self._open_file(path)
            self._tracked[tracked.file.place] = tracked
            await self._read_to_end(tracked, ended)
            if self._ending:
                return
            await self._drain(tracked)
            self._sizes[path] = tracked.position
            self._bytes_done += tracked.position
            self._files_done += 1
            self._let_go(tracked)
        self._state = "completed"

    def _open_file(self, path: str) -> tuple[TrackedFile, Callable[[], bool]]:
        """A file of mode `batch`, and whether all of it is there. Raises Invalid."""
        if path != STANDARD_INPUT:
            return TrackedFile(SourceFile(path), self._options.max_line_bytes), lambda: True
        source = StandardInput()
        name = single_use(uuid7(self._clock, Rand()).bytes) if source.is_pipe else None
        return TrackedFile(source.file, self._options.max_line_bytes, name=name), source.ended

    async def _read_to_end(self, tracked: TrackedFile, ended: Callable[[], bool]) -> None:
        if not self._recognise(tracked, final=True):
            return  # an empty file
        while not self._ending:
            await self._while_paused()
            all_there = ended()  # asked before reading: what comes later is read next time
            lines = await asyncio.to_thread(tracked.read, final=False)
            if not lines and all_there:
                lines = await asyncio.to_thread(tracked.read, final=True)
            if lines:
                await self._send_lines(tracked, lines)
            elif all_there:
                return
            else:
                await self._rest()

    async def _run_tail(self) -> None:
        while not self._ending:
            await self._while_paused()
            await self._discover()
            busy = False
            for tracked in list(self._tracked.values()):
                busy = await self._follow(tracked) or busy
            self._announce()
            if not busy:
                await self._rest()

    async def _discover(self) -> None:
        """Take up new files; note which ones moved, and which are no longer where they were."""
        patterns, exclude = self.config.file_patterns, self._options.exclude
        found = await asyncio.to_thread(find_files, patterns, exclude)
        for place, path in found.items():
            known = self._tracked.get(place)
            if known is not None:
                known.file.path = path
                known.left_ms = None
                continue
            try:
                file = SourceFile(path)
            except Invalid as error:  # gone again, or not ours to read; looked at again next time
                self._note_error(error)
                continue
            if file.place in self._tracked:
                file.close()
                continue
            self._tracked[file.place] = TrackedFile(file, self._options.max_line_bytes)
        for place, tracked in self._tracked.items():
            if place not in found and tracked.left_ms is None:
                tracked.left_ms = self._clock.monotonic_ms()

    async def _follow(self, tracked: TrackedFile) -> bool:
        """Send what is new in one file; False when there was nothing."""
        assert self._ledger is not None
        if tracked.lane is not None and not tracked.lane.reap():
            await self._drain(tracked)
        if tracked.replaced():
            await self._drain(tracked)
            if not tracked.begin_again(self._ledger):
                return False
            self._replaced_count += 1
            self._log.warning("collector.file_replaced", path=tracked.path)
            self._equip(tracked)
        ends = self._has_ended(tracked)
        if tracked.identity is None and not self._recognise(tracked, final=ends):
            if ends:
                self._let_go(tracked)
            return False
        lines = await asyncio.to_thread(tracked.read, final=ends)
        lines = tracked.hold(lines, self.config, self._clock.monotonic_ms(), final=ends)
        if lines:
            if tracked.left_ms is not None:
                tracked.left_ms = self._clock.monotonic_ms()
            await self._send_lines(tracked, lines)
        elif ends:
            await self._drain(tracked)
            self._let_go(tracked)
        return bool(lines)

    def _has_ended(self, tracked: TrackedFile) -> bool:
        """Whether a file that left its path has been quiet for long enough."""
        if tracked.left_ms is None:
            return False
        return self._clock.monotonic_ms() - tracked.left_ms >= self._options.rotate_wait_ms

    def _recognise(self, tracked: TrackedFile, *, final: bool) -> bool:
        assert self._ledger is not None
        if not tracked.recognise(self._ledger, final=final):
            return False
        self._equip(tracked)
        return True

    def _equip(self, tracked: TrackedFile) -> None:
        """Give a file whose identity is known its lane and its shape."""
        assert tracked.identity is not None
        assert self._ledger is not None
        assert self._producer is not None
        identity = tracked.identity.text
        self._paths[identity] = tracked.path
        tracked.lane = Lane(
            self._producer,
            self._ledger,
            self._window,
            partition_of=partial(self._partition_of, identity),
            bury=partial(self._bury, tracked),
            on_accepted=self._accept,
            on_trouble=self._trouble,
        )
        tracked.lane.durable_position = tracked.sent_position = tracked.position
        tracked.shape = make_shape(
            self._options,
            path=tracked.path,
            identity=identity,
            key_of=self._key_of,
            clock=self._clock,
        )

    async def _send_lines(self, tracked: TrackedFile, lines: list[Line]) -> None:
        lane = tracked.lane
        assert lane is not None
        for index, line in enumerate(lines):
            records = self._records_of(tracked, line)
            for record in records:
                await lane.send(record)
            tracked.sent_position = line.end
            if index % YIELD_LINES == 0:
                await asyncio.sleep(0)
                if self._ending:
                    return
        lane.reap()
        self._announce()

    def _records_of(self, tracked: TrackedFile, line: Line) -> list[Outgoing]:
        """The records of a line that are not in the log yet."""
        assert tracked.shape is not None
        assert tracked.identity is not None
        identity, topic = tracked.identity.text, self.config.topic
        try:
            check_length(line, tracked.path, self._options.max_line_bytes)
            shaped = tracked.shape(line)
        except Invalid as error:
            place = Coordinate(identity, line.offset, 0)
            records = [
                self._bury(tracked, Outgoing(topic, line.data, None, place, line.end), error)
            ]
        else:
            last = len(shaped) - 1
            records = [
                Outgoing(
                    topic,
                    value,
                    key,
                    Coordinate(identity, line.offset, sub),
                    line.end if sub == last else None,
                )
                for sub, (value, key) in enumerate(shaped)
            ]
        if tracked.skip is not None:
            records = [one for one in records if not tracked.skips(line, one.place.sub)]
        return records

    def _bury(self, tracked: TrackedFile, record: Outgoing, error: SummitError) -> Outgoing:
        """The dead letter of a record: the same place in the file, another topic."""
        topic = self.config.topic
        self._log.warning("collector.dead_letter", path=tracked.path, error=str(error))
        self._note_error(error)
        value = dead_letter(
            record.value,
            error,
            topic=topic,
            partition=None,
            headers=[(SOURCE_HEADER, record.place.text.encode())],
            now_ms=self._clock.now_ms(),
        )
        return record._replace(topic=dead_letter_topic(topic), value=value, key=None)

    async def _partition_of(self, identity: str, topic: str) -> int:
        """The partition of a file: where its records are already, else by its identity."""
        ledger, log = self._ledger, self._log_access
        assert ledger is not None
        assert log is not None
        mark = ledger.mark(identity)
        if mark is not None and mark.topic == topic:
            return mark.partition
        if not ledger.partitions.get(topic):
            ensure = partial(log.ensure_topic, topic)
            ledger.partitions[topic] = await self._patiently(ensure)
        return zlib.crc32(identity.encode()) % ledger.partitions[topic]

    async def _drain(self, tracked: TrackedFile) -> None:
        if tracked.lane is not None:
            await tracked.lane.drain()
        self._announce()

    def _let_go(self, tracked: TrackedFile) -> None:
        tracked.file.close()
        self._tracked.pop(tracked.file.place, None)

    def _accept(self, record: Outgoing) -> None:
        if record.topic == self.config.topic:
            self._fresh[0] += 1
            self._fresh[1] += len(record.value)
        else:
            self._rejected += 1

    def _announce(self) -> None:
        """Count and tell what was acknowledged since the last time."""
        count, size_bytes = self._fresh
        if count:
            self._fresh = [0, 0]
            self._note_accepted(count, size_bytes)

    def _trouble(self, error: SummitError | None) -> None:
        if error is not None:
            self._note_error(error)
            if self._state == "running":
                self._state = "degraded"
        elif self._state == "degraded":
            self._state = "running"

    async def _while_paused(self) -> None:
        while self._state == "paused" and not self._ending:
            await self._rest()

    async def _rest(self) -> None:
        """Wait for the next look at the files, or for `resume` or `stop`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.poll_interval_ms / 1000):
                await self._wake.wait()
        if not self._ending:
            self._wake.clear()
