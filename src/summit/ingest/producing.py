"""What collectors need of a producer, and waiting for acknowledgements.

A producer is whatever has these methods; the client room's `StreamProducer` is the real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

Headers = Sequence[tuple[str, bytes]]


class Ack(Protocol):
    """Where a record went: known only after the broker made it durable."""

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...


class Producer(Protocol):
    """The part of a producer that collectors use."""

    def send_nowait(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Any = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> asyncio.Future[Any]:
        """Queue one record; the future is its `Ack`, or the error.

        Raises: SummitError when the record cannot be queued; nothing was sent then.
        """
        ...

    def send_many_nowait(
        self,
        topic: str,
        messages: Sequence[tuple[bytes | None, bytes | None, list[tuple[str, bytes]] | None]],
        partition: int | None = None,
    ) -> asyncio.Future[Any]:
        """Queue records (value, key, headers) of one topic, all of them or none.

        The future holds the client room's `Answers`.
        """
        ...


async def wait_all(futures: Sequence[asyncio.Future[Any]], timeout_ms: float) -> bool:
    """Wait until every future is done, at most `timeout_ms`; True when all are.

    Never cancels them: a record that was handed over stays handed over.
    Cost: one wait for a burst that is acknowledged together, not one per record.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_ms / 1000
    # Acknowledgements come in order, so the last future is usually the last to be done.
    for future in reversed(futures):
        if not future.done():
            left_s = deadline_s - loop.time()
            if left_s <= 0:
                return False
            await asyncio.wait((future,), timeout=left_s)
            if not future.done():
                return False
    return True


def forget(futures: Sequence[asyncio.Future[Any]]) -> None:
    """Give up on futures whose outcome nobody will ask for."""
    for future in futures:
        if future.done():
            _look(future)
        else:
            future.add_done_callback(_look)


def _look(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
