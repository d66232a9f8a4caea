"""What a source of rows is, and one that is asked key by key, each key once at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from summit.base.clock import Clock
from summit.base.limits import ENRICHMENT_BATCH_MS
from summit.enrich.cache import AnswerCache
from summit.enrich.enriching import Found

_canonical: Final = msgspec.json.Encoder(order="deterministic").encode


class Source(Protocol):
    """Gives rows for keys; one loop's.

    Attributes:
        cache: What it remembers; None = nothing.
    """

    @property
    def cache(self) -> AnswerCache | None: ...

    async def find(self, keys: Sequence[Any]) -> list[Found]:
        """What there is for each key, in a bounded time; never raises for want of an answer."""
        ...

    async def close(self) -> None:
        """Let go of what it holds. Idempotent."""
        ...


def key_text(key: Any) -> str:
    """A key as text, the same for equal keys: "7" and 7 are two."""
    return _canonical(key).decode()


class OneByOne:
    """Asks for one key at a time, some at once; the same key only once, however many want it.

    Args:
        ask: Never raises but when it is cancelled.
        concurrency: How many keys are asked for at the same time.
    """

    def __init__(
        self,
        ask: Callable[[Any], Awaitable[Found]],
        cache: AnswerCache | None,
        concurrency: int,
        clock: Clock,
        *,
        batch_ms: int = ENRICHMENT_BATCH_MS,
    ) -> None:
        self.cache = cache
        self._ask = ask
        self._clock = clock
        self._batch_ms = batch_ms
        self._turns = asyncio.Semaphore(concurrency)
        self._flights: dict[str, asyncio.Task[Found]] = {}

    async def find(self, keys: Sequence[Any]) -> list[Found]:
        """What there is for each key; what has no answer within the time of a batch is an error."""
        names = [key_text(key) for key in keys]
        answers: dict[str, Found] = {}
        waited: dict[str, asyncio.Task[Found]] = {}
        mine: list[tuple[str, asyncio.Task[Found]]] = []
        for name, key in zip(names, keys, strict=True):
            if name in waited:
                continue
            now_ms = self._clock.monotonic_ms()
            known = None if self.cache is None else self.cache.get(name, now_ms)
            if known is not None:
                answers[name] = known
                continue
            flight = self._flights.get(name)
            if flight is None:
                flight = self._launch(name, key)
                mine.append((name, flight))
            waited[name] = flight
        if waited:
            try:
                await asyncio.wait(waited.values(), timeout=self._batch_ms / 1000)
            finally:
                for name, flight in mine:
                    if not flight.done():
                        flight.cancel()
                        self._land(name, flight)
            for name, flight in waited.items():
                answers[name] = self._answer(flight)
        return [answers[name] for name in names]

    async def close(self) -> None:
        """End what is under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)

    def _launch(self, name: str, key: Any) -> asyncio.Task[Found]:
        flight = asyncio.ensure_future(self._fly(name, key))
        self._flights[name] = flight
        flight.add_done_callback(lambda done: self._land(name, done))
        return flight

    def _land(self, name: str, flight: asyncio.Task[Found]) -> None:
        if self._flights.get(name) is flight:
            del self._flights[name]

    async def _fly(self, name: str, key: Any) -> Found:
        async with self._turns:
            found = await self._ask(key)
        if self.cache is not None:
            self.cache.put(name, found, self._clock.monotonic_ms())
        return found

    def _answer(self, flight: asyncio.Task[Found]) -> Found:
        if flight.done() and not flight.cancelled():
            return flight.result()
        return Found("error", reason=f"no answer within {self._batch_ms} ms for a batch of events")
