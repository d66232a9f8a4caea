"""The types of collectors as the battery sees them: how to configure one, and how to send to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from typing import Any

import grpc
import httpx
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from websockets.asyncio.client import connect

from summit.ingest import Collector, make_collector
from summit.ingest.grpc.messages import SERVICE, PublishAck, PublishRequest


class Sender(ABC):
    """One client of a collector."""

    @abstractmethod
    async def send(self, events: list[dict[str, Any]]) -> str:
        """Send events; `ok` when they are acknowledged, else the code of the refusal."""

    @abstractmethod
    async def send_raw(self, data: bytes) -> str:
        """The same with bytes that may be anything."""

    @abstractmethod
    async def close(self) -> None:
        """Hang up."""


class Subject(ABC):
    """A type of collectors.

    Attributes:
        waits: Whether senders wait (True) or are refused (False) where they come too fast.
    """

    type: str
    waits: bool

    def make(self, *, block: dict[str, Any] | None = None, **changes: Any) -> Collector:
        """A collector of this type, on a free port."""
        config = {"name": "one", "type": self.type, "topic": "events", "port": 0, **changes}
        return make_collector({**config, self.type: block or {}})

    @abstractmethod
    async def connect(self, collector: Collector) -> Sender:
        """A client of a running collector."""


class _HttpSender(Sender):
    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(trust_env=False, timeout=60)
        self._url = url

    async def send(self, events: list[dict[str, Any]]) -> str:
        return await self.send_raw(json.dumps(events).encode())

    async def send_raw(self, data: bytes) -> str:
        reply = await self._client.post(self._url, content=data)
        return "ok" if reply.status_code == 200 else str(reply.json()["code"])

    async def close(self) -> None:
        await self._client.aclose()


class Http(Subject):
    type = "http"
    waits = False

    async def connect(self, collector: Collector) -> Sender:
        return _HttpSender(f"http://{collector.address}/ingest")


class _WebSocketSender(Sender):
    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._seq = 0
        self._answers: dict[int, asyncio.Future[str]] = {}
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for text in self._socket:
            answer = json.loads(text)
            seq = answer.get("ack_seq") or answer["seq"]
            self._answers[seq].set_result("ok" if "ack_seq" in answer else answer["code"])

    async def send(self, events: list[dict[str, Any]]) -> str:
        return await self.send_raw(json.dumps(events).encode())

    async def send_raw(self, data: bytes) -> str:
        self._seq += 1
        self._answers[self._seq] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send(data.decode())
        return await answer

    async def close(self) -> None:
        self._task.cancel()
        await self._socket.close()


class WebSocket(Subject):
    type = "websocket"
    waits = True

    async def connect(self, collector: Collector) -> Sender:
        return _WebSocketSender(await connect(f"ws://{collector.address}/", proxy=None))


class _GrpcSender(Sender):
    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._publish = self._channel.unary_unary(f"/{SERVICE}/Publish")

    async def send(self, events: list[dict[str, Any]]) -> str:
        return await self.send_raw(json.dumps(events).encode())

    async def send_raw(self, data: bytes) -> str:
        try:
            await self._publish(PublishRequest(json=data).SerializeToString())
        except grpc.aio.AioRpcError as error:
            return reason_of(error)
        return "ok"

    async def close(self) -> None:
        await self._channel.close()


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The code of the refusal, as the error model of gRPC has it."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    info = ErrorInfo()
    assert details is not None, error
    assert Status.FromString(details).details[0].Unpack(info)
    return info.reason


class Grpc(Subject):
    type = "grpc"
    waits = False

    async def connect(self, collector: Collector) -> Sender:
        return _GrpcSender(str(collector.address))


class _GrpcStreamSender(Sender):
    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._call = self._channel.stream_stream(f"/{SERVICE}/PublishStream")()
        self._answers: dict[str, asyncio.Future[str]] = {}
        self._count = 0
        self._turn = asyncio.Lock()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for data in self._call:
                ack = PublishAck.FromString(data)
                self._answers.pop(ack.id).set_result(ack.refusal.code or "ok")

    async def send(self, events: list[dict[str, Any]]) -> str:
        return await self.send_raw(json.dumps(events).encode())

    async def send_raw(self, data: bytes) -> str:
        self._count += 1
        id_ = str(self._count)
        self._answers[id_] = answer = asyncio.get_running_loop().create_future()
        async with self._turn:  # the library takes one write at a time
            await self._call.write(PublishRequest(id=id_, json=data).SerializeToString())
        return await answer

    async def close(self) -> None:
        self._call.cancel()
        await asyncio.wait((self._task,))
        await self._channel.close()


class GrpcStream(Subject):
    type = "grpc"
    waits = True

    async def connect(self, collector: Collector) -> Sender:
        return _GrpcStreamSender(str(collector.address))


SUBJECTS: tuple[Subject, ...] = (Http(), WebSocket(), Grpc(), GrpcStream())
