"""All collectors of a process, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from summit.base.clock import Clock
from summit.base.errors import Conflict, Invalid
from summit.base.logs import get_logger
from summit.ingest.collector import Collector
from summit.ingest.producing import Producer
from summit.ingest.settings import CollectorConfig
from summit.ingest.types import make_collector

log = get_logger(__name__)


class CollectorManager:
    """Registers, starts and stops collectors. Also an `async with` context that stops them."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock
        self._collectors: dict[str, Collector] = {}

    def register_collector(
        self, collector: Collector | CollectorConfig | Mapping[str, Any]
    ) -> Collector:
        """Take a collector, or make it of its configuration; it is not started.

        Raises: Conflict("collector.exists"); Invalid for a configuration that is not one.
        """
        if not isinstance(collector, Collector):
            collector = make_collector(collector, clock=self._clock)
        if collector.name in self._collectors:
            raise Conflict("collector.exists", name=collector.name)
        self._collectors[collector.name] = collector
        return collector

    async def add(
        self, collector: Collector | CollectorConfig | Mapping[str, Any], producer: Producer
    ) -> Collector:
        """Register and start a collector; when it does not start, nothing is left behind.

        Raises: as `register_collector` and `Collector.start`.
        """
        registered = self.register_collector(collector)
        try:
            await registered.start(producer)
        except BaseException:
            self._collectors.pop(registered.name, None)
            raise
        return registered

    async def start_all(self, producer: Producer) -> None:
        """Start every collector that does not run; when one fails, those it started are stopped.

        Raises: the error of the one that failed.
        """
        started: list[Collector] = []
        for collector in self.list():
            if collector.state not in ("created", "stopped", "failed"):
                continue
            try:
                await collector.start(producer)
            except BaseException:
                for other in reversed(started):
                    await other.stop()
                raise
            started.append(collector)

    async def start(self, name: str, producer: Producer) -> Collector:
        """Start one that does not run. Raises Invalid("collector.unknown"); as its `start`."""
        collector = self.get(name)
        await collector.start(producer)
        return collector

    async def stop(self, name: str) -> Collector:
        """Stop one; it stays registered. Raises Invalid("collector.unknown")."""
        collector = self.get(name)
        await collector.stop()
        return collector

    async def pause(self, name: str) -> Collector:
        """Have one take nothing until `resume`. Raises Invalid("collector.unknown"); Conflict."""
        collector = self.get(name)
        await collector.pause()
        return collector

    async def resume(self, name: str) -> Collector:
        """Have one go on after `pause`. Raises Invalid("collector.unknown"); Conflict."""
        collector = self.get(name)
        await collector.resume()
        return collector

    async def restart(self, name: str) -> Collector:
        """Stop one and start it again. Raises Invalid("collector.unknown"); Conflict."""
        collector = self.get(name)
        await collector.restart()
        return collector

    async def stop_all(self) -> None:
        """Stop every collector; they stay registered. One that does so badly holds up no other."""
        for collector in self.list():
            try:
                await collector.stop()
            except Exception as error:
                log.exception("collector.stop_failed", name=collector.name, error=repr(error))

    def list(self) -> list[Collector]:
        """Every collector, in the order of their registration."""
        return [*self._collectors.values()]

    def get(self, name: str) -> Collector:
        """The collector of that name. Raises Invalid("collector.unknown")."""
        try:
            return self._collectors[name]
        except KeyError:
            raise Invalid("collector.unknown", name=name) from None

    async def remove(self, name: str) -> None:
        """Stop a collector and forget it. Raises Invalid("collector.unknown")."""
        try:
            await self.get(name).stop()
        finally:
            self._collectors.pop(name, None)

    async def __aenter__(self) -> CollectorManager:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop_all()
