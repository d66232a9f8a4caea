"""Asking brokers about many names at once, but not about all of them at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from summit.base.errors import SummitError
from summit.base.logs import get_logger

_AT_ONCE: Final = 8  # requests under way to the brokers

K = TypeVar("K")
T = TypeVar("T")


async def ask_each(names: Iterable[K], ask: Callable[[K], Awaitable[T]]) -> dict[K, T]:
    """The answer for each name; none for what was deleted meanwhile or has no leader."""
    gate = asyncio.Semaphore(_AT_ONCE)
    found: dict[K, T] = {}

    async def one(name: K) -> None:
        async with gate:
            try:
                found[name] = await ask(name)
            except SummitError as error:
                get_logger(__name__).debug("figures.not_read", name=str(name), error=str(error))

    await asyncio.gather(*(one(name) for name in names))
    return found
