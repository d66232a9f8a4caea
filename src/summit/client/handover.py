"""`Handover`: what the group asks of an owner, kept until that has a hand free."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from summit.client.types import TopicPartition

Positions = Mapping[TopicPartition, int]


class Asked(NamedTuple):
    """Partitions of one topic that are assigned, revoked or lost, and who waits for the answer."""

    what: Literal["assigned", "revoked", "lost"]
    partitions: set[int]
    answer: asyncio.Future[Positions]


class Handover:
    """An `Owner` for a `GroupMember`; one loop's.

    Args:
        wake: Called when something is asked.

    Attributes:
        waiting: What was asked and not answered yet, in order.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._closed = False
        self.waiting: deque[Asked] = deque()

    async def assigned(self, partitions: list[TopicPartition]) -> Positions:
        """Partitions are given to this owner; where they are read from."""
        return await self._ask("assigned", partitions)

    async def revoked(self, partitions: list[TopicPartition]) -> None:
        """Partitions go to others when this returns."""
        await self._ask("revoked", partitions)

    async def lost(self, partitions: list[TopicPartition]) -> None:
        """Partitions are others' already."""
        await self._ask("lost", partitions)

    def lost_now(self) -> set[int]:
        """Partitions that are others' already, as far as the group has said it."""
        return {n for asked in self.waiting if asked.what == "lost" for n in asked.partitions}

    def answer(self, positions: Positions) -> None:
        """Answer what was asked first."""
        asked = self.waiting.popleft()
        if not asked.answer.done():
            asked.answer.set_result(positions)

    def close(self) -> None:
        """Whatever is asked from now on gets an empty answer at once."""
        self._closed = True
        while self.waiting:
            self.answer({})

    async def _ask(
        self, what: Literal["assigned", "revoked", "lost"], partitions: list[TopicPartition]
    ) -> Positions:
        if self._closed or not partitions:
            return {}
        answer: asyncio.Future[Positions] = asyncio.get_running_loop().create_future()
        self.waiting.append(Asked(what, {place.partition for place in partitions}, answer))
        self._wake()
        return await answer
