"""One client connection: bytes in, frames out to the dispatcher, answers back in order.

All connections of a broker receive into one shared buffer: the event loop asks for a buffer,
fills it and hands it over within one call, so nobody else can touch it in between. Only a frame
that has not arrived whole gets a buffer of its own, into which the rest is received directly.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, cast

from summit.base.limits import REQUEST_BYTES_MAX
from summit.base.logs import get_logger
from summit.broker.request import Request
from summit.protocol.frames import REQUEST_BYTES_MIN
from summit.protocol.primitives import Buffer

SCRATCH_BYTES: Final = 256 * 1024
# A frame claims its length before it proves it: no more than this is reserved on its word alone.
_RESERVE_BYTES: Final = 2 * 1024 * 1024
_WRITE_HIGH_BYTES: Final = 4 * 1024 * 1024

_log = get_logger(__name__)


class Host(Protocol):
    """What a connection needs of its broker."""

    scratch: memoryview
    request_max_bytes: int
    request_queue_max: int
    tick: int

    def opened(self, connection: Connection) -> bool:
        """Register; False refuses the connection."""
        ...

    def closed(self, connection: Connection) -> None: ...

    def handle_frame(self, connection: Connection, frame: bytearray) -> None:
        """Take one request frame (without its length)."""
        ...


class Connection(asyncio.BufferedProtocol):
    """The broker's side of one TCP connection."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._queue: deque[Request] = deque()
        self._frame: bytearray | None = None  # a frame that is still arriving
        self._frame_size = 0
        self._filled = 0
        self._carry = b""  # bytes that came but were not looked at yet
        self._parsing = False
        self._reading_paused = False
        self._writing_paused = False
        self.client_software = ""
        self.peer_host = ""
        self.local_host = ""
        self.local_port = 0
        self.tick_seen = 0

    # ---- the event loop's side ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH_BYTES)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.peer_host = (transport.get_extra_info("peername") or ("",))[0]
        self.local_host, self.local_port = (transport.get_extra_info("sockname") or ("", 0))[:2]
        self.tick_seen = self._host.tick
        if not self._host.opened(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._frame = None
        self._carry = b""
        queue, self._queue = self._queue, deque()
        for request in queue:
            if request.cancel is not None:
                request.cancel()
        self._host.closed(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._frame is None:
            return self._host.scratch
        return memoryview(self._frame)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self.tick_seen = self._host.tick
        frame = self._frame
        if frame is None:
            scratch = self._host.scratch[:nbytes]
            if self._carry:
                joined = self._carry + scratch
                self._carry = b""
                self._parse(memoryview(joined))
            else:
                self._parse(scratch)
            return
        self._filled += nbytes
        if self._filled < self._frame_size:
            if self._filled == len(frame):
                self._frame = bytearray(min(self._frame_size, 2 * len(frame)))
                self._frame[: self._filled] = frame
            return
        self._frame = None
        self._parsing = True
        try:
            self._host.handle_frame(self, frame)
        finally:
            self._parsing = False
        self.flush()
        self._pause_if_full()

    def eof_received(self) -> bool:
        return False  # closes the transport; answers that are ready were already written

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._pause_if_full()

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._resume_if_room()

    # ---- frames ----

    def _parse(self, data: memoryview) -> None:
        """Take every whole frame of `data`; keep what is left."""
        position = 0
        end = len(data)
        host = self._host
        self._parsing = True
        try:
            while end - position >= 4 and not self._is_full():
                size = int.from_bytes(data[position : position + 4], "big")
                start = position + 4
                if not self._is_fitting(size, data[start : start + 2]):
                    _log.warning("frame.refused", size_bytes=size, peer=self.peer_host)
                    self.close()
                    return
                position = start + size
                if position > end:
                    self._begin_frame(size, data[start:end])
                    position = end
                    break
                host.handle_frame(self, bytearray(data[start:position]))
                if self._transport is None or self._transport.is_closing():
                    return
        finally:
            self._parsing = False
        if position < end:
            self._carry = bytes(data[position:end])
        self.flush()
        self._pause_if_full()

    def _is_fitting(self, size: int, key: memoryview) -> bool:
        """Whether a frame may be this long; only Produce may be longer than `REQUEST_BYTES_MAX`.

        Where the API key has not arrived yet, the dispatcher looks again when the frame is whole.
        """
        if not REQUEST_BYTES_MIN <= size <= self._host.request_max_bytes:
            return False
        return size <= REQUEST_BYTES_MAX or len(key) < 2 or bytes(key) == b"\0\0"

    def _begin_frame(self, size: int, first: memoryview) -> None:
        frame = bytearray(max(min(size, _RESERVE_BYTES), len(first) + 1))
        frame[: len(first)] = first
        self._frame = frame
        self._frame_size = size
        self._filled = len(first)

    # ---- answers ----

    def expect(self, request: Request) -> None:
        """Give a request its place among the answers."""
        self._queue.append(request)

    def flush(self) -> None:
        """Send every answer that is ready and whose turn it is."""
        queue = self._queue
        if self._parsing or self._transport is None or not queue or queue[0].response is None:
            return
        frames: list[Buffer] = []
        while queue and (frame := queue[0].response) is not None:
            queue.popleft()
            frames.append(frame)
        self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
        if self._reading_paused:
            self._resume_if_room()

    def close(self) -> None:
        """End the connection after what was written has gone out."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()

    # ---- back-pressure ----

    def _is_full(self) -> bool:
        return self._writing_paused or len(self._queue) >= self._host.request_queue_max

    def _pause_if_full(self) -> None:
        if not self._reading_paused and self._transport is not None and self._is_full():
            self._reading_paused = True
            if not self._transport.is_closing():
                self._transport.pause_reading()

    def _resume_if_room(self) -> None:
        if not self._reading_paused or self._transport is None or self._is_full():
            return
        if self._parsing:
            return
        if self._carry:
            carry, self._carry = self._carry, b""
            self._parse(memoryview(carry))
            if self._is_full() or self._transport is None:
                return
        self._reading_paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()


ConnectionFactory = Callable[[], Connection]
