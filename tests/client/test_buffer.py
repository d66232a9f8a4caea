"""Who gets room in the producer's buffer, and who waits."""

from __future__ import annotations

import asyncio

import pytest

from summit.base.errors import Unavailable
from summit.client.buffer import Buffer


def test_room_is_given_in_the_order_of_asking() -> None:
    async def go() -> None:
        buffer = Buffer(100)
        assert buffer.take_now(90)
        served: list[str] = []

        async def ask(name: str, size: int) -> None:
            await buffer.take(size, 5_000)
            served.append(name)

        large = asyncio.ensure_future(ask("large", 80))
        await asyncio.sleep(0)
        small = asyncio.ensure_future(ask("small", 10))
        await asyncio.sleep(0)
        assert not buffer.take_now(1)  # somebody waits already
        buffer.give_back(60)
        await asyncio.sleep(0)
        assert served == []  # 30 + 80 are too many, and small does not pass large
        buffer.give_back(30)
        await asyncio.gather(large, small)
        assert served == ["large", "small"]
        assert buffer.used_bytes == 90

    asyncio.run(go())


def test_waiting_ends_with_a_clear_error() -> None:
    async def go() -> None:
        buffer = Buffer(10)
        await buffer.take(10, 0)
        with pytest.raises(Unavailable) as caught:
            await buffer.take(1, 10)
        assert caught.value.code == "producer.buffer_full"
        assert "10 of 10 bytes" in str(caught.value)
        assert caught.value.retry_after_ms
        buffer.give_back(10)
        assert buffer.take_now(10)

    asyncio.run(go())


def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    async def go() -> None:
        buffer = Buffer(10)
        assert buffer.take_now(10)
        first = asyncio.ensure_future(buffer.take(10, 5_000))
        second = asyncio.ensure_future(buffer.take(5, 5_000))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        buffer.give_back(10)
        await second
        assert buffer.used_bytes == 5
        # Served and cancelled in the same turn: the room goes back.
        third = asyncio.ensure_future(buffer.take(10, 5_000))
        await asyncio.sleep(0)
        buffer.give_back(5)
        third.cancel()
        await asyncio.wait([third])
        assert buffer.used_bytes == 0

    asyncio.run(go())
