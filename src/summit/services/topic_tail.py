"""The route of a topic's tail: its records as they come, read as fast as the client takes them.

id: 0:17,1:4                next offset of each partition; a client that comes again names it
event: record               {topic, partition, offset, timestamp, key, value, headers}
event: gap                  records before `{partition, firstKept}` are no longer kept
event: removed              the topic is no more

Nothing waits for a slow client but what its reader has fetched; where the log is cut meanwhile, a
`gap` says so. With many partitions only the last record of a read carries an id.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

import msgspec

from summit.base.errors import Invalid, Unavailable
from summit.base.limits import LIVE_TAILS_MAX
from summit.client.consumer import StreamConsumer
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord, TopicPartition
from summit.services.node import Node
from summit.services.parameters import TimeText, time_parameter
from summit.services.record_json import record_dict
from summit.services.streams import LAST_EVENT_ID, STREAM_TEXT, StreamCursor, cursor_text
from summit.web import HEARTBEAT, Event, Operation, Request, Response, Routes

HISTORY_MAX: Final = 1_000
_BATCH_RECORDS: Final = 200
_POLL_MS: Final = 1_000
_RETRY_S: Final = 1.0
_LOOK_S: Final = 5.0  # between two looks whether a silent topic is still there
_PLACES_IN_EACH_ID: Final = 32


class TailFilter(msgspec.Struct, frozen=True):
    """Where a tail begins: at the end, unless a history, a time or a cursor is named."""

    partition: Annotated[
        list[Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]],
        msgspec.Meta(max_length=1_000, description="Only these."),
    ] = []
    history: Annotated[
        int, msgspec.Meta(ge=0, le=HISTORY_MAX, description="The last offsets of each partition.")
    ] = 0
    since: TimeText | None = None
    cursor: StreamCursor | None = None


def add_topic_tail(routes: Routes, node: Node) -> None:
    """Add the route."""
    tails = Tails(node)
    routes.get(
        "/api/topics/{name}/tail", tails.handle,
        Operation(
            "Follow a topic", "topics", STREAM_TEXT, query=TailFilter,
            media=("text/event-stream",), headers=LAST_EVENT_ID,
        ),
    )  # fmt: skip


class Tails:
    """The handler, and how many readers there are."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._open = 0

    async def handle(self, request: Request) -> Response:
        """Answer a request. Raises Invalid("topic.unknown"), ("partition.unknown"); Unavailable."""
        if self._open >= LIVE_TAILS_MAX:
            reason = f"{LIVE_TAILS_MAX} clients follow topics already"
            raise Unavailable("service.busy", reason=reason, retry_after_ms=5_000)
        topic = request.path_params["name"]
        bounds = await self._node.admin.offsets(topic)
        given = request.query_as(TailFilter)
        for partition in given.partition:
            if partition not in bounds:
                raise Invalid(
                    "partition.unknown", topic=topic, partition=partition, pointer="partition"
                )
        wanted = set(given.partition) or set(bounds)
        starts = {p: max(first, end - given.history) for p, (first, end) in bounds.items()}
        since_ms = time_parameter(request, "since")
        if since_ms is not None:
            starts |= await self._at_time(topic, since_ms)
        starts |= parse_positions(cursor_text(request))
        tail = Tail(self._node, topic, {p: at for p, at in starts.items() if p in wanted})
        return self._node.streams.answer(request, self._counted(tail))

    async def _counted(self, tail: Tail) -> AsyncGenerator[Event, None]:
        self._open += 1
        events = tail.events()
        try:
            async for event in events:
                yield event
        finally:
            self._open -= 1
            await events.aclose()

    async def _at_time(self, topic: str, since_ms: int) -> dict[int, int]:
        found = await self._node.admin.offsets_for_time(topic, since_ms)
        return {partition: at for partition, at in found.items() if at is not None}


