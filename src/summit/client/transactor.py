"""`Transactor`: records and group offsets, all of them or none; a whole transaction per call.

For workers, who know everything that belongs to a transaction when they begin it: one hop to a
thread of its own, no future per record. librdkafka speaks the first transaction protocol: after a
commit or abort without a clean answer nobody knows what became of it. Such a transactor is not
used any more; a new one of the same name settles the matter when it starts (the coordinator
finishes what was decided and aborts what was not), and then the committed offsets tell the truth.

Where that is wanted and the brokers know the newer protocol, `direct.py` writes instead, in half of
the time, and librdkafka what that leaves to it. Whoever takes the id over does not notice that
another had it meanwhile; the proof of membership, which goes with the offsets, would tell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

from summit.base.clock import Clock
from summit.base.errors import Closed, Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.client import librdkafka
from summit.client.blame import Refusal, blamed, denied
from summit.client.direct import DirectTransactions, NotDirect
from summit.client.faults import is_of_another, is_of_size, is_of_topic, translate
from summit.client.proof import proof_of
from summit.client.settings import ProducerConfig
from summit.client.threads import CallThread
from summit.client.types import Outgoing, TopicPartition, Written

__all__ = ["Closing", "Outgoing", "Transactor", "Written"]

_POLL_EVERY: Final = 1_000  # records between two looks at the reports
_FULL_POLL_S: Final = 0.05
_LONG_WAY_MS: Final = 10_000  # until the shorter one is tried again
_ABORTABLE: Final = ("consumer.rebalanced", "producer.must_abort")


Closing = Callable[[list[Written]], Sequence[Outgoing]]


class _Work(NamedTuple):
    """What one transaction is to write; see `Transactor.write`."""

    watched: Sequence[Outgoing]
    others: Sequence[Outgoing]
    offsets: Mapping[TopicPartition, int]
    membership: Any
    closing: Closing
    apart: Collection[int]


class Transactor:
    """Writes transactions, one at a time.

    Args:
        config: With a `transactional_id`: at most one transactor of a name is alive, older ones
            are fenced. Without one each call writes records that are readable at once; when it
            fails some of them may be.
        is_member: Who writes is a member of the group whose offsets it commits, and proves it.
    """

    def __init__(self, config: ProducerConfig, clock: Clock, *, is_member: bool = False) -> None:
        self._config = config
        self._clock = clock
        self._timeout_ms = config.transaction_timeout_ms
        self._transactional = config.transactional_id is not None
        self._may_be_direct = (
            is_member and self._transactional and config.compression_type == "none"
        )
        self._direct: DirectTransactions | None = None
        self._direct_at_ms = 0.0  # when it may be tried again
        self._calls = CallThread("summit-transactor")
        self._handle: Any = None
        self._library: Any = None
        self._refused: list[Refusal] = []
        self._innocent: set[tuple[str, int]] = set()

    @property
    def is_direct(self) -> bool:
        """Whether the shorter way is taken now."""
        return self._direct is not None

    async def start(self) -> None:
        """Connect, fence older ones of this name, settle what they left open.

        Raises: Unavailable where the brokers do not answer; Closed("client.fenced").
        """
        await self._calls.run(self._start)

    async def write(
        self,
        watched: Sequence[Outgoing],
        others: Sequence[Outgoing],
        offsets: Mapping[TopicPartition, int],
        membership: Any,
        closing: Closing,
        apart: Collection[int] = (),
    ) -> list[Written]:
        """One transaction; returns when it is committed.

        Args:
            watched: Records whose places are wanted, or that may be refused.
            apart: Before these of them everything is flushed, so that no batch holds records of
                both sides; for finding out which one is refused.
            others: Records that cost less: of them it is only known that all are written.
            offsets: The group's next offsets.
            membership: `GroupMember.metadata`.
            closing: Gives the last records when it is known where the others stand.
        Returns: Where `watched` stand, in their order.
        Raises: Conflict and Invalid: cleanly aborted, the transactor can be used again. After a
            Conflict the same may be accepted with a newer proof of membership; Invalid's details
            hold `indexes`, records that are refused for certain, or `suspects`, of which some
            are (see `blame.py`). Closed and Unavailable: this transactor must be stopped and a
            new one started.
        """
        work = _Work(watched, others, offsets, membership, closing, apart)
        return await self._calls.run(partial(self._write, work))

    async def renew(self) -> None:
        """Connect anew: after a refusal a producer counts on what was refused. As `start`."""
        await self._calls.run(self._stop)
        await self.start()

    async def stop(self) -> None:
        """Disconnect. A transaction under way ends by its time-out or by the next of the name."""
        await self._calls.run(self._stop)
        self._calls.close()

    # ---- on the transactor's thread ----

    def _start(self) -> None:
        if not self._starts_direct():
            self._start_library()

    def _starts_direct(self) -> bool:
        """Whether the id is taken over for the shorter way."""
        if not self._may_be_direct:
            return False
        direct = DirectTransactions(self._config, self._clock)
        try:
            direct.begin(self._clock.monotonic_ms() + self._timeout_ms)
        except NotDirect as reason:
            direct.close()
            self._goes_long(reason)
            return False
        self._direct = direct
        return True

    def _goes_long(self, reason: NotDirect) -> None:
        self._may_be_direct = not reason.for_good
        self._direct_at_ms = self._clock.monotonic_ms() + _LONG_WAY_MS
        get_logger(__name__).info("transactor.goes_long", reason=str(reason))

    def _start_library(self) -> None:
        self._library = librdkafka.load()
        servers = self._config.servers
        settings = librdkafka.producer_settings(self._config, servers, lambda _: None)
        try:
            self._handle = self._library.Producer(settings)
            if self._transactional:
                self._handle.init_transactions(self._timeout_ms / 1000)
        except self._library.KafkaException as error:
            raise _unusable(translate(error, brokers=", ".join(servers))) from error

    def _stop(self) -> None:
        if self._direct is not None:
            self._direct.close()
            self._direct = None
        self._stop_library()

    def _stop_library(self) -> None:
        if self._handle is not None:
            with suppress(self._library.KafkaException):  # one that has failed for good says so
                self._handle.purge(in_queue=True, in_flight=True, blocking=False)
                self._handle.poll(0)
            self._handle = None

    def _write_direct(self, work: _Work) -> list[Written] | None:
        """The shorter way; None where librdkafka is to write it. Raises: as `write`."""
        offsets, apart = work.offsets, work.apart
        proof = proof_of(work.membership)
        proves = bool(offsets) and proof is not None and bool(proof.member_id)
        if self._direct is None:
            is_time = self._may_be_direct and self._clock.monotonic_ms() >= self._direct_at_ms
            if not is_time or not proves or apart:
                return None
            self._stop_library()
            if not self._starts_direct():
                self._start_library()
                return None
        assert self._direct is not None
        try:
            if apart or (offsets and not proves):
                raise NotDirect("records that are refused, or no proof of membership")
            return self._direct.write(
                work.watched, work.others, offsets, proof, work.closing,
                self._clock.monotonic_ms() + self._timeout_ms,
            )  # fmt: skip
        except NotDirect as reason:
            self._goes_long(reason)
            self._stop()
            self._start_library()
            return None

    def _write(self, work: _Work) -> list[Written]:
        if self._handle is None and self._direct is None:
            raise Closed("client.closed", what="producer")
        watched, apart = work.watched, work.apart
        written = self._write_direct(work)
        if written is not None:
            return written
        deadline_ms = self._clock.monotonic_ms() + self._timeout_ms
        try:
            if self._transactional:
                written = self._transact(work, deadline_ms)
            else:  # no commit would tell that one was refused
                self._produce_all(work.others, deadline_ms)
                written = self._produce(watched, deadline_ms, apart)
                self._produce_all(work.closing(written), deadline_ms)
        except self._library.KafkaException as error:
            fault = translate(error)
            if self._transactional and fault.details.get("kafka_error") == "_STATE":
                fault = self._failed_already() or fault
            if self._transactional and is_of_topic(fault) and watched and not apart:
                fault = denied(fault, range(len(watched)), watched, is_apart=False)
            raise self._give_up(fault, error.args[0]) from error
        except SummitError as error:
            raise self._give_up(error, None) from error
        except SystemError as error:  # what confluent-kafka makes of a flush once it is fenced
            raise Closed("client.fenced", reason=str(error)) from error
        return written

    def _transact(self, work: _Work, deadline_ms: float) -> list[Written]:
        """One transaction. Offsets travel while the last records do: the commit waits for both."""
        apart = work.apart
        self._handle.begin_transaction()
        self._give(work.others, deadline_ms)
        if apart:  # so that what is found out next is about `watched`
            self._flush(deadline_ms)
            if (fault := self._failed_already()) is not None:  # of these nobody knows which
                raise Invalid("client.refused", **fault.details) if is_of_topic(fault) else fault
        written = self._produce(work.watched, deadline_ms, apart)
        self._give(work.closing(written), deadline_ms)
        parts = [
            self._library.TopicPartition(key.topic, key.partition, offset)
            for key, offset in work.offsets.items()
        ]
        if parts:
            self._handle.send_offsets_to_transaction(
                parts, work.membership, self._left(deadline_ms)
            )
        self._handle.commit_transaction(self._left(deadline_ms))
        return written

    def _give(self, records: Sequence[Outgoing], deadline_ms: float) -> None:
        """Hand records over whose refusal the commit will tell."""
        produce = self._handle.produce
        for index, record in enumerate(records):
            if record.headers or record.timestamp_ms:
                self._produce_one(record, None, deadline_ms)
            else:
                try:  # names cost as much as the call itself
                    produce(record.topic, record.value, record.key, record.partition)
                except BufferError:
                    self._produce_one(record, None, deadline_ms)
            if index % _POLL_EVERY == 0:
                self._handle.poll(0)

    def _produce(
        self, records: Sequence[Outgoing], deadline_ms: float, apart: Collection[int] = ()
    ) -> list[Written]:
        """Returns when every record is acknowledged. Raises what the refusals say."""
        written: list[Written] = [Written(-1, -1)] * len(records)
        self._refused = []
        self._innocent = set()
        begins = 0  # of what is handed over together
        broken: Exception | None = None
        for index, record in enumerate(records):
            if index in apart:
                self._flush(deadline_ms)
                if self._refused:
                    break  # nothing more is taken
                begins = index
            try:
                self._produce_one(record, partial(self._reported, written, index), deadline_ms)
            except self._library.KafkaException as error:  # larger than any request may be
                fault = translate(error, topic=record.topic)
                if self._transactional and is_of_topic(fault):
                    raise self._denied(fault, records, begins, apart) from error
                if self._transactional and fault.details.get("kafka_error") == "_STATE":
                    broken = error  # it has failed meanwhile: the reports say with what
                    break
                if not isinstance(fault, Invalid):
                    raise
                self._refused.append(Refusal(index, fault, None))
            if index % _POLL_EVERY == 0:
                self._handle.poll(0)
        left = self._flush(deadline_ms)
        if self._refused:
            raise self._why(records, begins, apart)
        if broken is not None:
            raise broken
        if left:
            raise Unavailable("client.timeout", what="producer", reason=f"{left} not acknowledged")
        return written

    def _why(self, records: Sequence[Outgoing], begins: int, apart: Collection[int]) -> SummitError:
        """The fault to raise, with the records that it is about."""
        if self._transactional and all(
            isinstance(each.fault, Closed) for each in self._refused
        ):  # dropped with the whole transaction
            fault = self._failed_already()
            if fault is not None and is_of_topic(fault):
                return self._denied(fault, records, begins, apart)
            if fault is not None:
                return fault
        return blamed(self._refused, records, self._innocent)

    def _failed_already(self) -> SummitError | None:
        """Why the transaction has failed: a topic that is denied, or a record that is too large."""
        try:
            self._handle.begin_transaction()  # is refused in any case, by what has failed
        except self._library.KafkaException as error:
            fault = translate(error)
            return fault if is_of_topic(fault) or is_of_size(fault) else None
        return None

    def _denied(
        self,
        fault: SummitError,
        records: Sequence[Outgoing],
        begins: int,
        apart: Collection[int],
    ) -> SummitError:
        ends = min((index for index in apart if index > begins), default=len(records))
        return denied(fault, range(begins, ends), records, is_apart=bool(apart))

    def _flush(self, deadline_ms: float) -> int:
        return int(self._handle.flush(self._left(deadline_ms)))

    def _produce_all(self, records: Sequence[Outgoing], deadline_ms: float) -> None:
        """The same for records that nobody watches: the fault names none of them."""
        try:
            self._produce(records, deadline_ms)
        except Invalid as fault:
            fault.details.pop("indexes", None)
            fault.details.pop("suspects", None)
            raise

    def _produce_one(
        self, record: Outgoing, told: Callable[..., None] | None, deadline_ms: float
    ) -> None:
        while True:
            try:
                self._handle.produce(
                    record.topic, record.value, record.key, record.partition,
                    on_delivery=told, headers=record.headers, timestamp=record.timestamp_ms,
                )  # fmt: skip
                return
            except BufferError:
                if self._clock.monotonic_ms() >= deadline_ms:
                    raise Unavailable("client.timeout", what="producer", reason="full") from None
                self._handle.poll(_FULL_POLL_S)

    def _reported(self, written: list[Written], index: int, error: Any, message: Any) -> None:
        if error is None:
            written[index] = Written(message.partition(), message.offset())
        elif is_of_another(error):
            self._innocent.add((message.topic(), message.partition()))
        else:
            fault = translate(error, topic=message.topic())
            self._refused.append(Refusal(index, fault, message.partition()))

    def _left(self, deadline_ms: float) -> float:
        return max(1.0, deadline_ms - self._clock.monotonic_ms()) / 1000

    def _give_up(self, fault: SummitError, error: Any) -> SummitError:
        """Abort, where that can be told for sure; otherwise the transactor is done for."""
        if error is not None and error.fatal():
            return _unusable(fault)
        if not isinstance(fault, Invalid) and fault.code not in _ABORTABLE:
            return _unusable(fault)
        if not self._transactional:
            return fault
        try:
            self._handle.abort_transaction(self._timeout_ms / 1000)
        except self._library.KafkaException as unclear:
            if not is_of_topic(fault):
                return _unusable(translate(unclear))
            # For the broker nothing had begun; a newer epoch is right whatever it thinks.
            self._stop_library()
            self._start_library()
        return fault


def _unusable(fault: SummitError) -> SummitError:
    """What says that this transactor must not be used again."""
    if isinstance(fault, (Closed, Unavailable)):
        return fault
    return Unavailable("client.broker_fault", reason=str(fault))
