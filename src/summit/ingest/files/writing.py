"""From lines to records: shape, bury, choose the partition, hand over, count."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeVar

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.client.dead_letters import DeadLetter, DeadLetterError, dead_letter_topic
from summit.client.types import Headers
from summit.events.fields import compile_path
from summit.ingest.bodies import key_reader
from summit.ingest.files.coordinates import SOURCE_HEADER, Coordinate
from summit.ingest.files.lane import Lane, Outgoing, Window
from summit.ingest.files.ledger import Ledger
from summit.ingest.files.lines import Line
from summit.ingest.files.log_access import LogAccess
from summit.ingest.files.shapes import Origin, check_length, make_shape
from summit.ingest.files.tracking import TrackedFile
from summit.ingest.producing import Producer
from summit.ingest.settings import CollectorConfig

T = TypeVar("T")

RETRY_S: Final = 1.0  # how long to wait before asking the broker again
YIELD_RECORDS: Final = 400  # records and lines between two looks at the rest of the loop


class Listener(Protocol):
    """Who counts: the collector."""

    def accepted(self, count: int, size_bytes: int) -> None:
        """Events were acknowledged."""
        ...

    def rejected(self) -> None:
        """A dead letter was acknowledged."""
        ...

    def trouble(self, error: SummitError | None) -> None:
        """The broker cannot be reached for now; None: it can again."""
        ...

    def note_error(self, error: SummitError) -> None:
        """Something went wrong with one line or file."""
        ...


class Writer:
    """Writes the lines of all files of one run.

    Args:
        log: Where earlier records are looked up and topics made.
        ledger: How far each file was written; loaded.
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
        self._config = config
        self._options = config.file_options
        self._key_of = key_reader(compile_path(config.key_field)) if config.key_field else None
        self._producer = producer
        self._log = log
        self._listener = listener
        self._clock = clock
        self._window = Window()
        self._fresh_count = 0
        self._fresh_bytes = 0

    def equip(self, tracked: TrackedFile) -> None:
        """Give a file whose identity is known its lane and its shape."""
        identity = tracked.name
        tracked.lane = Lane(
            self._producer,
            self.ledger,
            self._window,
            partition_of=partial(self._partition_of, identity),
            bury=partial(self._bury, tracked.path),
            on_accepted=self._accept,
            on_trouble=self._listener.trouble,
        )
        tracked.lane.durable_position = tracked.sent_position = tracked.position
        origin = Origin(tracked.path, identity, tracked.file.stamp()[1] // 1_000_000)
        tracked.shape = make_shape(self._options, origin, key_of=self._key_of, clock=self._clock)

    async def send(
        self, tracked: TrackedFile, lines: list[Line], ending: Callable[[], bool]
    ) -> None:
        """Send the events of lines; returns early when `ending`."""
        lane = tracked.lane
        assert lane is not None
        since = 0
        for line in lines:
            since += 1
            for record in self._records_of(tracked, line):
                await lane.send(record)
                since += 1
                if since >= YIELD_RECORDS:
                    since = 0
                    await asyncio.sleep(0)
                    lane.reap()
                    self.announce()
            tracked.sent_position = line.end
            if ending():
                return
        lane.reap()
        self.announce()

    async def drain(self, tracked: TrackedFile) -> None:
        """Wait until everything of a file is acknowledged."""
        if tracked.lane is not None:
            await tracked.lane.drain()
        self.announce()

    def announce(self) -> None:
        """Tell what was acknowledged since the last time."""
        count, size_bytes = self._fresh_count, self._fresh_bytes
        if count:
            self._fresh_count = self._fresh_bytes = 0
            self._listener.accepted(count, size_bytes)

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
        assert tracked.shape is not None
        identity, topic = tracked.name, self._config.topic
        try:
            check_length(line, tracked.path, self._options.max_line_bytes)
            shaped = tracked.shape(line)
        except Invalid as error:
            place = Coordinate(identity, line.offset, 0)
            bad = Outgoing(topic, line.data, None, place, line.end)
            records = [self._bury(tracked.path, bad, error)]
        else:
            last = len(shaped) - 1
            records = [
                Outgoing(
                    topic,
                    value,
                    key,
                    Coordinate(identity, line.offset, sub),
                    line.end if sub == last else None,
                )
                for sub, (value, key) in enumerate(shaped)
            ]
        return [one for one in records if not tracked.holds(self.ledger, line, one.place.sub)]

    def _bury(self, path: str, record: Outgoing, error: SummitError) -> Outgoing:
        """The dead letter of a record: the same place in the file, another topic."""
        topic = self._config.topic
        get_logger(__name__).warning("collector.dead_letter", path=path, error=str(error))
        self._listener.note_error(error)
        # A line that became no record has no partition and offset; its place is in its header.
        letter = DeadLetter(
            topic=topic, partition=None, offset=None, key=None, value=record.value,
            headers=Headers([(SOURCE_HEADER, record.place.text.encode())]),
            error=DeadLetterError(code=error.code, message=str(error), stage="collector"),
            timestamp=self._clock.now_ms(),
        )  # fmt: skip
        return record._replace(topic=dead_letter_topic(topic), value=letter.encode(), key=None)

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

    def _accept(self, record: Outgoing) -> None:
        if record.topic == self._config.topic:
            self._fresh_count += 1
            self._fresh_bytes += len(record.value)
        else:
            self._listener.rejected()
