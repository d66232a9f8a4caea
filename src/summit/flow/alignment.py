"""Inputs that run ahead in event time rest while others catch up, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Container

from summit.base.limits import WAITING_EVENTS_MAX
from summit.flow.inputs import Inputs
from summit.flow.runtime import Runtime
from summit.journal.progress_record import partition_name


class Alignment:
    """Pauses inputs while too many events wait for their time.

    The slowest input is never paused, so time goes on.
    """

    def __init__(self, runtime: Runtime, inputs: Inputs) -> None:
        self._runtime = runtime
        self._inputs = inputs
        self._paused: set[str] = set()

    async def end(self) -> None:
        """All inputs are read again; they may be assigned anew then."""
        if self._paused:
            await self._inputs.resume(self._paused)
            self._paused = set()

    async def keep(self, reading: Container[str]) -> None:
        """Pause and resume as it is needed now.

        Args:
            reading: The inputs that are assigned.
        """
        matcher = self._runtime.engine.processor
        waiting = matcher.waiting
        ahead: set[str] = set()
        if waiting > WAITING_EVENTS_MAX or (self._paused and waiting > WAITING_EVENTS_MAX // 2):
            for place, time_ms in matcher.watermarks().items():
                name = partition_name(*place)
                if name in reading and time_ms > matcher.allowed_ms(*place):
                    ahead.add(name)
        if ahead != self._paused:
            if ahead - self._paused:
                await self._inputs.pause(ahead - self._paused)
            if self._paused - ahead:
                await self._inputs.resume(self._paused - ahead)
            self._paused = ahead
