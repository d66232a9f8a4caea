"""The network between simulated clients and the broker.

A `Link` is one TCP connection: bytes of each direction arrive in order, in pieces, after a delay;
different links overtake one another. A link can stall (all of it comes later), turn deaf (nothing
arrives any more and nobody is told) or be cut (both ends hear of it, each in its time).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from tests.sim.world.loop import SimLoop
from tests.sim.world.scheduler import World

ADDRESS = "10.0.0.1"
PORT = 9092


@dataclass(slots=True)
class Weather:
    """How the network is: delays in microseconds, shares from 0 to 1."""

    delay_us: tuple[int, int] = (40, 400)
    spike_share: float = 0.0  # of sends that take `spike_us`
    spike_us: tuple[int, int] = (50_000, 3_000_000)
    split_share: float = 0.1  # of arrivals that come in pieces


class Pipe:
    """One direction of a link."""

    def __init__(
        self,
        world: World,
        chance: random.Random,
        weather: Weather,
        arrive: Callable[[bytes | None], None],
    ) -> None:
        self.unread_bytes = 0
        self.is_deaf = False
        self.stalled_until_us = 0
        self.on_read: Callable[[], None] = lambda: None
        self._world = world
        self._chance = chance
        self._weather = weather
        self._arrive = arrive
        self._queue: deque[tuple[int, bytes | None]] = deque()  # None: the end
        self._is_due = False

    def send(self, data: bytes | None) -> None:
        """Send bytes; None ends the stream."""
        weather = self._weather
        delay_us = self._chance.randint(*weather.delay_us)
        if self._chance.random() < weather.spike_share:
            delay_us += self._chance.randint(*weather.spike_us)
        at = self._world.now_us + delay_us
        if self._queue:
            at = max(at, self._queue[-1][0])
        self._queue.append((at, data))
        self.unread_bytes += len(data or b"")
        self._arm()

    def clear(self) -> None:
        """What is on its way is lost."""
        self._queue.clear()

    def _arm(self) -> None:
        if self._queue and not self._is_due:
            self._is_due = True
            due_us = max(self._queue[0][0], self.stalled_until_us)
            self._world.after(due_us - self._world.now_us, self._pump)

    def _pump(self) -> None:
        self._is_due = False
        if self._queue and not self.is_deaf and self.stalled_until_us <= self._world.now_us:
            _, data = self._queue.popleft()
            if data is None:
                self._arrive(None)
            else:
                self._pieces(data)
        if not self.is_deaf:
            self._arm()

    def _pieces(self, data: bytes) -> None:
        if len(data) > 1 and self._chance.random() < self._weather.split_share:
            cut = self._chance.randint(1, len(data) - 1)
            self._arrive(data[:cut])
            data = data[cut:]
        self._arrive(data)

    def read(self, size: int) -> None:
        """The far end has taken so many bytes out."""
        self.unread_bytes -= size
        self.on_read()


class BrokerTransport(asyncio.Transport):
    """The broker's end of a link."""

    def __init__(self, loop: SimLoop, link: Link) -> None:
        super().__init__()
        self._loop = loop
        self._link = link
        self._protocol: asyncio.BufferedProtocol | None = None
        self._is_closing = False
        self._is_paused = False
        self._is_full = False
        self._high = 64 << 10
        self._unfed: deque[bytes | None] = deque()

    def start(self, protocol: asyncio.BufferedProtocol) -> None:
        self._protocol = protocol
        self._link.down.on_read = self._drained
        protocol.connection_made(self)
        self.feed()

    # ---- what came ----

    def arrive(self, data: bytes | None) -> None:
        self._unfed.append(data)
        self._loop.call_soon(self.feed)

    def feed(self) -> None:
        protocol = self._protocol
        while self._unfed and protocol is not None and not (self._is_paused or self._is_closing):
            data = self._unfed.popleft()
            if data is None:
                protocol.eof_received()
                self.close()
                return
            room = memoryview(cast(Any, protocol.get_buffer(-1)))
            count = min(len(room), len(data))
            room[:count] = data[:count]
            if count < len(data):
                self._unfed.appendleft(data[count:])
            self._link.up.read(count)
            protocol.buffer_updated(count)

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._loop.call_soon(self.feed)

    # ---- what goes ----

    def write(self, data: Any) -> None:
        if self._is_closing or self._loop.is_dead:
            return
        self._link.down.send(bytes(data))
        if not self._is_full and self._link.down.unread_bytes > self._high:
            self._is_full = True
            assert self._protocol is not None
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(map(bytes, list_of_data)))

    def _drained(self) -> None:
        if self._is_full and self._link.down.unread_bytes <= self._high // 4:
            self._is_full = False
            self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if self._protocol is not None and not self._is_closing:
            self._protocol.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high or self._high

    # ---- the end ----

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            if not self._loop.is_dead:
                self._link.down.send(None)
            self._loop.call_soon(self._lost)

    def abort(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._link.down.clear()
            self._link.down.send(None)
            self._loop.call_soon(self._lost)

    def reset(self) -> None:
        """The other end or the network has cut it."""
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._lost)

    def _lost(self) -> None:
        self._link.is_closed_by_broker = True
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(None)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("10.0.0.9", 4_000), "sockname": (ADDRESS, PORT)}.get(name, default)


