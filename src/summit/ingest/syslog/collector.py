"""The syslog collector: messages over TCP, TLS and UDP, read no faster than the broker takes them.

Messages wait in one queue; they are handed over in their order, and sent again until the broker
has said what becomes of them. What is no message is a dead letter. A connection is read no further
while too much waits; datagrams then are dropped and counted.

Guarantee. Senders of syslog get no answer. TCP: at least once from the moment a message was read,
as long as the process lives; what was read and not written when it is killed is lost, and so is
what a stop leaves in the system's buffers. UDP: at most once. A stop brings what was read to its
end.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections import deque
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Conflict, Invalid, Unavailable
from summit.base.gates import Gate, gated
from summit.base.tasks import Tasks
from summit.client.addresses import format_address
from summit.client.dead_letters import dead_letter_topic
from summit.ingest.delivery import Handed
from summit.ingest.producing import Producer
from summit.ingest.settings import CollectorConfig
from summit.ingest.shaping import Shaped
from summit.ingest.syslog.framing import Frame
from summit.ingest.syslog.messages import SyslogMessages
from summit.ingest.syslog.sockets import DatagramSocket, StreamConnection, Taker, is_too_long
from summit.ingest.taking import TakingCollector
from summit.ingest.topics import addresses_of, ensure_topic

TLS_PORT: Final = 6514
DRAIN_S: Final = 5.0  # how long a stop waits beyond the broker's time
_STREAM_QUEUE_MAX: Final = 1_000  # messages of connections that wait; then none is read
_STREAM_QUEUE_BYTES: Final = 1024 * 1024
_BATCH_MAX: Final = 200
_BATCH_BYTES: Final = 256 * 1024
_BIND_TRIES: Final = 20  # of a port that must be free for both TCP and UDP
_SENDERS_MAX: Final = 10_000  # addresses whose right to send is remembered

_encode: Final = msgspec.json.Encoder().encode


class Received(NamedTuple):
    """A message, and where it came from."""

    sender: str
    transport: str
    frame: Frame


class Pending(NamedTuple):
    """Messages that the broker has not acknowledged."""

    messages: int
    shaped: Shaped
    handed: Handed


class SyslogCollector(TakingCollector, Taker):
    """Takes syslog over TCP, TLS and UDP and writes it to its topic.

    Args:
        config: Its configuration, of type `syslog`.
        producer: Only for `async with`; else `start` gets it.
        clock: Where time comes from.
    """

    type = "syslog"

    def __init__(
        self,
        config: CollectorConfig,
        *,
        producer: Producer | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(config, producer=producer, clock=clock)
        self.options = options = config.block
        self._guarantees = {
            one: "at_most_once" if one == "udp" else "at_least_once" for one in options.listens_to
        }
        self.guarantee = "at_most_once" if "udp" in self._guarantees else "at_least_once"
        self._allowed = [ipaddress.ip_network(t, strict=False) for t in options.allowed_senders]
        self._known: dict[str, bool] = {}
        self._messages = SyslogMessages(options, config.name, self._clock)
        self._tasks = Tasks()
        self._server: asyncio.Server | None = None
        self._gate = Gate()
        self._datagrams: DatagramSocket | None = None
        self._place: tuple[str, int] | None = None
        self._connections: set[StreamConnection] = set()
        self._queue: deque[Received] = deque()
        self._waiting = {"stream": 0, "udp": 0}
        self._waiting_bytes = {"stream": 0, "udp": 0}
        self._is_held = False  # connections are not read
        self._pending: deque[Pending] = deque()
        self._unacked = 0
        self._news = asyncio.Event()
        self._acks = asyncio.Event()
        self._is_draining = False
        self._dropped = 0
        self._dropped_by_system = 0  # of sockets that are closed
        self._refused = 0

    @property
    def address(self) -> str | None:
        """`host:port` where it listens; the real port after `start`."""
        return None if self._place is None else format_address(*self._place)

    async def pause(self) -> None:
        """Read no connection until `resume`; datagrams wait, as far as there is room.

        Raises: Conflict.
        """
        await super().pause()
        self._hold()

    async def resume(self) -> None:
        """Go on after `pause`. Raises: Conflict."""
        await super().resume()
        self._let_read()

    # ---- life ----

    async def _listen(self) -> None:
        assert self._producer is not None
        addresses = addresses_of(self._producer)
        if addresses:
            await ensure_topic(addresses, dead_letter_topic(self.config.topic))
        self._messages = SyslogMessages(self.options, self.name, self._clock)
        self._is_draining = self._is_held = False
        await self._bind()
        self._tasks.spawn(self._take_all(), f"collector {self.name} taking")
        self._tasks.spawn(self._settle_all(), f"collector {self.name} acks")
        self._tasks.spawn(self._watch_stalled(), f"collector {self.name} stalled")

    async def _bind(self) -> None:
        """Listen on one address; where any port will do, on one that is free for both."""
        host, config = self.config.host, self.config
        port = config.listen_port
        if config.port is None and self.options.tls is not None:
            port = TLS_PORT
        loop = asyncio.get_running_loop()
        tries = _BIND_TRIES if port == 0 else 1
        try:
            found = await loop.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            host = str(found[0][4][0])
            for left in reversed(range(tries)):
                try:
                    await self._bind_at(host, port)
                    return
                except OSError as error:
                    await self._unbind()
                    if error.errno != errno.EADDRINUSE or not left:
                        raise
        except OSError as error:
            address = f"{host}:{port}"
            if error.errno == errno.EADDRINUSE:
                raise Conflict("web.port_in_use", address=address) from error
            raise Invalid("web.bind_failed", address=address, reason=str(error)) from error

    async def _bind_at(self, host: str, port: int) -> None:
        loop, options = asyncio.get_running_loop(), self.options
        if "tcp" in options.listens_to:
            context = None if options.tls is None else options.tls.server_context()
            name = "tcp" if context is None else "tls"
            self._gate = gate = Gate(
                limit=options.max_connections, context=context,
                handshake_timeout_ms=options.message_timeout_ms,
                may_enter=self._may_connect, on_full=self._note_full,
            )  # fmt: skip
            connection = gated(StreamConnection, gate)
            self._server = await loop.create_server(lambda: connection(self, name), host, port)
            self._place = self._server.sockets[0].getsockname()[:2]
        if "udp" in options.listens_to:
            place = (host, port) if self._place is None else self._place
            transport, self._datagrams = await loop.create_datagram_endpoint(
                lambda: DatagramSocket(self), local_addr=place
            )
            self._place = transport.get_extra_info("sockname")[:2]

    async def _unbind(self) -> None:
        """Take nothing new; what was read stays."""
        server, self._server = self._server, None
        datagrams, self._datagrams = self._datagrams, None
        if datagrams is not None:
            self._dropped_by_system += datagrams.dropped_by_system() or 0
            datagrams.close()
        if server is not None:
            server.close()
        await self._gate.close()
        for connection in list(self._connections):
            connection.close(is_clean=False)
        self._place = None
        await asyncio.sleep(0)  # the sockets are closed by the loop's next round

    async def _hang_up(self) -> None:
        self._is_draining = True
        await self._unbind()
        self._open_gate.set()
        self._news.set()
        timeout_s = self.options.ack_timeout_ms / 1000 + DRAIN_S
        try:
            async with asyncio.timeout(timeout_s):
                while self._queue or self._pending:
                    self._delivery.flush()
                    self._acks.clear()
                    await self._acks.wait()
        except TimeoutError:
            lost = len(self._queue) + self._unacked
            self.count_refused(Unavailable("syslog.not_drained", count=lost), lost)
        await self._tasks.cancel_all()
        for pending in list(self._pending)[1:]:  # the first was being settled
            self._delivery.give_up(pending.handed)
        self._queue.clear()
        self._pending.clear()
        self._unacked = 0
        for counts in (self._waiting, self._waiting_bytes):
            counts.update(stream=0, udp=0)

    def _details(self) -> dict[str, Any]:
        system = 0 if self._datagrams is None else self._datagrams.dropped_by_system()
        return {
            **super()._details(),
            "guarantees": self._guarantees,
            "connections": len(self._connections),
            "connectionsRefused": self._refused,
            "handshaking": self._gate.handshaking,
            "waiting": len(self._queue),
            "unacked": self._unacked,
            "datagramsDropped": self._dropped,
            "datagramsDroppedBySystem": (
                None if system is None else self._dropped_by_system + system
            ),
        }

    # ---- what the sockets bring ----

    def _may_connect(self, sender: str) -> bool:
        """Whether a sender may have a connection; asked before any TLS."""
        if self._is_draining:
            return False
        if not self._may_send(sender):
            self._refused += 1
            self._note_error(Invalid("syslog.sender_refused", sender=sender))
            return False
        return True

    def _note_full(self) -> None:
        """A connection found no place."""
        self._refused += 1
        limit = self.options.max_connections
        self._note_error(Unavailable("ingest.queue_full", name=self.name, limit=limit))

    def joined(self, connection: StreamConnection) -> None:
        """A connection has begun."""
        self._connections.add(connection)
        if self._is_held:
            connection.pause()

    def left(self, connection: StreamConnection) -> None:
        """A connection has ended."""
        self._connections.discard(connection)

    def take_frames(self, sender: str, transport: str, frames: list[Frame]) -> None:
        """Take what a connection has brought; none is read on while too much waits."""
        for frame in frames:
            self._queue.append(Received(sender, transport, frame))
            self._waiting_bytes["stream"] += len(frame.data)
        self._waiting["stream"] += len(frames)
        self._news.set()
        if not self._is_held and (
            self._waiting["stream"] >= _STREAM_QUEUE_MAX
            or self._waiting_bytes["stream"] >= _STREAM_QUEUE_BYTES
        ):
            self._hold()

    def take_datagram(self, sender: str, data: bytes) -> None:
        """Take a datagram, or drop and count it where it may not be sent or finds no room."""
        options = self.options
        if not self._may_send(sender):
            self._dropped += 1
            self.count_refused(Invalid("syslog.sender_refused", sender=sender))
            return
        if not data.strip():
            return
        size_bytes = self._waiting_bytes["udp"] + len(data)
        if self._waiting["udp"] >= options.queue_max or size_bytes > options.max_in_flight_bytes:
            self._dropped += 1
            self.count_refused(
                Unavailable("ingest.queue_full", name=self.name, limit=options.queue_max)
            )
            return
        frame = is_too_long(data.rstrip(b"\r\n\0"), options.max_message_bytes)
        self._waiting["udp"] += 1
        self._waiting_bytes["udp"] += len(frame.data)
        self._queue.append(Received(sender, "udp", frame))
        self._news.set()

    def _may_send(self, sender: str) -> bool:
        if not self._allowed:
            return True
        known = self._known.get(sender)
        if known is None:
            try:
                address = ipaddress.ip_address(sender.partition("%")[0])
            except ValueError:
                return False
            mapped = getattr(address, "ipv4_mapped", None) or address
            known = any(mapped in network for network in self._allowed)
            if len(self._known) >= _SENDERS_MAX:
                self._known.clear()
            self._known[sender] = known
        return known

    async def _watch_stalled(self) -> None:
        """Close connections that hold a place and send nothing, or an endless message."""
        options = self.options
        least_ms = min(options.message_timeout_ms, options.idle_timeout_ms or 2**31)
        while True:
            await asyncio.sleep(max(0.02, least_ms / 4000))
            for connection in list(self._connections):
                stalled_ms = connection.stalled_ms()
                if stalled_ms is not None:
                    self._note_error(
                        Invalid("syslog.stalled", sender=connection.sender, timeout_ms=stalled_ms)
                    )
                    connection.close(is_clean=False)

    # ---- on to the broker ----

    async def _take_all(self) -> None:
        """Hand over what waits, in its order."""
        while True:
            if not self._queue:
                self._news.clear()
                await self._news.wait()
            await self._open_gate.wait()
            while self._unacked >= self.options.max_unacked:
                self._acks.clear()
                await self._acks.wait()
            batch, size_bytes = self._next_batch()
            if not batch:
                continue
            await self._delivery.room(size_bytes)
            while not self._is_draining and (wait_ms := self.rate_wait_ms(len(batch))):
                await asyncio.sleep(min(wait_ms, 200) / 1000)
            if not self._open_gate.is_set():
                continue  # paused meanwhile
            for received in batch:
                self._queue.popleft()
                kind = "udp" if received.transport == "udp" else "stream"
                self._waiting[kind] -= 1
                self._waiting_bytes[kind] -= len(received.frame.data)
            self._let_read()
            shaped = self._shape(batch)
            handed = self._delivery.hand_over(shaped.drafts, size_bytes)
            self._unacked += len(batch)
            self._pending.append(Pending(len(batch), shaped, handed))
            self._acks.set()

    def _next_batch(self) -> tuple[list[Received], int]:
        """The first messages that wait and came from one sender, and their bytes."""
        batch: list[Received] = []
        size_bytes = 0
        most = min(_BATCH_MAX, self.options.max_unacked - self._unacked)
        most_bytes = min(_BATCH_BYTES, self.options.max_in_flight_bytes)
        for received in self._queue:
            size_bytes += len(received.frame.data)
            if batch and (
                len(batch) >= most or size_bytes > most_bytes or received[:2] != batch[0][:2]
            ):
                size_bytes -= len(received.frame.data)
                break
            batch.append(received)
        return batch, size_bytes

    def _hold(self) -> None:
        self._is_held = True
        for connection in self._connections:
            connection.pause()

    def _let_read(self) -> None:
        if (
            self._is_held
            and self._open_gate.is_set()
            and self._waiting["stream"] <= _STREAM_QUEUE_MAX // 2
            and self._waiting_bytes["stream"] <= _STREAM_QUEUE_BYTES // 2
        ):
            self._is_held = False
            for connection in self._connections:
                connection.resume()

    def _shape(self, batch: list[Received]) -> Shaped:
        sender, transport, _ = batch[0]
        headers = self.headers(
            ("syslog.sender", sender.encode()), ("syslog.transport", transport.encode())
        )
        values: list[dict[str, Any]] = []
        faults: list[tuple[bytes, Invalid]] = []
        for _, _, frame in batch:
            try:
                if frame.fault is not None:
                    raise frame.fault
                values += self._messages.events(frame.data, sender)
            except Invalid as error:
                faults.append((frame.data, error))
        shaped = self.shape_unanswered([_encode(value) for value in values], values, headers)
        for index, (data, fault) in enumerate(faults, len(values)):
            shaped.refused[index] = fault
            shaped.drafts.append(self._shaper.letter(index, data, headers, fault))
        return shaped

    async def _settle_all(self) -> None:
        """Wait for the broker's word on message after message."""
        while True:
            while not self._pending:
                self._acks.clear()
                await self._acks.wait()
            pending = self._pending[0]
            await self.settle_unanswered(pending.shaped, pending.handed)
            self._pending.popleft()
            self._unacked -= pending.messages
            self._acks.set()
