"""The ground of `Admin`: a connection to a cluster, its calls and their errors.

What confluent-kafka's admin client does on its own threads comes back as futures, what blocks runs
on a thread of ours. What a broker cannot do is `Invalid("client.unsupported")`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, Self

from summit.base.errors import Closed, Conflict, Invalid
from summit.base.limits import TOPIC_HEARD_OF_MS
from summit.client import librdkafka
from summit.client.addresses import resolve_addresses
from summit.client.faults import translate
from summit.client.settings import AdminConfig
from summit.client.threads import CallThread


class AdminCalls:
    """One connection; one loop's, from `connect` to `close`. Also `async with`.

    Args:
        config: An `AdminConfig`, or a mapping with its names.
    """

    def __init__(self, config: AdminConfig | Mapping[str, Any]) -> None:
        self.config = config if isinstance(config, AdminConfig) else AdminConfig.from_dict(config)
        self.addresses: list[str] = []
        self._library: Any = None
        self._handle: Any = None
        self._calls: CallThread | None = None
        self._closed = False
        self._fresh: dict[str, tuple[float, int]] = {}  # until when, and partitions; see `_made`

    async def connect(self, brokers: Any = None) -> None:
        """Dial the brokers and see that one answers; arguments and errors as elsewhere."""
        if self._closed:
            raise Closed("client.closed", what="admin")
        if self._calls is not None:
            raise Conflict("client.connected", what="admin")
        addresses = resolve_addresses(brokers, self.config.servers)
        self._calls = CallThread("summit-admin")
        try:
            await self._calls.run(partial(self._dial, addresses))
        except BaseException:
            self._calls.close()
            self._calls = None
            raise
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

    # ---- small parts ----

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
        for pause_s in look_pauses_s(TOPIC_HEARD_OF_MS / 1000):
            try:
                return await self._answered(await self._call(fn, **details), **details)
            except Invalid as error:
                if error.code != "topic.unknown" or not self._is_fresh(details.get("topic", "")):
                    raise
            await asyncio.sleep(pause_s)
        return await self._answered(await self._call(fn, **details), **details)

    # The brokers of a cluster hear of a change one after the other. Of a topic that was made or
    # grown here just now, "unknown" or fewer partitions is no answer yet: it is asked for again.

    def _made(self, topic: str, partitions: int) -> None:
        now_s = asyncio.get_running_loop().time()
        self._fresh = {name: known for name, known in self._fresh.items() if known[0] > now_s}
        self._fresh[topic] = (now_s + TOPIC_HEARD_OF_MS / 1000, partitions)

    def _is_fresh(self, topic: str, partitions: int = 0) -> bool:
        """Whether there must be more of a topic than so many partitions."""
        until_s, known = self._fresh.get(topic, (0.0, 0))
        return partitions < known and asyncio.get_running_loop().time() < until_s

    async def _answered(self, future: Future[Any], **details: Any) -> Any:
        library = librdkafka.load()
        try:
            return await asyncio.wrap_future(future)
        except library.KafkaException as error:
            raise translate(error, brokers=", ".join(self.addresses), **details) from error


def look_pauses_s(total_s: float) -> Iterator[float]:
    """Pauses between looks at something that is about to be true: short ones first."""
    pause_s, spent_s = 0.01, 0.0
    while spent_s < total_s:
        yield pause_s
        spent_s += pause_s
        pause_s = min(2 * pause_s, 0.25)
