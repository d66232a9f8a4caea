"""Backups of a running broker: compaction rests, a cut is taken, a thread copies it.

The loop is only needed for the cut (`log/cutting.py`); the broker serves on. One backup at a time.
Who asks: `Broker.backup`, or a request in the data directory (`backup_request.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from summit.base.clock import Clock
from summit.base.errors import Closed, Conflict, Invalid, SummitError
from summit.base.files import Files, OsFiles
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.broker.backup_request import BackupAnswer, BackupRequest, take_request, write_answer
from summit.broker.compacting import Compactor
from summit.broker.disk_thread import attempt
from summit.log.backup import Manifest, Progress, check_target, write_backup
from summit.log.layout import META, join
from summit.log.store import LogStore

_TELL_S: Final = 1.0

_log = get_logger(__name__)


class BackupMaker:
    """Makes backups; one broker's, on its loop.

    Args:
        files: The broker's disk. A backup goes to the machine's own, also of a broker in memory.
        on_released: Told when files that were kept for a backup may be removed.
    """

    def __init__(
        self,
        store: LogStore,
        compactor: Compactor,
        files: Files,
        data_dir: str,
        clock: Clock,
        on_released: Callable[[], None],
    ) -> None:
        self._store = store
        self._compactor = compactor
        self._files = files
        self._data_dir = data_dir
        self._clock = clock
        self._on_released = on_released
        self._tasks = Tasks()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_stopping = False
        self._done_bytes = self._total_bytes = 0

    async def make(self, target: str) -> Manifest:
        """Write a backup to the directory `target`, which must be absent or empty.

        Raises: Conflict("backup.refused" | "backup.target_in_use"); Unavailable("disk.full");
            Closed("broker.not_running") when the broker stops meanwhile.
        """
        if self._is_stopping:
            raise Closed("broker.not_running")
        if not self._idle.is_set():
            raise Conflict("backup.refused", reason="another backup is being made")
        _check_outside(target, self._data_dir)
        self._idle.clear()
        try:
            async with self._compactor.paused():
                if self._is_stopping:
                    raise Closed("broker.not_running")
                return await self._copy(target)
        finally:
            self._idle.set()

    async def _copy(self, target: str) -> Manifest:
        began_ms = self._clock.monotonic_ms()
        taken_ms = self._clock.now_ms()
        cut = self._store.cut()
        self._done_bytes, self._total_bytes = 0, cut.size_bytes

        def work() -> Manifest:
            meta = self._files.read_bytes(join(self._data_dir, META))
            return write_backup(
                OsFiles(), target, cut.files(), meta=meta, taken_ms=taken_ms,
                progress=self._progress,
            )  # fmt: skip

        copying = asyncio.ensure_future(asyncio.to_thread(attempt, work))
        try:
            manifest, error = await asyncio.shield(copying)
        except asyncio.CancelledError:
            self._is_stopping = True  # the thread ends at its next piece
            await copying
            raise
        finally:
            cut.release()
            self._on_released()
        if error is not None:
            raise error
        assert manifest is not None
        _log.info(
            "backup.made", target=target, files=len(manifest.files), bytes=manifest.size_bytes,
            took_ms=int(self._clock.monotonic_ms() - began_ms),
        )  # fmt: skip
        return manifest

    def _progress(self, size_bytes: int) -> None:
        """On the thread, between two pieces."""
        if self._is_stopping:
            raise Closed("broker.not_running")
        self._done_bytes += size_bytes

    def start(self) -> None:
        """Drop a request that was left to a broker before this one: nobody waits for it now."""
        attempt(lambda: take_request(self._files, self._data_dir))

    def look(self) -> None:
        """Take up the request that lies in the data directory, if one does; cheap."""
        request, error = attempt(lambda: take_request(self._files, self._data_dir))
        if error is not None:
            _log.error("backup.request_unreadable", error=str(error))
        if request is not None:
            self._tasks.spawn(self._serve(request), "backup")

    async def stop(self) -> None:
        """End what is being made; its directory has no manifest then."""
        self._is_stopping = True
        await self._idle.wait()
        await self._tasks.cancel_all()

    async def _serve(self, request: BackupRequest) -> None:
        making = asyncio.ensure_future(self.make(request.target))
        try:
            while not making.done():
                await self._tell(self._running(request.id))
                await asyncio.wait([making], timeout=_TELL_S)
            try:
                manifest = making.result()
                size = manifest.size_bytes
                answer = BackupAnswer(request.id, "done", size, size, len(manifest.files))
            except SummitError as error:
                _log.warning("backup.not_made", target=request.target, error=str(error))
                answer = BackupAnswer(request.id, "failed", reason=str(error))
            await self._tell(answer)
        finally:
            making.cancel()

    def _running(self, request_id: str) -> BackupAnswer:
        return BackupAnswer(request_id, "running", self._done_bytes, self._total_bytes)

    async def _tell(self, answer: BackupAnswer) -> None:
        _, error = await asyncio.to_thread(
            attempt, lambda: write_answer(self._files, self._data_dir, answer)
        )
        if error is not None:
            _log.error("backup.answer_not_written", error=str(error))


def _check_outside(target: str, data_dir: str) -> None:
    if f"{target.rstrip('/')}/".startswith(f"{data_dir.rstrip('/')}/"):
        raise Conflict("backup.refused", reason=f"{target} lies in the data directory itself")


def back_up_stopped(
    data_dir: str, log_dirs: Sequence[str], target: str, clock: Clock, progress: Progress
) -> Manifest:
    """Write a backup of the data directory of a broker that does not run. Blocks.

    The directory is opened as by a start: after a crash it is recovered first.

    Raises: Conflict("disk.locked") when a broker runs over it; Invalid("backup.no_data");
        else as `Broker.backup`.
    """
    files = OsFiles()
    if not files.exists(join(data_dir, META)):
        raise Invalid("backup.no_data", path=data_dir)
    store = LogStore.open(files, data_dir, list(log_dirs), clock=clock)
    try:
        check_target(files, target)
        _check_outside(target, data_dir)
        cut = store.cut()
        meta = files.read_bytes(join(data_dir, META))
        taken_ms = clock.now_ms()
        return write_backup(
            files, target, cut.files(), meta=meta, taken_ms=taken_ms, progress=progress
        )
    finally:
        # After a crash the broker's own start has to learn of it: it ends what was open then.
        store.close(marks_clean=store.report.was_clean)
