"""From lines to records: shaped, sampled, checked against the schema, with topic and key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError
from summit.base.logs import get_logger
from summit.client.dead_letters import DeadLetter, DeadLetterError, dead_letter_topic
from summit.client.types import Headers
from summit.events.formats import parse_json_line
from summit.ingest.files.coordinates import SOURCE_HEADER, Coordinate
from summit.ingest.files.lines import Line, LineReader
from summit.ingest.files.parcels import Block, Outgoing
from summit.ingest.files.shapes import Origin, Shaped, check_length, make_shape
from summit.ingest.files.tracking import TrackedFile
from summit.ingest.settings import CollectorConfig
from summit.ingest.shaping import Shaper, lot_of


class Listener(Protocol):
    """Who counts: the collector."""

    def accepted(self, count: int, size_bytes: int) -> None:
        """Events were acknowledged."""
        ...

    def rejected(self) -> None:
        """A dead letter was acknowledged."""
        ...

    def sampled(self) -> None:
        """Sampling left an event out."""
        ...

    def trouble(self, error: SummitError | None) -> None:
        """The broker cannot be reached for now; None: it can again."""
        ...

    def note_error(self, error: SummitError) -> None:
        """Something went wrong with one line or file."""
        ...


class Recorder:
    """Makes the records of one collector's lines."""

    def __init__(self, config: CollectorConfig, *, listener: Listener, clock: Clock) -> None:
        self._topic = config.topic
        self._options = config.file_options
        self._listener = listener
        self._clock = clock
        # By the line, not the event: that may hold the time at which it was read.
        self._share = None if config.sample_rate is None else int(config.sample_rate * 2**32)
        self._shaper = Shaper(msgspec.structs.replace(config, sample_rate=None), clock)
        self._is_plain = (
            self._options.format == "jsonl" and self._share is None and self._shaper.is_plain
        )
        has_key = config.key_field is not None or config.key_template is not None
        self._key_of = self._shaper.key_of if has_key else None

    def equip(self, tracked: TrackedFile) -> None:
        """Give a file whose identity is known its shape."""
        most = self._options.max_line_bytes

        def first() -> bytes:
            lines = LineReader(tracked.file, 0, most).read(final=True)
            return lines[0].data if lines else b""

        origin = Origin(tracked.path, tracked.name, tracked.file.stamp()[1] // 1_000_000)
        tracked.shape = make_shape(self._options, origin, clock=self._clock, first=first)

    def block(self, tracked: TrackedFile, lines: Sequence[Line]) -> Block | None:
        """The records of JSON lines that all are plain events; None: look at each line."""
        if not self._is_plain:
            return None
        most, decode, key_of = self._options.max_line_bytes, parse_json_line, self._key_of
        values: list[bytes] = []
        keys: list[bytes | None] = []
        offsets: list[int] = []
        size_bytes = 0
        try:
            for offset, _, data, line_bytes, more in lines:
                if line_bytes > most or more:
                    return None
                event = decode(data)
                if event is None:
                    continue
                value = data.strip()
                values.append(value)
                offsets.append(offset)
                size_bytes += len(value)
                if key_of is not None:
                    keys.append(key_of(event))
        except Invalid:
            return None
        if not values:
            return None
        if key_of is None:
            keys = [None] * len(values)
        return Block(self._topic, tracked.name, values, keys, offsets, lines[-1].end, size_bytes)

    def records(self, tracked: TrackedFile, line: Line) -> list[Outgoing]:
        """The records of a line; the last one's `end` is the line's."""
        assert tracked.shape is not None
        identity = tracked.name
        try:
            check_length(line, tracked.path, self._options.max_line_bytes)
            shaped = tracked.shape(line)
        except Invalid as error:
            place = Coordinate(identity, line.offset, line.more)
            bad = Outgoing(self._topic, line.data, None, place, line.end)
            return [self.bury(tracked.path, bad, error)]
        if self._share is not None and lot_of(line.data) >= self._share:
            for _ in shaped:
                self._listener.sampled()
            return []
        last = len(shaped) - 1
        return [
            self._record(
                tracked.path, one, Coordinate(identity, line.offset, sub + line.more),
                line.end if sub == last else None,
            )
            for sub, one in enumerate(shaped)
        ]  # fmt: skip

    def _record(self, path: str, one: Shaped, place: Coordinate, end: int | None) -> Outgoing:
        shaper = self._shaper
        if shaper.is_plain:
            return Outgoing(self._topic, one.value, shaper.key_of(one.event), place, end)
        shaped = shaper.shape((one.value,), (one.event,), [])
        fault = shaped.refused.get(0)
        if fault is not None:  # there is nobody to send it back to
            return self.bury(path, Outgoing(self._topic, one.value, None, place, end), fault)
        (draft,) = shaped.drafts
        return Outgoing(draft.topic, one.value, draft.key, place, end, tuple(draft.headers))

    def bury(self, path: str, record: Outgoing, error: SummitError) -> Outgoing:
        """The dead letter of a record: the same place in the file, another topic."""
        topic = self._topic
        get_logger(__name__).warning("collector.dead_letter", path=path, error=str(error))
        self._listener.note_error(error)
        # A line that became no record has no partition and offset; its place is in its header.
        letter = DeadLetter(
            topic=topic, partition=None, offset=None, key=None, value=record.value,
            headers=Headers([(SOURCE_HEADER, record.place.text.encode())]),
            error=DeadLetterError(code=error.code, message=str(error), stage="collector"),
            timestamp=self._clock.now_ms(),
        )  # fmt: skip
        value = letter.bounded().encode()
        return record._replace(topic=dead_letter_topic(topic), value=value, key=None, headers=())
