"""`Transactions`: the life of a producer's transactions, one after the other.

    ready ── begin ──► open ── commit, abort ──► ending ── answered ──► ready
                        │                          │
          a record failed: abortable               no clean answer: in_doubt ── recover ──► ready
                        └── abort ──► ending       somebody else has the id: fenced (for good)

librdkafka speaks the first version of the protocol, in which a late request to end one
transaction could end the next. So after any end without a clean answer the old producer is thrown
away, a newer epoch is taken (which ends what is open and shuts the old requests out), and the log
tells how it ended (`outcome.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Payload
from summit.base.errors import Closed, Conflict, Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.client import librdkafka, outcome
from summit.client.faults import translate
from summit.client.outcome import ABORTED, COMMITTED, Traces
from summit.client.positions import Offsets
from summit.client.settings import ConsumerConfig, ProducerConfig
from summit.client.types import TopicPartition
from summit.client.wire import Wire

R = TypeVar("R")

READY: Final = "ready"
OPEN: Final = "open"
ABORTABLE: Final = "abortable"
ENDING: Final = "ending"
IN_DOUBT: Final = "in_doubt"
FENCED: Final = "fenced"

_SLICE_S: Final = 1.0  # of one blocking call: librdkafka goes on where the slice before ended


class Sender(Protocol):
    """What transactions need of the producer."""

    config: ProducerConfig
    addresses: list[str]

    async def flush(self, timeout_ms: int | None = None) -> None:
        """Wait until every record has its answer."""

    async def run(self, fn: Callable[[Any], R]) -> R:
        """`fn(librdkafka's producer)` on the thread for blocking calls."""
        ...

    async def replace(self) -> None:
        """Throw librdkafka's producer away and dial anew, with a newer epoch."""

    def emit(self, name: str, payload: Any) -> None:
        """Tell listeners."""


class GroupReader(Protocol):
    """What transactions need of a `StreamConsumer`."""

    config: ConsumerConfig

    async def group_metadata(self) -> Any:
        """librdkafka's group, member and generation."""


