"""From events to records: sampled, checked against the schema, with topic, key and headers.

What is refused goes back to its sender, into the dead letters, or on with the header
`summit.invalid`, as `onInvalid` says.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.client.dead_letters import DeadLetter, DeadLetterError, dead_letter_topic
from summit.client.types import Headers as RecordHeaders
from summit.events.fields import compile_path
from summit.ingest.bodies import key_reader
from summit.ingest.settings import CollectorConfig
from summit.ingest.templates import compile_template, compile_topics
from summit.serde.json_schema import schema_check

SOURCE_HEADER: Final = "summit.src"
INVALID_HEADER: Final = "summit.invalid"

_SPREAD: Final = 0x9E37_79B9_7F4A_7C15  # odd, without a pattern: 2**64 over the golden ratio

Headers = list[tuple[str, bytes]]


def lot_of(part: bytes) -> int:
    """A number below 2**32 that depends on the bytes alone, and evenly, for sampling."""
    # The checksum of texts that differ in a digit or two is uneven in its upper bits.
    return (zlib.crc32(part) * _SPREAD >> 29) & 0xFFFF_FFFF


class Draft(NamedTuple):
    """A record that is to be written, and the place of its event in its batch."""

    place: int
    topic: str
    value: bytes
    key: bytes | None
    headers: Headers
    is_letter: bool = False


class Shaped(NamedTuple):
    """What became of the events of one batch.

    Attributes:
        drafts: The records, in order.
        refused: Why events were refused, by their index; those in dead letters too.
        sampled: Indexes of events that sampling leaves out.
    """

    drafts: list[Draft]
    refused: dict[int, Invalid]
    sampled: list[int]


class Shaper:
    """Makes records of events, as one collector's configuration says.

    Raises: Invalid for templates and schemas that are none; Invalid("extra.missing").
    """

    def __init__(self, config: CollectorConfig, clock: Clock) -> None:
        self._topic = config.topic
        self._on_invalid = config.on_invalid
        self._clock = clock
        self._share = None if config.sample_rate is None else int(config.sample_rate * 2**32)
        self._key_of = _key_of(config)
        self._topic_of: Callable[[dict[str, Any]], str | None] | None = None
        if config.topic_template is not None:
            self._topic_of = compile_topics(
                config.topic_template, config.allowed_topics, config.topic
            )
        self._fault_of = None if config.event_schema is None else schema_check(config.event_schema)
        self.is_plain = self._share is None and self._topic_of is None and self._fault_of is None

    def shape(
        self,
        slices: Sequence[bytes],
        values: Sequence[dict[str, Any]],
        headers: Headers,
        sources: Callable[[int], str] | None = None,
        *,
        asked: str | None = None,
    ) -> Shaped:
        """The records of a batch.

        Args:
            slices: The bytes of each event.
            values: The same, decoded.
            headers: What every record of the batch gets.
            sources: The coordinate of an event by its index; it becomes `summit.src`.
            asked: The topic that their sender asks for, whatever the template says.
        """
        topic, key_of = asked or self._topic, self._key_of
        if self.is_plain and sources is None:
            if key_of is None:
                drafts = [Draft(i, topic, part, None, headers) for i, part in enumerate(slices)]
            else:
                drafts = [
                    Draft(i, topic, part, key_of(value), headers)
                    for i, (part, value) in enumerate(zip(slices, values, strict=True))
                ]
            return Shaped(drafts, {}, [])
        shaped = Shaped([], {}, [])
        for index, (part, value) in enumerate(zip(slices, values, strict=True)):
            own = headers
            if sources is not None:
                own = [*headers, (SOURCE_HEADER, sources(index).encode())]
            # The same event falls the same way each time it is sent.
            if self._share is not None and lot_of(part) >= self._share:
                shaped.sampled.append(index)
                continue
            self._shape_one(shaped, index, part, value, own, asked)
        return shaped

    def _shape_one(
        self, shaped: Shaped, index: int, part: bytes, value: dict[str, Any], headers: Headers,
        asked: str | None,
    ) -> None:  # fmt: skip
        topic, fault = asked or self._topic, None
        try:
            if self._topic_of is not None and asked is None:
                topic = self._topic_of(value) or topic
            if self._fault_of is not None and (found := self._fault_of(value)) is not None:
                raise Invalid(
                    "ingest.schema_refused", index=index, reason=found[0],
                    pointer=f"/{index}{found[1]}",
                )  # fmt: skip
        except Invalid as error:
            fault = error
            shaped.refused[index] = error
        if fault is None:
            key = None if self._key_of is None else self._key_of(value)
            shaped.drafts.append(Draft(index, topic, part, key, headers))
        elif self._on_invalid == "tag":
            del shaped.refused[index]
            tagged = [*headers, (INVALID_HEADER, str(fault).encode())]
            key = None if self._key_of is None else self._key_of(value)
            shaped.drafts.append(Draft(index, topic, part, key, tagged))
        elif self._on_invalid == "deadLetter":
            shaped.drafts.append(self.letter(index, part, headers, fault))

    def key_of(self, event: dict[str, Any]) -> bytes | None:
        """The record key of an event."""
        return None if self._key_of is None else self._key_of(event)

    def letter(self, index: int, part: bytes, headers: Headers, fault: Invalid) -> Draft:
        """The dead letter of an event; what it came as is in it, whole where a record holds it."""
        letter = DeadLetter(
            topic=self._topic, partition=None, offset=None, key=None, value=part,
            headers=RecordHeaders(headers), timestamp=self._clock.now_ms(),
            error=DeadLetterError(code=fault.code, message=str(fault), stage="collector"),
        )  # fmt: skip
        topic = dead_letter_topic(self._topic)
        return Draft(index, topic, letter.bounded().encode(), None, headers, is_letter=True)


def _key_of(config: CollectorConfig) -> Callable[[dict[str, Any]], bytes | None] | None:
    if config.key_field is not None:
        return key_reader(compile_path(config.key_field))
    if config.key_template is None:
        return None
    fill = compile_template(config.key_template, "/keyTemplate")

    def key_of(event: dict[str, Any]) -> bytes | None:
        text = fill(event)
        return None if text is None else text.encode()

    return key_of
