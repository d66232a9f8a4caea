"""Who asks librdkafka for its reports, and when."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from tests.client.conftest import until

from summit.client.delivery import FEW, MANY, Deliveries


class Handle:
    """As much of librdkafka's producer as is asked for reports."""

    def __init__(self) -> None:
        self.given: list[Any] = []  # callbacks of records without a report
        self.is_answered = True
        self.asked: list[tuple[str, float, bool]] = []  # how, seconds, whether by the loop's thread
        self._loop_thread = threading.get_ident()

    def poll(self, timeout_s: float) -> None:
        self._ask("poll", timeout_s)

    def flush(self, timeout_s: float) -> None:
        self._ask("flush", timeout_s)

    def _ask(self, how: str, timeout_s: float) -> None:
        self.asked.append((how, timeout_s, threading.get_ident() == self._loop_thread))
        if not (self.given and self.is_answered):
            time.sleep(min(timeout_s, 0.001))
        while self.given and self.is_answered:
            self.given.pop(0)(None, None)

    def __len__(self) -> int:
        return len(self.given)

    def count(self, how: str, *, by_loop: bool) -> int:
        return sum(each[0] == how and each[2] == by_loop for each in self.asked)


def test_few_are_fetched_by_the_thread_and_many_by_the_loop() -> None:
    async def go() -> None:
        handle = Handle()
        heard: list[Any] = []
        deliveries = Deliveries(handle, heard.extend, lambda lane: None, lambda error: None)

        def give(count: int) -> None:
            for _ in range(count):
                handle.given.append(deliveries.expect(asyncio.Future(), 1))
            deliveries.sent(count)

        try:
            give(1)
            await asyncio.wait_for(deliveries.idle(), 10)
            assert len(heard) == 1
            assert not handle.count("poll", by_loop=True)
            for _ in range(20):  # again and again: none is missed while the thread turns away
                give(3)
                await asyncio.wait_for(deliveries.idle(), 10)
            assert not handle.count("poll", by_loop=True)
            handle.is_answered = False
            give(MANY + 1)
            await until(lambda: handle.count("poll", by_loop=True) > 2)
            handle.is_answered = True
            await asyncio.wait_for(deliveries.idle(), 10)
            assert len(heard) == 1 + 60 + MANY + 1
            give(FEW)
            await asyncio.wait_for(deliveries.idle(), 10)
        finally:
            deliveries.end()
            await asyncio.to_thread(deliveries.join)

    asyncio.run(go())


def test_hurrying_ends_by_itself() -> None:
    async def go() -> None:
        handle = Handle()
        handle.is_answered = False
        deliveries = Deliveries(handle, lambda found: None, lambda lane: None, lambda error: None)
        try:
            handle.given.append(deliveries.expect(asyncio.Future(), 1))
            deliveries.sent()
            deliveries.hurry()
            await until(lambda: handle.count("flush", by_loop=True) == 5)
            await asyncio.sleep(0.02)
            assert handle.count("flush", by_loop=True) == 5
            assert all(seconds <= 0.001 for how, seconds, _ in handle.asked if how == "flush")
            handle.is_answered = True  # the thread, or the loop, goes on without hurry
            await asyncio.wait_for(deliveries.idle(), 10)
            assert handle.count("flush", by_loop=True) == 5
        finally:
            deliveries.end()
            await asyncio.to_thread(deliveries.join)

    asyncio.run(go())
