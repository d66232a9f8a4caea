"""`POST /api/events`: an event becomes durable, is matched, and its alerts are readable.

The record's key is the event's id, and the ids are read back from the topic at the start: a
repeated id is known after a restart and by every replica of the service. The latest
`EVENT_IDS_MAX` ids are remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid, Unavailable
from summit.base.ids import uuid7
from summit.base.limits import EVENT_ID_CHARS_MAX, EVENT_IDS_MAX
from summit.base.rand import Rand
from summit.base.tracing import TRACEPARENT, traceparent
from summit.client.topics import TopicConfig
from summit.client.types import ConsumerRecord, ProducerRecord
from summit.events.times import epoch_ms
from summit.journal.follower import LogFollower
from summit.journal.topics import EVENTS_TOPIC, WAIT_HEADER, ensure_topics
from summit.services.node import Node
from summit.services.trace_headers import sending

# One partition: events keep the order in which they were posted, whatever their keys.
EVENTS = TopicConfig(name=EVENTS_TOPIC, partitions=1)
READ_TIMEOUT_MS = 60_000
Place = tuple[int, int]
_NO_CONTEXT: Final[Mapping[str, str]] = {}


class EventIntake:
    """Takes events for one service.

    Args:
        node: Producer, admin and the follower of alerts.
        timeout_ms: How long to wait for an event's alerts.
    """

    def __init__(self, node: Node, timeout_ms: int) -> None:
        self._node = node
        self._timeout_ms = timeout_ms
        self._clock: Clock = node.clock
        self._rand = Rand()
        self._places: dict[str, Place] = {}
        self._pending: dict[str, asyncio.Task[Place]] = {}
        self._unsure: dict[str, None] = {}  # ids whose write failed and may have happened
        self._follower = LogFollower(node.servers, "summit-events", self._take, clock=node.clock)

    async def start(self) -> None:
        """Make the topic and read the ids back."""
        await ensure_topics(self._node.admin, [EVENTS])
        bounds = await self._node.admin.offsets(EVENTS_TOPIC)
        await self._follower.start({
            (EVENTS_TOPIC, partition): max(start, end - EVENT_IDS_MAX)
            for partition, (start, end) in bounds.items()
        })  # fmt: skip
        await self._follower.wait_caught_up(READ_TIMEOUT_MS)

    async def stop(self) -> None:
        """End reading."""
        await self._follower.stop()

    async def take(
        self, body: Any, *, wait: bool, context: Mapping[str, str] = _NO_CONTEXT
    ) -> dict[str, Any]:
        """Write one event, unless its id is known, and wait until it is matched.

        Args:
            body: The JSON object that was posted.
            wait: Also wait until the event's alerts can be read.
            context: Headers of the record: what the request says of its trace and its id.
        Raises: Invalid("event.invalid"); Unavailable("event.not_stored_yet"),
            Unavailable("event.not_matched_yet"): the same id may be posted again.
        """
        event = self._complete(body)
        event_id = event["eventId"]
        place = self._places.get(event_id)
        duplicate = place is not None or event_id in self._pending
        if place is None:
            place = await self._write_once(event_id, event, _headers(context, wait=wait))
        if wait:
            await self._wait_matched(event_id, place)
        status = "processed" if wait else "accepted"
        reply = {
            "status": status, "eventId": event_id,
            "topic": EVENTS_TOPIC, "partition": place[0], "offset": place[1],
        }  # fmt: skip
        return {**reply, "duplicate": True} if duplicate else reply

    async def _write_once(
        self, event_id: str, event: dict[str, Any], headers: Mapping[str, str]
    ) -> Place:
        writing = self._pending.get(event_id)
        if writing is None:
            # A task of its own: a client that goes away must not take back what others wait for.
            writing = asyncio.ensure_future(self._write(event_id, event, headers))
            self._pending[event_id] = writing
            writing.add_done_callback(lambda done: self._written(event_id, done))
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                return await asyncio.shield(writing)
        except TimeoutError:
            raise Unavailable(
                "event.not_stored_yet", event_id=event_id, timeout_ms=self._timeout_ms,
                retry_after_ms=1_000,
            ) from None  # fmt: skip

    async def _write(
        self, event_id: str, event: dict[str, Any], headers: Mapping[str, str]
    ) -> Place:
        if event_id in self._unsure:
            place = await self._place_after_all(event_id)
            if place is not None:
                return place
        with sending(EVENTS_TOPIC):
            if (own := traceparent()) is not None:
                headers = {**headers, TRACEPARENT: own}
            result = await self._node.producer.send(
                ProducerRecord(
                    topic=EVENTS_TOPIC, key=event_id, value=msgspec.json.encode(event),
                    headers=dict(headers) or None,
                )
            )  # fmt: skip
        return result.partition, result.offset

    def _written(self, event_id: str, done: asyncio.Future[Place]) -> None:
        del self._pending[event_id]
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._unsure.pop(event_id, None)
            self._remember(event_id, done.result())
        elif isinstance(error, Unavailable):
            self._unsure[event_id] = None
            if len(self._unsure) > EVENT_IDS_MAX:
                del self._unsure[next(iter(self._unsure))]

    async def _place_after_all(self, event_id: str) -> Place | None:
        """Where an event stands whose write failed without saying whether it happened."""
        offsets = await self._node.admin.offsets(EVENTS_TOPIC)
        ends = {(EVENTS_TOPIC, partition): end for partition, (_, end) in offsets.items()}
        await self._follower.wait_read(ends, READ_TIMEOUT_MS)
        return self._places.get(event_id)

    async def _wait_matched(self, event_id: str, place: Place) -> None:
        node = self._node
        try:
            if not node.alerts.progress.reads(EVENTS_TOPIC):
                # A rule that acts already may not be known here yet.
                await node.alerts.catch_up(node.admin, self._timeout_ms)
            await node.alerts.wait_readable(EVENTS_TOPIC, *place, self._timeout_ms)
        except Unavailable as error:
            raise Unavailable(
                "event.not_matched_yet", event_id=event_id, timeout_ms=self._timeout_ms,
                retry_after_ms=1_000,
            ) from error  # fmt: skip

    def _complete(self, body: Any) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise Invalid("event.invalid", reason="an event is a JSON object", pointer="")
        event_type = body.get("eventType")
        if not isinstance(event_type, str) or not event_type:
            raise Invalid(
                "event.invalid", reason="eventType must be a text", pointer="/eventType"
            )  # fmt: skip
        event_id = body.get("eventId")
        if event_id is not None and not (
            isinstance(event_id, str) and 0 < len(event_id) <= EVENT_ID_CHARS_MAX
        ):
            raise Invalid(
                "event.invalid", pointer="/eventId",
                reason=f"eventId is a text of 1 to {EVENT_ID_CHARS_MAX} characters",
            )  # fmt: skip
        timestamp = body.get("timestamp")
        if timestamp is not None and epoch_ms(timestamp) is None:
            raise Invalid(
                "event.invalid", pointer="/timestamp",
                reason="timestamp is epoch milliseconds or RFC 3339 text",
            )  # fmt: skip
        event = dict(body)
        event["eventId"] = event_id or str(uuid7(self._clock, self._rand))
        if timestamp is None:
            event["timestamp"] = self._clock.now_ms()
        source = body.get("source", body.get("eventSource"))
        event["source"] = "rest" if source is None else source
        return event

    def _take(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            if record.key is not None:
                event_id = record.key.decode("utf-8", "replace")
                # The first record of an id is the event; later ones are repetitions.
                if event_id not in self._places:
                    self._remember(event_id, (record.partition, record.offset))

    def _remember(self, event_id: str, place: Place) -> None:
        self._places[event_id] = place
        if len(self._places) > EVENT_IDS_MAX:
            del self._places[next(iter(self._places))]


def _headers(context: Mapping[str, str], *, wait: bool) -> Mapping[str, str]:
    return {**context, WAIT_HEADER: "1"} if wait else context
