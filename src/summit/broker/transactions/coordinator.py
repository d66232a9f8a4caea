"""The transaction coordinator: the state machines, their log, markers, time-outs.

An EndTxn makes a decision durable, with the offsets that are committed by it and all data before
it; then the transaction has ended and the producer is answered. Markers and the completed state
follow from it; a crash between the two leaves the decision, and the next start makes the markers.

Where groups are whole or not there, all of it is one group, which saves a sync: unless one of its
logs is in a group on its way to the disk, whose failure would take back what is staged behind it in
that log alone. Else, and where nothing is synced, the markers are a second group: a crash can leave
any part of one, and a marker without its decision would tear the transaction.

The markers are staged at the latest in the turn in which the decision is known to be durable, so
whatever the producer sends next stands behind them in the log.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Closed, Conflict, Corrupt, Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.broker.commit import CommitScheduler
from summit.broker.groups.coordinator import Coordinator
from summit.broker.groups.offsets import Committed, TopicPartition, dated
from summit.broker.producer_ids import ProducerIds
from summit.broker.rewriting import Pair
from summit.broker.topics import TopicTable
from summit.broker.transactions import stored
from summit.broker.transactions.markers import (
    ends_of,
    logs_of,
    open_ones,
    stage_abort,
    stage_markers,
)
from summit.broker.transactions.transaction import (
    EPOCH_MAX,
    NOBODY,
    Action,
    Decision,
    Identity,
    State,
    Transaction,
)
from summit.log.partition import PartitionLog
from summit.protocol import codes
from summit.records import Record, build_batch

Answer = Callable[[int], None]  # a Kafka error code
Initialised = Callable[[int, int, int], None]  # a Kafka error code, producer id, epoch

ANY_CONNECTION: Final = -1  # of requests that need no telling apart: their epoch does it
_RETRY_S: Final = 0.2  # until markers are tried again that found the disk full

_log = get_logger(__name__)


class Transactions:
    """Every transactional id. Loop thread only."""

    def __init__(
        self,
        *,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        commit: CommitScheduler,
        log: PartitionLog,
        topics: TopicTable,
        groups: Coordinator,
        producer_ids: ProducerIds,
        timeout_max_ms: int,
    ) -> None:
        self._clock = clock
        self._loop = loop
        self._commit = commit
        self.log = log
        self._logs = (log,)
        self._topics = topics
        self._groups = groups
        self._producer_ids = producer_ids
        self._timeout_max_ms = timeout_max_ms
        self._by_id: dict[str, Transaction] = {}
        self._creating: set[str] = set()
        self._is_closed = False

    # ---- questions ----

    def get(self, transactional_id: str) -> Transaction | None:
        """One transactional id as it stands."""
        return self._by_id.get(transactional_id)

    def all(self) -> list[Transaction]:
        """Every transactional id."""
        return list(self._by_id.values())

    def is_unstable(self, group_id: str, where: TopicPartition) -> bool:
        """Whether an open transaction holds a commit of this offset."""
        return any(
            where in transaction.offsets.get(group_id, ())
            for transaction in self._by_id.values()
            if not transaction.is_idle
        )

    # ---- InitProducerId ----

    def init(
        self, transactional_id: str, timeout_ms: int, who: Identity, done: Initialised
    ) -> None:
        """Give a producer its id and a fresh epoch; whoever had it before is fenced."""
        if not transactional_id:
            done(codes.INVALID_REQUEST, -1, -1)
            return
        if not 0 < timeout_ms <= self._timeout_max_ms:
            done(codes.INVALID_TRANSACTION_TIMEOUT, -1, -1)
            return
        transaction = self._by_id.get(transactional_id)
        if transaction is None:
            self._create(transactional_id, timeout_ms, done)
            return
        error, action = transaction.check_init(who)
        if error != codes.NONE:
            done(error, -1, -1)
        elif action is Action.ABORT:

            def aborted(error: int) -> None:
                if error != codes.NONE:
                    done(error, -1, -1)
                else:
                    self.init(transactional_id, timeout_ms, who, done)

            self._decide(transaction, is_commit=False, by_owner=who != NOBODY, then=aborted)
        elif action is Action.NOTHING:
            done(codes.NONE, *transaction.identity)
        else:
            self._renew(transaction, timeout_ms, action, by_owner=who != NOBODY, done=done)

    def _create(self, transactional_id: str, timeout_ms: int, done: Initialised) -> None:
        if transactional_id in self._creating:
            done(codes.CONCURRENT_TRANSACTIONS, -1, -1)
            return
        self._creating.add(transactional_id)

        def given(producer_id: int, error: SummitError | None) -> None:
            if error is not None:
                saved(error)
                return
            transaction.producer_id = producer_id
            self._save(transaction, saved)

        def saved(error: SummitError | None) -> None:
            self._creating.discard(transactional_id)
            if error is not None:
                done(codes.COORDINATOR_NOT_AVAILABLE, -1, -1)
                return
            self._by_id[transactional_id] = transaction
            done(codes.NONE, *transaction.identity)

        transaction = Transaction(transactional_id, -1, 0, timeout_ms)
        self._producer_ids.take(given)

    def _renew(
        self,
        transaction: Transaction,
        timeout_ms: int,
        action: Action,
        *,
        by_owner: bool,
        done: Initialised,
    ) -> None:
        """Raise the epoch, or take a new id, durably."""
        restore = transaction.undo()
        transaction.is_busy = True

        def given(producer_id: int, error: SummitError | None) -> None:
            if error is not None:
                saved(error)
                return
            transaction.take_id(producer_id, by_owner=by_owner)
            transaction.state = State.EMPTY
            self._save(transaction, saved)

        def saved(error: SummitError | None) -> None:
            transaction.is_busy = False
            if error is None:
                transaction.timeout_ms = timeout_ms
                done(codes.NONE, *transaction.identity)
                return
            restore()
            done(codes.COORDINATOR_NOT_AVAILABLE, -1, -1)

        if action is Action.NEW_ID:
            self._producer_ids.take(given)
            return
        transaction.raise_epoch(by_owner=by_owner)
        transaction.state = State.EMPTY
        self._save(transaction, saved)

    # ---- adding ----

    def check(self, transactional_id: str, who: Identity) -> int:
        """Whether this producer may add to its transaction: the error code."""
        transaction = self._by_id.get(transactional_id)
        if transaction is None:
            return codes.INVALID_PRODUCER_ID_MAPPING
        return transaction.check_add(who).error

    def holds(self, transactional_id: str, who: Identity, where: TopicPartition) -> int:
        """Whether a partition is in the producer's open transaction: the error code."""
        error = self.check(transactional_id, who)
        if error != codes.NONE:
            return error
        transaction = self._by_id[transactional_id]
        is_in = transaction.state is State.ONGOING and where in transaction.partitions
        return codes.NONE if is_in else codes.TRANSACTION_ABORTABLE

    def add(
        self,
        transactional_id: str,
        who: Identity,
        *,
        connection: int,
        done: Answer,
        partitions: Iterable[TopicPartition] = (),
        group_id: str | None = None,
        commits: Iterable[tuple[TopicPartition, Committed]] = (),
    ) -> None:
        """Add partitions, a group or its offsets to the transaction; opens one if none is."""
        error = self.check(transactional_id, who)
        if error != codes.NONE:
            done(error)
            return
        transaction = self._by_id[transactional_id]
        is_new = transaction.state is not State.ONGOING or transaction.is_unsaved
        transaction.begin(self._clock.now_ms(), connection)
        for where in partitions:
            is_new = is_new or where not in transaction.partitions
            transaction.partitions.add(where)
        if group_id is not None:
            is_new = is_new or group_id not in transaction.offsets
            pending = transaction.offsets.setdefault(group_id, {})
            for where, committed in commits:
                is_new = True
                pending[where] = committed
        if is_new:
            self._save(transaction, functools.partial(self._added, transaction, done))
        else:
            self._commit.when_durable(lambda error: done(_code(error)), self._logs)

    def _added(self, transaction: Transaction, done: Answer, error: SummitError | None) -> None:
        transaction.is_unsaved = error is not None
        done(_code(error))

    def admit(
        self,
        transactional_id: str,
        who: Identity,
        where: TopicPartition,
        *,
        version: int,
    ) -> bool:
        """Check a transactional batch of a Produce request before it is staged.

        From v12 the partition joins the transaction by it.

        Returns: Whether something was staged in `log`, whose fate the batch shares.
        Raises: Closed, Conflict or Invalid("transaction.…").
        """
        error = self.check(transactional_id, who)
        if error == codes.CONCURRENT_TRANSACTIONS:
            raise Conflict("transaction.concurrent", transactional_id=transactional_id)
        if error == codes.PRODUCER_FENCED:
            raise Closed("transaction.fenced", transactional_id=transactional_id)
        if error != codes.NONE:
            raise Invalid("transaction.unknown", transactional_id=transactional_id)
        transaction = self._by_id[transactional_id]
        is_open = transaction.state is State.ONGOING
        if is_open and where in transaction.partitions and not transaction.is_unsaved:
            return False
        if version < 12:
            if version == 11:
                raise Conflict("transaction.abortable", transactional_id=transactional_id)
            raise Invalid("transaction.not_open", transactional_id=transactional_id)
        transaction.begin(self._clock.now_ms(), ANY_CONNECTION)
        transaction.partitions.add(where)
        self._stage(transaction)
        self._commit.when_durable(
            functools.partial(self._added, transaction, _nobody_waits), self._logs
        )
        return True

    # ---- ending ----

    def end(
        self,
        transactional_id: str,
        who: Identity,
        *,
        is_commit: bool,
        raises_epoch: bool,
        connection: int,
        done: Initialised,
    ) -> None:
        """Commit or abort; answered when the decision is durable."""
        transaction = self._by_id.get(transactional_id)
        if transaction is None:
            done(codes.INVALID_PRODUCER_ID_MAPPING, -1, -1)
            return
        error, action = transaction.check_end(who, is_commit=is_commit, raises_epoch=raises_epoch)
        if error == codes.NONE and action is Action.DECIDE and connection < transaction.begun_by:
            # The older protocol cannot tell transactions apart. A producer whose connection ended
            # began this one on the next: what still arrives on the old one is late.
            error = codes.INVALID_TXN_STATE
        if error != codes.NONE:
            done(error, -1, -1)
            return
        if action is not Action.DECIDE:
            done(codes.NONE, *transaction.identity)
            return

        def decided(error: int) -> None:
            done(error, *(transaction.identity if error == codes.NONE else NOBODY))

        if not raises_epoch or transaction.epoch < EPOCH_MAX - 1:
            self._decide(
                transaction, is_commit=is_commit, by_owner=True, raises=raises_epoch, then=decided
            )
            return

        def given(producer_id: int, error: SummitError | None) -> None:
            transaction.is_busy = False
            if error is not None:
                decided(codes.COORDINATOR_NOT_AVAILABLE)
                return
            self._decide(
                transaction, is_commit=is_commit, by_owner=True, next_id=producer_id, then=decided
            )

        transaction.is_busy = True
        self._producer_ids.take(given)

    def _decide(
        self,
        transaction: Transaction,
        *,
        is_commit: bool,
        by_owner: bool,
        then: Answer,
        raises: bool = True,
        next_id: int | None = None,
    ) -> None:
        """Make the end of a transaction durable, with its offsets; then pay what is due."""
        restore = transaction.undo()
        now_ms = self._clock.now_ms()
        decision = transaction.decision = Decision(
            is_commit=is_commit,
            producer_id=transaction.producer_id,
            marker_epoch=transaction.epoch + 1 if raises else transaction.epoch,
            ends=ends_of(self._topics, transaction.partitions),
            offsets=dated(transaction.offsets, now_ms) if is_commit else {},
            commit_ms=now_ms,
        )
        transaction.state = State.PREPARE_COMMIT if is_commit else State.PREPARE_ABORT
        if next_id is not None:
            transaction.take_id(next_id, by_owner=by_owner)
        elif raises:
            transaction.raise_epoch(by_owner=by_owner)

        logs = [self.log, self._groups.log]
        is_whole = self._commit.is_whole and not any(
            log.is_in_flight for log in [*logs, *logs_of(self._topics, decision)]
        )

        def decided(error: SummitError | None) -> None:
            if error is not None:
                restore()
                then(codes.COORDINATOR_NOT_AVAILABLE)
                return
            self._groups.apply_offsets(decision.offsets)
            transaction.complete()
            if not is_whole:
                self._pay(transaction, decision)
            elif unpaid is not None:
                self._paid(transaction, decision, unpaid)
            then(codes.NONE)

        unpaid: SummitError | None = None
        try:
            self._groups.stage_offsets(decision.offsets)
            self._stage(transaction)
        except SummitError as error:
            decided(error)
            return
        if is_whole:
            completed = dataclasses.replace(transaction)
            completed.complete()
            try:
                logs += stage_markers(self._topics, decision, now_ms)
                self._stage(completed)
            except SummitError as error:
                unpaid = error
        self._commit.when_durable(decided, logs)

    def _pay(self, transaction: Transaction, decision: Decision) -> None:
        """Stage the markers that a durable decision asks for, and the state after it."""
        if self._is_closed:
            return
        try:
            logs = stage_markers(self._topics, decision, self._clock.now_ms())
            self._stage(transaction)
        except SummitError as error:
            self._paid(transaction, decision, error)
            return
        logs.append(self.log)
        self._commit.when_durable(functools.partial(self._paid, transaction, decision), logs)

    def _paid(
        self, transaction: Transaction, decision: Decision, error: SummitError | None
    ) -> None:
        transaction.owes_markers = error is not None
        if isinstance(error, Unavailable) and not self._is_closed:
            self._loop.call_later(_RETRY_S, self._pay, transaction, decision)

    # ---- time ----

    def tick(self) -> None:
        """Abort what has been open for longer than its time-out."""
        now_ms = self._clock.now_ms()
        for transaction in self._by_id.values():
            if transaction.state is not State.ONGOING or transaction.is_blocked:
                continue
            if now_ms - transaction.started_ms > transaction.timeout_ms:
                _log.info("transaction.timed_out", transactional_id=transaction.transactional_id)
                self._decide(transaction, is_commit=False, by_owner=True, then=_nobody_waits)

    def abort_producer(self, producer_id: int, done: Answer) -> bool:
        """Abort the open transaction of a producer; done when readers may see that it has ended.

        Returns: Whether it has one here.
        """
        for transaction in self._by_id.values():
            if transaction.producer_id != producer_id or transaction.state is not State.ONGOING:
                continue
            if transaction.is_blocked:
                done(codes.CONCURRENT_TRANSACTIONS)
            else:
                decided = functools.partial(self._aborted, transaction, done)
                self._decide(transaction, is_commit=False, by_owner=True, then=decided)
            return True
        return False

    def _aborted(self, transaction: Transaction, done: Answer, error: int) -> None:
        """The decision stands; its markers were staged in this turn, unless the disk is full."""
        if error != codes.NONE or transaction.owes_markers:
            done(error or codes.COORDINATOR_NOT_AVAILABLE)
        else:
            self._commit.when_durable(lambda failure: done(_code(failure)), self._logs)

    def expire(self, retention_ms: int) -> None:
        """Forget transactional ids that have been idle for long."""
        limit_ms = self._clock.now_ms() - retention_ms
        old = [
            key
            for key, transaction in self._by_id.items()
            if transaction.is_idle
            and not transaction.is_blocked
            and transaction.updated_ms < limit_ms
        ]
        if not old:
            return
        try:
            self._append([(stored.encode_key(key), None) for key in old])
        except SummitError as error:
            _log.warning("transaction.not_forgotten", error=str(error))
            return
        for key in old:
            del self._by_id[key]
        self._commit.when_durable(lambda error: None, self._logs)

    def forget_topic(self, topic: str) -> None:
        """A topic was deleted: nothing of it is pending any more."""
        for transaction in self._by_id.values():
            transaction.partitions = {p for p in transaction.partitions if p[0] != topic}
            for pending in transaction.offsets.values():
                for where in [where for where in pending if where[0] == topic]:
                    del pending[where]

    # ---- the disk ----

    def _save(self, transaction: Transaction, then: Callable[[SummitError | None], None]) -> None:
        try:
            self._stage(transaction)
        except SummitError as error:
            then(error)
            return
        self._commit.when_durable(then, self._logs)

    def _stage(self, transaction: Transaction) -> None:
        transaction.updated_ms = self._clock.now_ms()
        key = stored.encode_key(transaction.transactional_id)
        self._append([(key, stored.encode(transaction))])

    def _append(self, pairs: list[Pair]) -> None:
        now_ms = self._clock.now_ms()
        records = [
            Record(offset=i, timestamp=now_ms, key=key, value=value, headers=())
            for i, (key, value) in enumerate(pairs)
        ]
        self.log.stage(build_batch(records), now_ms)

    # ---- at start and end ----

    def replay(self, records: Iterable[Record]) -> None:
        """Bring transactional ids back from the records of the log."""
        latest: dict[bytes, bytes | None] = {}
        for record in records:
            if record.key is not None:
                latest[record.key] = record.value
        for key, value in latest.items():
            if value is None:
                continue
            try:
                transaction = stored.decode(key, value)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Corrupt("disk.file_damaged", path=self.log.directory) from error
            self._by_id[transaction.transactional_id] = transaction

    def resume(self, *, was_clean: bool) -> None:
        """Finish what was decided; after an unclean stop, abort what was open."""
        for transaction in self._by_id.values():
            if transaction.decision is not None:
                self._redo(transaction, transaction.decision)
        if was_clean:
            return
        self._claim_open_ones()
        for transaction in self._by_id.values():
            if transaction.state is State.ONGOING:
                self._decide(transaction, is_commit=False, by_owner=True, then=_nobody_waits)

    def _claim_open_ones(self) -> None:
        """Find whose is what is open in the logs.

        Where groups are not atomic a crash may leave a batch without the record by which its
        partition joined. It belongs to its producer's transaction, begun or not. That is aborted,
        and the epoch raised: sent again, the batch must not pass for one that came through.
        """
        now_ms = self._clock.now_ms()
        owners = {each.producer_id: each for each in self._by_id.values()}
        strays = []
        for partition, producer_id in open_ones(self._topics):
            owner = owners.get(producer_id)
            if owner is not None:
                owner.begin(now_ms, ANY_CONNECTION)
                owner.partitions.add((partition.topic.name, partition.index))
            else:
                stage_abort(partition, producer_id, now_ms)
                strays.append(partition.log)
        if strays:
            self._commit.when_durable(lambda error: None, strays)

    def _redo(self, transaction: Transaction, decision: Decision) -> None:
        """Markers and offsets of a decision, as far as they are missing."""
        newer = {
            group_id: {
                where: committed
                for where, committed in commits.items()
                if not self._has_offset(group_id, where, committed.commit_ms)
            }
            for group_id, commits in decision.offsets.items()
        }
        self._groups.stage_offsets(newer)
        self._groups.apply_offsets(newer)
        transaction.complete()
        self._pay(transaction, decision)

    def _has_offset(self, group_id: str, where: TopicPartition, commit_ms: int) -> bool:
        found = self._groups.offsets.get(group_id, where)
        return found is not None and found.commit_ms >= commit_ms

    def close(self) -> None:
        """No retries from now on; the next start finishes what is due."""
        self._is_closed = True


def _code(error: SummitError | None) -> int:
    return codes.NONE if error is None else codes.COORDINATOR_NOT_AVAILABLE


def _nobody_waits(error: int) -> None:
    """For what the broker does by itself."""
