"""The emitter: order, isolation of failures, bounded queues of async listeners."""

import asyncio

import pytest

from summit.base.emitter import Emitter, Payload


def test_plain_listeners_in_order_once_and_off() -> None:
    seen: list[str] = []
    emitter = Emitter()
    emitter.on("a", lambda p: seen.append(f"1:{p.value}"))
    emitter.once("a", lambda p: seen.append(f"2:{p['value']}"))

    def third(p: Payload) -> None:
        seen.append(f"3:{p.value}")

    emitter.on("a", third)
    emitter.emit("a", Payload(value=1))
    emitter.off("a", third)
    emitter.emit("a", Payload(value=2))
    assert seen == ["1:1", "2:1", "3:1", "1:2"]


def test_a_failing_listener_is_reported_and_stops_nobody() -> None:
    seen: list[object] = []
    emitter = Emitter()
    emitter.on("a", lambda p: 1 / 0)
    emitter.on("a", lambda p: seen.append("second"))
    emitter.on("error", lambda p: seen.append(type(p.error).__name__))
    emitter.emit("a", Payload())
    assert seen == ["ZeroDivisionError", "second"]


def test_a_failing_error_listener_does_not_recurse() -> None:
    emitter = Emitter()
    emitter.on("error", lambda p: 1 / 0)
    emitter.emit("error", Payload())


def test_async_listeners_run_in_order_and_their_queue_is_bounded() -> None:
    async def run() -> tuple[list[int], int]:
        emitter = Emitter(queue_max=3)
        seen: list[int] = []
        gate = asyncio.Event()

        async def slow(p: Payload) -> None:
            await gate.wait()
            seen.append(p.value)

        emitter.on("a", slow)
        for value in range(5):
            emitter.emit("a", Payload(value=value))
        gate.set()
        await emitter.drain()
        return seen, emitter.dropped

    seen, dropped = asyncio.run(run())
    assert seen == [0, 1, 2]
    assert dropped == 2


def test_payload_is_a_read_only_mapping() -> None:
    payload = Payload(a=1)
    assert dict(payload) == {"a": 1}
    assert len(payload) == 1
    with pytest.raises(AttributeError):
        payload.a = 2
    with pytest.raises(AttributeError):
        payload.b  # noqa: B018
