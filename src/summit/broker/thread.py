"""A broker on a thread and an event loop of its own, for programs that embed one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from summit.base.clock import Clock
from summit.base.errors import Closed, Internal, SummitError
from summit.base.files import Files
from summit.broker.loops import new_event_loop
from summit.broker.security.security import InnerAccess
from summit.broker.server import Broker
from summit.broker.settings import BrokerSettings
from summit.log.backup import Manifest

T = TypeVar("T")

_LOOK_S = 0.1  # how often a call looks whether the thread it waits for is still there
_LOOKS = 300


class BrokerThread:
    """Runs one `Broker`. All methods may be called from any thread; they block shortly.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as path:
        ...     broker = BrokerThread(BrokerSettings(port=0, data_dir=path))
        ...     broker.start()
        ...     print(broker.port > 0)
        ...     broker.stop()
        True
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        files: Files | None = None,
        clock: Clock | None = None,
        on_failed: Callable[[SummitError], None] | None = None,
    ) -> None:
        """Args: on_failed: Called on the broker's thread if a failed sync stops the broker."""
        self.settings = settings
        self._files = files
        self._clock = clock
        self._on_failed = on_failed
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._broker: Broker | None = None

    @property
    def host(self) -> str:
        """The address it listens on."""
        return self._require().host

    @property
    def port(self) -> int:
        """The port it listens on; the real one where the setting was 0."""
        return self._require().port

    @property
    def addresses(self) -> dict[str, tuple[str, int]]:
        """Where each listener is, by its name."""
        return self._require().addresses

    @property
    def inner(self) -> InnerAccess | None:
        """As `Broker.inner`."""
        return self._require().inner

    @property
    def cluster_id(self) -> str:
        """The id of this data directory's cluster."""
        return self._require().cluster_id

    @property
    def is_running(self) -> bool:
        """Whether it was started and neither stopped nor failed."""
        broker = self._broker
        return broker is not None and not broker.failed.done()

    def start(self) -> None:
        """Start and return once it listens. Raises what `Broker.start` raises."""
        if self._thread is not None:
            raise Closed("broker.not_running")
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="summit-broker", daemon=True
        )
        self._thread.start()
        try:
            started.result()
        except BaseException:
            self._thread.join()
            raise

    def stop(self) -> None:
        """Stop and wait for the clean end. Nothing happens if it is not running."""
        loop, end, thread = self._loop, self._end, self._thread
        if loop is None or end is None or thread is None or not thread.is_alive():
            return
        loop.call_soon_threadsafe(end.set)
        thread.join()
        self._broker = None

    def metrics(self) -> dict[str, Any]:
        """As `Broker.metrics`."""
        return self._call(self._require().metrics)

    def backup(self, target: str) -> Manifest:
        """As `Broker.backup`; waits for it."""
        assert self._loop is not None
        making = self._require().backup(target)
        try:
            return asyncio.run_coroutine_threadsafe(making, self._loop).result()
        except RuntimeError as error:  # the loop has ended
            making.close()
            raise Closed("broker.not_running") from error

    def _call(self, function: Callable[[], T]) -> T:
        """Run a function on the broker's loop and wait for its result.

        Raises: Closed("broker.not_running") when the loop ends before it came to that.
        """
        assert self._loop is not None
        assert self._thread is not None
        outcome: Future[T] = Future()

        def act() -> None:
            try:
                outcome.set_result(function())
            except SummitError as error:
                outcome.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(act)
        except RuntimeError as error:  # the loop has ended
            raise Closed("broker.not_running") from error
        for _ in range(_LOOKS):
            with contextlib.suppress(TimeoutError):
                return outcome.result(timeout=_LOOK_S)
            if not self._thread.is_alive() and not outcome.done():
                raise Closed("broker.not_running")
        raise Internal("internal", reason="the broker's loop does not answer")

    def _require(self) -> Broker:
        if self._broker is None:
            raise Closed("broker.not_running")
        return self._broker

    def _run(self, started: Future[None]) -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(self._serve(started))
        finally:
            if not started.done():
                started.set_exception(Internal("internal", reason="the broker's thread ended"))

    async def _serve(self, started: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        broker = Broker(self.settings, files=self._files, clock=self._clock)
        try:
            await broker.start()
        except (SummitError, OSError) as error:
            started.set_exception(error)
            return
        self._broker = broker
        broker.failed.add_done_callback(self._failed)
        started.set_result(None)
        await self._end.wait()
        await broker.stop()

    def _failed(self, failed: asyncio.Future[SummitError]) -> None:
        if not failed.cancelled() and self._on_failed is not None:
            self._on_failed(failed.result())
