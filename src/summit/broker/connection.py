"""One client connection: bytes in, frames out to the dispatcher, answers back in order.

All connections of a broker receive into one shared buffer: the event loop asks for a buffer,
fills it and hands it over within one call, so nobody else can touch it in between. Only a frame
that has not arrived whole gets a buffer of its own, into which the rest is received directly.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from summit.base.limits import REQUEST_BYTES_MAX
from summit.base.logs import get_logger
from summit.broker.request import Request
from summit.broker.security.listeners import Listener
from summit.protocol.frames import REQUEST_BYTES_MIN
from summit.protocol.primitives import Buffer

if TYPE_CHECKING:
    from summit.broker.security.gate import Gate

ANONYMOUS: Final = "User:ANONYMOUS"
SCRATCH_BYTES: Final = 256 * 1024
# A frame claims its length before it proves it: no more than this is reserved on its word alone.
_RESERVE_BYTES: Final = 2 * 1024 * 1024
_WRITE_HIGH_BYTES: Final = 4 * 1024 * 1024
_CORK_BYTES: Final = 64 * 1024  # answers of one packet are held back and joined up to here
_JOIN_BYTES: Final = 64 * 1024  # below it one buffer is cheaper than several
_UNSENT_BYTES_MAX: Final = 16 * 1024 * 1024  # ready answers behind one that is not, per connection
_LENGTH_BYTES: Final = 4

_log = get_logger(__name__)
_numbers = itertools.count()


class Host(Protocol):
    """What a connection needs of its broker."""

    scratch: memoryview
    request_max_bytes: int
    request_queue_max: int
    send_buffer_bytes: int  # of the socket; -1 leaves it to the system
    receive_buffer_bytes: int
    tick: int
    is_congested: bool  # too much waits for the disk: nobody is listened to for a moment

    def opened(self, connection: Connection) -> bool:
        """Register; False refuses the connection."""
        ...

    def closed(self, connection: Connection) -> None: ...

    def handle_frame(self, connection: Connection, frame: bytearray) -> None:
        """Take one request frame (without its length)."""
        ...


class Connection(asyncio.BufferedProtocol):
    """The broker's side of one TCP connection.

    Attributes:
        number: Later connections have higher ones.
        listener: Where it came in.
        principal: Who the client is, as `User:alice`.
        gate: What stands before it; None where there is nothing to prove, or no more.
    """

    def __init__(self, host: Host, listener: Listener) -> None:
        self.number = next(_numbers)
        self.listener = listener
        self.principal = ANONYMOUS
        self.gate: Gate | None = None
        self._host = host
        self._request_bytes = (REQUEST_BYTES_MIN, host.request_max_bytes)
        self._transport: asyncio.Transport | None = None
        self._queue: deque[Request] = deque()
        self._frame: bytearray | None = None  # a frame that is still arriving
        self._frame_size = 0
        self._filled = 0
        self._carry = b""  # bytes that came but were not looked at yet
        self._parsing = False
        self._mutes = 0  # it is over a quota, and rests
        self._is_held = False  # a request is being prepared: later ones wait
        self._reading_paused = False
        self._writing_paused = False
        self._unsent_bytes = 0  # of answers that are ready and still in the queue
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
            for option, size in (
                (socket.SO_SNDBUF, self._host.send_buffer_bytes),
                (socket.SO_RCVBUF, self._host.receive_buffer_bytes),
            ):
                if size > 0:
                    sock.setsockopt(socket.SOL_SOCKET, option, size)
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
                self._receive(memoryview(joined))
            else:
                self._receive(scratch)
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
        self.resume()

    # ---- frames ----

    def _receive(self, data: memoryview) -> None:
        """Take every whole frame of `data`, keep what is left, send what is ready."""
        while True:
            taken = self._take_frames(data)
            self.flush()
            data = data[taken:]
            # Sending may have made room again for frames that were left.
            if len(data) < _LENGTH_BYTES or self._is_full() or not self.is_open:
                break
        if data and self.is_open:
            self._carry = bytes(data)
        self._pause_if_full()

    def _take_frames(self, data: memoryview) -> int:
        """Hand over whole frames while there is room; the number of bytes used."""
        position = 0
        end = len(data)
        host = self._host
        self._parsing = True
        try:
            while end - position >= _LENGTH_BYTES and not self._is_full():
                size = int.from_bytes(data[position : position + _LENGTH_BYTES], "big")
                start = position + _LENGTH_BYTES
                if not self._is_fitting(size, data[start : start + 2]):
                    _log.warning("frame.refused", size_bytes=size, peer=self.peer_host)
                    self.close()
                    return end
                position = start + size
                if position > end:
                    self._begin_frame(size, data[start:end])
                    return end
                host.handle_frame(self, bytearray(data[start:position]))
                if not self.is_open:
                    return end
        finally:
            self._parsing = False
        return position

    def _is_fitting(self, size: int, key: memoryview) -> bool:
        """Whether a frame may be this long; only Produce may be longer than `REQUEST_BYTES_MAX`.

        Where the API key has not arrived yet, the dispatcher looks again when the frame is whole.
        """
        least, most = self._request_bytes
        if not least <= size <= most:
            return False
        return size <= REQUEST_BYTES_MAX or len(key) < 2 or bytes(key) == b"\0\0"

    def _begin_frame(self, size: int, first: memoryview) -> None:
        frame = bytearray(max(min(size, _RESERVE_BYTES), len(first) + 1))
        frame[: len(first)] = first
        self._frame = frame
        self._frame_size = size
        self._filled = len(first)

    def limit(self, least: int = REQUEST_BYTES_MIN, most: int = -1) -> None:
        """How long requests may be; -1 = as long as the broker takes them."""
        self._request_bytes = least, self._host.request_max_bytes if most < 0 else most

    def certificate(self) -> dict[str, Any] | None:
        """What a client on a TLS listener has shown, and what holds."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport else None
        return tls.getpeercert() if tls is not None else None

    # ---- answers ----

    def expect(self, request: Request) -> None:
        """Give a request its place among the answers."""
        self._queue.append(request)

    def answered(self, request: Request, size_bytes: int) -> None:
        """Hear that a request has its answer, which goes out in its turn."""
        self._unsent_bytes += size_bytes
        if self._parsing and self._unsent_bytes < _CORK_BYTES:
            return  # the answers of one packet leave together
        self.flush()

    def flush(self) -> None:
        """Send every answer that is ready and whose turn it is."""
        queue = self._queue
        if not queue or self._transport is None or queue[0].response is None:
            return
        parts: list[Buffer] = []
        while queue and (response := queue[0].response) is not None:
            queue.popleft()
            if isinstance(response, list):
                parts += response
            else:
                parts.append(response)
        if len(parts) == 1:
            self._unsent_bytes -= len(parts[0])
            self._transport.write(parts[0])
        else:
            size = sum(map(len, parts))
            self._unsent_bytes -= size
            if size < _JOIN_BYTES:
                self._transport.write(b"".join(parts))
            else:
                self._transport.writelines(parts)  # records go out as they were read
        if self._reading_paused:
            self.resume()

    @property
    def is_open(self) -> bool:
        """Whether it may still be used."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """End the connection after what was written has gone out."""
        if self._transport is not None:
            self._transport.close()

    def finish(self) -> None:
        """End the connection after every answer that is ready."""
        self.flush()
        self.close()

    def abort(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()

    # ---- back-pressure ----

    def _is_full(self) -> bool:
        return (
            self._writing_paused
            or self._is_held
            or self._mutes > 0
            or self._host.is_congested
            or self._unsent_bytes >= _UNSENT_BYTES_MAX
            or len(self._queue) >= self._host.request_queue_max
        )

    def _pause_if_full(self) -> None:
        if not self._reading_paused and self._is_full():
            self._reading_paused = True
            if self._transport is not None and self.is_open:
                self._transport.pause_reading()

    def hold(self) -> None:
        """Hand over no further request until `release`: order matters to the one at hand."""
        self._is_held = True

    def release(self) -> None:
        """Go on after `hold`."""
        self._is_held = False
        self.resume()

    def mute(self) -> None:
        """Take no further request until `unmute`; both are counted."""
        self._mutes += 1
        if not self._parsing:
            self._pause_if_full()

    def unmute(self) -> None:
        """Go on after `mute`."""
        self._mutes -= 1
        self.resume()

    def resume(self) -> None:
        """Go on reading if there is room again."""
        if not self._reading_paused or self._parsing or self._is_full():
            return
        self._reading_paused = False
        if self._carry:
            carry, self._carry = self._carry, b""
            self._receive(memoryview(carry))
        if not self._reading_paused and self._transport is not None and self.is_open:
            self._transport.resume_reading()
