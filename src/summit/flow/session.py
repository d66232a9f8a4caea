"""One worker's turn: from being given the work until it is taken away, or done.

    poll → engine → alerts and dead letters acknowledged → offsets committed → progress told

Order: records of one partition are processed in the order of the log. Between partitions the
order is that of arrival, so rules whose keys live in several partitions may see their events in
another order when they are read again; alerts of keys that live in one partition are always the
same. One worker is active at a time, so keys meet wherever their events come in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from summit.alerts import Alert
from summit.base.clock import Clock
from summit.base.errors import Conflict, Invalid, Unavailable
from summit.base.limits import LAG_LOOK_MS, WORKER_RETRY_MS
from summit.base.logs import get_logger
from summit.cep.chunks import chunk_records
from summit.cep.match import Rejected
from summit.client.types import ConsumerRecord, ProducerResult
from summit.documents.plan import PatternPlan
from summit.flow.alert_trail import AlertTrail
from summit.flow.cuts import cut_of
from summit.flow.dead_letters import COUNTED_ONLY, Fault
from summit.flow.engine import Engine
from summit.flow.inputs import Inputs
from summit.flow.lease import Lease
from summit.flow.metrics import WorkerMetrics
from summit.flow.outbox import Outbox
from summit.flow.partitions import Partitions
from summit.flow.resume import needed_activations
from summit.flow.rules import Rules, rules_of
from summit.flow.settings import WorkerSettings
from summit.flow.takeover import take_over
from summit.journal.definitions import Definitions
from summit.journal.inputs import TopicFilter
from summit.journal.progress import write_progress
from summit.journal.progress_record import Positions, ProgressRecord, split_partition_name
from summit.journal.topics import WAIT_HEADER

_POLL_MS = 100  # longest wait for records: rules and topics are looked at in between


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
        lease: Lease,
        metrics: WorkerMetrics,
        *,
        stopping: Callable[[], bool],
        finishing: Callable[[], bool],
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.definitions = definitions
        self.lease = lease
        self.metrics = metrics
        self._term = lease.term
        self._stopping = stopping
        self._finishing = finishing
        self.inputs = Inputs(settings, clock)
        self.outbox = Outbox(settings, self.inputs.admin, self._alert_written)
        self.engine = Engine(self.inputs.topic_id)
        self.partitions = Partitions(self.engine, clock, settings.idle_ms)
        self.trail = AlertTrail({})
        self.rules = Rules([], {}, TopicFilter([]))
        self.activations: list[tuple[int, Positions]] = []
        self._plans: dict[str, PatternPlan] = {}
        self._ends: Positions | None = None
        self._urgent = False
        self._told: Positions | None = None
        self._looked_ms = self._lag_ms = clock.monotonic_ms()
        self._committed_ms = self._told_ms = clock.monotonic_ms()
        self.state = "rebuilding"

    async def run(self) -> bool:
        """Work until the work is taken away or this is to stop.

        Returns: Whether everything was processed that was to be finished.
        Raises: what is not to be waited for; the caller begins a new session.
        """
        await self.inputs.start()
        await self.outbox.start()
        await take_over(self)
        self.state = "active"
        while self.goes_on():
            await self._keep_up()
            records = await self.inputs.poll(self.settings.batch_records, _POLL_MS)
            if records:
                self._process(records)
            self.partitions.reached(self.inputs.read_to())
            await self._commit_if_due()
            if self._is_through():
                break
        if self._is_active():
            await self._commit()
            await self.tell()
        return self._ends is not None and self.goes_on()

    async def close(self) -> None:
        """Disconnect; what is not committed will be processed again. Idempotent."""
        self.state = "closed"
        await self.outbox.stop()
        await self.inputs.stop()

    def goes_on(self) -> bool:
        """Whether there is reason to go on."""
        return self._is_active() and not self._stopping()

    def _is_active(self) -> bool:
        return self.lease.owned and self.lease.term == self._term

    # ---- records ----

    def _process(self, records: list[ConsumerRecord]) -> None:
        chunks = chunk_records(records)
        self.partitions.wake(chunks)
        applied = self.engine.apply(chunks)
        for made in applied.made:
            self.outbox.put_alert(made.alert)
        if applied.made:
            self.metrics.matches += len(applied.made)
            self._urgent = True
        if applied.rejected:
            self._put_aside(applied.rejected, records)
        self.partitions.took(chunks)
        self.metrics.count_events(len(records))
        self._urgent = self._urgent or any(map(_is_waited_for, records))

    def _put_aside(self, rejected: list[Rejected], records: list[ConsumerRecord]) -> None:
        by_place = {(r.topic, r.partition, r.offset): r for r in records}
        for reject in rejected:
            counted = self.metrics.skipped if reject.code in COUNTED_ONLY else self.metrics.rejected
            counted[reject.code] = counted.get(reject.code, 0) + 1
            if reject.code in COUNTED_ONLY:
                continue
            self.outbox.put_dead_letter(
                by_place[reject.topic, reject.partition, reject.offset],
                Fault(code=reject.code, message=reject.message, stage="parse", rule=reject.rule),
                self.clock.now_ms(),
            )

    def _alert_written(self, alert: Alert, result: ProducerResult) -> None:
        self.metrics.alerts += 1
        cut = cut_of(self._plans.get(alert.pattern or ""), alert)
        self.trail.written(str(result.partition), result.offset, cut)

    # ---- rules and topics ----

    def set_rules(self, rules: Rules) -> None:
        """Go by these rules from here on."""
        for rule_id, reason in rules.faulty.items():
            if self.rules.faulty.get(rule_id) != reason:
                get_logger(__name__).error("rule.faulty", rule=rule_id, reason=reason)
        self.engine.set_rules(rules.plans)
        self.rules = rules
        self._plans.update((plan.id, plan) for plan in rules.plans)
        self.partitions.rules_changed()

    async def _keep_up(self) -> None:
        now_ms = self.clock.monotonic_ms()
        if self.definitions.next_offset > self.activations[-1][0]:
            await self._activate()
        elif now_ms - self._looked_ms >= self.settings.topics_refresh_ms:
            await self._look()
        if self._finishing() and self._ends is None:
            await self._look()
            self._ends = await self._present_ends()
        elif now_ms - self._lag_ms >= LAG_LOOK_MS:
            self._lag_ms = now_ms
            ends = await self._present_ends()
            self.metrics.lag = self.partitions.lag(ends)
            self.partitions.rest(ends)

    async def _activate(self) -> None:
        """Let the definitions read so far act from the present positions on.

        The old rules have seen everything before; that is committed first, and the new
        activation is told before anything behind it is processed.
        """
        offset = self.definitions.next_offset
        patterns = self.definitions.log.until(offset).current("pattern")
        before = self.definitions.log.until(self.activations[-1][0]).current("pattern")
        if patterns == before:
            self.activations[-1] = (offset, self.activations[-1][1])
            await self.tell()
            return
        await self._commit()
        await self._look()
        self.set_rules(rules_of(patterns))
        await self._watch(at_end=True)
        self.activations.append((offset, dict(self.partitions.positions)))
        await self.tell()

    async def _look(self) -> None:
        """Notice new topics and partitions, and those that are gone."""
        self._looked_ms = self.clock.monotonic_ms()
        known = dict(self.inputs.partitions)
        try:
            anew = await self.inputs.look()
        except (Unavailable, Invalid) as error:  # Invalid: deleted between two questions
            get_logger(__name__).warning("topics.look_failed", error=str(error))
            return
        for name in [n for n in self.partitions.positions if split_partition_name(n)[0] in anew]:
            self.partitions.end(name)
        if anew or known != self.inputs.partitions:
            await self._watch(at_end=False)

    async def _watch(self, *, at_end: bool) -> None:
        """Read what the rules want and nothing else.

        Args:
            at_end: Begin partitions that are not read yet behind their last record: a rule sees
                what comes after it. Otherwise at their first: they have just come into being.
        """
        wanted = {
            name
            for topic in self.inputs.partitions
            if self.rules.filter.reads(topic)
            for name in self.inputs.names(topic)
        }
        read = set(self.partitions.positions)
        if wanted == read:
            return
        new = wanted - read
        ends: dict[str, tuple[int, int]] = {}
        if at_end and new:
            ends = await self._bounds({split_partition_name(name)[0] for name in new})
        for name in read - wanted:
            self.partitions.end(name)
        for name in sorted(new):
            self.partitions.begin(name, ends.get(name, (0, 0))[1])
        await self.inputs.assign(self.partitions.positions)

    async def _present_ends(self) -> Positions:
        topics = {split_partition_name(name)[0] for name in self.partitions.positions}
        return {name: end for name, (_, end) in (await self._bounds(topics)).items()}

    async def _bounds(self, topics: set[str]) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}

        async def ask(topic: str) -> None:
            try:
                found.update(await self.inputs.bounds({topic}))
            except Invalid:
                return  # deleted meanwhile; the next look notices

        for topic in sorted(topics):
            await self._insist(lambda topic=topic: ask(topic))  # type: ignore[misc]
        return found

    def _is_through(self) -> bool:
        if self._ends is None:
            return False
        positions = self.partitions.positions
        return all(positions.get(name, end) >= end for name, end in self._ends.items())

    # ---- commits and progress ----

    async def _commit_if_due(self) -> None:
        now_ms = self.clock.monotonic_ms()
        if self._urgent or now_ms - self._committed_ms >= self.settings.commit_interval_ms:
            await self._commit()
        stale = self._told != self.partitions.committed
        if stale and (self._urgent or now_ms - self._told_ms >= self.settings.progress_interval_ms):
            await self.tell()
        self._urgent = False

    async def _commit(self) -> None:
        """Make durable what was processed: outputs first, then the offsets.

        Raises: Conflict("consumer.rebalanced") when the work was taken away.
        """
        self._committed_ms = self.clock.monotonic_ms()
        if not await self.outbox.settle(self._is_active):
            raise Conflict("consumer.rebalanced", reason="another worker is active")
        self.metrics.undeliverable = self.outbox.undeliverable
        positions = self.partitions.uncommitted()
        if not positions:
            return
        if self.partitions.untold:
            await self.tell()  # so that a restart knows where the new partitions began
        low = self.partitions.low()
        await self._insist(lambda: self.lease.commit(positions))
        self.partitions.have_committed(positions, low)
        self.metrics.commits += 1

    async def tell(self) -> None:
        """Write a progress record; returns when it is acknowledged."""
        low = self.partitions.durable_low
        self.activations = needed_activations(self.activations, low)
        record = ProgressRecord(
            worker=self.settings.name,
            positions=dict(self.partitions.committed),
            alerts=dict(self.trail.next_offsets),
            definitions=self.activations[-1][0],
            reads=self.rules.filter.wanted,
            low=dict(low),
            alerts_low=self.trail.low(low),
            activations=self.activations,
            runs=self.engine.matcher.live_runs,
            at=self.clock.now_ms(),
        )

        async def write() -> None:
            await write_progress(await self.outbox.connected(), record)

        await self._insist(write)
        self.partitions.untold = False
        self._told = dict(self.partitions.committed)
        self._told_ms = self.clock.monotonic_ms()

    async def _insist(self, act: Callable[[], Awaitable[Any]]) -> None:
        """Do something again until the brokers answer, with growing pauses.

        Raises: Conflict("consumer.rebalanced") when the work is taken away meanwhile; whatever
            waiting does not mend.
        """
        pause_ms = WORKER_RETRY_MS
        while True:
            try:
                await act()
            except Unavailable as error:
                if not self._is_active():
                    raise Conflict(
                        "consumer.rebalanced", reason="another worker is active"
                    ) from error
                get_logger(__name__).warning("session.retries", code=error.code, error=str(error))
                await asyncio.sleep(pause_ms / 1000)
                pause_ms = min(2 * pause_ms, self.settings.retry_backoff_max_ms)
            else:
                return


def _is_waited_for(record: ConsumerRecord) -> bool:
    return any(name == WAIT_HEADER for name, _ in record.headers.pairs)
