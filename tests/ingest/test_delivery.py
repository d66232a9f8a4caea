"""The way from records to acknowledgements: what is there already, and what is sent half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.ingest.memory_log import Acked, MemoryLog

from summit.base.clock import ManualClock
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.ingest import CollectorConfig
from summit.ingest.delivery import Delivery
from summit.ingest.notes import Place, digest_of
from summit.ingest.shaping import Draft

pytestmark = pytest.mark.timeout(60)


class Owner:
    def trouble(self, error: SummitError | None) -> None: ...


def run(body: Callable[[Delivery], Awaitable[Any]], log: MemoryLog, clock: ManualClock) -> None:
    async def go() -> None:
        config = CollectorConfig.from_dict({"name": "w", "type": "http", "port": 0, "topic": "t"})
        delivery = Delivery(
            config, Owner(), clock, max_in_flight_bytes=1 << 20, ack_timeout_ms=20_000
        )
        delivery.open(log)
        try:
            async with asyncio.timeout(30):
                await body(delivery)
        finally:
            delivery.close()

    asyncio.run(go())


def draft(value: bytes, source: str = "http:w:k:0", *more: tuple[str, bytes]) -> Draft:
    return Draft(0, "t", value, None, [("summit.src", source.encode()), *more])


def test_what_is_there_is_known_by_place_content_and_age() -> None:
    log, clock = MemoryLog(1), ManualClock()

    async def body(delivery: Delivery) -> None:
        place = Place("t", 0, 7, digest_of(b"{}"), clock.now_ms() + 1_000)
        delivery.found = {b"http:w:k:0": place}

        async def written(one: Draft) -> bool:
            before = log.sent
            await delivery.settle(delivery.hand_over([one], 1))
            return log.sent > before

        assert not await written(draft(b"{}"))
        # Tags stand behind the coordinate.
        assert not await written(draft(b"{}", "http:w:k:0", ("summit.invalid", b"why")))
        assert await written(draft(b'{"n":1}'))  # the key was used anew, for something else
        assert await written(draft(b"{}", "http:w:k:1"))
        clock.advance(1_000)
        assert await written(draft(b"{}"))  # the key was used anew, after its time

    run(body, log, clock)


class Choosy(MemoryLog):
    """Takes so many records, then says why not."""

    def __init__(self, takes: int, fault: SummitError, hold: bool = False) -> None:
        super().__init__(1, hold=hold)
        self.takes: int | None = takes
        self.fault = fault

    def send_nowait(self, *args: Any, **more: Any) -> asyncio.Future[Acked]:
        if self.takes is not None and self.sent >= self.takes:
            raise self.fault
        return super().send_nowait(*args, **more)

    def send_many_nowait(self, topic: str, messages: Any, *more: Any) -> asyncio.Future[Any]:
        if self.takes is not None and self.sent + len(messages) > self.takes:
            raise self.fault  # all of them or none
        return super().send_many_nowait(topic, messages, *more)


def test_what_was_taken_before_the_buffer_was_full_is_not_sent_again() -> None:
    log = Choosy(2, Unavailable("producer.buffer_full", limit=1, timeout_ms=0))
    drafts = [draft(b"%d" % n, f"http:w:k:{n}") for n in range(5)]

    async def body(delivery: Delivery) -> None:
        handed = delivery.hand_over(drafts, 1)
        for takes in (2, 4, None):  # also when it is full again
            log.takes = takes
            if handed.futures is not None and takes != 2:
                handed = delivery.resend(handed)
            if takes is None:
                assert len(await delivery.settle(handed)) == 5
                break
            with pytest.raises(Unavailable) as caught:
                await delivery.settle(handed)
            assert caught.value.code == "ingest.queue_full"
            delivery.check_away()  # the broker is there
        assert delivery.in_flight_bytes == 0

    run(body, log, ManualClock())
    assert [record.value for record in log.records("t")] == [b"0", b"1", b"2", b"3", b"4"]


def test_nothing_is_known_of_what_was_refused_whole() -> None:
    log = Choosy(0, Unavailable("producer.buffer_full", limit=1, timeout_ms=0))

    async def body(delivery: Delivery) -> None:
        handed = delivery.hand_over([draft(b"1")], 1)
        with pytest.raises(Unavailable):
            await delivery.settle(handed)
        assert handed.futures is None

    run(body, log, ManualClock())


def test_a_record_that_is_too_large_does_not_hold_up_the_others() -> None:
    class Narrow(MemoryLog):
        def send_nowait(
            self, topic: str, value: bytes | None, *args: Any, **more: Any
        ) -> asyncio.Future[Acked]:
            if value is not None and len(value) > 3:
                raise Invalid("record.too_large", topic=topic, reason="above 3")
            return super().send_nowait(topic, value, *args, **more)

    log = Narrow(1)

    async def body(delivery: Delivery) -> None:
        for values in ([b"1", b"long", b"2"], [b"long", b"3"]):
            handed = delivery.hand_over([draft(value, "") for value in values], 1)
            outcomes = await delivery.settle(handed)
            codes = [one.code if isinstance(one, SummitError) else None for one in outcomes]
            assert codes == ["record.too_large" if one == b"long" else None for one in values]

    run(body, log, ManualClock())
    assert [record.value for record in log.records("t")] == [b"1", b"2", b"3"]
