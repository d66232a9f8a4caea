"""The MQTT collector: a client that subscribes, and acknowledges after the durable write.

Versions 3.1.1 and 5, QoS 0, 1 and 2, a session that outlives the connection, shared subscriptions,
TLS. Back-pressure: a broker sends no more of QoS 1 and 2 than may be unacknowledged
(`receiveMaximum`; in 3.1.1 its own setting). A message that is no event goes to the dead letters
and is then acknowledged, so it never comes again.

Guarantee: QoS 1 and 2, at least once: what was written when the connection broke is known when it
comes again, so doubles are left to a collector that was killed. QoS 0: at most once, as always.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from typing import Any, Final, NamedTuple

from summit.base.clock import Clock
from summit.base.errors import Invalid, Unavailable
from summit.base.tasks import Tasks
from summit.client.dead_letters import dead_letter_topic
from summit.ingest.bodies import Limits
from summit.ingest.delivery import Handed
from summit.ingest.mqtt.link import Link
from summit.ingest.mqtt.mapping import compile_filter, fill_key
from summit.ingest.mqtt.payloads import parse_payload
from summit.ingest.producing import Producer
from summit.ingest.settings import CollectorConfig
from summit.ingest.shaping import Draft, Headers, Shaped
from summit.ingest.taking import TakingCollector
from summit.ingest.topics import addresses_of, ensure_topic

TLS_PORT: Final = 8883
DRAIN_S: Final = 10.0
_WRITTEN_MAX: Final = 65_536  # as many as there are packet ids


class Pending(NamedTuple):
    """A message that is to be acknowledged, and its records."""

    mid: int
    qos: int
    epoch: int
    digest: bytes
    shaped: Shaped
    handed: Handed


class MqttCollector(TakingCollector):
    """Subscribes at an MQTT broker and writes the messages to its topics.

    Args:
        config: Its configuration, of type `mqtt`.
        producer: Only for `async with`; else `start` gets it.
        clock: Where time comes from.
    Raises: Invalid("extra.missing") without the extra `mqtt`.
    """

    type = "mqtt"
    guarantee = "at_least_once"

    def __init__(
        self,
        config: CollectorConfig,
        *,
        producer: Producer | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(config, producer=producer, clock=clock)
        self._options = options = config.block
        self._limits = Limits(2**31, options.max_event_bytes)
        self._routes = [
            (compile_filter(route.filter), route.topic, route.key) for route in options.routes
        ]
        self._link: Link | None = None
        self._tasks = Tasks()
        self._waiting: deque[tuple[Any, int]] = deque()  # messages that are not handed over
        self._pending: deque[Pending] = deque()
        self._news = asyncio.Event()
        self._acks = asyncio.Event()
        # What was written over a connection that broke before the acknowledgement.
        self._written: dict[int, bytes] = {}

    async def _listen(self) -> None:
        options, config = self._options, self.config
        assert self._producer is not None
        addresses = addresses_of(self._producer)
        for topic in {route.topic for route in options.routes} if addresses else ():
            await ensure_topic(addresses, topic)
        if addresses:
            await ensure_topic(addresses, dead_letter_topic(config.topic))
        default = self.config.row.port if options.tls is None else TLS_PORT
        port = config.port or default or 0
        self._waiting.clear()
        self._pending.clear()
        self._link = Link(
            options, config.host, port, options.client_id or f"summit-{config.name}",
            self._on_message, self.trouble,
        )  # fmt: skip
        self._tasks.spawn(self._take_all(self._link), f"collector {self.name} taking")
        self._tasks.spawn(self._acknowledge_all(self._link), f"collector {self.name} acks")
        await self._link.open()

    async def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is None:
            return
        self._open_gate.clear()  # what is not handed over comes again
        loop = asyncio.get_running_loop()
        until_s = loop.time() + DRAIN_S
        while self._pending and loop.time() < until_s:
            self._acks.clear()
            try:
                await asyncio.wait_for(self._acks.wait(), until_s - loop.time())
            except TimeoutError:
                break
        await self._tasks.cancel_all()
        for pending in self._pending:  # what the broker did not take in time comes again
            self._delivery.give_up(pending.handed)
        await link.close()

    def _details(self) -> dict[str, Any]:
        return {
            **super()._details(),
            "waiting": len(self._waiting),
            "unacked": len(self._pending),
            "connections": 0 if self._link is None else self._link.epoch,
        }

    # ---- in ----

    def _on_message(self, message: Any, epoch: int) -> None:
        if message.qos == 0 and len(self._waiting) >= self._options.queue_max:
            self._rejected.add(1)
            fault = Unavailable("ingest.queue_full", name=self.name, limit=self._options.queue_max)
            self._note_error(fault)
            return
        self._waiting.append((message, epoch))
        self._news.set()

    async def _take_all(self, link: Link) -> None:
        """Hand message after message over, in their order."""
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            message, epoch = self._waiting[0]
            if not self._open_gate.is_set():
                await self._open_gate.wait()
                continue
            await self._delivery.room(len(message.payload))
            if self._waiting.popleft()[0].qos and epoch != link.epoch:
                continue  # of a connection that is gone: it comes again
            if message.retain and not self._options.retained:
                self._confirm(link, message.mid, message.qos, epoch)
                continue
            while wait_ms := self.rate_wait_ms(1):
                await asyncio.sleep(wait_ms / 1000)
            digest = hashlib.blake2b(
                message.topic.encode() + b"\0" + message.payload, digest_size=16
            ).digest()
            if message.dup and self._written.get(message.mid) == digest:
                self._confirm(link, message.mid, message.qos, epoch)
                continue
            shaped = self._shape_message(message)
            handed = self._delivery.hand_over(shaped.drafts, len(message.payload))
            self._pending.append(Pending(message.mid, message.qos, epoch, digest, shaped, handed))
            self._acks.set()

    def _shape_message(self, message: Any) -> Shaped:
        headers = self._headers_of(message)
        try:
            batch = parse_payload(self._options.codec, message.topic, message.payload, self._limits)
        except Invalid as error:
            draft = self._shaper.letter(0, message.payload, headers, error)
            return Shaped([draft], {0: error}, [])
        shaped = self.shape_unanswered(batch.slices, batch.values, headers)
        for fits, topic, key in self._routes:
            stands_for = fits(message.topic)
            if stands_for is not None:
                drafts = [_routed(draft, topic, key, stands_for) for draft in shaped.drafts]
                return shaped._replace(drafts=drafts)
        return shaped

    def _headers_of(self, message: Any) -> Headers:
        headers = self.headers(("mqtt.topic", message.topic.encode()))
        if message.retain:
            headers.append(("mqtt.retain", b"true"))
        properties = getattr(message, "properties", None)
        for name, text in getattr(properties, "UserProperty", None) or ():
            if not name.startswith("summit."):
                headers.append((name, text.encode()))
        return headers

    # ---- out ----

    async def _acknowledge_all(self, link: Link) -> None:
        """Acknowledge message after message, when its records are durable."""
        while True:
            while not self._pending:
                self._acks.clear()
                await self._acks.wait()
            pending = self._pending[0]
            # Nobody would send it again as long as the connection lives, and what the broker
            # never takes would come again for ever.
            await self.settle_unanswered(pending.shaped, pending.handed)
            self._pending.popleft()
            self._acks.set()
            if pending.qos:
                if pending.epoch != link.epoch:
                    self._written[pending.mid] = pending.digest
                self._confirm(link, pending.mid, pending.qos, pending.epoch)

    def _confirm(self, link: Link, mid: int, qos: int, epoch: int) -> None:
        # A packet id of an earlier connection may be another message's by now.
        if qos and epoch == link.epoch:
            self._written.pop(mid, None)
            link.ack(mid, qos)


def _routed(draft: Draft, topic: str, key: str | None, stands_for: list[str]) -> Draft:
    if draft.is_letter:
        return draft
    own = draft.key if key is None else fill_key(key, stands_for)
    return draft._replace(topic=topic, key=own)
