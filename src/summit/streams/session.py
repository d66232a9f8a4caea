"""A process's membership in its app: from joining until it leaves, whatever happens meanwhile.

    topics, frames → runtime → one transaction: outputs, frames, state, dead letters, positions

The group shares out slots (`plan.py`). Between two batches the session answers the group: what it
is given it restores, what goes away it finishes and commits first, what is lost it drops. After a
transaction without a clean answer it begins anew from what is committed.

Records of topics are not processed before frames that were sent earlier, so that records of one
partition reach a key in the order of their offsets through whatever hands they went; nor before the
tables are read that they are joined with, as far as those go by then (`Plan.before_inputs`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Closed, Conflict, SummitError, Unavailable
from summit.base.limits import LAG_LOOK_MS, RECOMMIT_MS, RESTORE_STALL_MS
from summit.base.logs import get_logger
from summit.client.dead_letters import DeadLetter, DeadLetterError, dead_letter_topic
from summit.client.handover import Handover
from summit.client.insisting import insist
from summit.client.member import GroupMember
from summit.client.settings import ConsumerConfig
from summit.client.topics import TopicConfig
from summit.client.transactor import Outgoing
from summit.client.types import ConsumerRecord, TopicPartition
from summit.journal.follower import read_whole
from summit.operators.graph import Graph
from summit.streams.committing import Commits
from summit.streams.metrics import StreamFigures
from summit.streams.plan import Plan, changelog_topic, tasks_topic
from summit.streams.reader import Reader
from summit.streams.runtime import Runtime
from summit.streams.settings import StreamSettings
from summit.streams.topics import make_plan

_BATCHES_AHEAD: Final = 5  # batches that may wait for the transaction before them
_POLL_MS: Final = 100  # longest wait for records: the group and the clock are looked at in between
_IDLE_LOOK_MS: Final = 100

Places = dict[TopicPartition, int]


class Session:
    """See the module. Used once; one loop's.

    Args:
        stopping: Asked often; True ends the session after what is in hand.
        finishing: Asked often; True ends it when all that is there then is processed.
    """

    def __init__(
        self,
        graph: Graph,
        settings: StreamSettings,
        clock: Clock,
        figures: StreamFigures,
        *,
        stopping: Callable[[], bool],
        finishing: Callable[[], bool],
    ) -> None:
        self._graph = graph
        self._settings = settings
        self._clock = clock
        self._figures = figures
        self._stopping = stopping
        self._finishing = finishing
        self._reader = Reader(settings, clock)
        self._handover = Handover(self._reader.wake)
        self._member = GroupMember(
            ConsumerConfig(
                client_id=settings.app_id,
                group_id=settings.app_id,
                bootstrap_servers=settings.servers,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                session_timeout_ms=settings.session_timeout_ms,
                heartbeat_interval_ms=max(1, settings.session_timeout_ms // 5),
                max_poll_interval_ms=max(settings.session_timeout_ms, 300_000),
            ),
            settings.instance_id,
        )
        self._commits = Commits(
            settings, clock, lambda: self._member.metadata,
            lambda: bool(self._handover.lost_now()), self._reader.wake,
        )  # fmt: skip
        self.plan: Plan | None = None
        self.runtime: Runtime | None = None
        self._barrier: list[Places] = []
        self._letters: list[Outgoing] = []
        self._letter_topics: set[str] = set()
        self._ends: Places | None = None
        self._read_at_ms: dict[TopicPartition, float] = {}
        self._at_end: set[TopicPartition] = set()
        now_ms = clock.monotonic_ms()
        self._committed_ms = self._looked_ms = self._idle_ms = self._recommitted_ms = now_ms
        self._lag_ms = now_ms
        self.state = "joining"

    async def run(self) -> bool:
        """Work until this is to stop.

        Returns: Whether everything was processed that was to be finished.
        Raises: what waiting does not mend; Unavailable where no broker answers at the start;
            Conflict when topics have changed so that the plan must be made anew.
        """
        await self._reader.start()
        self.plan = await make_plan(self._reader.admin, self._graph, self._settings)
        runtime = self.runtime = Runtime(self.plan, self._put_aside)
        await self._commits.start()
        await self._member.join(tasks_topic(self.plan.app_id), self._handover, self._reader.wake)
        while not self._stopping():
            self._member.check()
            await self._answer_group(runtime)
            if not runtime.held:
                await asyncio.sleep(0.01)
                continue
            try:
                await self._work(runtime)
            except (Closed, Unavailable, Conflict) as error:
                if error.code == "streams.topics_changed":
                    break
                await self._begin_anew(runtime, error)
            if self._is_through(runtime):
                break
        if runtime.held:
            try:
                await self._commit(runtime)
            except (Closed, Unavailable, Conflict) as error:
                get_logger(__name__).warning("session.not_committed", error=str(error))
        return self._ends is not None and not self._stopping()

    async def close(self) -> None:
        """Leave the group and disconnect; what is not committed will be processed again."""
        self.state = "closed"
        self._handover.close()
        with suppress(SummitError):
            await self._commits.settle()
        await self._member.leave()
        await self._commits.stop()
        await self._reader.stop()

    # ---- records ----

    async def _work(self, runtime: Runtime) -> None:
        """One round: records in, a commit when it is due."""
        wait_ms = 0 if self._handover.waiting else _POLL_MS
        found = await self._reader.poll(self._settings.batch_records, wait_ms)
        now_ms = self._clock.monotonic_ms()
        before = runtime.events
        for place, records in found.items():
            self._read_at_ms[place] = now_ms
            self._at_end.discard(place)
            runtime.take(place, records)
        self._figures.count(runtime.events - before)
        for place, end in self._reader.read_to().items():
            self._at_end.add(place)
            runtime.reach(place, end)
        if self._barrier:
            await self._look_at_barrier(runtime)
        else:
            runtime.settle()
        if now_ms - self._idle_ms >= _IDLE_LOOK_MS:
            self._idle_ms = now_ms
            self._let_idle_go(runtime, now_ms)
        await self._keep_up(runtime, now_ms)
        await self._commit_if_due(runtime)

    def _put_aside(self, record: ConsumerRecord, error: DeadLetterError) -> None:
        self._figures.unreadable += 1
        letter = DeadLetter.of(record, error, self._clock.now_ms())
        headers = list(record.headers.pairs) or None
        topic = dead_letter_topic(record.topic)
        self._letters.append(Outgoing(topic, record.key, letter.encode(), headers=headers))

    async def _look_at_barrier(self, runtime: Runtime) -> None:
        """Go on to what comes next when this was read as far as it went."""
        before = len(self._barrier)
        self._drop_passed(runtime)
        if len(self._barrier) < before:
            await self._read_on(runtime)

    def _drop_passed(self, runtime: Runtime) -> None:
        at = runtime.positions
        while self._barrier and all(at.get(p, end) >= end for p, end in self._barrier[0].items()):
            del self._barrier[0]

    def _let_idle_go(self, runtime: Runtime, now_ms: float) -> None:
        if self._barrier:
            return
        for place in self._at_end:
            silent_ms = now_ms - self._read_at_ms.setdefault(place, now_ms)
            if silent_ms >= self._settings.idle_ms and place in runtime.positions:
                runtime.rest(place)
        runtime.settle()

    # ---- the group ----

    async def _answer_group(self, runtime: Runtime) -> None:
        while self._handover.waiting:
            asked = self._handover.waiting[0]
            starts: Places = {}
            if asked.what == "assigned":
                await self._finish(runtime)
                await self._insist(partial(self._acquire, runtime, asked.partitions))
                topic = tasks_topic(self._settings.app_id)
                starts = {TopicPartition(topic, slot): 0 for slot in asked.partitions}
            elif asked.what == "revoked":
                if asked.partitions & runtime.held:
                    await self._finish(runtime)
                    runtime.release(asked.partitions)
                    await self._read_on(runtime)
            else:
                get_logger(__name__).warning("streams.lost", slots=len(asked.partitions))
                await self._begin_anew(runtime, None, without=asked.partitions)
            self._handover.answer(starts)
            if not self._handover.waiting:
                self.state = "active" if runtime.held else "standby"

    async def _finish(self, runtime: Runtime) -> None:
        """Commit what was processed with the slots of now."""
        try:
            await self._commit(runtime)
        except (Closed, Unavailable, Conflict) as error:
            await self._begin_anew(runtime, error)

    async def _acquire(self, runtime: Runtime, slots: set[int]) -> None:
        """Hold these slots as the last transaction left them.

        Raises: Unavailable; then those that are not held yet are asked for again.
        """
        assert self.plan is not None
        self.state = "restoring"
        plan, tasks = self.plan, tasks_topic(self.plan.app_id)
        slots = slots - runtime.held
        starts = {
            slot: await self._reader.starts(
                TopicPartition(tasks, slot), plan.inputs(slot), plan.sent(slot)
            )
            for slot in sorted(slots)
        }
        states: dict[int, dict[bytes, bytes]] = {slot: {} for slot in slots}

        def take(records: list[ConsumerRecord], total: int) -> None:
            self._figures.restoring(len(records), total)
            for record in records:
                if record.value is None:
                    states[record.partition].pop(record.key or b"", None)
                else:
                    states[record.partition][record.key or b""] = record.value

        changelog = changelog_topic(plan.app_id)
        await read_whole(
            self._reader.admin, self._settings.servers, f"{plan.app_id}-restore",
            [(changelog, slot) for slot in slots], take, self._clock, RESTORE_STALL_MS,
        )  # fmt: skip
        stages = plan.before_inputs(sorted(runtime.held | slots))
        ends = await self._reader.bounds(place for stage in stages for place in stage)
        for slot in sorted(slots):
            runtime.hold(slot, states[slot].items(), starts[slot])
        self._barrier = [{place: ends[place][1] for place in stage} for stage in stages]
        await self._read_on(runtime)
        get_logger(__name__).info(
            "streams.holds", app=plan.app_id, slots=len(runtime.held), new=len(slots),
            keys=sum(map(len, states.values())),
        )  # fmt: skip

    async def _read_on(self, runtime: Runtime) -> None:
        """Read what the held slots have; behind the barrier only what stands before it."""
        self._drop_passed(runtime)
        at = runtime.positions
        self._at_end.clear()
        self._read_at_ms = dict.fromkeys(at, self._clock.monotonic_ms())
        if self._barrier:
            at = {place: offset for place, offset in at.items() if place in self._barrier[0]}
        await self._reader.assign(at)

    async def _begin_anew(
        self,
        runtime: Runtime,
        error: SummitError | None,
        without: set[int] | frozenset[int] = frozenset(),
    ) -> None:
        """Drop everything that is not committed and go on from what is."""
        if error is not None:
            get_logger(__name__).warning("streams.begins_anew", code=error.code, error=str(error))
        with suppress(Closed, Unavailable, Conflict):
            await self._commits.settle()
        held = set(runtime.held) - set(without) - self._handover.lost_now()
        self._figures.restarts += 1

        async def act() -> None:
            runtime.clear()
            self._letters.clear()
            self._barrier = []
            await self._commits.start()
            if held:
                await self._acquire(runtime, held)
            else:
                await self._read_on(runtime)

        await self._insist(act)
        self.state = "active" if held else "standby"

    # ---- commits ----

    async def _commit_if_due(self, runtime: Runtime) -> None:
        if self._commits.under_way:
            if runtime.events >= self._settings.batch_records * _BATCHES_AHEAD:
                await self._commits.settle()
            return  # one transaction at a time; the next batch is processed meanwhile
        if self._clock.monotonic_ms() - self._committed_ms >= self._settings.commit_interval_ms:
            await self._begin_commit(runtime)

    async def _commit(self, runtime: Runtime) -> None:
        """Make durable what was processed; returns when it is. Raises: as `Commits.settle`."""
        await self._begin_commit(runtime)
        await self._commits.settle()

    async def _begin_commit(self, runtime: Runtime) -> None:
        await self._commits.settle()
        now_ms = self._clock.monotonic_ms()
        self._committed_ms = now_ms
        await self._make_letter_topics()
        cut = runtime.cut()
        letters, self._letters = self._letters, []
        positions = cut.positions
        if now_ms - self._recommitted_ms >= RECOMMIT_MS:  # so that nothing expires
            self._recommitted_ms = now_ms
            positions = dict(runtime.positions)
        if not (cut.records or positions or letters):
            return
        # Naming the slots lets the group refuse who does not have them any more, and lets who
        # takes one over wait for the transactions that concern it.
        tasks = tasks_topic(self._settings.app_id)
        fences = {TopicPartition(tasks, slot): 0 for slot in runtime.held}
        outputs = len(cut.records)

        def done() -> None:
            self._figures.committed(outputs, cut.state_bytes)

        self._commits.begin([*cut.records, *letters], {**positions, **fences}, done)

    async def _make_letter_topics(self) -> None:
        for topic in {letter.topic for letter in self._letters} - self._letter_topics:
            await self._reader.admin.create_if_missing(TopicConfig(name=topic))
            self._letter_topics.add(topic)

    # ---- topics, ends ----

    async def _keep_up(self, runtime: Runtime, now_ms: float) -> None:
        assert self.plan is not None
        plan, admin = self.plan, self._reader.admin
        if now_ms - self._looked_ms >= self._settings.topics_refresh_ms:
            self._looked_ms = now_ms
            topics = sorted({topic for part in plan.parts for topic in part.topics})
            with suppress(Unavailable):
                for topic in await admin.describe_topics(topics):
                    if len(topic.partitions) != plan.counts[topic.name]:
                        raise Conflict("streams.topics_changed", topic=topic.name)
        if self._finishing() and self._ends is None:
            await self._insist(lambda: self._note_ends(runtime))
        elif now_ms - self._lag_ms >= LAG_LOOK_MS:
            self._lag_ms = now_ms
            with suppress(Unavailable):
                bounds = await self._reader.bounds(runtime.positions)
                at = runtime.positions
                self._figures.lag = sum(max(0, bounds[p][1] - at[p]) for p in bounds if p in at)

    async def _note_ends(self, runtime: Runtime) -> None:
        bounds = await self._reader.bounds(runtime.positions)
        self._ends = {place: end for place, (_, end) in bounds.items()}

    def _is_through(self, runtime: Runtime) -> bool:
        if self._ends is None or self._handover.waiting or self._barrier:
            return False
        at = runtime.positions
        is_through = all(at.get(place, end) >= end for place, end in self._ends.items())
        if is_through:
            self._figures.lag = 0
        return is_through

    async def _insist(self, act: Callable[[], Awaitable[Any]]) -> None:
        """See `client.insisting`; ends when this is to stop."""
        pause_max_ms = self._settings.retry_backoff_max_ms
        await insist(act, self._stopping, pause_max_ms, what="app", event="streams.retries")
