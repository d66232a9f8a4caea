"""Brings librdkafka's delivery reports to the loop, in bursts.

librdkafka calls back once per record and takes the interpreter's lock each time. With few records
on their way a thread of our own waits inside `poll`, and the first report of a burst wakes the
loop once: lowest latency. With many, that thread and a busy loop would fight for the lock at
every record (measured: 5.4 CPU-seconds per million records against 2.3), so beyond a mark the
thread rests and the loop polls each millisecond, without waiting, until few are left. With none
the thread is outside `poll` as well: inside, it would take the first reports of a large batch.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from summit.base.limits import CLIENT_SLICE_MS
from summit.client import librdkafka
from summit.client.lanes import Lane

MANY: Final = 512
FEW: Final = 64
_TICK_S: Final = 0.001
_HURRIES: Final = 4
_SPARE_LANES: Final = 64  # kept for later batches; one of a thousand places takes 0.1 MB

# Of a record sent alone: its future, bytes taken, KafkaError or None, message.
Report = tuple[Any, int, Any, Any]


class Deliveries:
    """The reports of one librdkafka producer.

    Args:
        handle: The confluent_kafka producer.
        on_reports: Called on the loop with every burst of records that were sent alone.
        on_lane: Called on the loop with every lane whose answers are complete.
        on_error: Told of an error that ended librdkafka's producer; on whatever thread polls.
        knows_offsets: See `Lane`.
    """

    def __init__(
        self,
        handle: Any,
        on_reports: Callable[[deque[Report]], None],
        on_lane: Callable[[Lane], None],
        on_error: Callable[[Any], None],
        *,
        knows_offsets: bool = True,
    ) -> None:
        self._handle = handle
        self._on_reports = on_reports
        self._on_lane = on_lane
        self._on_error = on_error
        self._knows_offsets = knows_offsets
        self._failures = librdkafka.load().KafkaException
        self._loop = asyncio.get_running_loop()
        self._reports: deque[Report] = deque()
        self._wake_is_due = False
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._by_thread = threading.Event()  # records are on their way, and few
        self._hurries = 0  # ticks to come that hurry
        self._idle: asyncio.Future[None] | None = None
        self.outstanding = 0
        self.open_lanes = 0
        self._full: deque[Lane] = deque()
        self._spare: list[Lane] = []
        self._thread = threading.Thread(target=self._serve, name="summit-deliveries", daemon=True)
        self._thread.start()

    def expect(self, future: asyncio.Future[Any], size_bytes: int) -> Callable[..., None]:
        """The callback to give to librdkafka with one record."""
        return partial(self._reported, future, size_bytes)

    def open(self, count: int, topic: str | None) -> Lane:
        """A lane for at most `count` records of a topic; `seal` it before the loop runs on."""
        if self._spare:
            lane = self._spare.pop()
        else:
            lane = Lane(self._filled, knows_offsets=self._knows_offsets)
        lane.open(count, topic)
        self.open_lanes += 1
        return lane

    def seal(self, lane: Lane, *, unused: int, given: int, load: Any) -> None:
        """`given` records of a lane were given to librdkafka, and `unused` places are not used."""
        lane.seal(unused, given, load)
        if not given:
            self._put_back(lane)
            return
        if lane.is_full:  # the thread had all answers before the last place was known
            self._filled(lane)
        self.sent(given)

    def sent(self, count: int = 1) -> None:
        """So many records were given to librdkafka."""
        self.outstanding += count
        if self._timer is not None:
            return
        if self.outstanding <= MANY or self._ended:
            self._by_thread.set()
            return
        self._by_thread.clear()
        self._timer = self._loop.call_later(_TICK_S, self._tick)

    def hurry(self) -> None:
        """Let nothing linger that was given to librdkafka so far. Takes the loop for a millisecond.

        librdkafka looks at the wish only while somebody is inside `flush`. So this stays there for
        a moment, and a few ticks after it; where that was too short, what lingers goes in its time.
        """
        self._hurries = _HURRIES
        self._take_turn(self._handle.flush, _TICK_S)
        if self.outstanding and self._timer is None and not self._ended:
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
        self._reports.append((future, size_bytes, error, message))
        self._wake()

    def _filled(self, lane: Lane) -> None:
        self._full.append(lane)
        self._wake()

    def _wake(self) -> None:
        if not self._wake_is_due:
            self._wake_is_due = True
            self._loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._wake_is_due = False
        reports, lanes = self._reports, self._full
        burst: deque[Report] = deque()
        while reports:
            burst.append(reports.popleft())
        if burst:
            self.outstanding -= len(burst)
            self._on_reports(burst)
        while lanes:
            lane = lanes.popleft()
            if lane.is_full:
                self.outstanding -= lane.given
                self._on_lane(lane)
                self._put_back(lane)
        if not self.outstanding and self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

    def _put_back(self, lane: Lane) -> None:
        lane.free()
        self.open_lanes -= 1
        if len(self._spare) < _SPARE_LANES:
            self._spare.append(lane)

    def _take_turn(self, ask: Callable[[float], Any], timeout_s: float) -> None:
        """Take reports on the loop itself."""
        self._wake_is_due = True  # handed out right below: no wake-up is needed
        try:
            self._ask(ask, timeout_s)
        finally:
            self._hand_out()

    def _tick(self) -> None:
        if self._hurries:
            self._hurries -= 1
            self._take_turn(self._handle.flush, _TICK_S)
        else:
            self._take_turn(self._handle.poll, 0)
        if not self.outstanding:
            self._hurries = 0
        if (self.outstanding > FEW or self._hurries) and not self._ended:
            self._timer = self._loop.call_later(_TICK_S, self._tick)
            return
        self._timer = None
        if self.outstanding:
            self._by_thread.set()

    def _serve(self) -> None:
        by_thread, slice_s = self._by_thread, CLIENT_SLICE_MS / 1000
        while not self._ended:
            try:
                if by_thread.wait(slice_s):
                    self._ask(self._handle.poll, slice_s)
                    by_thread.clear()
                    if len(self._handle) and self._timer is None:  # looked at after `clear`
                        by_thread.set()
                elif self._timer is None:
                    self._ask(self._handle.poll, 0)  # errors and log lines come this way too
            except RuntimeError:  # the loop is closed, or the handle: nobody is left to tell
                return

    def _ask(self, ask: Callable[[float], Any], timeout_s: float) -> None:
        try:
            ask(timeout_s)
        except self._failures as error:  # fatal: it was fenced
            self._on_error(error.args[0])
