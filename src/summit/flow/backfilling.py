"""A backfill: one worker reads the past for one rule, as fast as it goes, up to the present.

    since ──── read again, as a replay reads ────┐ where the workers are: the rule acts there now
                                                 └─ from one cut through all inputs on

What the rule finds, what it has begun and how far that is are one transaction, so a worker that is
killed leaves nothing twice and nothing out: whoever takes over its key group goes on from the mark.
The transactor's name is the backfill's, which fences whoever did it before. Inputs that workers
read are read no further than these have committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Closed, Conflict, Invalid, SummitError, Unavailable
from summit.base.limits import BACKFILL_GIVEN_UP_MS, WATERMARK_UNKNOWN, WORKER_RETRY_MS
from summit.base.logs import get_logger
from summit.client.admin import Admin
from summit.client.faults import is_of_size
from summit.client.log_reader import LogReader
from summit.client.merged_reading import read_merged
from summit.client.settings import ProducerConfig
from summit.client.topics import TopicConfig
from summit.client.transactor import Outgoing, Transactor
from summit.client.types import TopicPartition
from summit.documents.correlation import CorrelationPlan
from summit.documents.query_plan import QueryPlan
from summit.flow.backfills import Backfill, Live
from summit.flow.calling import calls_for
from summit.flow.kinds import prepare
from summit.flow.metrics import WorkerMetrics
from summit.flow.outputs import Outputs, is_to_be_mended
from summit.flow.past_stage import stage_of_the_past
from summit.flow.past_state import PastState
from summit.flow.reading import outputs_of
from summit.flow.replay_output import match_name, names_of, record_name
from summit.flow.rerun import Rerun
from summit.flow.rules import Rules
from summit.flow.runtime import Cut, Runtime
from summit.flow.settings import WorkerSettings
from summit.flow.spans import Range, find_spans
from summit.journal.backfill_log import BackfillMark, mark_record, state_records
from summit.journal.inputs import TopicFilter, rule_topics
from summit.journal.progress_record import Positions, partition_name, split_partition_name
from summit.journal.state_log import Content, is_acts
from summit.journal.topics import (
    ALERTS_TOPIC,
    BACKFILLS,
    CALLS_TOPIC,
    CORRELATIONS_TOPIC,
    RESULTS_TOPIC,
    ensure_topics,
)
from summit.keyed.keygroups import KEY_GROUPS

_COMMIT_MS: Final = 1_000
_COMMIT_RECORDS: Final = 50_000
_NEAR_RECORDS: Final = 5_000  # from the present: then the workers may wait for the rest
_LOOK_S: Final = 0.05
_ALL: Final = frozenset(range(KEY_GROUPS))


class Backfilling:
    """Does one backfill; one loop's, used once.

    Args:
        rules: Those that act: which inputs workers read, how, and through which stage.
        live: Puts it in force that the rule has come to the present.
        metrics: Told what is committed.

    Attributes:
        is_full: Whether what was begun is complete: nothing more will be written.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        clock: Clock,
        backfill: Backfill,
        rules: Rules,
        live: Callable[[Backfill], Any],
        metrics: WorkerMetrics,
    ) -> None:
        self.backfill = backfill
        self.rules = rules
        self.is_full = False
        self._settings = settings
        self._clock = clock
        self._live = live
        self._metrics = metrics
        self._is_told = False
        self._last_leg = False
        self._is_without = False
        self._failing = "", 0.0  # with what, and since when
        self._task: asyncio.Task[None] | None = None
        self._config = {"clientId": "summit-backfill", "bootstrapServers": settings.servers}

    def start(self) -> None:
        """Begin, or go on where the mark is."""
        self._task = asyncio.create_task(self._insist(), name="backfill")

    async def stop(self) -> None:
        """End; what is not committed is read again by whoever goes on. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._went_on()

    def finish(self) -> None:
        """The workers stand still where they have committed: read up to there and be full."""
        self._last_leg = True

    async def _insist(self) -> None:
        pause_ms = WORKER_RETRY_MS
        while True:
            try:
                await self._run()
                return
            except Exception as error:  # noqa: BLE001 - the workers may stand still for this one
                if await self._is_given_up(error):
                    return
            await asyncio.sleep(pause_ms / 1000)
            pause_ms = min(2 * pause_ms, self._settings.retry_backoff_max_ms)

    async def _is_given_up(self, error: Exception) -> bool:
        """Note a failure; whether it has lasted while all workers stand still, so they go on."""
        code, text = type(error).__name__, repr(error)
        if isinstance(error, SummitError):
            code, text = error.code, str(error)
        rule, now_ms = self.backfill.rule, self._clock.monotonic_ms()
        get_logger(__name__).warning("backfill.waits", rule=rule, code=code, error=text)
        self._metrics.past_faults[rule] = f"it is read anew, because of: {text}"
        if code != self._failing[0] or not (self._last_leg and _lasts(error)):
            self._failing = code, now_ms
        if now_ms - self._failing[1] < BACKFILL_GIVEN_UP_MS:
            return False
        try:
            await give_up(self._settings, self._clock, self.backfill)
        except Exception as again:  # noqa: BLE001 - as above
            get_logger(__name__).warning("backfill.not_given_up", rule=rule, error=repr(again))
            return False
        get_logger(__name__).error("backfill.given_up", rule=rule, code=code, error=text)
        self._metrics.past_faults[rule] = (
            f"it acts without what it had begun there; it could not be read to its end: {text}"
        )
        self.is_full = self._is_without = True
        return True

    def _went_on(self) -> None:
        self._failing = "", 0.0
        if not self._is_without:
            self._metrics.past_faults.pop(self.backfill.rule, None)

    async def _run(self) -> None:
        transactor = Transactor(transactor_config(self._settings, self.backfill.rule), self._clock)
        past = PastState(self._settings.servers)
        try:
            async with (
                Admin(self._config) as admin,
                LogReader(self._config, committed=True) as reader,
            ):
                await ensure_topics(admin, [BACKFILLS])
                await transactor.start()
                work = _Work(
                    self.backfill, self.rules, admin, reader, transactor, self._settings,
                    self._metrics,
                )  # fmt: skip
                await work.open(past)
                await self._read_on(work)
        finally:
            await past.close()
            with suppress(SummitError):
                await transactor.stop()

    async def _read_on(self, work: _Work) -> None:
        while not work.is_full:
            last = self._last_leg
            await work.look()
            near = work.left <= _NEAR_RECORDS
            committed_ms = self._clock.monotonic_ms()
            async for _ in work.read():
                now_ms = self._clock.monotonic_ms()
                if now_ms - committed_ms >= _COMMIT_MS or work.uncommitted >= _COMMIT_RECORDS:
                    await work.commit()
                    self._went_on()
                    committed_ms = self._clock.monotonic_ms()
                await asyncio.sleep(0)  # the other rules go on meanwhile
            if work.uncommitted or last:
                await work.commit(full=last)
                self._went_on()
            if near and not last:
                if not self._is_told:
                    await work.commit()  # so that there is a mark, whatever was read
                    await self._live(self.backfill)
                    self._is_told = True
                await asyncio.sleep(_LOOK_S)
        self.is_full = True


class _Work:
    """The reading of one backfill, from its mark on.

    Attributes:
        left: Records between here and where it may read to.
        uncommitted: Records read since the last commit.
    """

    def __init__(
        self,
        backfill: Backfill,
        rules: Rules,
        admin: Admin,
        reader: LogReader,
        transactor: Transactor,
        settings: WorkerSettings,
        metrics: WorkerMetrics,
    ) -> None:
        self._metrics = metrics
        self._backfill = backfill
        self._rules = rules
        self._admin = admin
        self._reader = reader
        self._transactor = transactor
        self._group = settings.group_id
        self._servers = settings.servers
        self._topics = TopicFilter(rule_topics(backfill.plan.topics))
        self._state_id = _state_id(backfill)
        self._topic_ids: dict[str, str] = {}
        self._runtime = Runtime(lambda topic: self._topic_ids.get(topic, topic))
        self._rerun = Rerun(runtime=self._runtime)
        self._starts: Positions = {}
        self._ends: Positions = {}
        self._known: set[bytes] = set()
        self._written_to: Positions = {}
        self._gone: list[Outgoing] = []
        self._records = 0
        self.left = 0
        self.uncommitted = 0
        self.is_full = False

    async def open(self, past: PastState) -> None:
        """Go on from the mark; without one, or where the rule means something else now, begin."""
        backfill, runtime = self._backfill, self._runtime
        mark = await past.mark(backfill.name)
        states = await past.states(backfill.name)
        content = states.content()
        if mark is None or mark.state_id != self._state_id:
            self._gone = states.gone()
            mark, content = None, Content({}, {}, {}, {}, {})
        self._written_to = {} if mark is None else mark.written_to
        self._known = await self._written()
        self._rerun.stage = await stage_of_the_past(self._reader, self._rules.stage.enrichments)
        self._rerun.set_rules([backfill.plan], self._rules._replace(paused=()))
        runtime.hold(dict.fromkeys(_ALL, 0), content)
        if mark is None:
            found = await find_spans(
                self._admin, Range(since_ms=backfill.begin.since_ms), self._topics
            )
            self._starts = {partition_name(*place): at for place, (at, _) in found.spans.items()}
            self._starts |= backfill.begin.offsets
            return
        self.is_full = mark.full
        self._records = mark.records
        for name, offset in mark.positions.items():
            runtime.begin(
                name, offset, content.times.get(split_partition_name(name), WATERMARK_UNKNOWN)
            )
        self._rerun.set_clock(mark.tick_ms, mark.last_ms)

    async def _written(self) -> set[bytes]:
        """What the rule has written before, if it acted once: none of it is written again."""
        names: set[bytes] = set()
        topics = {ALERTS_TOPIC, *_outputs(self._backfill)}
        there = set(await self._admin.list_topics())
        ends = dict(self._written_to)
        if not ends:
            for topic in sorted(topics & there):
                bounds = await self._admin.offsets(topic, committed=True)
                ends |= {partition_name(topic, each): end for each, (_, end) in bounds.items()}
        for topic in sorted(topics & there):
            names |= await names_of(self._admin, self._reader, topic, ends)
        self._written_to = ends
        return names

    async def look(self) -> None:
        """See how far it may read: to the ends, or to where the workers are."""
        found = await find_spans(self._admin, Range(), self._topics)
        self._topic_ids = found.topic_ids
        places = list(found.spans)
        shared = [place for place in places if self._rules.filter.reads(place.topic)]
        committed: Mapping[TopicPartition, int] = {}
        if shared:
            committed = await self._admin.stable_offsets(self._group, shared)
        self._ends = {}
        for place in places:
            name = partition_name(*place)
            first, end = found.spans[place]
            if place in shared:
                end = min(end, committed.get(place, first))
            at = self._runtime.positions.get(name)
            if at is None:
                at = min(max(first, self._starts.get(name, first)), end)
                self._runtime.begin(name, at)
            self._ends[name] = max(at, end)
        self.left = sum(end - self._runtime.positions[name] for name, end in self._ends.items())

    async def read(self) -> Any:
        """Read up to there; gives after each burst."""
        at = self._runtime.positions
        spans = {
            TopicPartition(*split_partition_name(name)): (max(at[name], 0), end)
            for name, end in sorted(self._ends.items())
            if at[name] < end
        }
        async for records in read_merged(self._reader, spans):
            self._rerun.process(records)
            self._records += len(records)
            self.uncommitted += len(records)
            yield len(records)
        self._runtime.reach(self._ends)

    async def commit(self, *, full: bool = False) -> None:
        """Make durable what was found and begun, and how far that is."""
        runtime = self._runtime
        cut = runtime.cut()
        outputs = Outputs(self._new(cut), _ALL, [])
        tick_ms, last_ms = self._rerun.clock
        mark = BackfillMark(
            state_id=self._state_id, positions=dict(runtime.positions), ends=self._ends,
            last_ms=last_ms, tick_ms=tick_ms, full=full, records=self._records,
            written_to=self._written_to,
        )  # fmt: skip
        state = [row for rows in cut.state.values() for row in rows if not is_acts(row[0])]
        name = self._backfill.name
        own = [*self._gone, *state_records(name, state), mark_record(name, mark)]
        await ensure_topics(
            self._admin, [TopicConfig(name=topic) for topic in sorted(outputs.made_topics)]
        )
        while True:
            try:
                await self._transactor.write(
                    outputs.watched,
                    [*outputs.others, *own],
                    {},
                    None,
                    lambda _: [],
                    outputs.apart,
                )
                break
            except Invalid as error:
                if not outputs.blame(error):
                    raise Unavailable("client.broker_fault", reason=str(error)) from error
                await self._transactor.renew()
            except (Closed, Conflict) as error:
                raise Unavailable("client.broker_fault", reason=str(error)) from error
        self._gone = []
        self._metrics.count_matches(cut.counts)
        self._metrics.alerts += outputs.alerts
        self._metrics.published += outputs.published
        self._metrics.count_undeliverable(outputs.undeliverable)
        self.uncommitted = 0
        self.is_full = full

    def _new(self, cut: Cut) -> Cut:
        """What a cut holds without what was written before; its state goes elsewhere."""
        known = self._known
        made = [each for each in cut.made if match_name(each.id.encode()) not in known]
        records = [
            each for each in cut.records
            if record_name(each.key, each.value) not in known
        ]  # fmt: skip
        # For an alert of before those were counted then, up to where the rule acted.
        suppressed = {
            name: told for name, told in cut.suppressed.items()
            if match_name(name.encode()) not in known
        }  # fmt: skip
        return cut._replace(
            made=made, records=records, suppressed=suppressed,
            state={}, told={}, remote={}, ready=(),
        )  # fmt: skip


def _state_id(backfill: Backfill) -> str:
    return prepare(backfill.plan).state_id


def _outputs(backfill: Backfill) -> set[str]:
    """Topics that the rule writes to, besides the alerts."""
    topics = {CORRELATIONS_TOPIC} if isinstance(backfill.plan, CorrelationPlan) else set()
    if isinstance(backfill.plan, QueryPlan):
        topics = {RESULTS_TOPIC}
    if calls_for([backfill.plan]):
        topics.add(CALLS_TOPIC)
    return topics | outputs_of([backfill.plan])


def _lasts(error: Exception) -> bool:
    """Whether waiting will not mend it: not the broker's absence, nor a topic that is not there."""
    cause = error.__cause__
    if isinstance(cause, SummitError) and is_of_size(cause):
        return True
    if isinstance(cause, Invalid):
        return not is_to_be_mended(cause)
    return not isinstance(error, (Closed, Conflict, Unavailable))


