"""What is attacked: a broker in a simulated world, so that nothing of it is left to chance or time.

Hostile bytes go straight into a `Connection`, as an event loop would hand them over. Another client
writes and reads all the while: what it was acknowledged must stay readable, and it must be served.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from typing import Any, cast

from tests.broker.wire import batch_of, fetch_request, produce_request, records_of
from tests.hostile.plausible import GROUPS, TOPICS, TRANSACTIONAL_IDS, Known
from tests.sim.actors.client import Client, Lost
from tests.sim.world.loop import SimLoop
from tests.sim.world.machine import Machine
from tests.sim.world.network import ADDRESS, PORT, Network, Weather
from tests.sim.world.scheduler import Violation, World
from tests.sim.world.threads import simulated_locks

from summit.broker import BrokerSettings
from summit.broker.connection import Connection
from summit.protocol import codes
from summit.protocol.create_topics import (
    CREATE_TOPICS,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from summit.protocol.fetch import FETCH
from summit.protocol.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from summit.protocol.join_group import (
    JOIN_GROUP,
    JoinGroupRequest,
    JoinGroupRequestProtocol,
)
from summit.protocol.produce import PRODUCE

OWN = "kept-by-a-friend"
_RESTORE_EVERY = 20
_TURNS_US = 3_000  # simulated time that an attack is given before the next

_CONFIGS: dict[str, dict[str, str]] = {
    "open": {},
    "table": {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"},
    "zipped": {"compression.type": "zstd"},
    "stamped": {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "100000"},
    OWN: {"retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": "1048588"},
}


class Wall(asyncio.Transport):
    """The transport of an attack: takes what is answered, and counts it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.is_closed = False
        self.is_paused = False

    def write(self, data: Any) -> None:
        self.sent += data

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.sent += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("10.0.0.66", 1), "sockname": (ADDRESS, PORT)}.get(name, default)


