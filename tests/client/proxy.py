"""A proxy between clients and brokers that can lose what a test names.

It stands before every broker of a cluster and rewrites the addresses that brokers tell, so that
clients always come through it. `drop_answer` lets a request reach the broker and cuts the
connection instead of handing on the answer; `drop_request` cuts it before the request arrives.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from contextlib import suppress
from typing import Any, Self

from summit.protocol.find_coordinator import FIND_COORDINATOR
from summit.protocol.frames import decode_request_header, encode_response_frame_parts
from summit.protocol.metadata import METADATA

_LENGTH = struct.Struct(">i")


class Proxy:
    """An `async with` context; `address` is what clients dial."""

    def __init__(self, addresses: str) -> None:
        self._addresses = addresses.split(",")
        self._ports: dict[tuple[str, int], int] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._links: set[asyncio.StreamWriter] = set()
        self.drop_answer: Counter[int] = Counter()  # api key -> how many times still
        self.drop_request: Counter[int] = Counter()
        self.seen: Counter[int] = Counter()
        self.address = ""
        self._is_cut = False

    @property
    def is_cut(self) -> bool:
        """Whether no connection is possible; setting it cuts those that are."""
        return self._is_cut

    @is_cut.setter
    def is_cut(self, is_cut: bool) -> None:
        self._is_cut = is_cut
        for link in list(self._links) if is_cut else ():
            link.close()

    async def __aenter__(self) -> Self:
        own = []
        for address in self._addresses:
            host, _, port = address.rpartition(":")
            own.append(f"127.0.0.1:{await self._port_for(host, int(port))}")
        self.address = ",".join(own)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_cut = True
        for server in self._servers:
            server.close()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)

    async def _port_for(self, host: str, port: int) -> int:
        if (host, port) not in self._ports:

            async def serve(reader: Any, writer: Any) -> None:
                task = asyncio.current_task()
                assert task is not None
                self._tasks.add(task)
                try:
                    await self._serve(host, port, reader, writer)
                except asyncio.CancelledError:
                    pass  # the proxy ends
                finally:
                    self._tasks.discard(task)

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            self._servers.append(server)
            self._ports[host, port] = server.sockets[0].getsockname()[1]
        return self._ports[host, port]

    async def _serve(self, host: str, port: int, reader: Any, writer: Any) -> None:
        links = [writer]
        asked: dict[int, tuple[int, int]] = {}
        try:
            if self._is_cut:
                return
            up_reader, up_writer = await asyncio.open_connection(host, port)
            links.append(up_writer)
            self._links |= set(links)
            ways = [
                asyncio.ensure_future(self._requests(reader, up_writer, asked)),
                asyncio.ensure_future(self._answers(up_reader, writer, asked)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass
        finally:
            for link in links:
                self._links.discard(link)
                link.close()
                with suppress(OSError):
                    await link.wait_closed()

    async def _requests(self, reader: Any, writer: Any, asked: dict[int, tuple[int, int]]) -> None:
        with suppress(OSError, EOFError):
            while True:
                head, frame = await _frame(reader)
                header, _ = decode_request_header(frame)
                self.seen[header.api_key] += 1
                if self.drop_request[header.api_key] > 0:
                    self.drop_request[header.api_key] -= 1
                    return
                asked[header.correlation_id] = header.api_key, header.api_version
                writer.write(head + frame)
                await writer.drain()

    async def _answers(self, reader: Any, writer: Any, asked: dict[int, tuple[int, int]]) -> None:
        with suppress(OSError, EOFError):
            while True:
                head, frame = await _frame(reader)
                (correlation_id,) = _LENGTH.unpack_from(frame)
                key, version = asked.pop(correlation_id, (-1, 0))
                if self.drop_answer[key] > 0:
                    self.drop_answer[key] -= 1
                    return
                if key in (METADATA.key, FIND_COORDINATOR.key):
                    writer.writelines(await self._readdressed(key, version, correlation_id, frame))
                else:
                    writer.write(head + frame)
                await writer.drain()

    async def _readdressed(self, key: int, version: int, number: int, frame: bytes) -> list[Any]:
        api: Any = METADATA if key == METADATA.key else FIND_COORDINATOR
        start = _LENGTH.size + api.response_header_version(version)
        answer, _ = api.decode_response(version, frame, start)
        if key == METADATA.key:
            brokers = answer.brokers
        else:
            brokers = [each for each in (answer, *answer.coordinators) if each.host]
        for broker in brokers:
            broker.port = await self._port_for(broker.host, broker.port)
            broker.host = "127.0.0.1"
        return encode_response_frame_parts(api, version, number, answer)


async def _frame(reader: Any) -> tuple[bytes, bytes]:
    head = await reader.readexactly(_LENGTH.size)
    return head, await reader.readexactly(*_LENGTH.unpack(head))
