"""The machine that the broker runs on: it boots, is stopped, killed or loses its power, and boots.

It holds what lasts (the disk) and what does not (loop, threads, broker). A run of the broker ends
by a clean stop, by a kill (the page cache stays) or by a power cut (what was not synced may go).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from typing import Any

from tests.sim.faulty_files import PowerCut
from tests.sim.world.disk import DiskView, SimDisk
from tests.sim.world.loop import SimLoop
from tests.sim.world.network import Network
from tests.sim.world.scheduler import SimClock, Violation, World
from tests.sim.world.threads import SimLock, SimThreads

from summit.base.errors import SummitError
from summit.broker import Broker, BrokerSettings

START_LIMIT_S = 600.0


class Machine:
    """One broker machine.

    Attributes:
        broker: The broker that runs, once it listens; None between two runs.
        boot_count: Runs so far.
        failure: What the broker's failure was, if its disk has failed.
        on_uncaught: Hears of what the broker let pass, and of a Violation found in its tasks.
    """

    def __init__(self, world: World, network: Network, settings: BrokerSettings) -> None:
        self.world = world
        self.network = network
        self.settings = settings
        self.disk = SimDisk(world)
        self.broker: Broker | None = None
        self.boot_count = 0
        self.is_up = False
        self.failure: SummitError | None = None
        self.refusal: BaseException | None = None
        self.on_listening: Callable[[Broker], None] = lambda broker: None
        self.on_uncaught: Callable[[BaseException], None] = lambda error: None
        self.uncaught: list[str] = []
        self._chance = world.chance("machine")
        self._loop: SimLoop | None = None
        self._threads: SimThreads | None = None
        self._view: DiskView | None = None
        self._keep = "random"
        self._is_ending = False

    # ---- life ----

    def boot(self) -> None:
        """Start the broker on what the disk holds."""
        assert not self.is_up
        self.is_up = True
        self._is_ending = False
        self.boot_count += 1
        self.failure = None
        self.refusal = None
        name = f"broker {self.boot_count}"
        threads = self._threads = SimThreads(self.world, name)
        loop = self._loop = SimLoop(
            self.world,
            name,
            on_error=self._on_error,
            executor=lambda work, future: threads.execute(loop, work, future),
            listen=lambda factory: self.network.listen(loop, factory),
        )
        SimLock.world, SimLock.loop = self.world, loop
        self._view = self.disk.view(self._cut)
        broker = Broker(
            self.settings,
            files=self._view,
            clock=SimClock(self.world),
            rand=self.world.rand(name),
            threads=threads,
        )
        self.world.note(f"boot {self.boot_count}")
        loop.create_task(self._start(broker), name="start")

    async def _start(self, broker: Broker) -> None:
        try:
            await broker.start()
        except (SummitError, OSError) as error:
            self.refusal = error
            self.world.note(f"refused to start: {error}")
            return
        self.broker = broker
        broker.failed.add_done_callback(self._failed)
        self.world.note("listening")
        self.on_listening(broker)

    def _failed(self, failed: asyncio.Future[SummitError]) -> None:
        if not failed.cancelled():
            self.failure = failed.result()
            self.world.note(f"failed: {self.failure}")

    def stop(self) -> None:
        """Ask for a clean end; `is_up` falls when it has come."""
        if self.broker is None or self._loop is None:
            return
        broker, loop = self.broker, self._loop
        self.broker = None
        self.world.note("stop")

        async def go() -> None:
            await broker.stop()
            self.world.note("stopped")
            self.world.after(0, self._end, "stop", self.boot_count)

        loop.create_task(go(), name="stop")

    def kill(self) -> None:
        """SIGKILL: what was written stays."""
        if self.is_up:
            self._cut("kill")

    def lose_power(self, keep: str = "random") -> None:
        """What was not synced may be gone."""
        if self.is_up:
            self._keep = keep
            self._cut("power")
        else:
            self.disk.lose_power(keep)

    def expect_power_cut(self, calls: int, keep: str = "random") -> None:
        """Let the power go in the middle of a call of the disk, that many from now."""
        self._keep = keep
        self.disk.cut_in = calls

    # ---- the end of a run ----

    def _cut(self, how: str) -> None:
        """It ends here; what is left is tidied up when the call that met it has unwound."""
        if self._is_ending:
            return
        self._is_ending = True
        assert self._loop is not None
        assert self._view is not None
        self._loop.is_dead = True
        self._view.has_power = False
        self.broker = None
        self.world.note(f"end by {how}")
        self.world.after(0, self._end, how, self.boot_count)

    def _end(self, how: str, boot: int) -> None:
        if boot != self.boot_count or not self.is_up:
            return
        assert self._loop is not None
        assert self._threads is not None
        assert self._view is not None
        self._view.has_power = False
        self.broker = None
        self.network.server = None
        self._loop.is_dead = True
        self._threads.end()
        self._loop.die()
        for link in self.network.open_links():
            link.cut(is_told=how != "power" or self._chance.random() < 0.3)
        if how == "power":
            self.disk.lose_power(self._keep)
            self._keep = "random"
        self._loop = self._threads = self._view = None
        self.is_up = False
        self.world.note(f"down after {how}")
        self.world.after(0, _collect)

    def _on_error(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, PowerCut):
            return
        self.uncaught.append(f"{context.get('message')}: {error!r}")
        self.world.note(f"uncaught: {self.uncaught[-1]}")
        if not isinstance(error, Violation):
            found = Violation(f"the broker did not catch: {self.uncaught[-1]}")
            found.__cause__ = error
            error = found
        self.on_uncaught(error)  # raised here it may come to nobody: a task tells of it as it dies


def _collect() -> None:
    """Let what a dead run leaves behind be freed here and not in the middle of a later one."""
    with contextlib.suppress(Exception):
        gc.collect(0)
