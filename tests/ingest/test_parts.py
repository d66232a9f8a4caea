"""The small parts: rates, gates, waiting for acknowledgements."""

from __future__ import annotations

import asyncio
from typing import Any

from summit.base.clock import ManualClock
from summit.identity import rates
from summit.identity.rates import RateLimit
from summit.ingest.producing import forget, wait_all


def test_a_client_gets_its_burst_then_its_rate() -> None:
    clock = ManualClock()
    limit = RateLimit(10.0, 5, clock)
    assert [limit.take("a", 1) for _ in range(5)] == [0] * 5
    wait_ms = limit.take("a", 1)
    assert 0 < wait_ms <= 2
    assert limit.take("b", 1) == 0
    clock.advance(100)
    assert limit.take("a", 1) == 0
    assert limit.take("a", 1) > 0


def test_a_batch_above_the_burst_passes_and_is_paid_for_later() -> None:
    clock = ManualClock()
    limit = RateLimit(100.0, 10, clock)
    assert limit.take("a", 500) == 0
    wait_ms = limit.take("a", 1)
    assert 4_900 <= wait_ms <= 4_901
    clock.advance(wait_ms)
    assert limit.take("a", 1) == 0


def test_quiet_clients_are_forgotten(monkeypatch: Any) -> None:
    monkeypatch.setattr(rates, "_CLIENTS_MAX", 3)
    limit = RateLimit(1.0, 1, ManualClock())
    for client in "abcde":
        assert limit.take(client, 1) == 0
    assert limit.take("a", 1) == 0
    assert limit.take("e", 1) > 0


def test_waiting_for_all_neither_cancels_nor_forgets() -> None:
    async def go() -> None:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(4)]
        assert not await wait_all(futures, 10)
        loop.call_later(0.01, futures[3].set_result, 1)
        loop.call_later(0.02, futures[1].set_exception, ValueError("x"))
        loop.call_later(0.03, futures[0].set_result, 1)
        assert not await wait_all(futures, 100)
        forget(futures)
        assert not futures[2].cancelled()
        futures[2].set_exception(ValueError("late"))
        assert await wait_all(futures, 0)
        assert await wait_all([], 0)

    asyncio.run(go())