class Target:
    """A broker under attack."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.network = Network(self.world, Weather(split_share=0.0))
        settings = BrokerSettings(
            host=ADDRESS, insecure=True, data_dir="/data", durability="os", num_partitions=2,
            wal_file_bytes=64 << 10, log_segment_bytes=64 << 10, group_min_session_timeout_ms=100,
            default_replication_factor=1, transaction_max_timeout_ms=60_000,
            log_cleaner_backoff_ms=500, log_retention_check_interval_ms=500,
        )  # fmt: skip
        self.machine = Machine(self.world, self.network, settings)
        self.known = Known()
        self.kept: list[bytes] = []
        self._loop = SimLoop(self.world, "friend", on_error=self._on_error)
        self._client = Client(self.world, self._loop, self.network, "friend")
        self._errors: list[str] = []
        self._count = 0

    def _on_error(self, context: dict[str, Any]) -> None:
        self._errors.append(str(context))

    def start(self) -> None:
        """Boot and make the topics."""
        self.machine.boot()
        self._expect(lambda: self.machine.broker is not None, "starting")
        assert self.machine.broker is not None
        assert self.machine.broker._state is not None
        self.state = self.machine.broker._state
        self.restore()

    def stop(self) -> None:
        """Stop cleanly; that too must work."""
        self.machine.stop()
        self._expect(lambda: not self.machine.is_up, "stopping")
        self._loop.die()

    # ---- the attack ----

    def attack(self, data: bytes, chance: random.Random) -> Wall:
        """Hand bytes to the broker as one connection's, let it work, and end the connection."""
        wall = Wall()
        loop = self.machine._loop
        assert loop is not None
        assert self.machine.broker is not None
        connection = Connection(
            self.machine.broker, self.machine.broker.settings.all_listeners()[0]
        )
        cut = chance.randrange(len(data) + 1) if chance.random() < 0.2 else len(data)

        def begin() -> None:
            connection.connection_made(wall)
            _feed(connection, wall, data[:cut])

        def go_on() -> None:
            _feed(connection, wall, data[cut:])

        def end() -> None:
            wall.is_closed = True
            connection.connection_lost(None)

        loop.call_soon(begin)
        self._pass(_TURNS_US if cut < len(data) else 0)
        loop.call_soon(go_on)
        self._pass(_TURNS_US)
        loop.call_soon(end)
        self._pass(200)
        self._look()
        return wall

    def _look(self) -> None:
        """What hostile clients learn from the answers they got, in short."""
        self._count += 1
        if self.machine.uncaught:
            raise Violation(self.machine.uncaught[0])
        if self.machine.broker is None or self.machine.failure is not None:
            raise Violation(f"the broker has ended: {self.machine.failure}")
        if self._count % _RESTORE_EVERY == 0:
            self.restore()

    # ---- the others ----

    def restore(self) -> None:
        """Make anew what attackers took away; learn what there is to name in attacks."""
        self._do(self._restore())
        state, known = self.state, self.known
        known.topic_ids = [topic.topic_id for topic in state.topics if topic.name in TOPICS]
        groups = [state.coordinator.group(name) for name in GROUPS]
        known.member_ids = [m for group in groups if group is not None for m in group.members][:20]
        known.generations = [group.generation for group in groups if group is not None]
        transactions = [state.transactions.get(name) for name in TRANSACTIONAL_IDS]
        known.producer_ids = [each.producer_id for each in transactions if each is not None]
        known.epochs = [each.epoch for each in transactions if each is not None]
        known.session_ids = list(state.fetch_sessions._sessions)[:5]

    async def _restore(self) -> None:
        await self._make_topics()
        for group_id in GROUPS:
            protocol = JoinGroupRequestProtocol(name="range", metadata=b"")
            request = JoinGroupRequest(
                group_id=group_id, session_timeout_ms=60_000, member_id="",
                protocol_type="consumer", protocols=[protocol],
            )  # fmt: skip
            with contextlib.suppress(Lost):  # while others are in, it waits for them
                await self._client.ask(JOIN_GROUP, 0, request, timeout_s=0.01)
        for name in TRANSACTIONAL_IDS:
            init = InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=30_000)
            await self._client.ask(INIT_PRODUCER_ID, 2, init)

    def check_friend(self) -> None:
        """Another client is served, and has lost nothing."""
        self._do(self._friend())

    def fill(self, topic: str) -> None:
        """Write a segment's worth of records where attackers read."""
        records = batch_of(*[b"x" * 1_000] * 20)
        for _ in range(3):
            self._do(self._client.ask(PRODUCE, 9, produce_request(topic, records)))

    async def _friend(self) -> None:
        value = b"%d" % len(self.kept)
        answer = await self._client.ask(PRODUCE, 9, produce_request(OWN, batch_of(value)))
        part = answer.topics[0].partitions[0]
        if part.error_code != codes.NONE or part.base_offset != len(self.kept):
            raise Violation(f"a friend's batch was answered {part}")
        self.kept.append(value)
        found: list[bytes] = []
        while len(found) < len(self.kept):
            request = fetch_request([(OWN, 0, len(found))])
            answer = await self._client.ask(FETCH, 12, request)
            part = answer.topics[0].partitions[0]
            if part.error_code != codes.NONE:
                raise Violation(f"a friend's fetch was answered {part.error_code}")
            records = records_of(part.records)
            found += [r.value or b"" for r in records if r.offset >= len(found)]
        if found != self.kept:
            raise Violation("what a friend has written is not what is read")

    async def _make_topics(self) -> None:
        there = {topic.name for topic in self.state.topics}
        topics = [
            CreatableTopic(
                name=name,
                num_partitions=1 if name == OWN else 2,
                replication_factor=1,
                configs=[CreatableTopicConfig(name=key, value=of[key]) for key in of],
            )
            for name, of in _CONFIGS.items()
            if name not in there
        ]
        await self._client.ask(CREATE_TOPICS, 7, CreateTopicsRequest(topics=topics))

    # ---- time ----

    def _pass(self, us: int) -> None:
        """Let simulated time pass."""
        until_us = self.world.now_us + us
        self.world.after(us, lambda: None)
        while self.world.now_us < until_us or self._is_at_work():
            if not self.world.step():
                return

    def _is_at_work(self) -> bool:
        loop = self.machine._loop
        return loop is not None and bool(loop._ready)

    def _do(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._expect(task.done, "serving a friend")
        task.result()

    def _expect(self, until: Any, what: str) -> None:
        if not self.world.run(until, 120.0):
            raise Violation(f"{what} does not end")


def _feed(connection: Connection, wall: Wall, data: bytes) -> None:
    view = memoryview(data)
    while view and not wall.is_closed and not wall.is_paused:
        room = memoryview(cast(Any, connection.get_buffer(-1)))
        count = min(len(room), len(view))
        room[:count] = view[:count]
        view = view[count:]
        connection.buffer_updated(count)


@contextlib.contextmanager
def target(seed: int) -> Iterator[Target]:
    """A started target, stopped at the end."""
    with simulated_locks():
        made = Target(seed)
        made.start()
        yield made
        made.stop()
