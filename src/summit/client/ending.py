"""Ending librdkafka's producer: what waits is sent or failed, then its threads end."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from summit.client import librdkafka
from summit.client.delivery import Deliveries


def settle(handle: Any, timeout_ms: int) -> None:
    """Wait for answers, then fail what has none."""
    if flush(handle, timeout_ms / 1000):
        handle.purge()
        flush(handle, 1)


def flush(handle: Any, timeout_s: float) -> int:
    """Send what lingers, at most so long; how many records are without an answer then."""
    with suppress(librdkafka.load().KafkaException):  # a fatal error, told once by whoever polls
        handle.flush(timeout_s)
    return len(handle)


def end(handles: list[Any], deliveries: Deliveries) -> None:
    """End librdkafka's threads, after the one of ours that is inside it."""
    deliveries.join()
    close = getattr(handles[0], "close", None)  # not in older versions, where dropping it does
    if close is not None:
        close()


def drop(handles: list[Any], deliveries: Deliveries) -> None:
    """The same for a transactional one, whose `close` would wait for an abort without a bound."""
    deliveries.join()
    deliveries.release()
    handles.clear()
