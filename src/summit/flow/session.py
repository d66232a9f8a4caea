"""A worker's membership in its group: from joining until it leaves, whatever happens meanwhile.

    inputs → stage → runtime → one transaction: alerts, dead letters, what routes send, frames for
    exchange  ───────↗                          other workers, state, progress, positions

The group shares out key groups, and inputs with them (`placement.py`). Between two batches the
session answers the group: what it is given it restores, what goes away it finishes and commits
first, what is lost it drops. After a transaction without a clean answer it begins anew from what
is committed. Records are not processed before frames that were sent earlier (`_barrier`), so that
events of one input reach a key in the order of their offsets, through whatever hands they went.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Closed, Conflict, Invalid, SummitError, Unavailable
from summit.base.limits import CLOCK_LOOK_MS, LAG_LOOK_MS, RULES_SWITCH_MS, WATERMARK_UNKNOWN
from summit.base.logs import get_logger
from summit.client.handover import Handover
from summit.client.insisting import insist
from summit.client.member import GroupMember
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord, TopicPartition
from summit.flow.alignment import Alignment
from summit.flow.aside import Aside
from summit.flow.backfill_keeping import Backfills
from summit.flow.beside import Beside
from summit.flow.committing import Commits
from summit.flow.cuts import Cuts, Sources
from summit.flow.debugging import tell_batch
from summit.flow.idle import IdleInputs
from summit.flow.inputs import Inputs
from summit.flow.lags import look_at_lags
from summit.flow.live_stage import LiveStage
from summit.flow.metrics import WorkerMetrics
from summit.flow.placement import carrier
from summit.flow.reading import outputs_of
from summit.flow.restoring import restore, while_telling
from summit.flow.rules import Rules, acting_ones, rules_of
from summit.flow.runtime import Runtime
from summit.flow.settings import WorkerSettings
from summit.flow.standby import Standby
from summit.flow.switching import Switch, acting_of
from summit.flow.telling import Teller
from summit.journal.definitions import Definitions
from summit.journal.exchange_log import decode_frame
from summit.journal.progress_record import Positions, partition_name, split_partition_name
from summit.journal.topics import (
    ALERTS_TOPIC,
    DEFINITIONS_TOPIC,
    EXCHANGE_TOPIC,
    WORKER_TOPICS,
    ensure_topics,
    is_waited_for,
)
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS

_POLL_MS: Final = 100  # longest wait for records: rules and topics are looked at in between


class Session:
    """See the module. Used once; one loop's.

    Args:
        stopping: Asked often; True ends the session after what is in hand.
        finishing: Asked often; True ends it when all that is there then is processed.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        clock: Clock,
        definitions: Definitions,
        metrics: WorkerMetrics,
        *,
        stopping: Callable[[], bool],
        finishing: Callable[[], bool],
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self._clock = clock
        self._definitions = definitions
        self._stopping = stopping
        self._finishing = finishing
        self._inputs = Inputs(settings, clock)
        self.runtime = Runtime(self._inputs.topic_id, lambda: metrics.state_bytes_max)
        self._idle = IdleInputs(self.runtime, clock, self._idle_ms)
        self._alignment = Alignment(self.runtime, self._inputs)
        self._handover = Handover(self._inputs.wake)
        self._member = GroupMember(
            ConsumerConfig(
                client_id=settings.name,
                group_id=settings.group_id,
                bootstrap_servers=settings.servers,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                isolation_level="read_committed",
                session_timeout_ms=settings.session_timeout_ms,
                heartbeat_interval_ms=max(1, settings.session_timeout_ms // 5),
                max_poll_interval_ms=max(settings.session_timeout_ms, 300_000),
            ),
            settings.instance_id,
        )
        self.teller = Teller(settings, clock, metrics, self._member, self.runtime)
        self._barrier: dict[int, int] = {}
        self._reading: set[str] = set()
        self._aside = Aside(clock, metrics)
        self._stage = LiveStage(settings.servers, self._inputs.topic_id, metrics.stage, clock)
        self._standby = Standby(settings.servers, clock) if settings.standby else None
        how = (settings, clock, self._member, self._inputs, metrics, self._handover.lost_now)
        before = Commits(*how, transactional=False) if settings.alerts_leave_at_once else None
        self._commits = Commits(*how, before)
        self._cuts = Cuts(
            settings, clock, self._commits, before,
            Sources(self.runtime, self._aside, self._stage), self.teller,
            lambda cut: self.teller.progress(cut, self.rules, self._switch.acting),
        )  # fmt: skip
        self.rules = Rules.none()
        self._switch = Switch(self.runtime)
        self._backfills = Backfills(settings, clock, definitions, self.runtime, metrics)
        self._switch_ms = 0.0  # since when rules are being changed
        self._fresh = True  # nothing was read yet by the rules of now
        self._frames: deque[ConsumerRecord] = deque()  # not taken yet
        self._frame_ends: dict[TopicPartition, int] = {}
        self._ends: Positions | None = None
        self._rested_ms = clock.monotonic_ms()
        self._known: dict[str, int] = {}  # partitions by topic, as far as was acted on
        self._topics = Beside(self._inputs.look, clock, settings.topics_refresh_ms)
        self._lags = Beside(
            partial(look_at_lags, self._inputs, self.runtime, metrics), clock, LAG_LOOK_MS
        )
        self.state = "joining"

    async def run(self) -> bool:
        """Work until this is to stop.

        Returns: Whether everything was processed that was to be finished.
        Raises: what waiting does not mend; Unavailable where no broker answers at the start.
        """
        await self._inputs.start()
        await ensure_topics(self._inputs.admin, WORKER_TOPICS)
        await self._inputs.look()
        self._known = dict(self._inputs.partitions)
        await self._inputs.begin_at_end()
        await self._cuts.connect()
        if self._standby is not None:
            self._standby.start()
        await self._go_by(self._definitions.next_offset)
        await self._member.join(EXCHANGE_TOPIC, self._handover, self._inputs.wake)
        while not self._stopping():
            self._member.check()
            await self._answer_group()
            if not self.runtime.held:
                await asyncio.sleep(0.01)
                continue
            try:
                await self._work()
            except (Closed, Unavailable, Conflict) as error:
                await self._begin_anew(error)
            if self._is_through():
                break
        if self.runtime.held:
            if self._ends is not None and self.settings.time_ends:
                self.runtime.end_time()
            try:
                await self._cuts.commit(last=True)
            except (Closed, Unavailable, Conflict) as error:
                get_logger(__name__).warning("session.not_committed", error=str(error))
        return self._ends is not None and not self._stopping()

    @property
    def copied_keys(self) -> int | None:
        """How many keys of others are copied here; None = no copy is kept."""
        return None if self._standby is None else self._standby.keys

    async def close(self) -> None:
        """Leave the group and disconnect; what is not committed will be processed again."""
        self.state = "closed"
        self._handover.close()
        await self._cuts.settle()
        await self._member.leave()
        await self._cuts.stop()
        await self._stage.close()
        if self._standby is not None:
            await self._standby.stop()
        await self._backfills.stop()
        await self._topics.stop()
        await self._lags.stop()
        await self._inputs.stop()

    async def _work(self) -> None:
        """One round: frames and records in, a commit when it is due."""
        await self._keep_up()
        took = await self._take_frames()
        behind = False
        if self._is_behind_barrier() or self._switch.is_open:
            if not took:
                await asyncio.sleep(0.005)
        else:
            self._fresh = False
            wait_ms = 0 if took or self._handover.waiting else _POLL_MS
            chunks = await self._inputs.poll(self.settings.batch_records, wait_ms)
            if chunks:
                with self._cuts.traces.batch(chunks):
                    await self._process(chunks)
                behind = sum(len(c.offsets) for c in chunks) >= self.settings.batch_records
            ends = self._inputs.read_to()
            self.runtime.reach(ends)
            self._idle.ended(ends)
            await self._alignment.keep(self._reading)
            self._let_time_pass()
        await self._cuts.keep_up(behind=behind)

    def _let_time_pass(self) -> None:
        """Where inputs are silent the clock goes on; what that makes of it is committed at once."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._rested_ms < CLOCK_LOOK_MS:
            return
        self._rested_ms = now_ms
        if self._idle.rest() and self.runtime.engine.processor.waits_for_time:
            self.runtime.mark_clock()
            made = self.runtime.advance()
            # An event that is late by the clock must not undo what was told already.
            self._cuts.urgent |= made > 0
            self._cuts.at_once |= made > 0

    def _idle_ms(self, topic: str) -> int:
        given = self.runtime.engine.processor.rules.stream(topic).idle_ms
        return self.settings.idle_ms if given is None else given

    # ---- the group ----

    async def _answer_group(self) -> None:
        if self._standby is not None:
            self._standby.keep(self.runtime.held)
        while self._handover.waiting:
            asked = self._handover.waiting[0]
            starts: Mapping[TopicPartition, int] = {}
            if asked.what == "assigned":
                await self._finish()
                await self._insist(partial(self._acquire, asked.partitions))
                starts = self.runtime.exchange_places(asked.partitions)
            elif asked.what == "revoked":
                await self._give_back(asked.partitions)
            else:
                get_logger(__name__).warning("worker.lost", groups=len(asked.partitions))
                await self._begin_anew(None, without=asked.partitions)
            self._handover.answer(starts)
            if not self._handover.waiting:
                self.state = "active" if self.runtime.held else "standby"

    async def _finish(self) -> None:
        """Commit what was processed with the key groups of now."""
        try:
            await self._cuts.commit(last=True)
        except (Closed, Unavailable, Conflict) as error:
            await self._begin_anew(error)

    async def _give_back(self, groups: set[int]) -> None:
        if not groups & self.runtime.held:
            return
        await self._finish()
        self.runtime.release(groups)
        self._frames = deque(r for r in self._frames if r.partition not in groups)
        await self._insist(self._watch)

    async def _acquire(self, groups: set[int]) -> None:
        """Hold these key groups as the last transaction left them.

        Raises: Unavailable; then nothing is held of them yet.
        """
        self.state = "restoring"
        if begun := groups & self.runtime.held:  # a try before broke off
            self.runtime.release(begun)
        self._stage.forget()  # what was told of inputs that others had meanwhile is not known
        admin, settings = self._inputs.admin, self.settings
        # Whoever held them may have gone by rules that were not read here yet.
        await self._read_definitions()
        await self._insist(self._look)
        places = [TopicPartition(EXCHANGE_TOPIC, group) for group in sorted(groups)]
        committed = await admin.stable_offsets(settings.group_id, places)
        bounds = await admin.offsets(EXCHANGE_TOPIC)
        since_ms = self._clock.monotonic_ms()
        content = None if self._standby is None else await self._standby.content(groups, admin)
        self.metrics.copies_taken += content is not None
        count = 0 if content is None else len(content.states)
        if content is None:
            restored = await while_telling(
                restore(admin, settings.servers, groups, self._clock, self.metrics.restoring),
                lambda: self._commits.tell(self.teller.restoring(self.rules, self._switch.acting)),
            )
            content, count = restored.content(groups), restored.records
        starts = {
            group: max(committed.get(TopicPartition(EXCHANGE_TOPIC, group), 0), bounds[group][0])
            for group in groups
        }
        if not self.runtime.held:
            self._fresh = True
            self._switch.forget()
        was = self._switch.acting if self.runtime.held else -1
        at = self._definitions.next_offset
        # With all key groups and no frames there is nothing that older ones are needed for.
        if len(groups) < KEY_GROUPS or any(bounds[g][1] > starts[g] for g in groups):
            at = acting_of(groups, content.acts, was)
        at = await self._backfills.not_before_full(at, was)
        changes = at != was or not self.runtime.held
        if changes and await self._go_by(at) and self.runtime.held:
            await self._watch(at_end=True)
        self._switch.takes_up()
        # A rule that cannot run here may run elsewhere, or tomorrow.
        keys = self.runtime.hold(starts, content, tidy=not self.rules.faulty)
        await self._backfills.look(self.rules)
        self._commits.holds(self.runtime.exchange, await admin.offsets(ALERTS_TOPIC))
        # Frames that others have sent before: first those, then the inputs that come along.
        ends = await admin.offsets(EXCHANGE_TOPIC)
        self._barrier = {group: ends[group][1] for group in self.runtime.held}
        self.runtime.catch_up(begins=True)
        await self._watch(content.times)
        self._backfills.take_up()
        self._cuts.untold = True
        self.metrics.count_restore(count, self._clock.monotonic_ms() - since_ms)
        get_logger(__name__).info(
            "worker.holds", groups=len(self.runtime.held), inputs=len(self.runtime.positions),
            keys=keys, records=count, rules=len(self.rules.plans),
        )  # fmt: skip

    async def _begin_anew(
        self, error: SummitError | None, without: set[int] | frozenset[int] = frozenset()
    ) -> None:
        """Drop everything that is not committed and go on from what is.

        That another transactor of the name has been there is no reason to end: the coordinator
        itself is one when a transaction took too long. Of two workers of one name the older is
        put out of the group.
        """
        if error is not None:
            get_logger(__name__).warning("worker.begins_anew", code=error.code, error=str(error))
        await self._cuts.settle()
        held = set(self.runtime.held) - set(without) - self._handover.lost_now()
        self.metrics.count_restart(
            "its key groups were given to others" if error is None else str(error)
        )
        self._aside.take()
        self._stage.forget()

        async def act() -> None:
            self.runtime.clear()
            self._frames.clear()
            self._frame_ends.clear()
            await self._cuts.connect()
            if held:
                await self._acquire(held)
            self._member.reread(self.runtime.exchange_places(held))

        await self._insist(act)
        self.state = "active" if held else "standby"

    # ---- records and frames ----

    async def _process(self, chunks: list[Chunk]) -> None:
        since_ms = self._clock.monotonic_ms()
        seen = chunks
        if self._stage.concerns(chunks):
            seen, refused = await self._stage.apply(chunks)
            self._aside.put_refused(refused, chunks)
        applied = self.runtime.take(chunks, seen)
        self._idle.spoke(seen)
        if applied.made:
            self._cuts.urgent = True
        if applied.rejected or applied.late:
            self._aside.put(applied.rejected, chunks)
            self._aside.put_late(applied.late, chunks, self.runtime.engine.processor.rules.stream)
        counts = ((partition_name(c.topic, c.partition), len(c.offsets)) for c in chunks)
        self.metrics.count_events(counts, took_ms=self._clock.monotonic_ms() - since_ms)
        tell_batch(chunks, applied)
        if any(c.headers is not None and any(map(is_waited_for, c.headers)) for c in chunks):
            self._cuts.urgent = True
            self._cuts.at_once |= self._cuts.is_shared  # others must hear of it

    async def _take_frames(self) -> bool:
        """Take what other workers have sent; whether there was any."""
        records, ends = self._member.take()
        self._frames.extend(records)
        self._frame_ends.update(ends)
        took = bool(self._frames)
        while self._frames:
            record = self._frames[0]
            if record.partition in self.runtime.held:
                frame = decode_frame(record.value or b"")
                if frame.acting > self._switch.acting:  # which proves that all are ready
                    await self._insist(partial(self._read_definitions, frame.acting))
                    await self._act(frame.acting)
                self._switch.hear(frame)
                chunks = [chunk for chunk, _ in frame.chunks]
                self._cuts.traces.note(chunks)
                if late := self.runtime.take_frame(record.partition, record.offset, frame):
                    self._aside.put_late(late, chunks, self.runtime.engine.processor.rules.stream)
                # Whoever waits for an event waits for every worker that it concerns.
                self._cuts.urgent = True
            self._frames.popleft()
        for place, end in self._frame_ends.items():
            if place.partition in self.runtime.held:
                self.runtime.reach_exchange(place.partition, end)
        self._frame_ends.clear()
        if took:
            self.runtime.mark_clock()
            self.runtime.advance()
        return took

    def _is_behind_barrier(self) -> bool:
        if self._barrier:
            at = self.runtime.exchange
            self._barrier = {
                group: end for group, end in self._barrier.items() if at.get(group, end) < end
            }
            if not self._barrier:
                self.runtime.catch_up(begins=False)
                self._cuts.untold = True
        return bool(self._barrier)

    # ---- rules and topics ----

    async def _go_by(self, offset: int) -> bool:
        """Go by these definitions from now on; whether that changes the rules or what rests."""
        first = self._switch.acting < 0
        log = self._definitions.log
        wanted = acting_ones(log.until(offset))
        before = acting_ones(log.until(self._switch.acting))
        self._cuts.untold = True
        if wanted == before and not first:
            self._switch.acts(offset)
            return False
        # Also of inputs that no rule reads any more: until here the rules before acted.
        self._cuts.acts = dict(self.runtime.positions)
        rules = rules_of(wanted)
        rules.faulty.update(await self._stage.use(rules.stage))
        self.metrics.faulty = dict(rules.faulty)
        for rule_id, reason in rules.faulty.items():
            if self.rules.faulty.get(rule_id) != reason:
                get_logger(__name__).error("rule.faulty", rule=rule_id, reason=reason)
        self.runtime.set_rules(rules.plans, rules.streams, rules.paused)
        self._switch.acts(offset)
        self.rules = rules
        return True

    async def _follow(self) -> None:
        """Begin to go by newer definitions, or go on with it."""
        newest = self._definitions.next_offset
        if newest > self._switch.target:
            log = self._definitions.log
            acting = acting_ones(log.until(self._switch.acting))
            if not self._switch.is_open and acting_ones(log.until(newest)) == acting:
                self._switch.acts(newest)
                self._cuts.untold = True
                return
            await self._cuts.commit(last=False)  # the rules before have seen everything before
            await self._insist(self._look)
            if not self._switch.is_open:
                self._switch_ms = self._clock.monotonic_ms()
            self._switch.aim(newest)
            if self._cuts.is_shared:
                await self._cuts.tell_others()
        if not self._switch.is_open or self._is_behind_barrier():
            return
        if self._switch.makes_ready():
            self.runtime.advance()
            if self._cuts.is_shared:
                await self._cuts.tell_others()
        late_ms = self._clock.monotonic_ms() - self._switch_ms - RULES_SWITCH_MS
        if going_live := self._backfills.going_live(self.rules, self._switch.target):
            late_ms = 0  # what they have begun is complete only where all stand still
            if self._switch.may_act and not await self._backfills.are_full(going_live):
                return
        if late_ms > 0 and not self._switch.may_act:
            self.metrics.loose_switches += 1
            get_logger(__name__).warning("rules.not_all_ready", definitions=self._switch.target)
        if late_ms > 0 or self._switch.may_act:
            await self._act(self._switch.target)

    async def _read_definitions(self, offset: int | None = None) -> None:
        """Wait until they are read: to there, or to their end of now. Raises: Unavailable."""
        end = (await self._inputs.admin.offsets(DEFINITIONS_TOPIC))[0][1]
        await self._definitions.wait_all(end if offset is None else min(offset, end))

    async def _act(self, offset: int) -> None:
        """Go by these definitions, with the inputs that they want.

        Raises: as `Commits.settle`.
        """
        if await self._go_by(offset):
            await self._backfills.look(self.rules)
            await self._insist(lambda: self._watch(at_end=not self._fresh))
            self._backfills.take_up()
            if await self._commits.prepare(outputs_of(self.rules.plans)):
                await self._look()
        await self._cuts.tell_others()

    def _read_here(self) -> Positions:
        """The inputs that are read here and do not rest, and how far they are."""
        return {
            name: at for name, at in self.runtime.positions.items()
            if not self.rules.paused_topics.reads(split_partition_name(name)[0])
        }  # fmt: skip

    async def _keep_up(self) -> None:
        await self._backfills.keep(self.rules)
        if self.rules.live and not self._commits.under_way:
            self._backfills.clear_away(self.rules, self._switch)
        if self._switch.is_open or self._definitions.next_offset > self._switch.target:
            await self._follow()
        elif (topics := self._topics.answered()) is not None:
            await self._notice(topics)
        if self._finishing() and self._ends is None:
            await self._look()
            await self._insist(self._note_ends)
        elif (lags := self._lags.answered()) is not None:
            await lags

    async def _look(self) -> None:
        """Notice new topics and partitions, and those that are gone."""
        self._topics.put_off()
        await self._notice(self._inputs.look())

    async def _notice(self, look: Awaitable[list[str]]) -> None:
        known = self._known
        try:
            anew = await look
        except (Unavailable, Invalid) as error:  # Invalid: deleted between two questions
            get_logger(__name__).warning("topics.look_failed", error=str(error))
            return
        for name in [n for n in self.runtime.positions if split_partition_name(n)[0] in anew]:
            self.runtime.end(name, anew=True)
            self._commits.forget(name)
        self._known = dict(self._inputs.partitions)
        if anew or known != self._known:
            await self._watch(anew=anew)

    async def _watch(
        self,
        times: Mapping[tuple[str, int], int] | None = None,
        *,
        at_end: bool = False,
        anew: list[str] | tuple[()] = (),
    ) -> None:
        """Read the inputs that the rules want and the held key groups carry, and nothing else.

        Args:
            times: How far event time had come in inputs, as far as it is known.
            at_end: Begin inputs that are not read behind their last record: a new rule sees what
                comes after it. Otherwise where the group left them, or at their first.
            anew: Topics that were made anew: what is committed for them does not count.
        """
        wanted = {
            name
            for topic in self._inputs.partitions
            if self.rules.filter.reads(topic)
            for name in self._inputs.names(topic)
        }
        mine = {n for n in wanted if carrier(*split_partition_name(n)) in self.runtime.held}
        read = set(self.runtime.positions)
        new = sorted(mine - read)
        starts = await self._inputs.starts(new, at_end=at_end, anew=anew) if new else {}
        for name in read - mine:
            self.runtime.end(name)
        begun = self._backfills.begun
        starts = {name: begun.starts.get(name, offset) for name, offset in starts.items()}
        times = {**begun.times, **(times or {})}
        for name, offset in starts.items():
            self._cuts.acts = {**(self._cuts.acts or {}), name: offset}
            self._idle.forget(name)
            time = times.get(split_partition_name(name), WATERMARK_UNKNOWN)
            self.runtime.begin(name, offset, time)
        self.runtime.watch(wanted - mine)
        reading = self._read_here()
        self._idle.hold(self.runtime.positions.keys() - reading.keys())
        if self._reading != reading.keys() or new:
            await self._alignment.end()
            await self._inputs.assign(reading)
            self._reading = set(reading)

    async def _note_ends(self) -> None:
        self._ends = await self._inputs.ends(self._read_here(), insist=True)

    def _is_through(self) -> bool:
        busy = self._handover.waiting or self._switch.is_open or self._backfills.under_way
        if self._ends is None or busy:
            return False
        return all(self.runtime.positions.get(name, end) >= end for name, end in self._ends.items())

    async def _insist(self, act: Callable[[], Awaitable[Any]]) -> None:
        """See `client.insisting`; ends when this is to stop."""
        most_ms = self.settings.retry_backoff_max_ms
        await insist(act, self._stopping, most_ms, what="worker", event="session.retries")
