"""The way from records to acknowledgements: what is there already, and what is sent half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.ingest.memory_log import MemoryLog

from summit.base.clock import ManualClock
from summit.base.errors import SummitError
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
