"""One run over the files of a collector: all of them once (batch), or on and on (tail)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any, Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.base.ids import uuid7
from summit.base.logs import get_logger
from summit.base.rand import Rand
from summit.ingest.files.finding import find_files
from summit.ingest.files.finishing import finish_file
from summit.ingest.files.identity import single_use
from summit.ingest.files.records import Listener
from summit.ingest.files.source import Place, refuse, size_of
from summit.ingest.files.standard_input import STANDARD_INPUT, StandardInput
from summit.ingest.files.tracking import TrackedFile
from summit.ingest.files.unfolding import open_source
from summit.ingest.files.writing import Writing
from summit.ingest.settings import CollectorConfig

SETTLE_MS: Final = 250  # how long the log must be quiet before a fresh start trusts it
RECENT_MS: Final = 30_000  # records younger than this may have siblings on their way


class Reading:
    """Finds, recognises and reads files, and gives their lines to the writer.

    Attributes:
        tracked: The files in hand, by device and inode.
        paths: The path of every file of this run by its identity.
        sizes: Mode batch: the size of each file in bytes, in reading order.
        paused: Whether to stand still.
    """

    def __init__(
        self, config: CollectorConfig, writer: Writing, *, listener: Listener, clock: Clock
    ) -> None:
        self._config = config
        self._options = config.file_options
        self._writer = writer
        self._listener = listener
        self._clock = clock
        self._whole = msgspec.structs.replace(config, batch_size=None, flush_interval=None)
        self._wake = asyncio.Event()
        self._ending = False
        self.tracked: dict[Place, TrackedFile] = {}
        self.paths: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.bytes_done = 0
        self.files_done = 0
        self.replaced = 0
        self.files_finished = 0
        self.paused = False

    async def find(self) -> None:
        """Look for the files. Raises: Invalid("collector.no_files") in mode batch."""
        patterns = self._config.file_patterns
        for pattern in patterns:  # said at once; what a wildcard finds, when it is opened
            if pattern != STANDARD_INPUT:
                refuse(pattern)
        found = await asyncio.to_thread(find_files, patterns, self._options.exclude)
        paths = [*found.values()]
        if STANDARD_INPUT in patterns:
            paths.append(STANDARD_INPUT)
        if self._options.mode == "batch":
            if not paths:
                raise Invalid("collector.no_files", patterns=", ".join(patterns), pointer="/path")
            self.sizes = {path: size_of(path) for path in paths}

    async def run(self, left_over: list[asyncio.Future[Any]]) -> None:
        """Read until the end of all files (batch) or until `end` (tail).

        Args:
            left_over: Records of an earlier run of which nobody knows whether they are written.
        Raises: SummitError when no waiting helps.
        """
        await self._load(left_over)
        if self._options.mode == "batch":
            await self._run_batch()
        else:
            await self._run_tail()
        for tracked in self.tracked.values():
            await self._writer.drain(tracked)

    def end(self) -> None:
        """Come to an end after the line in hand."""
        self._ending = True
        self._wake.set()

    async def rest(self, seconds: float) -> None:
        """Let time pass, or less when it is to end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._ending:
                    self._wake.clear()
                    await self._wake.wait()

    def go_on_for(self, old: Reading) -> None:
        """Take over what an earlier run of the same start counted."""
        self.sizes = {path: size_of(path) for path in old.sizes if os.path.exists(path)}
        self.files_finished, self.replaced = old.files_finished, old.replaced
        self.paths = old.paths

    def wake(self) -> None:
        """Look at the files now."""
        self._wake.set()

    def close(self) -> list[asyncio.Future[Any]]:
        """Let go of all files; returns what is still on its way to the broker."""
        out: list[asyncio.Future[Any]] = []
        for tracked in self.tracked.values():
            self.bytes_done += tracked.durable_bytes
            if tracked.lane is not None:
                out += tracked.lane.abandon()
            tracked.file.close()
        self.tracked.clear()
        return out

    async def _load(self, left_over: list[asyncio.Future[Any]]) -> None:
        """Learn from the log how far each file was written."""
        if left_over:
            await asyncio.wait(left_over)
        ledger, patiently = self._writer.ledger, self._writer.patiently
        await patiently(ledger.load)
        # A process that was just killed may have sent what its broker has yet to write, as may a
        # producer that was closed without all its answers.
        while not self._ending:
            if not left_over and self._clock.now_ms() - ledger.newest_ms >= RECENT_MS:
                break
            await asyncio.sleep(SETTLE_MS / 1000)
            if not await patiently(ledger.catch_up):
                break

    # ---- batch ----

    async def _run_batch(self) -> None:
        if self._writer.ledger.identities():
            await asyncio.to_thread(self._survey)
        for path in self.sizes:
            tracked, ended = self._open(path)
            self.tracked[tracked.file.place] = tracked
            await self._read_to_end(tracked, ended)
            if self._ending:
                return
            await self._writer.drain(tracked)
            self.sizes[path] = size_bytes = tracked.file.bytes_at(tracked.position)
            self.bytes_done += size_bytes
            self.files_done += 1
            await self._finish(tracked)
            self._let_go(tracked)

    def _survey(self) -> None:
        """Recognise all files before the first record, so that no checkpoint overlooks one."""
        for path in self.sizes:
            if path != STANDARD_INPUT:
                file = open_source(path, self._options)
                try:
                    TrackedFile(file, self._options).recognise(self._writer.ledger, final=True)
                finally:
                    file.close()

    def _open(self, path: str) -> tuple[TrackedFile, Callable[[], bool]]:
        """A file of mode `batch`, and whether all of it is there. Raises Invalid."""
        if path != STANDARD_INPUT:
            return TrackedFile(open_source(path, self._options), self._options), lambda: True
        source = StandardInput()
        identity = single_use(uuid7(self._clock, Rand()).bytes) if source.is_pipe else None
        tracked = TrackedFile(source.file, self._options, identity=identity)
        return tracked, source.ended

    async def _read_to_end(self, tracked: TrackedFile, ended: Callable[[], bool]) -> None:
        if not self._recognise(tracked, final=True):
            return  # an empty file
        while not self._ending:
            await self._while_paused()
            all_there = ended()  # asked before reading: what comes later is read next time
            lines = await asyncio.to_thread(tracked.read, final=False)
            if not lines and all_there:
                lines = await asyncio.to_thread(tracked.read, final=True)
            ends = not lines and all_there
            events = tracked.hold(lines, self._whole, self._clock.monotonic_ms(), final=ends)
            if events:
                await self._writer.send(tracked, events, self._is_ending)
            if ends:
                if tracked.file.fault is not None:
                    self._listener.note_error(tracked.file.fault)
                return
            if lines:
                continue
            await self._writer.settle()
            await self._rest()

    # ---- tail ----

    async def _run_tail(self) -> None:
        while not self._ending:
            await self._while_paused()
            await self._discover()
            for tracked in self.tracked.values():
                if tracked.identity is None:
                    self._recognise(tracked, final=False)
            busy = False
            for tracked in list(self.tracked.values()):
                busy = await self._follow(tracked) or busy
            if not busy:
                await self._writer.settle()
                await self._rest()

    async def _discover(self) -> None:
        """Take up new files; note which ones moved, and which are no longer where they were."""
        patterns, exclude = self._config.file_patterns, self._options.exclude
        found = await asyncio.to_thread(find_files, patterns, exclude)
        for place, path in found.items():
            known = self.tracked.get(place)
            if known is not None:
                known.file.path = path
                known.left_ms = None
                continue
            try:
                file = open_source(path, self._options)
            except Invalid as error:  # gone again, or not ours to read; looked at again next time
                self._listener.note_error(error)
                continue
            if file.place in self.tracked:
                file.close()
                continue
            self.tracked[file.place] = TrackedFile(file, self._options)
        for place, tracked in self.tracked.items():
            if place not in found and tracked.left_ms is None:
                tracked.left_ms = self._clock.monotonic_ms()

    async def _follow(self, tracked: TrackedFile) -> bool:
        """Send what is new in one file; False when there was nothing."""
        writer = self._writer
        if tracked.lane is not None and not tracked.lane.reap():
            await writer.drain(tracked)
        if tracked.replaced():
            # What was read before goes first, though it waited for company.
            lines = tracked.hold([], self._config, self._clock.monotonic_ms(), final=True)
            await writer.send(tracked, lines, self._is_ending)
            await writer.drain(tracked)
            if not tracked.begin_again(writer.ledger):
                return False
            self.replaced += 1
            get_logger(__name__).warning("collector.file_replaced", path=tracked.path)
            self._equip(tracked)
        ends = self._has_ended(tracked)
        if tracked.identity is None and not self._recognise(tracked, final=ends):
            if ends:
                self._let_go(tracked)
            return False
        done = self._options.after != "keep" and tracked.is_done(self._clock.monotonic_ms())
        ends = ends or done
        try:
            read = await asyncio.to_thread(tracked.read, final=ends)
        except Invalid as error:  # it may be whole the next time
            if not tracked.is_told():
                self._listener.note_error(error)
            return False
        lines = tracked.hold(read, self._config, self._clock.monotonic_ms(), final=ends)
        if lines:
            if tracked.left_ms is not None:
                tracked.left_ms = self._clock.monotonic_ms()
            await writer.send(tracked, lines, self._is_ending)
        elif ends and not read:
            await writer.drain(tracked)
            if done and not tracked.replaced():
                await self._finish(tracked)
            self._let_go(tracked)
        return bool(read or lines)

    async def _finish(self, tracked: TrackedFile) -> None:
        """All of a file is in the log: keep that, and do with it what is to be done after."""
        if self._options.after == "keep" or tracked.path == STANDARD_INPUT:
            return
        if tracked.file.fault is not None or tracked.identity is None:
            return
        stamp = tracked.file.stamp()
        if not await self._writer.finish(tracked):
            return
        try:
            await asyncio.to_thread(finish_file, tracked.file, stamp, self._options)
        except Invalid as error:
            self._listener.note_error(error)
        else:
            self.files_finished += 1

    def _has_ended(self, tracked: TrackedFile) -> bool:
        """Whether a file that left its path has been quiet for long enough."""
        if tracked.left_ms is None:
            return False
        return self._clock.monotonic_ms() - tracked.left_ms >= self._options.rotate_wait_ms

    # ---- both ----

    def _recognise(self, tracked: TrackedFile, *, final: bool) -> bool:
        if not tracked.recognise(self._writer.ledger, final=final):
            return False
        self._equip(tracked)
        return True

    def _equip(self, tracked: TrackedFile) -> None:
        self.paths[tracked.name] = tracked.path
        self._writer.equip(tracked)

    def _let_go(self, tracked: TrackedFile) -> None:
        tracked.settle(self._writer.ledger)
        tracked.file.close()
        self.tracked.pop(tracked.file.place, None)

    def _is_ending(self) -> bool:
        return self._ending

    async def _while_paused(self) -> None:
        if self.paused:
            await self._writer.settle()
        while self.paused and not self._ending:
            await self._rest()

    async def _rest(self) -> None:
        """Wait for the next look at the files, or until somebody wakes us."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.poll_interval_ms / 1000):
                await self._wake.wait()
        if not self._ending:
            self._wake.clear()
