"""One transactional id: its state, and what each request may do in it. No I/O, no clock.

    Empty ──add──► Ongoing ──end──► PrepareCommit ──► CompleteCommit ──add──► Ongoing …
                                    PrepareAbort  ──► CompleteAbort

A Prepare state is the decision. Once it is durable the transaction has ended, whatever happens:
markers are made from it, again after a crash if need be. `is_busy` means that a write is on its way
on which the next state depends; requests in between are told to come again.

With the newer protocol (KIP-890) every end raises the epoch, so that a request which belongs to the
transaction before is told from one of this transaction. `previous` is the id and epoch before the
last raise where their owner may know the answer to come: it marks a request that is sent again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from summit.broker.groups.offsets import Committed, TopicPartition
from summit.protocol import codes

EPOCH_MAX: Final = 2**15 - 1  # given to nobody: it only fences
NOBODY: Final = (-1, -1)

Identity = tuple[int, int]  # producer id, epoch


class State(enum.Enum):
    """The states, under the names that Kafka's tools know."""

    EMPTY = "Empty"
    ONGOING = "Ongoing"
    PREPARE_COMMIT = "PrepareCommit"
    PREPARE_ABORT = "PrepareAbort"
    COMPLETE_COMMIT = "CompleteCommit"
    COMPLETE_ABORT = "CompleteAbort"


class Action(enum.Enum):
    """What a check asks for."""

    NOTHING = "nothing"  # answer as things stand
    RAISE_EPOCH = "raise epoch"
    NEW_ID = "new id"  # the epochs of this one are used up
    ABORT = "abort"  # what is open, then check again
    DECIDE = "decide"
    ADD = "add"


class Verdict(NamedTuple):
    """A Kafka error code, or what to do."""

    error: int
    action: Action = Action.NOTHING


class Decision(NamedTuple):
    """How a transaction ends, and where markers are due.

    Attributes:
        ends: Per partition the log's end when it was decided: a transaction of the same producer
            that opens there or behind is a later one.
        commit_ms: When; of the offsets that are committed with it.
    """

    is_commit: bool
    producer_id: int
    marker_epoch: int
    ends: dict[TopicPartition, int]
    offsets: dict[str, dict[TopicPartition, Committed]]
    commit_ms: int


