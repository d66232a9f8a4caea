"""What every actor of the simulation has: a client, its own chance, patience, and an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.sim.actors.client import Client, Lost
from tests.sim.actors.history import History
from tests.sim.world.loop import SimLoop
from tests.sim.world.network import Network
from tests.sim.world.scheduler import START_MS, Violation, World

from summit.protocol import codes
from summit.protocol.api import Api

# Errors after which a client asks again.
AGAIN = codes.RETRIABLE | {codes.UNKNOWN_SERVER_ERROR} - {codes.CORRUPT_MESSAGE}


@dataclass(slots=True)
class Stage:
    """What actors share."""

    world: World
    loop: SimLoop
    network: Network
    history: History
    is_closing: bool = False  # actors come to their ends
    patience_s: float = 5.0


class Actor:
    """One simulated program."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.name = name
        self.history = stage.history
        self.chance = stage.world.chance(f"actor {name}")
        self.doing = "nothing yet"  # what it is at, should it get stuck
        self._client_count = 0
        self.client = self.fresh_client()

    async def run(self) -> None:
        """Act until the stage closes, then bring to an end what was begun."""
        raise NotImplementedError

    def fresh_client(self) -> Client:
        self._client_count += 1
        client = Client(
            self.stage.world,
            self.stage.loop,
            self.stage.network,
            f"{self.name}.{self._client_count}",
        )
        client.timeout_s = self.stage.patience_s
        return client

    def version(self, api: Api[Any, Any], first: int = 0, last: int = 1_000) -> int:
        """A version that both know."""
        return self.chance.randint(max(api.versions.first, first), min(api.versions.last, last))

    async def sleep_ms(self, least: float, most: float) -> None:
        await asyncio.sleep(self.chance.uniform(least, most) / 1000)

    def now_ms(self) -> int:
        return START_MS + self.stage.world.now_us // 1000

    async def insist(
        self,
        api: Api[Any, Any],
        version: int,
        message: Callable[[], Any],
        error_of: Callable[[Any], int],
        *,
        also_again: tuple[int, ...] = (),
    ) -> tuple[Any, int]:
        """Ask until there is an answer that is not to be asked again. Returns: it, its error."""
        while True:
            self.doing = f"asking {api.name}"
            try:
                answer = await self.client.ask(api, version, message())
            except Lost:
                self.history.count("lost answers")
                await self.sleep_ms(20, 400)
                continue
            error = error_of(answer)
            if error not in AGAIN and error not in also_again:
                return answer, error
            await self.sleep_ms(5, 200)

    def wrong(self, what: str) -> Violation:
        """To be raised for an answer that there is no reason for."""
        return Violation(f"{self.name}: {what}")
