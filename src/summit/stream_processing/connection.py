"""One connection to one broker: a request out, its answer back.

For the few questions that librdkafka does not ask: batches with their checksums, and how far each
replica is.
"""

from __future__ import annotations

import asyncio
import struct
import time
from typing import Any, Final

from summit.base.errors import Unavailable
from summit.base.limits import BROKER_ANSWER_MS
from summit.client.security import ClientSecurity, log_in
from summit.client.wire import open_streams
from summit.protocol import frames
from summit.protocol.api import Api

_LENGTH: Final = struct.Struct(">i")
_CLIENT_ID: Final = "summit-message-broker"


class BrokerConnection:
    """Dials when it is first asked, and again after a failure; one request at a time."""

    def __init__(self, address: str, security: ClientSecurity | None = None) -> None:
        """Args: address: `host:port`; security: None = as the environment says."""
        self._address = address
        self._security = security or ClientSecurity.of_environment()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()
        self._correlation_id = 0
        self._ends_s = float("inf")

    async def ask(self, api: Api[Any, Any], version: int, request: Any, *, wait_ms: int = 0) -> Any:
        """The answer to one request; of an error inside it nothing is known here.

        Args:
            wait_ms: How long the broker may take its time before it answers.
        Raises: Unavailable("client.no_brokers" | "client.timeout").
        """
        async with self._turn:
            try:
                async with asyncio.timeout((BROKER_ANSWER_MS + wait_ms) / 1000):
                    answer = await self._ask(api, version, request)
            except TimeoutError as error:
                self.close()
                raise Unavailable("client.timeout", reason="no answer came") from error
            except (OSError, EOFError) as error:
                self.close()
                raise Unavailable(
                    "client.no_brokers", brokers=self._address, reason=repr(error)
                ) from error
            except asyncio.CancelledError:
                self.close()  # an answer is still on its way
                raise
        return answer

    def close(self) -> None:
        """End the connection."""
        streams, self._streams = self._streams, None
        if streams is not None:
            # At once: TLS would take its leave, and whoever closes may end the loop before that.
            streams[1].transport.abort()

    async def _ask(self, api: Api[Any, Any], version: int, request: Any) -> Any:
        if time.monotonic() > self._ends_s:
            self.close()
        if self._streams is None:
            self._streams = await open_streams(self._address, self._security)
            self._ends_s = await log_in(self._security.steps(), self._exchange)
        return await self._exchange(api, version, request)

    async def _exchange(self, api: Api[Any, Any], version: int, request: Any) -> Any:
        assert self._streams is not None
        reader, writer = self._streams
        self._correlation_id += 1
        writer.write(
            frames.encode_request_frame(api, version, self._correlation_id, request, _CLIENT_ID)
        )
        await writer.drain()
        (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        frame = await reader.readexactly(size)
        _, position = frames.decode_response_header(api, version, frame)
        answer, _ = api.decode_response(version, frame, position)
        return answer