@dataclass(slots=True)
class Transaction:
    """What is known of one transactional id.

    Attributes:
        offsets: Pending commits by group; a group without any has only been announced.
        is_unsaved: What is in memory was not written: write it with the next addition.
        owes_markers: The disk was full when markers were due; until they stand nothing may be
            added, since they would end that as well.
        begun_by: Number of the connection that began the open transaction.
    """

    transactional_id: str
    producer_id: int
    epoch: int
    timeout_ms: int
    state: State = State.EMPTY
    previous: Identity = NOBODY
    started_ms: int = -1
    updated_ms: int = 0
    partitions: set[TopicPartition] = field(default_factory=set)
    offsets: dict[str, dict[TopicPartition, Committed]] = field(default_factory=dict)
    decision: Decision | None = None  # only in a Prepare state
    is_busy: bool = False
    owes_markers: bool = False
    is_unsaved: bool = False
    begun_by: int = -1

    @property
    def identity(self) -> Identity:
        return self.producer_id, self.epoch

    @property
    def is_idle(self) -> bool:
        return self.state in (State.EMPTY, State.COMPLETE_COMMIT, State.COMPLETE_ABORT)

    @property
    def is_blocked(self) -> bool:
        """Whether the next state hangs on a write."""
        return self.is_busy or self.owes_markers or self.decision is not None

    # ---- what a request may do ----

    def check_init(self, who: Identity) -> Verdict:
        """InitProducerId; `who` is what the producer says it is, or NOBODY."""
        if self.is_blocked:
            return Verdict(codes.CONCURRENT_TRANSACTIONS)
        if who not in (NOBODY, self.identity):
            if who == self.previous and self.is_idle:
                return Verdict(codes.NONE)  # sent again, or recovering from a time-out
            return Verdict(codes.PRODUCER_FENCED)
        if self.state is State.ONGOING:
            return Verdict(codes.NONE, Action.ABORT)
        if self.epoch >= EPOCH_MAX - 1:
            return Verdict(codes.NONE, Action.NEW_ID)
        return Verdict(codes.NONE, Action.RAISE_EPOCH)

    def check_owner(self, who: Identity) -> int:
        """Whether a producer still has this transactional id: the error code."""
        if who == self.identity:
            return codes.NONE
        if who[0] != self.producer_id and who[0] != self.previous[0]:
            return codes.INVALID_PRODUCER_ID_MAPPING
        return codes.PRODUCER_FENCED

    def check_add(self, who: Identity) -> Verdict:
        """Anything that adds to the open transaction, or opens one."""
        error = self.check_owner(who)
        if error == codes.NONE and (self.is_blocked):
            error = codes.CONCURRENT_TRANSACTIONS
        return Verdict(error, Action.ADD)

    def check_end(self, who: Identity, *, is_commit: bool, raises_epoch: bool) -> Verdict:
        """EndTxn; `raises_epoch` for the newer protocol."""
        ends_as = State.COMPLETE_COMMIT if is_commit else State.COMPLETE_ABORT
        if raises_epoch and who == self.previous and who != NOBODY:
            if self.decision is not None:
                same = self.decision.is_commit == is_commit
                return Verdict(codes.CONCURRENT_TRANSACTIONS if same else codes.INVALID_TXN_STATE)
            if self.state is State.ONGOING or self.state is State.EMPTY:
                return Verdict(codes.PRODUCER_FENCED)  # late: the next one has begun
            return Verdict(codes.NONE if self.state is ends_as else codes.INVALID_TXN_STATE)
        error = self.check_owner(who)
        if error != codes.NONE:
            return Verdict(error)
        if self.decision is not None:
            same = self.decision.is_commit == is_commit
            return Verdict(codes.CONCURRENT_TRANSACTIONS if same else codes.INVALID_TXN_STATE)
        if self.is_blocked:
            return Verdict(codes.CONCURRENT_TRANSACTIONS)
        if self.state is State.ONGOING:
            return Verdict(codes.NONE, Action.DECIDE)
        if raises_epoch:
            # The producer cannot know whether anything of it came here: an abort is always right.
            if is_commit:
                return Verdict(codes.INVALID_TXN_STATE)
            return Verdict(codes.NONE, Action.DECIDE)
        return Verdict(codes.NONE if self.state is ends_as else codes.INVALID_TXN_STATE)

    # ---- changes ----

    def undo(self) -> Callable[[], None]:
        """Remember who the producer is and how it stands; called, the result goes back to that."""
        identity, previous, state = self.identity, self.previous, self.state

        def restore() -> None:
            self.producer_id, self.epoch = identity
            self.previous, self.state = previous, state
            self.decision = None

        return restore

    def begin(self, now_ms: int, connection: int) -> None:
        """Open a transaction unless one is open."""
        if self.state is not State.ONGOING:
            self.state = State.ONGOING
            self.started_ms = now_ms
            self.begun_by = connection
            self.partitions = set()
            self.offsets = {}

    def raise_epoch(self, *, by_owner: bool) -> None:
        """Fence whoever has the epoch of now; its owner may be told the new one."""
        self.previous = self.identity if by_owner else NOBODY
        self.epoch += 1

    def take_id(self, producer_id: int, *, by_owner: bool) -> None:
        """Go on with a new producer id."""
        self.previous = self.identity if by_owner else NOBODY
        self.producer_id, self.epoch = producer_id, 0

    def complete(self) -> None:
        """The decision is durable: the transaction is over."""
        assert self.decision is not None
        is_commit = self.decision.is_commit
        self.state = State.COMPLETE_COMMIT if is_commit else State.COMPLETE_ABORT
        self.decision = None
        self.started_ms = -1
        self.partitions = set()
        self.offsets = {}