class Tail:
    """One client's reading.

    Args:
        starts: First offset per partition.
    """

    def __init__(self, node: Node, topic: str, starts: dict[int, int]) -> None:
        self._node = node
        self._topic = topic
        self._at = starts
        self._each = len(starts) <= _PLACES_IN_EACH_ID

    async def events(self) -> AsyncGenerator[Event, None]:
        """See the module."""
        config = ConsumerConfig(
            client_id="summit-tail", group_id="_summit-tail", bootstrap_servers=self._node.servers,
            enable_auto_commit=False, auto_offset_reset="earliest",
            isolation_level="read_committed",
        )  # fmt: skip
        streams, clock = self._node.streams, self._node.clock
        for gap in await self._gaps():
            yield gap
        quiet_since = looked = clock.monotonic_ms()
        async with StreamConsumer(config, clock=clock) as consumer:
            places = {TopicPartition(self._topic, p): at for p, at in self._at.items()}
            await consumer.assign(places)
            while not streams.ending.is_set():
                records = await self._poll(consumer)
                for record, is_last in _marked(records):
                    for gap in await self._jumped(record):
                        yield gap
                    self._at[record.partition] = record.offset + 1
                    yield Event.of("record", record_dict(record), self._id(is_last=is_last))
                now = clock.monotonic_ms()
                if records:
                    quiet_since = looked = now
                    continue
                if now - looked >= 1_000 * _LOOK_S:
                    looked = now
                    if not await self._is_there():
                        yield Event.of("removed", {"topic": self._topic})
                        return
                if now - quiet_since >= 1_000 * streams.heartbeat_s:
                    quiet_since = now
                    yield HEARTBEAT

    async def _poll(self, consumer: StreamConsumer) -> list[ConsumerRecord]:
        try:
            return await consumer.poll_batch(_BATCH_RECORDS, _POLL_MS)
        except Unavailable:  # reading goes on by itself where it was
            await self._node.streams.pause(_RETRY_S)
            return []

    async def _is_there(self) -> bool:
        try:
            await self._node.admin.offsets(self._topic)
        except Invalid as error:
            return error.code != "topic.unknown"
        except Unavailable:
            return True
        return True

    async def _gaps(self) -> list[Event]:
        """What was asked for and is no longer kept; positions move behind it."""
        try:
            bounds = await self._node.admin.offsets(self._topic)
        except (Unavailable, Invalid):
            return []
        gaps = []
        for partition, at in self._at.items():
            first = bounds.get(partition, (0, 0))[0]
            if at < first:
                self._at[partition] = first
                gaps.append(Event.of("gap", {"partition": partition, "firstKept": first}))
        return gaps

    async def _jumped(self, record: ConsumerRecord) -> list[Event]:
        """The gap in front of a record, where the log was cut; markers leave none."""
        if record.offset == self._at[record.partition]:
            return []
        return await self._gaps()

    def _id(self, *, is_last: bool) -> str | None:
        if not (self._each or is_last):
            return None
        return ",".join(f"{partition}:{at}" for partition, at in sorted(self._at.items()))


def _marked(records: list[ConsumerRecord]) -> list[tuple[ConsumerRecord, bool]]:
    last = len(records) - 1
    return [(record, n == last) for n, record in enumerate(records)]


def parse_positions(text: str) -> dict[int, int]:
    """The offsets of an id of ours.

    Raises: Invalid("web.cursor_invalid").

    >>> parse_positions("0:17,1:4"), parse_positions("")
    ({0: 17, 1: 4}, {})
    """
    try:
        pairs: list[Any] = [part.split(":") for part in text.split(",") if part]
        found = {int(partition): int(at) for partition, at in pairs}
    except ValueError as error:
        raise Invalid("web.cursor_invalid", cursor=text[:100], pointer="cursor") from error
    if any(not 0 <= number < 2**63 for pair in found.items() for number in pair):
        raise Invalid("web.cursor_invalid", cursor=text[:100], pointer="cursor")
    return found
