"""A client of the simulated broker: requests in real bytes over a simulated link.

One `Client` has one connection at a time, as Kafka's clients have one per broker. A request that is
not answered in time closes it, and with it fails every other that waits on it. Whether a failed
request was carried out is unknown.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from typing import Any

from tests.sim.world.loop import SimLoop
from tests.sim.world.network import Link, Network
from tests.sim.world.scheduler import Violation, World

from summit.base.errors import SummitError
from summit.protocol import frames
from summit.protocol.api import Api

_DIAL_LIMIT_S = 1.0
_LENGTH = struct.Struct(">i")


class Lost(Exception):
    """There is no answer and there will be none."""


class Client:
    """One client's way to the broker."""

    def __init__(self, world: World, loop: SimLoop, network: Network, name: str) -> None:
        self.name = name
        self.timeout_s = 5.0
        self._world = world
        self._loop = loop
        self._network = network
        self._link: Link | None = None
        self._waiting: deque[tuple[Api[Any, Any], int, int, asyncio.Future[Any]]] = deque()
        self._received = bytearray()
        self._correlation_id = 0

    async def connect(self) -> None:
        """Make sure there is a connection. Raises Lost."""
        if self._link is not None:
            return
        made: asyncio.Future[Link | None] = self._loop.create_future()
        self._received.clear()

        def connected(link: Link | None) -> None:
            if not made.done():
                made.set_result(link)

        def arrived(data: bytes | None) -> None:
            if self._link is not None and self._link is links[0]:
                self._arrived(data)

        links: list[Link] = []

        def dialled(link: Link | None) -> None:
            if link is not None:
                links.append(link)
            self._loop.call_soon(connected, link)

        self._network.dial(self.name, lambda data: self._loop.call_soon(arrived, data), dialled)
        try:
            link = await asyncio.wait_for(made, _DIAL_LIMIT_S)
        except TimeoutError:
            link = None
        if link is None:
            raise Lost("nobody listens")
        if self._link is not None:  # another request of this client was faster
            link.close()
            return
        self._link = link

    async def ask(
        self, api: Api[Any, Any], version: int, message: Any, *, timeout_s: float | None = None
    ) -> Any:
        """Send a request and wait for its answer. Raises Lost."""
        await self.connect()
        return await self.wait(self.send(api, version, message), timeout_s)

    def send(self, api: Api[Any, Any], version: int, message: Any) -> asyncio.Future[Any]:
        """Send a request on the connection there is. Raises Lost if there is none."""
        if self._link is None:
            raise Lost("not connected")
        self._correlation_id += 1
        frame = frames.encode_request_frame(api, version, self._correlation_id, message, self.name)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append((api, version, self._correlation_id, future))
        self._world.note(f"{self.name} asks {api.name} v{version}")
        self._link.send(frame)
        return future

    async def wait(self, future: asyncio.Future[Any], timeout_s: float | None = None) -> Any:
        """Wait for one answer; when it does not come, the connection is closed. Raises Lost."""
        if timeout_s is None:
            timeout_s = self.timeout_s
        try:
            return await asyncio.wait_for(asyncio.shield(future), timeout_s)
        except TimeoutError:
            self._world.note(f"{self.name} waits no longer")
            self.close()
            raise Lost("timed out") from None

    def tell(self, api: Api[Any, Any], version: int, message: Any) -> None:
        """Send a request that has no answer. Raises Lost if there is no connection."""
        if self._link is None:
            raise Lost("not connected")
        self._correlation_id += 1
        self._link.send(
            frames.encode_request_frame(api, version, self._correlation_id, message, self.name)
        )

    def close(self) -> None:
        """Close the connection; what was sent still arrives, some time."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
        self._fail_all()

    def _fail_all(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for *_, future in waiting:
            if not future.done():
                future.set_exception(Lost("the connection has ended"))
                future.exception()  # whoever waits hears of it; nobody has to

    def _arrived(self, data: bytes | None) -> None:
        if data is None:
            self._link = None
            self._fail_all()
            return
        self._received += data
        while len(self._received) >= 4:
            (size,) = _LENGTH.unpack_from(self._received)
            if len(self._received) < 4 + size:
                return
            frame = bytes(self._received[4 : 4 + size])
            del self._received[: 4 + size]
            self._take(frame)

    def _take(self, frame: bytes) -> None:
        if not self._waiting:
            raise Violation(f"{self.name} got an answer that it did not ask for")
        api, version, correlation_id, future = self._waiting.popleft()
        try:
            found, position = frames.decode_response_header(api, version, frame)
            message, end = api.decode_response(version, frame, position)
        except SummitError as error:
            raise Violation(f"{self.name} cannot read the answer to {api.name}") from error
        if found != correlation_id:
            raise Violation(f"{self.name}: answers out of order: {found}, not {correlation_id}")
        if end != len(frame):
            raise Violation(f"{self.name}: bytes are left over behind {api.name} v{version}")
        if not future.done():
            future.set_result(message)
