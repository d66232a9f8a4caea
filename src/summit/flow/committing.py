"""Commits of a worker: one transaction at a time, begun by the session and waited for later.

Where alerts leave at once (at-least-once), a second one of these writes them without a transaction;
the commit of what they were made of waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from typing import Any

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Conflict, Invalid, SummitError, Unavailable
from summit.base.ids import uuid7
from summit.base.limits import RECOMMIT_MS, REFUSED_COMMITS_MAX
from summit.base.logs import get_logger
from summit.base.rand import Rand
from summit.base.tracing import Span, is_tracing, span
from summit.client.faults import is_of_size
from summit.client.member import GroupMember
from summit.client.settings import ProducerConfig
from summit.client.topics import TopicConfig
from summit.client.transactor import Outgoing, Transactor, Written
from summit.client.types import TopicPartition
from summit.flow.inputs import Inputs
from summit.flow.metrics import WorkerMetrics
from summit.flow.outputs import Outputs
from summit.flow.placement import carrier
from summit.flow.runtime import Cut
from summit.flow.settings import WorkerSettings
from summit.journal.progress_record import (
    Positions,
    ProgressRecord,
    encode_progress,
    split_partition_name,
)
from summit.journal.topics import EXCHANGE_TOPIC, PROGRESS_TOPIC, ensure_topics

_REFUSED_PAUSE_S = 0.05


class Commits:
    """See the module; one loop's.

    Args:
        member: Proves the membership.
        inputs: Woken when a transaction has ended.
        lost: Asked which key groups were given to others: then a refusal is final.
        before: Writes alerts without transactions; must have written them before a commit.
        transactional: Otherwise this is such a one.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        clock: Clock,
        member: GroupMember,
        inputs: Inputs,
        metrics: WorkerMetrics,
        lost: Callable[[], Set[int]],
        before: Commits | None = None,
        *,
        transactional: bool = True,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._member = member
        self._inputs = inputs
        self._metrics = metrics
        self._lost = lost
        self._before = before
        self._transactional = transactional
        self._name = settings.instance_id or str(uuid7(clock, Rand()))
        self._transactor: Transactor | None = None
        self._writing: asyncio.Future[None] | None = None
        self._made_topics: set[str] = set()
        self._positions: Positions = {}
        self._exchange: Mapping[int, int] = {}
        self.alert_ends: dict[str, int] = {} if before is None else before.alert_ends
        self._recommitted_ms = clock.monotonic_ms()

    async def start(self) -> None:
        """Connect anew; whatever a transactor of before has left open is settled then.

        Raises: Unavailable; Closed("client.fenced").
        """
        if self._transactor is not None:
            await self._transactor.stop()
            self._transactor = None
        settings = self._settings
        transactor = Transactor(
            ProducerConfig(
                client_id=settings.name,
                bootstrap_servers=settings.servers,
                linger_ms=100,  # a flush does not wait for it
                batch_size=1_000_000,
                buffer_memory=64 << 20,
                delivery_timeout_ms=30_000,
                retries=100,
                transactional_id=(
                    f"{settings.group_id}-{self._name}" if self._transactional else None
                ),
                transaction_timeout_ms=settings.transaction_timeout_ms,
            ),
            self._clock,
            is_member=True,
        )
        try:
            await transactor.start()
        except SummitError:
            await transactor.stop()
            raise
        self._transactor = transactor

    async def stop(self) -> None:
        """Disconnect, after the transaction under way. Idempotent."""
        if self._transactor is not None:
            await self._transactor.stop()
            self._transactor = None

    def holds(self, exchange: Mapping[int, int], alerts: Mapping[int, tuple[int, int]]) -> None:
        """Key groups were taken up: where their frames are read, and where the alerts end."""
        self._exchange = exchange
        self._raise_ends({str(partition): end for partition, (_, end) in alerts.items()})

    def forget(self, name: str) -> None:
        """An input was made anew: what was committed for it does not count."""
        self._positions.pop(name, None)

    @property
    def under_way(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return self._writing is not None and not self._writing.done()

    async def settle(self) -> None:
        """Wait for the transaction under way.

        Raises: Closed, Unavailable, Conflict: nobody knows what became of it; begin anew.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            since_ms = self._clock.monotonic_ms()
            try:
                await writing
            finally:
                self._metrics.count_commit_wait(self._clock.monotonic_ms() - since_ms)

    async def tell(self, progress: ProgressRecord) -> None:
        """Write a progress record alone; for when there is nothing to commit.

        Raises: Unavailable, Closed: begin anew.
        """
        await self.settle()
        if self._transactor is not None:
            record = Outgoing(PROGRESS_TOPIC, None, encode_progress(progress), 0)
            await self._transactor.write([], [record], {}, None, lambda _: [])

    async def begin(
        self,
        outputs: Outputs,
        cut: Cut,
        progress: ProgressRecord | None,
        traced: Sequence[Span] = (),
    ) -> None:
        """Begin a transaction; the one before must be settled.

        Args:
            progress: To be told with it; where the alerts end is filled in.
            traced: Spans that end with it.
        Raises: Unavailable where a topic of dead letters or of a route cannot be made.
        """
        await self._make_topics(outputs.made_topics)
        offsets = self._offsets(cut) if self._transactional else {}  # as of the cut, not later
        writing = self._write(outputs, cut, offsets, progress)
        if is_tracing():
            writing = _traced(writing, outputs, traced)
        self._writing = asyncio.ensure_future(writing)
        self._writing.add_done_callback(lambda _: self._inputs.wake())

    async def _write(
        self,
        outputs: Outputs,
        cut: Cut,
        offsets: dict[TopicPartition, int],
        progress: ProgressRecord | None,
    ) -> None:
        since_ms = self._clock.monotonic_ms()
        if self._before is None:
            await self._transact(outputs, offsets, progress)
        else:  # an open transaction must not hide what is told meanwhile
            await self._before.settle()
            await self._transact(outputs, offsets, None)
            if progress is not None:
                await self._before.tell(
                    msgspec.structs.replace(progress, alerts=dict(self.alert_ends))
                )
        self._positions.update(cut.positions)
        self._metrics.commits += self._transactional
        self._metrics.commits_took.add(self._clock.monotonic_ms() - since_ms)
        self._metrics.alerts += outputs.alerts
        self._metrics.count_matches(cut.counts)
        self._metrics.suppressed += sum(count for count, _ in cut.suppressed.values())
        self._metrics.state_records += outputs.state_records
        self._metrics.state_bytes += outputs.state_bytes
        self._metrics.exchange_events += outputs.exchange_events
        self._metrics.exchange_bytes += outputs.exchange_bytes
        self._metrics.count_undeliverable(outputs.undeliverable)
        self._metrics.state_cut.update(cut.state_cut)
        self._metrics.published += outputs.published

    async def _transact(
        self,
        outputs: Outputs,
        offsets: dict[TopicPartition, int],
        progress: ProgressRecord | None,
    ) -> None:
        alert_ends = dict(self.alert_ends)

        def closing(written: list[Written]) -> list[Outgoing]:
            alert_ends.update(outputs.alert_ends(written))
            if progress is None:
                return []
            told = msgspec.structs.replace(progress, alerts=dict(alert_ends))
            return [Outgoing(PROGRESS_TOPIC, None, encode_progress(told), 0)]

        refused = 0
        while True:
            if self._transactor is None:
                raise Unavailable("client.no_brokers", brokers="")
            try:
                await self._transactor.write(
                    outputs.watched, outputs.others, offsets, self._member.metadata, closing,
                    outputs.apart,
                )  # fmt: skip
                break
            except Conflict as error:
                self._metrics.aborts += 1
                if is_of_size(error):  # of what nobody watches: nothing can be left out
                    self._metrics.state_refused(outputs.state_bytes_largest)
                    raise Unavailable(
                        "client.broker_fault", reason=_said(error, outputs)
                    ) from error
                # The group has moved on, cleanly: with a newer proof it is to be accepted.
                refused += 1
                if refused > REFUSED_COMMITS_MAX or self._lost():
                    raise
                await asyncio.sleep(_REFUSED_PAUSE_S)
            except Invalid as error:
                self._metrics.aborts += 1
                if not outputs.blame(error):
                    if is_of_size(error):
                        self._metrics.state_refused(outputs.state_bytes_largest)
                    self._made_topics.clear()
                    raise Unavailable(
                        "client.broker_fault", reason=_said(error, outputs)
                    ) from error
                await self.start()  # the producer counts on what was refused
        self._raise_ends(alert_ends)

    def _raise_ends(self, ends: Mapping[str, int]) -> None:
        for partition, end in ends.items():
            self.alert_ends[partition] = max(end, self.alert_ends.get(partition, 0))

    def _offsets(self, cut: Cut) -> dict[TopicPartition, int]:
        """What the group is told; now and then everything, so that nothing expires."""
        positions, exchange = cut.positions, cut.exchange
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._recommitted_ms > RECOMMIT_MS:
            self._recommitted_ms = now_ms
            # What was given back is another worker's to tell.
            self._positions = {
                name: at
                for name, at in self._positions.items()
                if carrier(*split_partition_name(name)) in self._exchange
            }
            positions, exchange = {**self._positions, **positions}, dict(self._exchange)
        return {
            **{TopicPartition(*split_partition_name(name)): at for name, at in positions.items()},
            **{TopicPartition(EXCHANGE_TOPIC, group): at for group, at in exchange.items()},
        }

    async def prepare(self, names: Set[str]) -> bool:
        """Make topics that will be written to: who reads them does so from their first record.

        Returns: Whether there are new ones. Where one cannot be made, the transaction that needs
            it says so again.
        """
        before = len(self._made_topics)
        try:
            await self._make_topics(names)
        except (Unavailable, Invalid) as error:
            get_logger(__name__).warning("topics.not_made", error=str(error))
        return len(self._made_topics) > before

    async def _make_topics(self, names: Set[str]) -> None:
        missing = names - self._made_topics
        if missing:
            await ensure_topics(
                self._inputs.admin, [TopicConfig(name=topic) for topic in sorted(missing)]
            )
            self._made_topics |= missing


def _said(error: SummitError, outputs: Outputs) -> str:
    """Why something is refused, with what is to be known of a state that may be too large."""
    if is_of_size(error) and outputs.largest_state:
        return f"{error}; {outputs.largest_state}"
    return str(error)


async def _traced(
    writing: Coroutine[Any, Any, None], outputs: Outputs, alerts: Sequence[Span]
) -> None:
    """The same as a span of its own, linked to the alerts' ones, which end with it."""
    links = [one.traceparent for one in alerts if one.traceparent is not None]
    attributes = {"summit.alerts": outputs.alerts, "summit.state.records": outputs.state_records}
    try:
        with span("worker transaction", "producer", links=links, attributes=attributes):
            await writing
    except BaseException:
        for one in alerts:
            one.fail("its transaction was not committed; it is made again")
        raise
    finally:
        for one in alerts:
            one.end()
