"""The worker: one member of the group that matches events and raises alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Self

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Closed, Conflict, Corrupt, SummitError
from summit.base.limits import CALLS_LOOK_MS, WORKER_RETRY_MS, WORKER_STOP_MS
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.flow.calling import Calls, calls_for
from summit.flow.metrics import WorkerMetrics
from summit.flow.session import Session
from summit.flow.settings import WorkerSettings
from summit.flow.telling import worker_id
from summit.journal.definitions import Definitions
from summit.journal.worker_figures import WorkerFigures


class Worker:
    """Joins the group and works on its share; one loop's. Also `async with`.

    Positions and the state of unfinished matches are one transaction, and whoever takes over goes
    on from the last one: every event counts once. Alerts are part of it, or leave before it
    (`WorkerSettings.guarantee`).

    Args:
        settings: A `WorkerSettings`, or a mapping with its names.
        on_failed: Told when the worker ends by itself for a reason that waiting does not mend.
    """

    def __init__(
        self,
        settings: WorkerSettings | Mapping[str, Any],
        *,
        clock: Clock | None = None,
        on_failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.settings = (
            settings if isinstance(settings, WorkerSettings) else WorkerSettings.from_dict(settings)
        )
        self._clock = clock or SystemClock()
        self._on_failed = on_failed
        self.metrics = WorkerMetrics(self._clock, worker_id(self.settings, self._clock))
        self.definitions = Definitions(
            self.settings.servers,
            clock=self._clock,
            name=f"{self.settings.name}-definitions",
        )
        self._tasks = Tasks(self._crashed)
        self._session: Session | None = None
        self._work: asyncio.Task[Any] | None = None
        self._stopping = False
        self._finishing = self.settings.stop_at_end
        self._finished = asyncio.Event()
        self._calls: Calls | None = None
        self._failure: BaseException | None = None

    async def start(self) -> None:
        """Read the definitions, begin to join; topics that are missing are made on the way.

        Raises: Conflict("worker.running"); Unavailable where no broker answers.
        """
        if self._work is not None:
            raise Conflict("worker.running")
        await self.definitions.start()
        self._work = self._tasks.spawn(self._run(), "worker.run")
        self._tasks.spawn(self._serve_calls(), "worker.calls")

    async def stop(self, timeout_ms: int = WORKER_STOP_MS) -> None:
        """Finish the batch in hand, commit, leave the group. Idempotent.

        What cannot be committed in time will be processed again by the next worker.
        """
        self._stopping = True
        if self._work is not None:
            await asyncio.wait([self._work], timeout=timeout_ms / 1000)
        if self._calls is not None:
            await self._calls.stop()
        await self._tasks.cancel_all()
        if self._session is not None:
            await self._session.close()
        await self.definitions.stop()
        self._finished.set()

    async def finish(self) -> None:
        """Process everything that is in the inputs now, commit, and stop working.

        Returns when that is done; `stop` is still to be called. Raises: Closed("worker.failed").
        """
        self._finishing = True
        await self.wait_finished()

    async def wait_finished(self) -> None:
        """Wait until the worker has finished, was stopped, or has failed.

        Raises: Closed("worker.failed").
        """
        await self._finished.wait()
        if self._failure is not None:
            raise Closed("worker.failed", reason=str(self._failure)) from self._failure

    async def wait_active(self, timeout_ms: int) -> bool:
        """Wait until this worker has a share of the work; whether it has."""
        deadline_ms = self._clock.monotonic_ms() + timeout_ms
        while self.state != "active" and self._clock.monotonic_ms() < deadline_ms:
            await asyncio.sleep(0.01)
        return self.state == "active"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def state(self) -> str:
        """joining, standby (a member without a share), restoring, active, finished, stopped or
        failed."""
        if self._failure is not None:
            return "failed"
        if self._finished.is_set():
            return "stopped" if self._stopping else "finished"
        return "joining" if self._session is None else self._session.state

    def status(self) -> dict[str, Any]:
        """State, rules and counters, by the names of the wire."""
        session = self._session
        status: dict[str, Any] = {"state": self.state, **self.metrics.as_dict()}
        if session is not None:
            runtime = session.runtime
            matcher = runtime.engine.processor
            status["guarantee"] = self.settings.guarantee_told
            status["copiedKeys"] = session.copied_keys
            status["keyGroups"] = len(runtime.held)
            status["rules"] = len(session.rules.plans)
            status["faultyRules"] = dict(session.rules.faulty)
            status["partitions"] = len(runtime.positions)
            status["liveRuns"] = matcher.live_runs
            stats = matcher.stats()
            status["keys"] = stats["keys"]
            status["waitingEvents"] = stats["waiting"]
            status["outOfOrder"] = stats["clamped"]
            status["byRule"] = matcher.rule_stats()
        return status

    def figures(self) -> WorkerFigures | None:
        """What this worker would tell of itself now; None while it has no session."""
        return None if self._session is None else self._session.teller.figures()

    @property
    def key_groups(self) -> int:
        """How many key groups it holds."""
        return 0 if self._session is None else len(self._session.runtime.held)

    async def _run(self) -> None:
        pause_ms = WORKER_RETRY_MS
        while not self._is_stopping():
            session = self._session = Session(
                self.settings,
                self._clock,
                self.definitions,
                self.metrics,
                stopping=lambda: self._stopping,
                finishing=lambda: self._finishing,
            )
            try:
                if await session.run():
                    self._finished.set()
                    return
                pause_ms = WORKER_RETRY_MS
            except (Closed, Corrupt):  # Corrupt: nothing that waiting mends
                if self._is_stopping():
                    return
                raise
            except SummitError as error:
                # Taken away, or trouble that a new beginning may mend: nothing is lost by it.
                get_logger(__name__).warning("session.ended", code=error.code, error=str(error))
                await asyncio.sleep(pause_ms / 1000)
                pause_ms = min(2 * pause_ms, self.settings.retry_backoff_max_ms)
            finally:
                await session.close()
                self._session = None

    async def _serve_calls(self) -> None:
        """Take part in the webhooks' calls, from when there is one or a pattern may ask for one."""
        calls = Calls(self.settings, self._clock, self.metrics)
        looked = False
        while not self._stopping:
            await asyncio.sleep(CALLS_LOOK_MS / 1000)
            session = self._session
            if session is None or session.state != "active":
                continue
            try:
                if calls_for(session.rules.plans) or (not looked and await calls.are_there()):
                    await calls.start()
                    self._calls = calls
                    return
                looked = True
            except SummitError as error:
                get_logger(__name__).warning("calls.not_started", error=str(error))

    def _is_stopping(self) -> bool:
        return self._stopping

    def _crashed(self, _: str, error: BaseException) -> None:
        self._failure = error
        self._finished.set()
        if self._on_failed is not None:
            self._on_failed(error)
