"""`BlockingLink`: a connection to one broker for a thread of its own, several requests at a time.

For `direct.py`, which sends what belongs together at once and reads the answers afterwards. A
broker answers one connection in the order of its requests. Any error ends the connection.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from summit.base.errors import Invalid
from summit.client.security import ClientSecurity, log_in_blocking
from summit.protocol import frames
from summit.protocol.api import Api
from summit.protocol.api_versions import API_VERSIONS, ApiVersionsRequest
from summit.protocol.message import Message

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

_LENGTH: Final = struct.Struct(">i")
_FEATURES_FROM: Final = 3  # version of ApiVersions


class BlockingLink:
    """See the module.

    Args:
        place: `host:port`.
        timeout_s: For each answer.
        security: How the client makes itself known.
        connect_timeout_s: For connecting and the first answer: who does not give that soon is away.
    Raises: OSError; Invalid("client.not_authenticated" | "security.certificate").
    """

    def __init__(
        self,
        place: str,
        client_id: str,
        timeout_s: float,
        security: ClientSecurity,
        connect_timeout_s: float = 2.0,
    ) -> None:
        host, _, port = place.rpartition(":")
        self._client_id = client_id
        self._timeout_s = timeout_s
        self._correlation_id = self._answered = 0
        first_s = min(connect_timeout_s, timeout_s)
        self._socket = socket.create_connection((host.strip("[]"), int(port)), first_s)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = security.tls_context()
            if tls is not None:
                self._socket = tls.wrap_socket(self._socket, server_hostname=host.strip("[]"))
            self._ends_s = log_in_blocking(security.steps(), self._exchange)
            request = ApiVersionsRequest(client_software_name="summit", client_software_version="1")
            self.send(API_VERSIONS, _FEATURES_FROM, request)
            answer = self.receive(API_VERSIONS, _FEATURES_FROM)
            self._socket.settimeout(timeout_s)
        except BaseException:
            self.close()
            raise
        self._last = {each.api_key: each.max_version for each in answer.api_keys}
        self.features: Mapping[str, int] = {
            each.name: each.max_version_level for each in answer.finalized_features
        }

    def newest(self, api: Api[Any, Any], newest: int) -> int:
        """The version to speak, at most `newest`; -1 where the broker has none of this API."""
        return min(self._last.get(api.key, -1), api.versions.last, newest)

    @property
    def is_alive(self) -> bool:
        """Whether the broker has not ended the connection while nothing was asked of it.

        One that is asked for an answer to nothing, or whose session ends, is not alive either.
        """
        if time.monotonic() > self._ends_s:
            return False
        self._socket.setblocking(False)
        try:
            # TLS has messages of its own, and no way to look without taking.
            flags = 0 if isinstance(self._socket, ssl.SSLSocket) else socket.MSG_PEEK
            self._socket.recv(1, flags)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        finally:
            self._socket.settimeout(self._timeout_s)
        return False  # its end, or an answer that nobody has asked for

    def send(self, api: Api[Q, Any], version: int, request: Q) -> None:
        """Send one request; `receive` its answer in the order of the requests. Raises OSError."""
        self._correlation_id += 1
        frame = frames.encode_request_frame(
            api, version, self._correlation_id, request, self._client_id
        )
        self._socket.sendall(frame)

    def receive(self, api: Api[Any, R], version: int) -> R:
        """The next answer. Raises OSError; EOFError where the broker has ended the connection."""
        (size,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        frame = self._exactly(size)
        correlation_id, position = frames.decode_response_header(api, version, frame)
        self._answered += 1
        if correlation_id != self._answered:
            raise EOFError(f"answer {correlation_id} instead of {self._answered}")
        answer, _ = api.decode_response(version, frame, position)
        return answer

    def ask(self, api: Api[Q, R], newest: int, request: Q) -> R:
        """One request and its answer. Raises: as `send`, `receive`; Invalid."""
        version = self.newest(api, newest)
        if version < api.versions.first:
            raise Invalid("client.unsupported", reason=f"a broker does not serve {api.name}")
        return self._exchange(api, version, request)

    def close(self) -> None:
        """End the connection. Idempotent."""
        self._socket.close()

    def _exchange(self, api: Api[Q, R], version: int, request: Q) -> R:
        self.send(api, version, request)
        return self.receive(api, version)

    def _exactly(self, size: int) -> bytes:
        flags = 0 if isinstance(self._socket, ssl.SSLSocket) else socket.MSG_WAITALL
        found = self._socket.recv(size, flags)
        if size and not found:
            raise EOFError("the broker has ended the connection")
        while len(found) < size:
            more = self._socket.recv(size - len(found))
            if not more:
                raise EOFError("the broker has ended the connection")
            found += more
        return found
