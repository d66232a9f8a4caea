"""A replay spread over several processes: each for its share of the key groups.

    parent   fixes what there is, starts the children, puts what they find in order, writes it
    child    reads all of it as a replay does, and keeps the keys of its own key groups

All read the same records in the same bursts, so what is found is the same, byte for byte, however
many take part; within a burst it is in the order of its times. Matching and its memory are shared
out, reading and decoding are not.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final

from summit.alerts import decode_alert
from summit.base.errors import Closed, SummitError
from summit.flow.past_findings import Finding
from summit.flow.replay import Fixed, Replay, Replayed, ReplaySettings
from summit.flow.replay_output import ReplayOutput
from summit.keyed.keygroups import KEY_GROUPS

PROCESSES_MAX: Final = KEY_GROUPS
_TOLD_BURSTS: Final = 25  # a child says at least so often how far it is


class ShardedReplay:
    """One replay over several processes; one loop's, used once.

    Args:
        processes: How many, 1 to 64.
        found: Takes what is found, in order.
        progress: Told now and then.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        processes: int,
        found: Callable[[Sequence[Finding]], None],
        progress: Callable[[Replayed], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._count = max(1, min(processes, PROCESSES_MAX))
        self._found = found
        self._progress = progress
        self.result = Replayed()

    async def run(self, output: ReplayOutput | None = None) -> Replayed:
        """Read the range; returns when everything found is written.

        Args:
            output: Where what is found is written to; what is there already is not.
        Raises: as `Replay.run`; Closed("replay.process") when a process ended by itself.
        """
        fixed = await Replay(self._settings, lambda _: None).fix()
        children = [_Child(self._settings, fixed, n, self._count) for n in range(self._count)]
        try:
            for child in children:
                child.start()
            while True:
                slowest = min(children, key=lambda child: child.bursts)
                if slowest.is_done:
                    break
                await slowest.hear()
                await self._give(children, output)
            await self._give(children, output)
        finally:
            for child in children:
                child.end()
        self._progress(self.result)
        return self.result

    async def _give(self, children: Sequence[_Child], output: ReplayOutput | None) -> None:
        """Give what no child will find anything in front of."""
        first = children[0]
        told = first.told
        self.result = Replayed(
            records=told.records, total=told.total, rejected=told.rejected, phases=told.phases,
            late=told.late - first.own_late + sum(child.own_late for child in children),
            **{
                name: sum(getattr(child.told, name) for child in children)
                for name in ("alerts", "correlations", "results")
            },
        )  # fmt: skip
        upto = min(child.bursts for child in children)
        while True:
            numbers = [child.waiting[0][0] for child in children if child.waiting]
            if not numbers or min(numbers) > upto:
                break
            burst = [one for child in children for one in child.take(min(numbers))]
            burst.sort(key=lambda one: (one.timestamp_ms, one.record[:3]))
            self._found(burst)
            if output is not None:
                await output.write(burst)
        self._progress(self.result)


class _Child:
    """One process, as its parent sees it.

    Attributes:
        told: How far it is, and what it has found.
        bursts: It will find nothing more in bursts up to this one.
        waiting: By burst, what was found and not taken yet.
    """

    def __init__(self, settings: ReplaySettings, fixed: Fixed, number: int, count: int) -> None:
        self.told = Replayed()
        self.own_late = 0
        self.bursts: float = -1
        self.waiting: deque[tuple[int, list[Finding]]] = deque()
        groups = tuple(range(number, KEY_GROUPS, count))
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe(duplex=False)
        self._theirs = theirs
        self._process = context.Process(
            target=_replay, args=(settings, fixed, groups, theirs), daemon=True
        )

    def start(self) -> None:
        self._process.start()
        self._theirs.close()  # so that its end is noticed

    def end(self) -> None:
        """Let it end, or end it."""
        self._pipe.close()
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join()

    @property
    def is_done(self) -> bool:
        return self.bursts == float("inf")

    async def hear(self) -> None:
        """Take what it says next. Raises: as `ShardedReplay.run`."""
        try:
            said = await asyncio.to_thread(self._pipe.recv)
        except (EOFError, OSError) as error:
            raise Closed("replay.process", reason="a process ended by itself") from error
        if isinstance(said, SummitError):
            raise said
        self.bursts, self.told, self.own_late, found = said
        self.waiting.extend(
            (number, [_finding(*one) for one in findings]) for number, findings in found
        )

    def take(self, number: int) -> list[Finding]:
        """What was found in a burst."""
        found: list[Finding] = []
        while self.waiting and self.waiting[0][0] == number:
            found += self.waiting.popleft()[1]
        return found


def _finding(kind: Any, record: Any) -> Finding:
    alert = decode_alert(record.value or b"") if kind == "alert" else None
    return Finding(kind, record, alert)


def _replay(
    settings: ReplaySettings, fixed: Fixed, groups: Sequence[int], pipe: Connection
) -> None:
    """A child's work."""
    with suppress(BrokenPipeError, KeyboardInterrupt):  # the parent has ended
        try:
            asyncio.run(_replay_share(settings, fixed, groups, pipe))
        except SummitError as error:
            pipe.send(error)


async def _replay_share(
    settings: ReplaySettings, fixed: Fixed, groups: Sequence[int], pipe: Connection
) -> None:
    found: list[tuple[int, list[Any]]] = []
    said = 0

    def take(some: Sequence[Finding]) -> None:
        found.append((replay.bursts, [(one.kind, one.record) for one in some]))

    def tell(done: Replayed) -> None:
        nonlocal said
        if found or replay.bursts - said >= _TOLD_BURSTS:
            said = replay.bursts
            pipe.send((replay.bursts, done, replay.own_late, found))
            found.clear()

    replay = Replay(settings, take, tell, groups=groups)
    await replay.run(fixed=fixed)
    pipe.send((float("inf"), replay.result, replay.own_late, found))
