"""The connection of an admin client: dialling, blocking calls off the loop, errors in our words.

What librdkafka can ask goes through it, on a thread of ours; the rest goes through `Wire`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, Self

from summit.base.errors import Closed, Conflict, Invalid, Unavailable
from summit.client import librdkafka
from summit.client.addresses import resolve_addresses
from summit.client.faults import translate
from summit.client.settings import AdminConfig
from summit.client.threads import CallThread
from summit.client.wire import Wire
from summit.protocol import codes
from summit.protocol.metadata import (
    METADATA,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponseTopic,
)

UNKNOWN: Final = (codes.UNKNOWN_TOPIC_OR_PARTITION, codes.UNKNOWN_TOPIC_ID)
_SETTLE_PAUSE_S: Final = 0.02


class Connection:
    """What every noun of the admin client calls through; one loop's, from `connect` to `close`.

    Args:
        config: An `AdminConfig`, or a mapping with its names.
    """

    def __init__(self, config: AdminConfig | Mapping[str, Any]) -> None:
        self.config = config if isinstance(config, AdminConfig) else AdminConfig.from_dict(config)
        self.addresses: list[str] = []
        self._library: Any = None
        self._handle: Any = None
        self._calls: CallThread | None = None
        self._wire: Wire | None = None
        self._closed = False

    async def connect(self, brokers: Any = None) -> None:
        """Dial the brokers and see that one answers; arguments and errors as elsewhere."""
        if self._closed:
            raise Closed("client.closed", what="admin")
        if self._calls is not None:
            raise Conflict("client.connected", what="admin")
        addresses = resolve_addresses(brokers, self.config.servers)
        config = self.config
        wire = Wire(addresses, config.client_id, config.request_timeout_ms, config.known_as)
        self._calls = CallThread("summit-admin")
        try:
            if config.known_as.security_protocol != "PLAINTEXT":
                await wire.metadata([])  # says why a client is not let in; librdkafka waits on
            await self._calls.run(partial(self._dial, addresses))
        except BaseException:
            self._calls.close()
            self._calls = None
            await wire.close()
            raise
        self._wire = wire
        self.addresses = addresses

    def _dial(self, addresses: list[str]) -> None:
        self._library = librdkafka.load_admin()
        failures = librdkafka.load().KafkaException
        try:
            handle = self._library.AdminClient(librdkafka.admin_settings(self.config, addresses))
            handle.list_topics(timeout=self.config.connect_timeout_ms / 1000)
        except failures as error:
            raise translate(error, brokers=", ".join(addresses)) from error
        self._handle = handle

    async def close(self) -> None:
        """Let go of the cluster. Idempotent."""
        self._closed = True
        if self._wire is not None:
            await self._wire.close()
        if self._calls is not None:
            calls, self._calls = self._calls, None
            await calls.run(self._drop)
            calls.close()

    def _drop(self) -> None:
        self._handle = None  # on our thread: ending librdkafka may block

    async def __aenter__(self) -> Self:
        if self._calls is None:
            await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- for the nouns ----

    @property
    def _timeout_s(self) -> float:
        return self.config.request_timeout_ms / 1000

    def _require(self) -> Any:
        if self._closed:
            raise Closed("client.closed", what="admin")
        if self._handle is None:
            raise Invalid("client.not_connected", what="admin")
        return self._handle

    async def _call(self, fn: Any, **details: Any) -> Any:
        """Run a blocking call on our thread, with its errors in our words."""
        self._require()
        assert self._calls is not None
        library = librdkafka.load()
        try:
            return await self._calls.run(fn)
        except library.KafkaException as error:
            raise translate(error, brokers=", ".join(self.addresses), **details) from error
        except (ValueError, TypeError) as error:
            raise Invalid("client.refused", reason=str(error)) from error

    async def _answer(self, fn: Any, **details: Any) -> Any:
        """Run a call that gives a future, and wait for that."""
        return await self._answered(await self._call(fn, **details), **details)

    async def _answered(self, future: Future[Any], **details: Any) -> Any:
        library = librdkafka.load()
        try:
            return await asyncio.wrap_future(future)
        except library.KafkaException as error:
            raise translate(error, brokers=", ".join(self.addresses), **details) from error

    async def _settle(self, holds: Callable[[int], Awaitable[bool]]) -> None:
        """Wait until a change has reached every broker that lives.

        The controller of a cluster answers before its brokers have heard of it. A broker that
        does not answer is not waited for, and nobody longer than the time of one request.

        Args:
            holds: Whether the broker of this id knows of the change.
        """
        wire = self._asking()
        try:
            nodes = [broker.node_id for broker in (await wire.metadata([])).brokers]
            async with asyncio.timeout(self._timeout_s):
                for node in nodes:
                    while not await holds(node):
                        await asyncio.sleep(_SETTLE_PAUSE_S)
        except (TimeoutError, Unavailable):
            return

    async def _known_at(self, node: int, topic: str) -> MetadataResponseTopic:
        """A topic as one broker knows it."""
        request = MetadataRequest(
            topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False
        )
        answer = await self._asking().ask(METADATA, request, node=node)
        return answer.topics[0]

    def _asking(self) -> Wire:
        """Our own way to the brokers."""
        self._require()
        assert self._wire is not None
        return self._wire


def look_pauses_s(total_s: float) -> Iterator[float]:
    """Pauses between looks at something that is about to be true: short ones first."""
    pause_s, spent_s = 0.01, 0.0
    while spent_s < total_s:
        yield pause_s
        spent_s += pause_s
        pause_s = min(2 * pause_s, 0.25)
