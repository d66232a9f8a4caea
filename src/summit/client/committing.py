"""Commits of one consumer: asked for, now and then, and what they tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from summit.base.emitter import Payload
from summit.base.errors import Invalid, SummitError
from summit.client.positions import Offsets, Positions
from summit.client.reading import Reader
from summit.client.threads import CallThread
from summit.client.types import OffsetCommitRequest, TopicPartition


class Committer:
    """Tells the group how far the consumer is, on the thread for questions and commits.

    Args:
        emit: The consumer's `emit`, for `offsets:committed`.
        on_fault: Told when a commit that nobody waits for failed.
    """

    def __init__(
        self,
        reader: Reader,
        calls: CallThread,
        positions: Positions,
        emit: Callable[[str, Payload], None],
        on_fault: Callable[[SummitError], None],
    ) -> None:
        self._reader = reader
        self._calls = calls
        self._positions = positions
        self._emit = emit
        self._on_fault = on_fault

    async def commit(
        self, offsets: Offsets, metadata: dict[TopicPartition, str] | None = None
    ) -> None:
        """Returns when the coordinator has these offsets durably. Raises SummitError."""
        if not offsets:
            return
        done, fault = await self._calls.run(partial(self._reader.commit, offsets, metadata))
        self.note(done)
        if fault is not None:
            raise fault

    async def commit_due(self) -> None:
        """Commit what is finished; a failure is told, and the next commit covers it."""
        try:
            await self.commit(self._positions.due())
        except SummitError as error:
            self._on_fault(error)

    async def commit_now_and_then(self, interval_ms: int) -> None:
        """Commit what is finished, for ever."""
        while True:
            await asyncio.sleep(interval_ms / 1000)
            await self.commit_due()

    def note(self, offsets: Offsets) -> None:
        """The group has these offsets."""
        if offsets:
            self._positions.commit(offsets)
            self._emit("offsets:committed", Payload(offsets=offsets))


def requested_offsets(
    requests: Iterable[OffsetCommitRequest | Mapping[str, Any]], group_id: str
) -> tuple[Offsets, dict[TopicPartition, str]]:
    """Offsets and metadata of commit requests. Raises Invalid."""
    offsets: Offsets = {}
    metadata: dict[TopicPartition, str] = {}
    for item in requests:
        request = (
            item if isinstance(item, OffsetCommitRequest) else OffsetCommitRequest.from_dict(item)
        )
        if request.group_id not in (None, group_id):
            raise Invalid(
                "client.refused",
                reason=f"this consumer commits for group {group_id}, not {request.group_id}",
            )
        if request.offset < 0:
            raise Invalid("client.refused", reason="an offset is 0 or more")
        key = TopicPartition(request.topic, request.partition)
        offsets[key] = request.offset
        if request.metadata is not None:
            metadata[key] = request.metadata
    return offsets, metadata
