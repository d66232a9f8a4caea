"""Commits of an app: one transaction at a time, begun by the session and waited for later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Conflict, SummitError, Unavailable
from summit.base.ids import uuid7
from summit.base.limits import REFUSED_COMMITS_MAX
from summit.base.rand import Rand
from summit.client.settings import ProducerConfig
from summit.client.transactor import Outgoing, Transactor
from summit.client.types import TopicPartition
from summit.streams.settings import StreamSettings

_REFUSED_PAUSE_S: Final = 0.05


class Commits:
    """See the module; one loop's.

    Args:
        proof: Gives what proves the membership (`GroupMember.metadata`).
        lost: Asked whether slots were given to others: then a refusal is final.
        ended: Called when a transaction has ended.
    """

    def __init__(
        self,
        settings: StreamSettings,
        clock: Clock,
        proof: Callable[[], Any],
        lost: Callable[[], bool],
        ended: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._proof = proof
        self._lost = lost
        self._ended = ended
        self._name = settings.instance_id or str(uuid7(clock, Rand()))
        self._transactor: Transactor | None = None
        self._writing: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Connect anew; whatever a transactor of before has left open is settled then.

        Raises: Unavailable; Closed("client.fenced").
        """
        await self.stop()
        settings = self._settings
        config = ProducerConfig(
            client_id=settings.app_id,
            bootstrap_servers=settings.servers,
            linger_ms=100,  # a flush does not wait for it
            batch_size=1_000_000,
            buffer_memory=64 << 20,
            delivery_timeout_ms=30_000,
            retries=100,
            transactional_id=f"{settings.app_id}-{self._name}",
            transaction_timeout_ms=settings.transaction_timeout_ms,
        )
        transactor = Transactor(config, self._clock)
        try:
            await transactor.start()
        except SummitError:
            await transactor.stop()
            raise
        self._transactor = transactor

    async def stop(self) -> None:
        """Disconnect, after the transaction under way. Idempotent."""
        transactor, self._transactor = self._transactor, None
        if transactor is not None:
            await transactor.stop()

    @property
    def under_way(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return self._writing is not None and not self._writing.done()

    async def settle(self) -> None:
        """Wait for the transaction under way.

        Raises: Closed, Unavailable, Conflict: nobody knows what became of it, begin anew; Invalid:
            a record is refused for good, and nothing was written.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    def begin(
        self,
        records: list[Outgoing],
        positions: Mapping[TopicPartition, int],
        done: Callable[[], None],
    ) -> None:
        """Begin a transaction; the one before must be settled.

        Args:
            done: Called when it is committed.
        """
        self._writing = asyncio.ensure_future(self._write(records, positions, done))
        self._writing.add_done_callback(lambda _: self._ended())

    async def _write(
        self,
        records: list[Outgoing],
        positions: Mapping[TopicPartition, int],
        done: Callable[[], None],
    ) -> None:
        refused = 0
        while True:
            if self._transactor is None:
                raise Unavailable("client.no_brokers", brokers="")
            try:
                await self._transactor.write([], records, positions, self._proof(), _nothing_more)
                break
            except Conflict:
                # The group has moved on, cleanly: with a newer proof it is to be accepted.
                refused += 1
                if refused > REFUSED_COMMITS_MAX or self._lost():
                    raise
                await asyncio.sleep(_REFUSED_PAUSE_S)
        done()


def _nothing_more(_: object) -> list[Outgoing]:
    return []
