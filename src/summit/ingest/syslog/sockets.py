"""The two ends where syslog comes in: a TCP or TLS connection, and a socket of datagrams."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from abc import ABC, abstractmethod
from typing import Any, Final

from summit.base.errors import Invalid
from summit.ingest.syslog.framing import Frame, Framer
from summit.ingest.syslog.settings import SyslogOptions

_SO_MEMINFO: Final = 55  # Linux: nine counters of a socket; the last is what it dropped
_MEMINFO: Final = struct.Struct("9I")


class Taker(ABC):
    """Who takes messages: the collector."""

    options: SyslogOptions

    @abstractmethod
    def joined(self, connection: StreamConnection) -> None:
        """A connection has begun."""

    @abstractmethod
    def take_frames(self, sender: str, transport: str, frames: list[Frame]) -> None:
        """Take what a connection has brought; pauses all connections when too much waits."""

    @abstractmethod
    def take_datagram(self, sender: str, data: bytes) -> None:
        """Take a datagram, or drop and count it."""

    @abstractmethod
    def left(self, connection: StreamConnection) -> None:
        """A connection has ended."""


class StreamConnection(asyncio.Protocol):
    """One connection. Nothing is ever written to it."""

    def __init__(self, owner: Taker, transport: str) -> None:
        self._owner = owner
        self._name = transport
        self._loop = asyncio.get_running_loop()
        options = owner.options
        self._framer = Framer(options.framing, options.max_message_bytes)
        self._transport: Any = None
        self._is_served = False
        self._is_paused = False
        self._heard_s = self._loop.time()
        self._begun_s: float | None = None  # when the message that is under way began
        self.sender = ""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.sender = str((transport.get_extra_info("peername") or ("",))[0])
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):  # so that a peer that is gone is noticed
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._is_served = True
        self._owner.joined(self)

    def data_received(self, data: bytes) -> None:
        if not self._is_served:
            return
        self._heard_s = self._loop.time()
        frames = self._framer.feed(data)
        if not self._framer.is_inside:
            self._begun_s = None
        elif frames or self._begun_s is None:
            self._begun_s = self._heard_s
        if frames:
            self._owner.take_frames(self.sender, self._name, frames)
        if self._framer.is_broken:
            self.close(is_clean=False)

    def eof_received(self) -> None:
        self._end(is_clean=True)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(is_clean=error is None)
        self._owner.left(self)

    def pause(self) -> None:
        """Read no more until `resume`."""
        if not self._is_paused and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on; the time that it could not send is not the sender's."""
        if self._is_paused and not self._transport.is_closing():
            self._is_paused = False
            self._heard_s = self._loop.time()
            if self._begun_s is not None:
                self._begun_s = self._heard_s
            self._transport.resume_reading()

    def stalled_ms(self) -> int | None:
        """The limit that it has outstayed, in milliseconds; None while it has not."""
        if self._is_paused:
            return None
        options, now_s = self._owner.options, self._loop.time()
        if self._begun_s is not None and now_s - self._begun_s > options.message_timeout_ms / 1000:
            return options.message_timeout_ms
        idle_ms = options.idle_timeout_ms
        if idle_ms is not None and now_s - self._heard_s > idle_ms / 1000:
            return idle_ms
        return None

    def close(self, *, is_clean: bool) -> None:
        """Take what was read and hang up."""
        self._end(is_clean=is_clean)
        self._transport.abort()

    def _end(self, *, is_clean: bool) -> None:
        if not self._is_served:
            return
        self._is_served = False
        frames = self._framer.end(is_clean=is_clean)
        if frames:
            self._owner.take_frames(self.sender, self._name, frames)


class DatagramSocket(asyncio.DatagramProtocol):
    """A socket where each datagram is a message."""

    def __init__(self, owner: Taker) -> None:
        self._owner = owner
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            size_bytes = self._owner.options.receive_buffer_bytes
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._owner.take_datagram(str(address[0]).removeprefix("::ffff:"), data)

    def dropped_by_system(self) -> int | None:
        """Datagrams that the system had no room for; None where it does not tell (not Linux)."""
        sock = self._transport.get_extra_info("socket")
        try:
            told = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            return int(_MEMINFO.unpack(told)[-1])
        except (OSError, struct.error):
            return None

    def close(self) -> None:
        """Take no more."""
        self._transport.close()


def is_too_long(data: bytes, limit: int) -> Frame:
    """The frame of a datagram."""
    if len(data) <= limit:
        return Frame(data)
    return Frame(data[:limit], Invalid("syslog.too_long", size_bytes=len(data), limit=limit))
