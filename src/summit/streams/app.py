"""`StreamApp`: one's own operators over topics, run by any number of processes, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self, TypeVar, overload

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Closed, Conflict, SummitError, Unavailable
from summit.base.limits import WORKER_RETRY_MS, WORKER_STOP_MS
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.base.units import parse_duration_ms
from summit.operators.formats import Decode, decoder_of, json_decoder
from summit.operators.graph import Graph, Source
from summit.operators.stream import Duration, Stream, Table
from summit.streams.describing import GUARANTEE, clocks, described
from summit.streams.metrics import StreamFigures
from summit.streams.session import Session
from summit.streams.settings import StreamSettings

T = TypeVar("T")


class StreamApp:
    """Declared first, then run; one loop's from `start` to `stop`. Also `async with`.

    Exactly once: positions, outputs, state and timers are one Kafka transaction, every 100 ms.
    Whoever takes over goes on from the last one.

    Args:
        app_id: Names the app; see `StreamSettings`.
        bootstrap_servers: Addresses of the brokers, embedded or a cluster.
        settings: Further names of `StreamSettings`.
    """

    def __init__(
        self,
        app_id: str,
        *,
        bootstrap_servers: list[str] | str = "localhost:9092",
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        self.settings = StreamSettings.from_dict(
            {"app_id": app_id, "bootstrap_servers": bootstrap_servers, **settings}
        )
        self.graph = Graph()
        self._clock = clock or SystemClock()
        self.figures = StreamFigures(self._clock)
        self._tasks = Tasks(self._crashed)
        self._session: Session | None = None
        self._work: asyncio.Task[Any] | None = None
        self._stopping = False
        self._finishing = self.settings.stop_at_end
        self._finished = asyncio.Event()
        self._failure: BaseException | None = None

    # ---- declaring ----

    @overload
    def stream(
        self, topic: str, *, key: Any = ..., value: Any = ...,
        time: Callable[[Any], int] | None = ..., delay: Duration = ..., name: str | None = ...,
    ) -> Stream[Any]: ...  # fmt: skip

    @overload
    def stream(
        self, topic: str, type: type[T], *, key: Any = ..., value: Any = ...,
        time: Callable[[T], int] | None = ..., delay: Duration = ..., name: str | None = ...,
    ) -> Stream[T]: ...  # fmt: skip

    def stream(
        self,
        topic: str,
        type: Any = Any,
        *,
        key: Any = None,
        value: Any = None,
        time: Callable[[Any], int] | None = None,
        delay: Duration = 0,
        name: str | None = None,
    ) -> Stream[Any]:
        """The records of a topic.

        Args:
            type: What the values are: anything that msgspec reads JSON as.
            key, value: A deserializer: one of `summit.serde` or one's own, the name of one
                (`json`, `string`, `bytes`, `msgpack`), or a function; it gets no headers. None =
                keys are text, values JSON of `type`.
            time: Gives the event time of a value, milliseconds since 1970 UTC; None = the record's
                own time.
            delay: How much later than its successors an event may come without being late.
        """
        source = Source(
            self.graph.name("stream", name), topic, *_decoders(topic, type, key, value),
            time_of=time, delay_ms=parse_duration_ms(delay),
        )  # fmt: skip
        self.graph.add(source)
        return Stream(self.graph, source, type)

    @overload
    def table(
        self, topic: str, *, key: Any = ..., value: Any = ..., name: str | None = ...
    ) -> Table[str, Any]: ...

    @overload
    def table(
        self, topic: str, type: type[T], *, key: Any = ..., value: Any = ...,
        name: str | None = ...,
    ) -> Table[str, T]: ...  # fmt: skip

    def table(
        self, topic: str, type: Any = Any, *, key: Any = None, value: Any = None,
        name: str | None = None,
    ) -> Table[Any, Any]:  # fmt: skip
        """A topic as a table: of each key the last value; a record without value takes it out.

        Its records must have been placed by Kafka's rule for keys (murmur2). Arguments as those of
        `stream`.
        """
        source = Source(
            self.graph.name("table", name),
            topic,
            *_decoders(topic, type, key, value),
            is_table=True,
        )
        self.graph.add(source)
        return Table(self.graph, source, type)

    # ---- running ----

    async def start(self) -> None:
        """Begin to join; topics that are missing are made on the way.

        Raises: Conflict("streams.running"); Invalid for a graph that cannot run.
        """
        if self._work is not None:
            raise Conflict("streams.running", app=self.settings.app_id)
        self.graph.parts()
        self._work = self._tasks.spawn(self._run(), "streams.run")

    async def stop(self, timeout_ms: int = WORKER_STOP_MS) -> None:
        """Finish the batch in hand, commit, leave the group. Idempotent.

        What cannot be committed in time will be processed again by whoever goes on.
        """
        self._stopping = True
        if self._work is not None:
            await asyncio.wait([self._work], timeout=timeout_ms / 1000)
        await self._tasks.cancel_all()
        if self._session is not None:
            await self._session.close()
        self._finished.set()

    async def run(self) -> None:
        """`start`, and work until stopped, cancelled, or at the end with `stop_at_end`.

        Raises: Closed("streams.failed") with the reason as its cause.
        """
        await self.start()
        try:
            await self.wait_finished()
        finally:
            await self.stop()

    async def wait_finished(self) -> None:
        """Wait until the app has finished, was stopped, or has failed.

        Raises: Closed("streams.failed").
        """
        await self._finished.wait()
        if self._failure is not None:
            raise Closed(
                "streams.failed", app=self.settings.app_id, reason=str(self._failure)
            ) from self._failure

    async def finish(self) -> None:
        """Process everything that is in the topics now, commit, and stop working; `stop` is still
        to be called.

        Raises: Closed("streams.failed").
        """
        self._finishing = True
        await self.wait_finished()

    async def wait_active(self, timeout_ms: int) -> bool:
        """Wait until this process has a share of the work; whether it has."""
        deadline_ms = self._clock.monotonic_ms() + timeout_ms
        while self.state not in ("active", "failed"):
            if self._clock.monotonic_ms() >= deadline_ms:
                break
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

    def describe(self) -> dict[str, Any]:
        """The graph, and while it runs what this process has of it; by the names of the wire.

        Returns: `parts`: what runs without a topic in between, each with its `nodes` (name, kind,
            what they come from, their topic; `kept` and `late`: how many things operators keep
            here, and how many records came too late); `slots`: the portions of the work that are
            here; the figures of `StreamFigures`.
        """
        session = self._session
        runtime = None if session is None else session.runtime
        return {
            "appId": self.settings.app_id,
            "state": self.state,
            "guarantee": GUARANTEE,
            "parts": described(self.graph, self.settings.app_id, runtime),
            "slots": [] if runtime is None else sorted(runtime.held),
            "clocks": {} if runtime is None else clocks(runtime),
            **self.figures.as_dict(),
        }

    async def _run(self) -> None:
        pause_ms = WORKER_RETRY_MS
        while not self._is_stopping():
            session = self._session = Session(
                self.graph, self.settings, self._clock, self.figures,
                stopping=self._is_stopping, finishing=lambda: self._finishing,
            )  # fmt: skip
            try:
                if await session.run():
                    self._finished.set()
                    return
                pause_ms = WORKER_RETRY_MS
            except Closed:
                if self._is_stopping():
                    return
                raise
            except Unavailable as error:
                self._log_end(error)
                await asyncio.sleep(pause_ms / 1000)
                pause_ms = min(2 * pause_ms, self.settings.retry_backoff_max_ms)
            finally:
                await session.close()
                self._session = None

    def _log_end(self, error: SummitError) -> None:
        get_logger(__name__).warning("session.ended", code=error.code, error=str(error))

    def _is_stopping(self) -> bool:
        return self._stopping

    def _crashed(self, _: str, error: BaseException) -> None:
        self._failure = error
        self._finished.set()


def _decoders(topic: str, type_: Any, key: Any, value: Any) -> tuple[Decode, Decode]:
    return (
        bytes.decode if key is None else decoder_of(key, "key", topic),
        json_decoder(type_) if value is None else decoder_of(value, "value", topic),
    )
