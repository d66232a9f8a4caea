"""One request on its way through the broker, and the place of its answer in its connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from summit.protocol import frames
from summit.protocol.api import Api
from summit.protocol.message import Message
from summit.protocol.primitives import Buffer

if TYPE_CHECKING:
    from summit.broker.connection import Connection


class Request:
    """A request whose answer may come later.

    The answers of a connection leave in the order of its requests, whatever the order in which
    they become ready. Loop thread only.

    Attributes:
        response: The encoded answer once there is one, whole or in pieces.
        cancel: Called if the connection ends before the answer; for what waits in a list.
    """

    __slots__ = (
        "api",
        "cancel",
        "client_id",
        "connection",
        "correlation_id",
        "response",
        "version",
    )

    def __init__(
        self,
        connection: Connection,
        api: Api[Any, Any],
        version: int,
        correlation_id: int,
        client_id: str | None,
    ) -> None:
        self.connection = connection
        self.api = api
        self.version = version
        self.correlation_id = correlation_id
        self.client_id = client_id
        self.response: Buffer | list[Buffer] | None = None
        self.cancel: Callable[[], None] | None = None

    def reply(self, message: Message) -> None:
        """Encode `message` and send it as soon as every earlier answer has gone out."""
        self.respond(
            frames.encode_response_frame(self.api, self.version, self.correlation_id, message)
        )

    def respond(self, frame: Buffer) -> None:
        """Send a whole answer frame, length prefix included, in its turn."""
        self.response = frame
        self.connection.answered(self, len(frame))

    def respond_parts(self, parts: list[Buffer]) -> None:
        """The same for a frame in pieces, which are not copied."""
        self.response = parts
        self.connection.answered(self, sum(map(len, parts)))
