"""The disk of a simulated machine: `FaultyFiles` whose calls take time and meet faults.

A `SimDisk` stays when the machine stops; each run of the broker works through a `DiskView` of its
own, which is cut off when that run ends. A thread that calls it is paused first, as long as a disk
may take; the loop's own calls take no simulated time.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable

from tests.sim.faulty_files import FaultyFiles, PowerCut
from tests.sim.world.scheduler import World

_CALL_US = (3, 60)
_SYNC_US = (200, 3_000)


class SimDisk:
    """What is on the platter and in the page cache, and what goes wrong next.

    Attributes:
        slowness: Calls take so many times longer.
        cut_in: Power goes in the middle of the call that many calls from now; None: it does not.
        stop_in: The process is killed before the call that many calls from now.
        fail_sync_in: That many syncs from now one fails with EIO.
        stop_before: Operation, part of a path, and how many such calls pass: the process is killed
            before the one after them.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.chance = world.chance("disk")
        self.files = FaultyFiles()
        self.files.chance = self.chance
        self.files.failing = world.chance("failed syncs")
        self.capacity_bytes: int | None = None
        self.slowness = 1.0
        self.cut_in: int | None = None
        self.stop_in: int | None = None
        self.fail_sync_in: int | None = None
        self.stop_before: tuple[str, str, int] | None = None
        self.call_count = 0
        self.sync_count = 0

    def view(self, on_cut: Callable[[str], None]) -> DiskView:
        """The disk for one run of the broker; `on_cut` hears that it ended in a call: how."""
        view = DiskView(self, on_cut)
        view.capacity_bytes = self.capacity_bytes
        return view

    def lose_power(self, keep: str) -> None:
        """What was not synced may be gone; `keep` as in `FaultyFiles.crash`."""
        self.files = self.files.crash(keep)

    def heal(self) -> None:
        """No more faults."""
        self.slowness = 1.0
        self.cut_in = self.stop_in = self.fail_sync_in = None

    def fault(self, operation: str, path: str) -> str:
        """What the next call meets: "", "cut", "stop" or "fail"."""
        if self.stop_before is not None:
            what, where, passing = self.stop_before
            if operation == what and where in path:
                self.stop_before = (what, where, passing - 1) if passing else None
                if not passing:
                    return "stop"
        if _count_down(self, "cut_in"):
            return "cut"
        if _count_down(self, "stop_in"):
            return "stop"
        if operation == "datasync" and _count_down(self, "fail_sync_in"):
            return "fail"
        return ""


def _count_down(disk: SimDisk, name: str) -> bool:
    left = getattr(disk, name)
    if left is None:
        return False
    setattr(disk, name, left - 1 if left > 0 else None)
    return bool(left == 0)


class DiskView(FaultyFiles):
    """One run's way to the disk."""

    def __init__(self, disk: SimDisk, on_cut: Callable[[str], None]) -> None:
        super().__init__(root=disk.files.root)
        self.chance: random.Random = disk.chance
        self.failing = disk.files.failing
        self.history = _Nothing()  # type: ignore[assignment]
        self._disk = disk
        self._on_cut = on_cut

    def step(self, operation: str, path: str) -> int | None:
        if not self.has_power:
            raise PowerCut
        disk, world = self._disk, self._disk.world
        thread = world.running
        if thread is not None:
            low, high = _SYNC_US if "sync" in operation else _CALL_US
            thread.pause(self.chance.randint(low, high) * disk.slowness)
            if not self.has_power:
                raise PowerCut
        disk.call_count += 1
        disk.sync_count += operation == "datasync"
        self.capacity_bytes = disk.capacity_bytes
        world.note(f"disk {operation} {path}")
        fault = disk.fault(operation, path)
        if fault == "cut":
            self._on_cut("power")
            return -1
        if fault == "stop":
            self.has_power = False
            self._on_cut("kill")
            raise PowerCut
        if fault == "fail":
            return errno.EIO
        return None

    def fitting(self, size: int, position: int, held: int) -> int:
        self.capacity_bytes = self._disk.capacity_bytes
        return super().fitting(size, position, held)

    def free_bytes(self, path: str) -> int:
        self.capacity_bytes = self._disk.capacity_bytes
        return super().free_bytes(path)


class _Nothing(list[tuple[str, str]]):
    """A history that is not kept."""

    def append(self, _: tuple[str, str]) -> None:
        return
