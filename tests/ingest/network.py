"""A network between two programs that can be cut, slowed down, and held up with both ends open."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
_PIECE_BYTES = 16 * 1024


class Network:
    """Forwards connections to a port of this machine; an `async with` context.

    Args:
        target: The port behind it.

    Attributes:
        port: Where it is dialled.
        bytes_per_s: What it carries each way; None: all.
        passed: Bytes that it carried so far, both ways together.
        connections: How many were made so far.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._flows: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._is_down = False
        self.bytes_per_s: float | None = None
        self.passed = 0
        self.connections = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._flows):
            task.cancel()
        await asyncio.gather(*self._flows, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._open):
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def down(self) -> None:
        """Cut, and let nobody through until `up`."""
        self._is_down = True
        self.cut()

    def up(self) -> None:
        """Let through again."""
        self._is_down = False

    def freeze(self) -> None:
        """Carry nothing on until `thaw`; connections stay open, and new ones are taken."""
        self._passing.clear()

    def thaw(self) -> None:
        """Carry on; nothing was lost."""
        self._passing.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_down:
            writer.transport.abort()
            return
        self.connections += 1
        self._open.add(writer)
        try:
            await self._passing.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            self._open.discard(writer)
            writer.transport.abort()
            return
        self._open.add(back)
        for one, other in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._flow(one, other))
            self._flows.add(task)
            task.add_done_callback(self._flows.discard)

    async def _flow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_PIECE_BYTES):
                await self._passing.wait()
                if self.bytes_per_s is not None:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
                writer.write(data)
                await writer.drain()
                self.passed += len(data)
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.close()
