"""From records to acknowledgements: what all collectors share that answer their senders.

Hands records to the producer in the order they came, in groups of `batchSize` (or after
`flushInterval`), never more bytes at once than `maxInFlightBytes`; knows whether the broker is
away, so that senders hear it at once instead of waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeGuard

from summit.base.clock import Clock
from summit.base.emitter import Emitter
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.limits import INGEST_FLUSH_INTERVAL_MS
from summit.ingest.notes import Place, digest_of
from summit.ingest.producing import Ack, Producer, forget, wait_all
from summit.ingest.settings import CollectorConfig
from summit.ingest.shaping import SOURCE_HEADER, Draft

RETRY_AFTER_MS: Final = 1_000

Outcome = Ack | SummitError


class Owner(Protocol):
    """Who is told: the collector."""

    def trouble(self, error: SummitError | None) -> None:
        """The broker cannot be reached for now; None: it can again."""
        ...


class Handed:
    """Records that were taken for delivery; settled in the order they were handed over.

    Attributes:
        together: The answers of records that were sent at once, these from the place `first` on.
    """

    __slots__ = (
        "_futures", "drafts", "error", "first", "flushed", "is_settled", "size_bytes", "together",
    )  # fmt: skip

    def __init__(self, drafts: Sequence[Draft], size_bytes: int) -> None:
        self.drafts = drafts
        self.size_bytes = size_bytes
        self.is_settled = False  # its bytes are not counted any more
        self.together: asyncio.Future[Any] | None = None
        self.first = 0
        self.error: SummitError | None = None
        self.flushed: asyncio.Future[None] | None = None
        self._futures: list[asyncio.Future[Any]] | None = None

    @property
    def was_sent(self) -> bool:
        """Whether any of it may be written."""
        return self._futures is not None or self.together is not None

    @property
    def futures(self) -> list[asyncio.Future[Any]] | None:
        """The outcome of each record; None while nothing was sent."""
        if self.together is not None:
            together, self.together = self.together, None
            self._futures = _each(together, self.first, len(self.drafts))
        return self._futures

    @futures.setter
    def futures(self, futures: list[asyncio.Future[Any]]) -> None:
        self._futures = futures


class Delivery:
    """The way of one collector's records, between `open` and `close`.

    Args:
        config: For `batchSize` and `flushInterval`.
        max_in_flight_bytes: Bytes handed over and not yet acknowledged.
        ack_timeout_ms: How long to wait for the broker's acknowledgement.
    """

    def __init__(
        self,
        config: CollectorConfig,
        owner: Owner,
        clock: Clock,
        *,
        max_in_flight_bytes: int,
        ack_timeout_ms: int,
    ) -> None:
        self._name = config.name
        self._topic = config.topic
        self._owner = owner
        self._clock = clock
        self._limit = max_in_flight_bytes
        self._ack_timeout_ms = ack_timeout_ms
        self._batch_size = config.batch_size
        self._interval_s = (config.flush_interval or INGEST_FLUSH_INTERVAL_MS) / 1000
        self._producer: Producer | None = None
        self._told_by: Emitter | None = None
        self._waiting: list[Handed] = []
        self._waiting_records = 0
        self._timer: asyncio.Handle | None = None
        self._flushed: asyncio.Future[None] | None = None  # of what waits
        self._freed: asyncio.Event | None = None
        self._away_until_ms: float | None = None
        self._away_reason = ""
        self.in_flight_bytes = 0
        self.found: dict[bytes, Place] = {}  # records that are there already, by `summit.src`

    def open(self, producer: Producer) -> None:
        """Write with this producer from now on."""
        self._producer = producer
        self._away_until_ms = None
        self._freed = asyncio.Event()
        if isinstance(producer, Emitter):
            self._told_by = producer
            producer.on("error", self._producer_told)

    def close(self) -> None:
        """Let go of the producer; what waits for company goes now."""
        self.flush()
        if self._told_by is not None:
            self._told_by.off("error", self._producer_told)
            self._told_by = None

    # ---- whether more may come ----

    def check_away(self) -> None:
        """Raise Unavailable("ingest.broker_away") while the broker is known to be away."""
        if self._away_until_ms is not None and self._clock.monotonic_ms() < self._away_until_ms:
            raise self._away()

    def check_room(self, size_bytes: int) -> None:
        """Raise Unavailable("ingest.queue_full") when these bytes have no room now."""
        if self.in_flight_bytes and self.in_flight_bytes + size_bytes > self._limit:
            raise self._full(str(self._limit))

    def has_room(self, size_bytes: int) -> bool:
        """Whether `room` would not wait."""
        fits = not self.in_flight_bytes or self.in_flight_bytes + size_bytes <= self._limit
        return fits and self._away_until_ms is None

    async def room(self, size_bytes: int) -> None:
        """Wait until these bytes have room and the broker is not known to be away."""
        assert self._freed is not None
        while True:
            if self.in_flight_bytes and self.in_flight_bytes + size_bytes > self._limit:
                self._freed.clear()
                await self._freed.wait()
            elif self._away_until_ms is not None:
                left_ms = self._away_until_ms - self._clock.monotonic_ms()
                if left_ms <= 0:
                    return
                await asyncio.sleep(left_ms / 1000)
            else:
                return

    # ---- handing over ----

    def hand_over(self, drafts: Sequence[Draft], size_bytes: int) -> Handed:
        """Take records; they are sent with all others that are handed over in this turn of the
        loop, or of their group. Then `settle`.
        """
        handed = Handed(drafts, size_bytes)
        self.in_flight_bytes += size_bytes
        loop = asyncio.get_running_loop()
        if self._flushed is None:
            self._flushed = loop.create_future()
        handed.flushed = self._flushed
        self._waiting.append(handed)
        self._waiting_records += len(drafts)
        if self._batch_size is None:
            if self._timer is None:
                self._timer = loop.call_soon(self.flush)
        elif self._waiting_records >= self._batch_size:
            self.flush()
        elif self._timer is None:
            self._timer = loop.call_later(self._interval_s, self.flush)
        return handed

    def resend(self, handed: Handed) -> Handed:
        """Settle records once more whose outcome was unclear: only those that failed are sent."""
        known = handed.futures
        again = Handed(handed.drafts, handed.size_bytes)
        self.in_flight_bytes += handed.size_bytes
        self._send(again, known)
        return again

    def flush(self) -> None:
        """Send what waits for company."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        count, self._waiting_records = self._waiting_records, 0
        flushed, self._flushed = self._flushed, None
        if count < 2 or not self._send_together(waiting):
            for handed in waiting:
                self._send(handed)
        for handed in waiting:
            handed.flushed = None  # so that nobody waits who comes later
        if flushed is not None and not flushed.done():
            flushed.set_result(None)

    def settle_now(self, handed: Handed) -> list[Outcome] | None:
        """What became of records that are all written by now; None: ask `settle`."""
        together = handed.together
        if together is None or not together.done() or (answers := together.result()).failures:
            return None
        self._back()
        self._settled(handed)
        first = handed.first
        found: list[Outcome] = answers.results[first : first + len(handed.drafts)]
        return found

    async def settle(self, handed: Handed) -> list[Outcome]:
        """What became of each record, in order, when the broker has said it.

        Raises: Unavailable("ingest.broker_away") when it has not in time: the records may or may
            not be written; Unavailable("ingest.queue_full"): what had no room is not.
        """
        try:
            if handed.flushed is not None:
                await handed.flushed
            if handed.error is not None:
                raise handed.error
            together = handed.together
            if together is not None:
                if not together.done() and not await wait_all((together,), self._ack_timeout_ms):
                    raise self._lost(None)
                written = self.settle_now(handed)
                if written is not None:
                    return written
            futures = handed.futures or []
            if not await wait_all(futures, self._ack_timeout_ms):
                forget(futures)
                raise self._lost(None)
            return self._outcomes(handed.drafts, futures)
        finally:
            self._settled(handed)

    def give_up(self, handed: Handed) -> None:
        """Let go of records whose outcome nobody waits for any more; also of settled ones."""
        if handed.together is None:
            forget(handed.futures or [])
        self._settled(handed)

    def _settled(self, handed: Handed) -> None:
        if handed.is_settled:
            return
        handed.is_settled = True
        self.in_flight_bytes -= handed.size_bytes
        if self._freed is not None:
            self._freed.set()

    def _send_together(self, waiting: list[Handed]) -> bool:
        """Give all of it to the producer at once; False: it has to be done one by one."""
        assert self._producer is not None
        drafts = (
            waiting[0].drafts if len(waiting) == 1 else [d for one in waiting for d in one.drafts]
        )
        topic = drafts[0].topic
        if self.found or any(draft.topic != topic for draft in drafts):
            return False
        try:
            together = self._producer.send_many_nowait(
                topic, [(draft.value, draft.key, draft.headers) for draft in drafts]
            )
        except SummitError:  # nothing was sent; some may have room, or be what can be written
            return False
        first = 0
        for handed in waiting:
            handed.together, handed.first = together, first
            first += len(handed.drafts)
        return True

    def _send(self, handed: Handed, known: list[asyncio.Future[Any]] | None = None) -> None:
        """Give records to the producer; each has its outcome, also where only some were taken."""
        assert self._producer is not None
        send = self._producer.send_nowait
        futures: list[asyncio.Future[Any]] = []
        is_new = known is None and not self.found
        fault: SummitError | None = None
        for place, draft in enumerate(handed.drafts):
            there = None if is_new else self._there(draft, known[place] if known else None)
            if there is None and fault is None:
                try:
                    there = send(draft.topic, draft.value, draft.key, draft.headers)
                except SummitError as error:
                    if _is_of_record(error):
                        there = _failed(error)
                    elif not futures and known is None:
                        handed.error = self._refusal(error)  # nothing was sent
                        return
                    else:
                        fault = self._refusal(error)
            futures.append(_failed(fault) if there is None else there)
        handed.futures = futures

    def _refusal(self, error: SummitError) -> SummitError:
        return self._full(str(error)) if isinstance(error, Unavailable) else error

    def _there(self, draft: Draft, known: asyncio.Future[Any] | None) -> asyncio.Future[Any] | None:
        """The outcome of a record that is on its way or in the log; None when it must be sent."""
        if known is not None and (not known.done() or not (known.cancelled() or known.exception())):
            return known
        if not self.found:
            return None
        source = next((text for name, text in draft.headers if name == SOURCE_HEADER), None)
        place = None if source is None else self.found.get(source)
        if (
            place is None
            or place.until_ms <= self._clock.now_ms()
            or place.topic != draft.topic
            or place.digest != digest_of(draft.value)
        ):
            return None
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_result(place)
        return future

    def _outcomes(
        self, drafts: Sequence[Draft], futures: list[asyncio.Future[Any]]
    ) -> list[Outcome]:
        try:
            acks: list[Outcome] = [future.result() for future in futures]
        except (SummitError, asyncio.CancelledError):
            forget(futures)
        else:
            self._back()
            return acks
        outcomes: list[Outcome] = []
        for draft, future in zip(drafts, futures, strict=True):
            error = None if future.cancelled() else future.exception()
            if error is None and not future.cancelled():
                outcomes.append(future.result())
            elif _is_of_record(error) or self._is_of_choice(error, draft):
                outcomes.append(error)  # this record can never be written; the others can
            elif isinstance(error, Unavailable) and error.code == "ingest.queue_full":
                raise error  # the broker is there
            elif isinstance(error, Unavailable) and error.code == "producer.buffer_full":
                raise self._full(str(error)) from error  # of some that were sent together
            else:
                raise self._lost(error) from error
        self._back()
        return outcomes

    def _is_of_choice(self, error: BaseException | None, draft: Draft) -> TypeGuard[Invalid]:
        """Whether the fault is that of a topic that the event or its sender has chosen."""
        if not isinstance(error, Invalid) or draft.is_letter:
            return False
        return error.code.startswith("topic.") and draft.topic != self._topic

    # ---- the broker ----

    def _producer_told(self, payload: Any) -> None:
        """The producer has lost all brokers: refuse at once instead of letting senders wait."""
        error = payload.get("error")
        if isinstance(error, Unavailable) and error.code == "client.no_brokers":
            self._lost(error)

    def _lost(self, error: BaseException | None) -> Unavailable:
        """Refuse for a moment; the first one after it tries the broker again."""
        self._away_until_ms = self._clock.monotonic_ms() + RETRY_AFTER_MS
        self._away_reason = "no answer in time" if error is None else str(error)
        away = self._away()
        self._owner.trouble(away)
        return away

    def _back(self) -> None:
        if self._away_until_ms is not None:
            self._away_until_ms = None
            self._owner.trouble(None)

    def _away(self) -> Unavailable:
        return Unavailable(
            "ingest.broker_away", reason=self._away_reason, retry_after_ms=RETRY_AFTER_MS
        )

    def _full(self, limit: str) -> Unavailable:
        return Unavailable(
            "ingest.queue_full", name=self._name, limit=limit, retry_after_ms=RETRY_AFTER_MS
        )


def _each(together: asyncio.Future[Any], first: int, count: int) -> list[asyncio.Future[Any]]:
    """The outcome of each record of those that were sent together."""
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[Any]] = [loop.create_future() for _ in range(count)]

    def tell(done: asyncio.Future[Any]) -> None:
        answers = done.result()
        for place, future in enumerate(futures, first):
            if future.done():
                continue
            if place in answers.failures:
                future.set_exception(answers.failures[place])
            else:
                future.set_result(answers.results[place])

    if together.done():
        tell(together)
    else:
        together.add_done_callback(tell)
    return futures


def _is_of_record(error: BaseException | None) -> TypeGuard[Invalid]:
    return isinstance(error, Invalid) and error.code.startswith("record.")


def _failed(error: SummitError | None) -> asyncio.Future[Any]:
    """The outcome of a record that the producer did not take."""
    assert error is not None
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future
