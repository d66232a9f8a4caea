"""`HttpClient`: requests to one service that may have several addresses.

An attempt that is not answered, or is answered with a status that says "later", goes to the next
address at once; after all of them there is a pause, then the next round. So only requests that
may arrive twice are for it. Redirects are not followed: whoever is configured is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from summit.base.errors import Closed, Corrupt, Invalid, Unavailable
from summit.base.limits import HTTP_CONNECTIONS_MAX
from summit.base.rand import Rand
from summit.base.tracing import TRACEPARENT, traceparent
from summit.http_out.guard import IS_INTERNAL, guarded_socket, inner_socket
from summit.http_out.settings import HttpConfig

_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_BACKOFF_MAX_MS: Final = 5_000


class Answer(NamedTuple):
    """What a service answered: any status that does not say "later"."""

    status: int
    body: bytes


class HttpClient:
    """Talks to one service; one loop's. Connections are kept and shared by its requests.

    Args:
        what: The service, as errors name it: "the schema registry".
        extra: The extra whose installation brings the HTTP library.
        rand: Spreads the pauses.
    """

    def __init__(
        self, config: HttpConfig, *, what: str, extra: str, rand: Rand | None = None
    ) -> None:
        self._config = config
        self._addresses = config.addresses
        self._what = what
        self._extra = extra
        self._rand = rand or Rand()
        self._session: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at = 0  # the address that answered last
        self._closed = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask; returns the answer of the first address that has one.

        Args:
            path: Behind the base address, with its slash in front, quoted; may have a query.
            headers: Beside those that are always there.

        Raises: Unavailable("http.unavailable") when all rounds are used up;
            Corrupt("http.too_large"); Closed; Invalid("http.internal"), ("extra.missing").
        """
        session = self._opened()
        sent = dict(headers or {})
        if body is not None and content_type:
            sent["Content-Type"] = content_type
        if (context := traceparent()) is not None:
            sent.setdefault(TRACEPARENT, context)
        pause_ms = self._config.retry_backoff_ms
        reason = ""
        for round_ in range(self._config.retries + 1):
            if round_:
                await asyncio.sleep(pause_ms * (0.5 + self._rand.random() / 2) / 1000)
                pause_ms = min(2 * pause_ms, _BACKOFF_MAX_MS)
            for _ in self._addresses:
                address = self._addresses[self._at]
                answer = await self._attempt(session, method, address + path, body, sent)
                if isinstance(answer, Answer):
                    return answer
                reason = f"{address}: {answer}"
                self._at = (self._at + 1) % len(self._addresses)
        raise Unavailable("http.unavailable", what=self._what, reason=reason)

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _attempt(
        self, session: Any, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer | str:
        """The answer, or why there is none now."""
        aiohttp = _load(self._what, self._extra)
        try:
            async with session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                status: int = response.status
                if status in _LATER:
                    return f"status {status} {await self._start_of(response)}".rstrip()
                return Answer(status, await self._read(response))
        except TimeoutError:
            return f"no answer within {self._config.request_timeout_ms} ms"
        except aiohttp.InvalidURL as error:  # a secret may be in it
            raise Invalid("config.invalid", reason="the address is none", pointer="/url") from error
        except aiohttp.ClientResponseError as error:  # whose text has the whole address
            return f"no answer that is HTTP: {error.message}"
        except (aiohttp.ClientError, OSError) as error:
            if IS_INTERNAL in str(error):
                raise Invalid("http.internal", what=self._what, reason=str(error)) from error
            return str(error) or type(error).__name__

    async def _read(self, response: Any) -> bytes:
        limit = self._config.response_bytes_max
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise Corrupt("http.too_large", what=self._what, limit_bytes=limit)
        return bytes(body)

    async def _start_of(self, response: Any) -> str:
        text: bytes = await response.content.read(500)
        return text.decode("utf-8", "replace")

    def _opened(self) -> Any:
        if self._closed:
            raise Closed("client.closed", what=f"client of {self._what}")
        loop = asyncio.get_running_loop()
        if self._session is None:
            aiohttp = _load(self._what, self._extra)
            config = self._config
            headers = {"Accept": "*/*"}
            if config.authorization is not None:
                headers["Authorization"] = config.authorization
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=HTTP_CONNECTIONS_MAX,
                    ssl=config.tls() or True,
                    socket_factory=(
                        inner_socket if config.allow_internal_addresses else guarded_socket
                    ),
                ),
                timeout=aiohttp.ClientTimeout(
                    total=config.request_timeout_ms / 1000,
                    sock_connect=config.connect_timeout_ms / 1000,
                ),
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            self._loop = loop
        elif loop is not self._loop:
            raise Closed("client.closed", what=f"client of {self._what}, of another event loop,")
        return self._session


def _load(what: str, extra: str) -> Any:
    """The HTTP library, when it is first needed. Raises Invalid("extra.missing")."""
    try:
        import aiohttp
    except ImportError as error:
        raise Invalid("extra.missing", what=what, extra=extra) from error
    return aiohttp