class Link:
    """One connection.

    Args:
        on_data: The client's side: bytes, or None when the connection has ended.
    """

    def __init__(
        self, network: Network, name: str, on_data: Callable[[bytes | None], None]
    ) -> None:
        world = network.world
        self._network = network
        self.name = name
        self.is_over = False  # for the client
        self.is_closed_by_broker = False
        self._world = world
        self._chance = world.chance(f"link {name}")
        self._on_data = on_data
        self._transport: BrokerTransport | None = None
        self._early: list[bytes | None] = []
        self.up = Pipe(world, self._chance, network.weather, self._at_broker)
        self.down = Pipe(world, self._chance, network.weather, self._at_client)

    # ---- the client's end ----

    def send(self, data: bytes) -> None:
        self.up.send(data)

    def close(self) -> None:
        """The client closes: what it has sent still arrives."""
        if not self.is_over:
            self.is_over = True
            self.up.send(None)

    def _at_client(self, data: bytes | None) -> None:
        self._world.note(f"link {self.name} down {'end' if data is None else len(data)}")
        self.down.read(len(data or b""))
        if not self.is_over:
            if data is None:
                self.is_over = True
            self._on_data(data)

    # ---- the broker's end ----

    def accept(self, loop: SimLoop, factory: Callable[[], Any]) -> None:
        """The broker takes the connection; on its loop."""
        self._transport = BrokerTransport(loop, self)
        self._transport._unfed.extend(self._early)
        self._transport.start(factory())

    def _at_broker(self, data: bytes | None) -> None:
        self._world.note(f"link {self.name} up {'end' if data is None else len(data)}")
        if self._transport is None:
            self._early.append(data)
        elif not self._transport._loop.is_dead:
            self._transport.arrive(data)
        elif self._network.server is not None:  # the machine is up again and knows no such link
            self._world.after(self._chance.randint(50, 5_000), self._tell_client)

    # ---- faults ----

    def stall(self, delay_us: int) -> None:
        """What is on its way, and what is sent from now on, comes no earlier than that."""
        for pipe in (self.up, self.down):
            if self._chance.random() < 0.7:
                pipe.stalled_until_us = max(pipe.stalled_until_us, self._world.now_us + delay_us)

    def deafen(self) -> None:
        """Nothing more arrives in one direction, or in both."""
        which = self._chance.choice(["up", "down", "both"])
        self.up.is_deaf = self.up.is_deaf or which != "down"
        self.down.is_deaf = self.down.is_deaf or which != "up"

    def cut(self, *, is_told: bool = True) -> None:
        """End it for both; without `is_told` the client hears nothing."""
        self.up.clear()
        if is_told:
            self._world.after(self._chance.randint(50, 5_000), self._tell_client)
        if self._transport is not None and not self._transport._loop.is_dead:
            self._world.after(self._chance.randint(50, 5_000), self._tell_broker)

    def _tell_client(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._on_data(None)

    def _tell_broker(self) -> None:
        if self._transport is not None:
            self._transport.reset()


class Server:
    """The listening port, as asyncio shows it."""

    def __init__(self, network: Network, loop: SimLoop, factory: Callable[[], Any]) -> None:
        self.loop, self.factory = loop, factory
        self._network = network
        self.sockets = [self]

    def getsockname(self) -> tuple[str, int]:
        return ADDRESS, PORT

    def close(self) -> None:
        if self._network.server is self:
            self._network.server = None


class Network:
    """All links of the world, and who listens."""

    def __init__(self, world: World, weather: Weather) -> None:
        self.world = world
        self.weather = weather
        self.server: Server | None = None
        self.links: list[Link] = []
        self.chance = world.chance("network")
        self._count = 0

    def listen(self, loop: SimLoop, factory: Callable[[], Any]) -> Server:
        self.server = Server(self, loop, factory)
        return self.server

    def dial(
        self,
        name: str,
        on_data: Callable[[bytes | None], None],
        connected: Callable[[Link | None], None],
    ) -> None:
        """Try to connect; `connected` hears the link, or None when nobody listens."""
        self._count += 1
        link = Link(self, f"{name}#{self._count}", on_data)
        delay_us = self.chance.randint(*self.weather.delay_us)
        self.world.after(delay_us, self._dialled, link, connected)

    def _dialled(self, link: Link, connected: Callable[[Link | None], None]) -> None:
        server = self.server
        if server is None or server.loop.is_dead:
            connected(None)
            return
        self.links = [each for each in self.links if not self._is_gone(each)]
        self.links.append(link)
        server.loop.call_soon(link.accept, server.loop, server.factory)
        connected(link)

    @staticmethod
    def _is_gone(link: Link) -> bool:
        return link.is_over and link.is_closed_by_broker

    def open_links(self) -> list[Link]:
        """Links that either end still holds."""
        return [link for link in self.links if not self._is_gone(link)]
