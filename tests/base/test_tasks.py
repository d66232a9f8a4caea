"""Supervised tasks report crashes and end together."""

import asyncio

from summit.base.tasks import Tasks


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
