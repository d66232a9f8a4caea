"""One timer per group: it rings when the group's next deadline is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from summit.base.clock import Clock


class Alarms:
    """Timers by group id. Loop thread only.

    A timer that is armed too early rings, finds nothing to do and is armed anew: so a deadline
    that moves away costs nothing.
    """

    def __init__(self, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = clock
        self._loop = loop
        self._armed: dict[str, tuple[float, asyncio.TimerHandle]] = {}

    def arm(self, group_id: str, deadline_ms: float | None, ring: Callable[[], None]) -> None:
        """Have `ring` called at a monotonic moment at the latest; None = never."""
        armed = self._armed.get(group_id)
        if deadline_ms is None:
            if armed is not None:
                armed[1].cancel()
                del self._armed[group_id]
            return
        if armed is not None:
            if armed[0] <= deadline_ms:
                return
            armed[1].cancel()

        def rung() -> None:
            self._armed.pop(group_id, None)
            ring()

        delay_s = max(0.0, deadline_ms - self._clock.monotonic_ms()) / 1000
        self._armed[group_id] = (deadline_ms, self._loop.call_later(delay_s + 0.001, rung))

    def is_armed(self, group_id: str) -> bool:
        """Whether a timer of this group runs."""
        return group_id in self._armed

    def close(self) -> None:
        """Stop all timers."""
        for _, handle in self._armed.values():
            handle.cancel()
        self._armed.clear()
