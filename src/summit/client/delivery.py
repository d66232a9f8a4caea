"""Brings librdkafka's delivery reports to the loop, in bursts.

librdkafka calls back once per record and takes the interpreter's lock each time. With few records
on their way a thread of our own waits inside `poll`, and the first report of a burst wakes the
loop once: lowest latency. With many, that thread and a busy loop would fight for the lock at
every record (measured: 5.4 CPU-seconds per million records against 2.3), so beyond a mark the
thread rests and the loop polls each millisecond, without waiting, until few are left.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from summit.base.limits import CLIENT_SLICE_MS
from summit.client import librdkafka

MANY: Final = 512
FEW: Final = 64
_TICK_S: Final = 0.001
INDEX_BITS: Final = 32  # of a ticket: the record's place in its batch; above them the batch
INDEX_MASK: Final = 2**INDEX_BITS - 1

# Of a record sent alone: its future, bytes taken, KafkaError or None, message. Of one of many: the
# ticket, whose batch has the answer already.
Report = tuple[Any, int, Any, Any] | int


class AnswerTaker(Protocol):
    """A batch of records, as whoever polls fills it."""

    def take(self, index: int, error: Any, message: Any) -> None:
        """One record is answered. On whatever thread polls."""


def _ticket_type(
    batches: dict[int, AnswerTaker], queue: Callable[[Report], None]
) -> Callable[[int], Callable[..., None]]:
    """The type of one producer's tickets: numbers that librdkafka can call.

    A number has no references, so Python's collector does not look at it; a `partial` or a
    closure per record it would visit again and again while tens of thousands are on their way
    (measured: half of the time of a send).
    """

    class Ticket(int):
        __slots__ = ()

        def __call__(self, error: Any, message: Any) -> None:
            batches[self >> INDEX_BITS].take(self & INDEX_MASK, error, message)
            queue(self)

    return Ticket


class Deliveries:
    """The reports of one librdkafka producer.

    Args:
        handle: The confluent_kafka producer.
        on_reports: Called on the loop with every burst.
        on_error: Told of an error that ended librdkafka's producer; on whatever thread polls.
    """

    def __init__(
        self,
        handle: Any,
        on_reports: Callable[[Deliveries, deque[Report]], None],
        on_error: Callable[[Any], None],
    ) -> None:
        self._handle = handle
        self._on_reports = on_reports
        self._on_error = on_error
        self._failures = librdkafka.load().KafkaException
        self._loop = asyncio.get_running_loop()
        self._reports: deque[Report] = deque()
        self._wake_is_due = False
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._by_thread = threading.Event()
        self._by_thread.set()
        self._idle: asyncio.Future[None] | None = None
        self.outstanding = 0
        self._batches: dict[int, AnswerTaker] = {}
        self._batch_serial = 0
        self.ticket = _ticket_type(self._batches, self._queue)
        self._thread = threading.Thread(target=self._serve, name="summit-deliveries", daemon=True)
        self._thread.start()

    def expect(self, future: asyncio.Future[Any], size_bytes: int) -> Callable[..., None]:
        """The callback to give to librdkafka with one record."""
        return partial(self._reported, future, size_bytes)

    def open(self, batch: AnswerTaker) -> int:
        """The first ticket of a batch; that of record n is n more, made by `self.ticket`."""
        self._batch_serial += 1
        self._batches[self._batch_serial] = batch
        return self._batch_serial << INDEX_BITS

    def close(self, first_ticket: int) -> None:
        """All records of that batch are answered."""
        del self._batches[first_ticket >> INDEX_BITS]

    def batch_of(self, ticket: int) -> Any:
        """The batch of a ticket."""
        return self._batches[ticket >> INDEX_BITS]

    def sent(self, count: int = 1) -> None:
        """So many records were given to librdkafka."""
        self.outstanding += count
        if self.outstanding > MANY and self._timer is None and not self._ended:
            self._by_thread.clear()
            self._timer = self._loop.call_later(_TICK_S, self._tick)

    async def idle(self) -> None:
        """Wait until every record has its report."""
        while self.outstanding:
            if self._idle is None:
                self._idle = self._loop.create_future()
            await asyncio.shield(self._idle)

    def end(self) -> None:
        """Poll no more; the thread is gone within a slice. Reports still queued are handed out."""
        self._ended = True
        self._by_thread.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._hand_out()

    def join(self) -> None:
        """Wait for the thread's end. Blocks: not for the loop."""
        self._thread.join(timeout=10 * CLIENT_SLICE_MS / 1000)

    def release(self) -> None:
        """Let go of librdkafka's producer; after `join`."""
        self._handle = None

    def _reported(self, future: Any, size_bytes: int, error: Any, message: Any) -> None:
        # On the thread or on the loop, whichever polls.
        self._queue((future, size_bytes, error, message))

    def _queue(self, report: Report) -> None:
        self._reports.append(report)
        if not self._wake_is_due:
            self._wake_is_due = True
            self._loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._wake_is_due = False
        reports = self._reports
        if not reports:
            return
        burst: deque[Report] = deque()
        while reports:
            burst.append(reports.popleft())
        self.outstanding -= len(burst)
        self._on_reports(self, burst)
        if not self.outstanding and self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

    def _tick(self) -> None:
        self._wake_is_due = True  # handed out right below: no wake-up is needed
        try:
            self._poll(0)
        finally:
            self._hand_out()
        if self.outstanding > FEW and not self._ended:
            self._timer = self._loop.call_later(_TICK_S, self._tick)
        else:
            self._timer = None
            self._by_thread.set()

    def _serve(self) -> None:
        while not self._ended:
            self._by_thread.wait()
            try:
                self._poll(CLIENT_SLICE_MS / 1000)
            except RuntimeError:  # the loop is closed, or the handle: nobody is left to tell
                return

    def _poll(self, timeout_s: float) -> None:
        try:
            self._handle.poll(timeout_s)
        except self._failures as error:  # fatal: it was fenced
            self._on_error(error.args[0])
