"""Writing the lines of files, each file to one partition, its places told by the log itself."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeVar

from summit.base.clock import Clock
from summit.base.errors import Unavailable
from summit.client.dead_letters import dead_letter_topic
from summit.identity.rates import RateLimit
from summit.ingest.files.lane import PARCEL_RECORDS, Lane, Window
from summit.ingest.files.ledger import Ledger
from summit.ingest.files.lines import Line
from summit.ingest.files.lingering import make_lingering
from summit.ingest.files.log_access import LogAccess
from summit.ingest.files.parcels import Outgoing
from summit.ingest.files.positions import Positions
from summit.ingest.files.records import Listener, Recorder
from summit.ingest.files.tracking import TrackedFile
from summit.ingest.producing import Producer
from summit.ingest.settings import CollectorConfig

T = TypeVar("T")

CLOSE_MS: Final = 2_000  # how long the last answers are waited for
RETRY_S: Final = 1.0  # how long to wait before asking the broker again


class Writing(Protocol):
    """What a run needs of whoever writes its lines."""

    async def open(self) -> None:
        """Be ready to write. Raises SummitError."""
        ...

    @property
    def ledger(self) -> Ledger | Positions:
        """How far each file was written."""
        ...

    def equip(self, tracked: TrackedFile) -> None:
        """Give a file whose identity is known what it needs to be written."""
        ...

    async def send(
        self, tracked: TrackedFile, lines: list[Line], ending: Callable[[], bool]
    ) -> None:
        """Send the events of lines; returns early when `ending`."""
        ...

    async def settle(self) -> None:
        """There is nothing more to send for now."""
        ...

    async def drain(self, tracked: TrackedFile) -> None:
        """Wait until everything of a file is acknowledged."""
        ...

    async def finish(self, tracked: TrackedFile) -> bool:
        """All of a file is acknowledged, and that is kept; False where nothing keeps it."""
        ...

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the log until it answers."""
        ...

    async def close(self) -> None:
        """Let go of what is not written."""
        ...


class Tally:
    """What was acknowledged, told at times rather than one by one."""

    def __init__(self, config: CollectorConfig, listener: Listener) -> None:
        self._letters = dead_letter_topic(config.topic)
        self._listener = listener
        self._count = 0
        self._bytes = 0

    def accept(self, topic: str, count: int, size_bytes: int) -> None:
        """Records of a topic are in the log."""
        if topic == self._letters:
            for _ in range(count):
                self._listener.rejected()
        else:
            self._count += count
            self._bytes += size_bytes

    def announce(self) -> None:
        """Tell what was acknowledged since the last time."""
        count, size_bytes = self._count, self._bytes
        if count:
            self._count = self._bytes = 0
            self._listener.accepted(count, size_bytes)


class Writer:
    """Writes the lines of all files of one run.

    `open` before, `close` after. Many records a batch want a producer that lingers, which the one
    that collectors share does not: at a broker it dials its own (`lingering.py`).

    Args:
        producer: Takes the records where it is no client of a broker.
        log: Where earlier records are looked up and topics made.
    """

    def __init__(
        self,
        config: CollectorConfig,
        producer: Producer,
        log: LogAccess,
        *,
        listener: Listener,
        clock: Clock,
    ) -> None:
        self.ledger = Ledger(log, config.name, config.topic)
        self._recorder = Recorder(config, listener=listener, clock=clock)
        self._tally = Tally(config, listener)
        self._own = make_lingering(producer, f"summit-files-{config.name}")
        self._producer: Producer = self._own or producer
        self._log = log
        self._listener = listener
        self._limit = RateLimit.of(config.rate_limit, config.rate_burst, clock)
        self._window = Window()

    async def open(self) -> None:
        """Dial the brokers. Raises SummitError."""
        if self._own is not None:
            await self._own.connect()

    def equip(self, tracked: TrackedFile) -> None:
        """Give a file whose identity is known its lane and its shape."""
        identity = tracked.name
        tracked.lane = Lane(
            self._producer,
            self.ledger,
            self._window,
            partition_of=partial(self._partition_of, identity),
            bury=partial(self._recorder.bury, tracked.path),
            on_accepted=self._tally.accept,
            on_trouble=self._listener.trouble,
        )
        tracked.lane.durable_position = tracked.sent_position = tracked.position
        self._recorder.equip(tracked)

    async def send(
        self, tracked: TrackedFile, lines: list[Line], ending: Callable[[], bool]
    ) -> None:
        """Send the events of lines; returns early when `ending`."""
        lane = tracked.lane
        assert isinstance(lane, Lane)
        for start in range(0, len(lines), PARCEL_RECORDS):
            if start:
                await asyncio.sleep(0)
            await self._send_some(tracked, lane, lines[start : start + PARCEL_RECORDS], ending)
            lane.reap()
            self.announce()
            if ending():
                return

    async def _send_some(
        self, tracked: TrackedFile, lane: Lane, lines: list[Line], ending: Callable[[], bool]
    ) -> None:
        if self._limit is None and not tracked.resuming:
            block = self._recorder.block(tracked, lines)
            if block is not None:
                await lane.send([block])
                tracked.sent_position = block.end
                return
        ready: list[Outgoing] = []
        for line in lines:
            for record in self._records_of(tracked, line):
                if self._limit is not None and self._limit.take("", 1):
                    await lane.send(ready)
                    ready = []
                    await keep_rate(self._limit, ending)
                ready.append(record)
            if self._limit is not None and ending():
                lines = lines[: lines.index(line) + 1]
                break
        await lane.send(ready)
        tracked.sent_position = lines[-1].end

    async def drain(self, tracked: TrackedFile) -> None:
        """Wait until everything of a file is acknowledged."""
        if isinstance(tracked.lane, Lane):
            await tracked.lane.drain()
        self.announce()

    def announce(self) -> None:
        """Tell what was acknowledged since the last time."""
        self._tally.announce()

    async def settle(self) -> None:
        """Nothing waits here: what was handed over is on its way."""
        self.announce()

    async def finish(self, tracked: TrackedFile) -> bool:
        """The log alone does not keep that a file was complete."""
        return False

    async def close(self) -> None:
        """Let go of the brokers; what has no answer yet is looked up at the next start."""
        if self._own is not None:
            await self._own.close(CLOSE_MS)

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the log until it answers."""
        while True:
            try:
                answer = await ask()
            except Unavailable as error:
                self._listener.trouble(error)
                await asyncio.sleep(RETRY_S)
            else:
                self._listener.trouble(None)
                return answer

    def _records_of(self, tracked: TrackedFile, line: Line) -> list[Outgoing]:
        """The records of a line that are not in the log yet."""
        records = self._recorder.records(tracked, line)
        if not tracked.resuming:
            return records
        return [one for one in records if not tracked.holds(self.ledger, line, one.place.sub)]

    async def _partition_of(self, identity: str, topic: str) -> int:
        """The partition of a file: where its records are already, else by its identity."""
        ledger = self.ledger
        home = ledger.home(identity, topic)
        if home is not None:
            return home
        if not ledger.partitions.get(topic):
            ensure = partial(self._log.ensure_topic, topic)
            ledger.partitions[topic] = await self.patiently(ensure)
        return zlib.crc32(identity.encode()) % ledger.partitions[topic]


async def keep_rate(limit: RateLimit, ending: Callable[[], bool]) -> None:
    """Wait until one event more may go out, or it all ends."""
    while (wait_ms := limit.take("", 1)) and not ending():
        await asyncio.sleep(min(wait_ms, 200) / 1000)
