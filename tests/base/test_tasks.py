"""Supervised tasks report crashes and end together."""

import asyncio

import pytest

from summit.base.errors import Invalid
from summit.base.tasks import Tasks, to_the_end


def test_crash_is_told_and_cancel_ends_the_rest() -> None:
    async def run() -> list[str]:
        told: list[str] = []
        tasks = Tasks(on_crash=lambda name, error: told.append(f"{name}:{error}"))

        async def crash() -> None:
            raise ValueError("boom")

        waiting = tasks.spawn(asyncio.Event().wait(), "waiting")
        tasks.spawn(crash(), "crash")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await tasks.cancel_all()
        assert waiting.cancelled()
        return told

    assert asyncio.run(run()) == ["crash:boom"]


def test_the_log_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        tasks = Tasks()

        async def crash() -> None:
            raise Invalid("topic.unknown", topic="orders-7")

        tasks.spawn(crash(), "crash")
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(run())
    told = capsys.readouterr().err
    assert "topic.unknown" in told
    assert "orders-7" in told


def test_to_the_end_gives_the_result_or_the_error() -> None:
    async def fail() -> None:
        raise ValueError("boom")

    async def run() -> None:
        assert await to_the_end(asyncio.sleep(0, "done")) == "done"
        with pytest.raises(ValueError, match="boom"):
            await to_the_end(fail())

    asyncio.run(run())


def test_to_the_end_is_cancelled_only_when_the_work_is_done() -> None:
    async def run() -> None:
        go_on = asyncio.Event()
        steps: list[str] = []

        async def work(name: str, error: Exception | None = None) -> None:
            await go_on.wait()
            steps.append(name)
            if error is not None:
                raise error

        callers = [
            asyncio.ensure_future(to_the_end(work("whole"))),
            asyncio.ensure_future(to_the_end(work("failed", ValueError("boom")))),
        ]
        for _ in range(3):  # more than once, too
            await asyncio.sleep(0)
            for caller in callers:
                caller.cancel()
        await asyncio.sleep(0)
        assert not any(caller.done() for caller in callers)
        go_on.set()
        for caller in callers:
            with pytest.raises(asyncio.CancelledError):
                await caller
        assert sorted(steps) == ["failed", "whole"]

    asyncio.run(run())
