"""What goes wrong in a run: one trouble after the other, at times that the seed draws."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.sim.plan import Plan
from tests.sim.world.machine import Machine
from tests.sim.world.scheduler import World

_KEEP = ("none", "all", "prefix", "subset", "subset", "random")


class Troubles:
    """Makes trouble for one machine and its network."""

    def __init__(self, world: World, machine: Machine, plan: Plan) -> None:
        self._world = world
        self._machine = machine
        self._plan = plan
        self._chance = world.chance("troubles")
        self._acts: dict[str, Callable[[], Awaitable[None]]] = {
            "kill": self._kill,
            "power": self._power,
            "power in a call": self._power_in_a_call,
            "kill in a call": self._kill_in_a_call,
            "stop": self._stop,
            "full": self._full,
            "sync fails": self._sync_fails,
            "slow": self._slow,
            "cut": self._cut,
            "stall": self._stall,
            "deaf": self._deaf,
            "clock": self._clock,
        }

    async def run(self, seconds: float) -> None:
        """Make trouble for a while."""
        end_us = self._world.now_us + int(seconds * 1e6)
        while self._world.now_us < end_us:
            await asyncio.sleep(self._chance.uniform(*self._plan.every_s))
            if not self._plan.troubles:
                continue
            name = self._chance.choice(self._plan.troubles)
            self._world.note(f"trouble: {name}")
            self._plan.notes.append(f"{self._world.now_us / 1e6:.3f} {name}")
            await self._acts[name]()

    async def keep_running(self) -> None:
        """Boot the machine whenever it is down, after a while; for ever."""
        machine = self._machine
        while True:
            await asyncio.sleep(self._chance.uniform(0.005, 0.5))
            if machine.failure is not None and machine.is_up:
                # The service manager sees a process that has failed.
                if self._chance.random() < 0.5:
                    machine.stop()
                else:
                    machine.kill()
            elif machine.refusal is not None and machine.is_up:
                machine.kill()
            elif not machine.is_up:
                machine.boot()

    # ---- one by one ----

    async def _kill(self) -> None:
        self._machine.kill()

    async def _power(self) -> None:
        self._machine.lose_power(self._chance.choice(_KEEP))

    async def _power_in_a_call(self) -> None:
        self._machine.expect_power_cut(self._chance.randint(0, 60), self._chance.choice(_KEEP))

    async def _kill_in_a_call(self) -> None:
        self._machine.disk.stop_in = self._chance.randint(0, 60)

    async def _stop(self) -> None:
        self._machine.stop()

    async def _full(self) -> None:
        disk = self._machine.disk
        spare = self._chance.choice([0, 0, 300, 5_000, 100_000])
        disk.capacity_bytes = disk.files.used_bytes() + spare
        await asyncio.sleep(self._chance.uniform(0.02, 2.0))
        disk.capacity_bytes = None

    async def _sync_fails(self) -> None:
        self._machine.disk.fail_sync_in = self._chance.randint(0, 10)

    async def _slow(self) -> None:
        disk = self._machine.disk
        disk.slowness = self._chance.choice([10.0, 100.0, 400.0])
        await asyncio.sleep(self._chance.uniform(0.1, 2.0))
        disk.slowness = self._plan.slowness

    async def _cut(self) -> None:
        for link in self._machine.network.open_links():
            if self._chance.random() < 0.4:
                link.cut(is_told=self._chance.random() < 0.8)

    async def _stall(self) -> None:
        for link in self._machine.network.open_links():
            if self._chance.random() < 0.4:
                link.stall(int(self._chance.expovariate(1) * 2_000_000))

    async def _deaf(self) -> None:
        for link in self._machine.network.open_links():
            if self._chance.random() < 0.2:
                link.deafen()

    async def _clock(self) -> None:
        self._world.wall_skew_ms += self._chance.choice([-2_000, -50, 50, 3_000])
