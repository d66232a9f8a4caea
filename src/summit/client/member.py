"""`GroupMember`: a member of a group that may finish its work before a partition is given away.

For workers, whose state belongs to partitions: unlike `StreamConsumer`'s events, its `Owner` is
waited for. Cooperative: what stays with a member goes on while other partitions move.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from summit.base.errors import Closed, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.client import librdkafka
from summit.client.faults import translate
from summit.client.settings import ConsumerConfig
from summit.client.threads import CallThread
from summit.client.types import NO_HEADERS, ConsumerRecord, Headers, TopicPartition

_FETCH_RECORDS: Final = 500
_FETCH_S: Final = 0.05
_WAITING_MAX: Final = 5_000  # records that were read and not taken, before reading rests
_REST_S: Final = 0.005


class Owner(Protocol):
    """What a member tells, on the loop; the group waits for the answers."""

    async def assigned(self, partitions: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        """These are this member's from now on; gives where each is to be read from."""

    async def revoked(self, partitions: list[TopicPartition]) -> None:
        """These go to others when this returns: finish them and commit."""

    async def lost(self, partitions: list[TopicPartition]) -> None:
        """These belong to others already: nothing of them may be committed."""


class GroupMember:
    """One member; one loop's, from `join` to `leave`.

    Args:
        config: The group, its times, and the brokers.
        instance_id: A static member's name: it comes back to its partitions without a rebalance.
    """

    def __init__(self, config: ConsumerConfig, instance_id: str | None = None) -> None:
        self._config = config
        self._instance_id = instance_id
        self._calls = CallThread("summit-member")
        self._tasks = Tasks()
        self._handle: Any = None
        self._library: Any = None
        self._owner: Owner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[ConsumerRecord] = deque()
        self._ends: dict[TopicPartition, int] = {}
        self._arrived: Callable[[], None] = lambda: None
        self._failure: SummitError | None = None
        self._leaving = threading.Event()
        self._lock = threading.Lock()
        self._rereads: dict[TopicPartition, int] = {}
        self._rereading = 0
        self._metadata: Any = None
        self._member_id = ""

    async def join(self, topic: str, owner: Owner, arrived: Callable[[], None]) -> None:
        """Join the group for the partitions of a topic.

        Args:
            arrived: Called on the loop when records wait for `take`.
        Raises: Unavailable where no broker answers.
        """
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._arrived = arrived
        await self._calls.run(partial(self._dial, topic))
        self._tasks.spawn(self._read(), "member.read")

    async def leave(self) -> None:
        """Give back the partitions, after the owner's `revoked`, and leave. Idempotent."""
        if self._leaving.is_set() or self._handle is None:
            self._calls.close()
            return
        self._leaving.set()
        await self._tasks.cancel_all()
        await self._calls.run(self._handle.close)
        self._calls.close()

    def take(self) -> tuple[list[ConsumerRecord], dict[TopicPartition, int]]:
        """The records that were read and not taken yet; and partitions read to an end, and it.

        Everything before such an end is among the records, these or those taken before.
        """
        taken, ends = list(self._waiting), self._ends
        self._waiting.clear()
        self._ends = {}
        return taken, ends

    def check(self) -> None:
        """Raises what has ended the membership for good: Closed("client.fenced"); Unavailable."""
        if self._failure is not None:
            raise self._failure

    def reread(self, positions: Mapping[TopicPartition, int]) -> None:
        """Go on reading all partitions that are held from these offsets.

        What was read and not taken is dropped; takes effect when the group waits for nobody.
        """
        with self._lock:
            self._rereads = dict(positions)
            self._rereading += 1
        self._waiting.clear()
        self._ends.clear()

    @property
    def metadata(self) -> Any:
        """What proves the membership to the coordinator, as of the last look; for `Transactor`."""
        return self._metadata

    @property
    def member_id(self) -> str:
        """What the group calls this member, as of the last look; empty before the first."""
        return self._member_id

    # ---- on the member's thread ----

    def _dial(self, topic: str) -> None:
        self._library = librdkafka.load()
        servers = self._config.servers
        settings = librdkafka.consumer_settings(self._config, servers, _everyday)
        settings["partition.assignment.strategy"] = "cooperative-sticky"
        settings["enable.partition.eof"] = True
        if self._instance_id is not None:
            settings["group.instance.id"] = self._instance_id
        try:
            self._handle = self._library.Consumer(settings)
            self._handle.list_topics(topic, timeout=self._config.connect_timeout_ms / 1000)
            self._handle.subscribe(
                [topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
        except self._library.KafkaException as error:
            raise translate(error, brokers=", ".join(servers)) from error

    def _fetch(self) -> tuple[list[ConsumerRecord], dict[TopicPartition, int]]:
        records: list[ConsumerRecord] = []
        ends: dict[TopicPartition, int] = {}
        with self._lock:
            rereads, self._rereads = self._rereads, {}
        if rereads:
            self._reread(rereads)
        for message in self._handle.consume(_FETCH_RECORDS, _FETCH_S):
            error = message.error()
            if error is not None and error.name() == "_PARTITION_EOF":
                ends[TopicPartition(message.topic(), message.partition())] = message.offset()
                continue
            if error is not None:
                fault = translate(error, group=self._config.group_id)
                if error.name() == "_FATAL":  # another member has taken this one's name
                    raise Closed("client.fenced", what="member", reason=str(error))
                get_logger(__name__).warning("member.fault", code=fault.code, error=str(fault))
                continue
            headers = message.headers()
            records.append(
                ConsumerRecord(
                    message.topic(), message.partition(), message.offset(),
                    message.timestamp()[1], message.key(), message.value(),
                    Headers(headers) if headers else NO_HEADERS,
                )
            )  # fmt: skip
        self._look()
        return records, ends

    def _look(self) -> None:
        self._metadata = self._handle.consumer_group_metadata()
        self._member_id = self._handle.memberid() or ""

    def _reread(self, positions: dict[TopicPartition, int]) -> None:
        held = {TopicPartition(part.topic, part.partition) for part in self._handle.assignment()}
        parts = self._parts({key: at for key, at in positions.items() if key in held})
        self._handle.incremental_unassign(parts)
        self._handle.incremental_assign(parts)

    def _assigned(self, handle: Any, parts: list[Any]) -> None:
        # Like the two below called inside `consume` and `close`, on the member's thread.
        keys = _keys(parts)
        owner = self._owner
        assert owner is not None
        self._look()
        positions = self._ask(lambda: owner.assigned(keys))
        handle.incremental_assign(self._parts(positions or {}))

    def _revoked(self, handle: Any, parts: list[Any]) -> None:
        owner, keys = self._owner, _keys(parts)
        assert owner is not None
        self._look()
        self._ask(lambda: owner.revoked(keys))
        self._forget(handle, parts)

    def _lost(self, handle: Any, parts: list[Any]) -> None:
        owner, keys = self._owner, _keys(parts)
        assert owner is not None
        self._ask(lambda: owner.lost(keys))
        self._forget(handle, parts)

    def _forget(self, handle: Any, parts: list[Any]) -> None:
        keys = set(_keys(parts))
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._drop, keys)
        handle.incremental_unassign(parts)

    def _ask(self, make: Callable[[], Awaitable[Any]]) -> Any:
        """The loop's answer; waited for, because the group waits for this thread."""

        async def act() -> Any:
            return await make()

        assert self._loop is not None
        try:
            return asyncio.run_coroutine_threadsafe(act(), self._loop).result()
        except SummitError as error:
            get_logger(__name__).warning("member.owner_failed", code=error.code, error=str(error))
            return None

    def _parts(self, offsets: Mapping[TopicPartition, int]) -> list[Any]:
        return [
            self._library.TopicPartition(key.topic, key.partition, offset)
            for key, offset in offsets.items()
        ]

    # ---- on the loop ----

    async def _read(self) -> None:
        while not self._leaving.is_set():
            if len(self._waiting) >= _WAITING_MAX:
                await asyncio.sleep(_REST_S)
                continue
            reading = self._rereading
            try:
                records, ends = await self._calls.run(self._fetch)
            except (RuntimeError, SummitError, self._library.KafkaException) as error:
                reason = str(error)
                self._failure = (
                    error if isinstance(error, SummitError)
                    else Unavailable("client.broker_fault", reason=reason)
                )  # fmt: skip
                self._arrived()
                return
            if reading != self._rereading:
                continue  # read from where it was before
            self._waiting.extend(records)
            self._ends.update(ends)
            if records or ends:
                self._arrived()

    def _drop(self, keys: set[TopicPartition]) -> None:
        self._waiting = deque(r for r in self._waiting if (r.topic, r.partition) not in keys)
        for key in keys:
            self._ends.pop(key, None)


def _keys(parts: list[Any]) -> list[TopicPartition]:
    return [TopicPartition(part.topic, part.partition) for part in parts]


def _everyday(error: Any) -> None:
    get_logger(__name__).debug("librdkafka", text=str(error))