async def give_up(settings: WorkerSettings, clock: Clock, backfill: Backfill) -> None:
    """Let the rule act without what it has begun; what it has written stays.

    Raises: Unavailable; Closed; Corrupt.
    """
    past = PastState(settings.servers)
    transactor = Transactor(transactor_config(settings, backfill.rule), clock)
    try:
        await transactor.start()  # whoever did it before writes nothing from here on
        mark = await past.mark(backfill.name)
        if mark is not None and mark.full:
            return
        gone = (await past.states(backfill.name)).gone()
        empty = BackfillMark(state_id=_state_id(backfill), positions={}, full=True)
        await transactor.write(
            [], [*gone, mark_record(backfill.name, empty)], {}, None, lambda _: []
        )
    finally:
        await past.close()
        with suppress(SummitError):
            await transactor.stop()


async def clear_away(settings: WorkerSettings, clock: Clock, live: Live) -> None:
    """Delete what a backfill has left, which all have taken up. Raises: Unavailable; Closed."""
    past = PastState(settings.servers)
    try:
        mark = await past.mark(live.name)
        states = await past.states(live.name)
    finally:
        await past.close()
    gone = states.gone()
    if mark is None and not gone:
        return
    transactor = Transactor(transactor_config(settings, live.rule), clock)
    try:
        await transactor.start()
        gone.append(mark_record(live.name, None))
        await transactor.write([], gone, {}, None, lambda _: [])
    finally:
        with suppress(SummitError):
            await transactor.stop()


def transactor_config(settings: WorkerSettings, rule: str) -> ProducerConfig:
    """One transactor for each rule's backfills: at most one worker writes."""
    return ProducerConfig(
        client_id=settings.name,
        bootstrap_servers=settings.servers,
        linger_ms=100,
        batch_size=1_000_000,
        delivery_timeout_ms=30_000,
        retries=100,
        transactional_id=f"{settings.group_id}-backfill-{rule}",
        transaction_timeout_ms=settings.transaction_timeout_ms,
    )
