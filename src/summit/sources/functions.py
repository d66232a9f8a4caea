"""Rows that a Python function gives: one of the program, or an installed one, by its name.

A definition names what is installed under the entry points `summit.enrichers`; it cannot name any
other code, for it may come from anybody who can register one.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.documents.enrichment_sources import CustomPlan
from summit.enrich.cache import AnswerCache
from summit.enrich.enriching import Found
from summit.sources.source import OneByOne

ENTRY_POINTS: Final = "summit.enrichers"
Handler = Callable[[Any], Any]  # gives the row for a key (or event), None for none; may be async
_THREADS_MAX: Final = 4


def installed_handler(name: str) -> Handler:
    """The function that is installed under a name. Raises: Invalid("enrichment.handler")."""
    known = {each.name: each for each in entry_points(group=ENTRY_POINTS)}
    if name not in known:
        raise Invalid("enrichment.handler", name=name, known=", ".join(sorted(known)) or "none")
    try:
        found = known[name].load()
    except (ImportError, AttributeError) as error:
        raise Invalid("enrichment.handler", name=name, known=f"it cannot be loaded: {error}") from (
            error
        )
    if not callable(found):
        raise Invalid("enrichment.handler", name=name, known="it is no function")
    handler: Handler = found
    return handler


class FunctionSource:
    """Calls a function for each key; see `Source`. One that is not async runs in a thread."""

    def __init__(self, handler: Handler, plan: CustomPlan, clock: Clock) -> None:
        self._handler = handler
        self._timeout_ms = plan.timeout_ms
        self._is_async = inspect.iscoroutinefunction(handler)
        self.cache = None if plan.cache is None else AnswerCache(plan.cache)
        self._clock = clock
        self._asked = OneByOne(self._ask, self.cache, _THREADS_MAX, clock)

    async def find(self, keys: Sequence[Any]) -> list[Found]:
        """See `Source`."""
        return await self._asked.find(keys)

    async def close(self) -> None:
        """See `Source`."""
        await self._asked.close()

    async def _ask(self, key: Any) -> Found:
        given = msgspec.to_builtins(key)
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                if self._is_async:
                    row = await self._handler(given)
                else:
                    row = await asyncio.to_thread(self._handler, given)
                    if inspect.isawaitable(row):
                        row = await row
            row = msgspec.json.decode(msgspec.json.encode(row))
        except TimeoutError:
            return Found("error", reason=f"the function took more than {self._timeout_ms} ms")
        except Exception as error:  # noqa: BLE001 - whatever a user's function raises
            return Found("error", reason=f"the function failed: {type(error).__name__}")
        at_ms = self._clock.now_ms()
        return Found("miss", at_ms=at_ms) if row is None else Found("found", row, at_ms=at_ms)