class Transactions:
    """The transactions of one producer; belongs to its loop."""

    def __init__(self, sender: Sender, clock: Clock | None = None) -> None:
        self._sender = sender
        self._clock = clock or SystemClock()
        self._traces = Traces()
        self._end_is_sent = False  # a request to commit may have reached the coordinator
        self.state = READY

    # ---- what the producer tells ----

    def check_may_send(self) -> None:
        """Raises what keeps a record out of the present state."""
        if self.state != OPEN:
            raise self._refusal()

    def wrote(self, topic: str, partition: int, offset: int) -> None:
        """A record was acknowledged."""
        if offset >= 0:
            self._traces.last_offsets[TopicPartition(topic, partition)] = offset

    def failed(self) -> None:
        """A record could not be written: the transaction can only be aborted."""
        if self.state == OPEN:
            self.state = ABORTABLE

    # ---- what the user asks ----

    async def begin(self) -> None:
        """Open a transaction."""
        if self.state != READY:
            if self.state == OPEN:
                raise Conflict("producer.transaction_open")
            raise self._refusal()
        self._traces, self._end_is_sent = Traces(), False
        try:
            await self._run(lambda handle: handle.begin_transaction())
        except asyncio.CancelledError:
            self.state = IN_DOUBT
            raise
        self.state = OPEN

    async def send_offsets(self, offsets: Offsets, group: str, metadata: Any) -> None:
        """Make offsets of a group part of the transaction.

        Args:
            metadata: librdkafka's group metadata.
        """
        self.check_may_send()
        if not offsets:
            return
        library = librdkafka.load()
        parts = [
            library.TopicPartition(key.topic, key.partition, at) for key, at in offsets.items()
        ]
        try:
            await self._until_answered(
                lambda handle, slice_s: handle.send_offsets_to_transaction(parts, metadata, slice_s)
            )
        except BaseException:
            self.failed()
            raise
        self._traces.group_offsets.setdefault(group, {}).update(offsets)

    async def commit(self) -> None:
        """Commit; returns only when it is certain that it is committed."""
        if self.state != OPEN:
            raise self._refusal()
        try:
            await self._sender.flush()
        except SummitError:
            self.failed()
        if self.state != OPEN:  # a record failed meanwhile
            raise self._refusal()
        self.state = ENDING
        self._end_is_sent = True
        try:
            await self._until_answered(lambda handle, slice_s: handle.commit_transaction(slice_s))
        except SummitError as error:
            await self._settle_commit(error)
        except BaseException:  # cancelled: the request is on its way
            self.state = IN_DOUBT
            raise
        self.state = READY if self.state == ENDING else self.state

    async def abort(self) -> None:
        """Abort; returns only when it is certain that it is aborted."""
        if self.state == IN_DOUBT:
            if await self.recover() == COMMITTED:
                raise Conflict("producer.transaction_committed")
            return
        if self.state not in (OPEN, ABORTABLE):
            raise self._refusal()
        self.state = ENDING
        try:
            await self._until_answered(lambda handle, slice_s: handle.abort_transaction(slice_s))
        except SummitError as error:
            if error.code == "client.fenced":
                self.state = FENCED
                raise
            self.state = IN_DOUBT
            get_logger(__name__).warning("producer.abort_unanswered", error=str(error))
            await self.recover()
        except BaseException:
            self.state = IN_DOUBT
            raise
        self.state = READY

    async def recover(self) -> str:
        """Take a newer epoch and find out how the transaction in doubt ended.

        Returns: `committed`, `aborted`, or `unknown` where the log does not tell any more.
        Raises: Unavailable("producer.outcome_unknown"), and it stays in doubt; Closed.
        """
        if self.state != IN_DOUBT:
            raise Invalid("producer.nothing_in_doubt")
        try:
            await self._sender.replace()
            found = await self._find()
        except Closed:
            self.state = FENCED
            raise
        except SummitError as error:
            raise self._unknown(str(error)) from error
        self.state = READY
        self._sender.emit("transaction:recovered", Payload(outcome=found))
        get_logger(__name__).warning("producer.transaction_recovered", outcome=found)
        return found

    async def give_up(self) -> None:
        """Abort whatever is open, as well as it goes; for the way out of a failure."""
        if self.state not in (OPEN, ABORTABLE, IN_DOUBT):
            return
        try:
            await self.abort()
        except SummitError as error:
            get_logger(__name__).warning("producer.abort_failed", error=str(error))

    async def end(self, timeout_ms: int) -> None:
        """The producer is closed: abort what is open, so that readers need not wait for it."""
        if self.state not in (OPEN, ABORTABLE):
            return
        self.state = ENDING
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._until_answered(
                    lambda handle, slice_s: handle.abort_transaction(slice_s)
                )
        except (SummitError, TimeoutError) as error:
            # The broker does it when the transaction times out, or the next producer of that id.
            get_logger(__name__).warning("producer.abort_failed", error=str(error))

    # ---- the rest ----

    async def _settle_commit(self, error: SummitError) -> None:
        """After a commit without a clean answer; returns when it is committed."""
        self.state = IN_DOUBT
        get_logger(__name__).warning("producer.commit_unanswered", error=str(error))
        if error.code == "client.fenced":
            # Whoever has the id now has ended our transaction; a newer epoch would shut them out.
            self.state = FENCED
            try:
                found = await self._find()
            except SummitError:
                found = outcome.UNKNOWN
            error.details["outcome"] = found
            if found != COMMITTED:
                raise error
            return
        found = await self.recover()
        if found == ABORTED:
            raise Conflict("producer.transaction_aborted", reason=str(error)) from error
        if found != COMMITTED:
            raise self._unknown("the log does not tell any more") from error

    async def _find(self) -> str:
        if not self._end_is_sent:
            return ABORTED  # nobody asked to commit it, and nobody can any more
        if self._traces.is_empty:
            return COMMITTED  # of nothing
        config = self._sender.config
        wire = Wire(
            self._sender.addresses, config.client_id, config.request_timeout_ms, config.known_as
        )
        try:
            return await outcome.find_outcome(wire, self._traces, config.max_block_ms)
        finally:
            await wire.close()

    async def _until_answered(self, call: Callable[[Any, float], None]) -> None:
        """Call again while librdkafka says that it may be called again, at most `maxBlockMs`."""
        deadline_ms = self._clock.monotonic_ms() + self._sender.config.max_block_ms
        while True:
            left_s = (deadline_ms - self._clock.monotonic_ms()) / 1000
            try:
                await self._run(partial(_call, call, max(0.01, min(_SLICE_S, left_s))))
            except SummitError as error:
                if not error.retriable or error.code == "producer.must_abort" or left_s <= 0:
                    raise
                await asyncio.sleep(0.01)  # some refusals come at once
            else:
                return

    async def _run(self, fn: Callable[[Any], R]) -> R:
        failures = librdkafka.load().KafkaException
        try:
            return await self._sender.run(fn)
        except failures as error:
            fault = translate(error, brokers=", ".join(self._sender.addresses), what="producer")
            if error.args[0].fatal() and self.state != ENDING:
                self.state = FENCED
            raise fault from error

    def _refusal(self) -> SummitError:
        if self.state == FENCED:
            return Closed("client.fenced", what="producer", reason="its transactional id is taken")
        if self.state == ABORTABLE:
            return Conflict("producer.must_abort", reason="a record or offsets were not written")
        if self.state in (IN_DOUBT, ENDING):
            return Conflict("producer.transaction_in_doubt")
        return Invalid("producer.no_transaction")

    def _unknown(self, reason: str) -> Unavailable:
        transactional_id = self._sender.config.transactional_id
        return Unavailable(
            "producer.outcome_unknown", transactional_id=transactional_id, reason=reason
        )


def _call(call: Callable[[Any, float], None], slice_s: float, handle: Any) -> None:
    call(handle, slice_s)


def offsets_of(
    offsets: Mapping[tuple[str, int], int] | Iterable[tuple[str, int, int]],
) -> Offsets:
    """Next offsets by partition, of a mapping or of (topic, partition, offset). Raises Invalid."""
    if isinstance(offsets, Mapping):
        found = {TopicPartition(*key): at for key, at in offsets.items()}
    else:
        found = {TopicPartition(topic, partition): at for topic, partition, at in offsets}
    if any(at < 0 for at in found.values()):
        raise Invalid("client.refused", reason="an offset is 0 or more")
    return found
