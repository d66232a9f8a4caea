"""Transactional producers, in the older protocol and the newer one, with zombies of their own.

A producer writes to several partitions and commits an offset with it: its transaction's number.
It commits only when every batch was acknowledged, asks for the end until there is an answer, and
takes a new epoch when it was fenced or left something behind unanswered. Now and then a second
instance takes over while the first one still believes that it is the one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.sim.actors.actor import AGAIN, Stage
from tests.sim.actors.client import Lost
from tests.sim.actors.history import Batch, Topic, Transaction
from tests.sim.actors.producers import Writer

from summit.protocol import codes
from summit.protocol.add_offsets_to_txn import ADD_OFFSETS_TO_TXN, AddOffsetsToTxnRequest
from summit.protocol.add_partitions_to_txn import (
    ADD_PARTITIONS_TO_TXN,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from summit.protocol.end_txn import END_TXN, EndTxnRequest
from summit.protocol.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from summit.protocol.produce import PRODUCE
from summit.protocol.txn_offset_commit import (
    TXN_OFFSET_COMMIT,
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

FENCED = (
    codes.PRODUCER_FENCED,
    codes.INVALID_PRODUCER_EPOCH,
    codes.INVALID_PRODUCER_ID_MAPPING,
)
# Of requests inside a transaction that the broker has ended meanwhile.
GONE = (
    codes.INVALID_TXN_STATE,
    codes.TRANSACTION_ABORTABLE,
    codes.OUT_OF_ORDER_SEQUENCE_NUMBER,
)


class Fenced(Exception):
    """Somebody has a newer epoch."""


class Abortable(Exception):
    """This transaction cannot be committed any more."""


class TransactionalProducer(Writer):
    """One transactional id and the programs that have it one after the other."""

    def __init__(
        self, stage: Stage, name: str, topics: list[Topic], *, newer: bool, offsets_of: Topic
    ) -> None:
        super().__init__(stage, name, topics)
        self.newer = newer
        self.offsets_of = offsets_of
        self.group_id = f"group-of-{name}"
        self.timeout_ms = self.chance.choice([1_500, 4_000, 10_000])
        self.ordinal = 0
        self.zombies: list[asyncio.Task[None]] = []
        self._instance_count = 0

    async def run(self) -> None:
        instance = self.new_instance()
        await instance.init()
        while not self.stage.is_closing:
            if self.chance.random() < 0.05:
                self.history.count("takeovers")
                task = self.stage.loop.create_task(instance.end_as_zombie())
                self.zombies.append(task)
                await self.sleep_ms(0, 800)
                instance = self.new_instance()
                await instance.init()
            await instance.transaction()
            await self.sleep_ms(0, self.chance.choice([10, 100, 1_000]))
        for task in self.zombies:
            self.doing = "waiting for its zombies"
            await task
        self.doing = "ending"

    def new_instance(self) -> Instance:
        self._instance_count += 1
        return Instance(self, self._instance_count)


class Instance:
    """One program that has the transactional id, or believes so."""

    def __init__(self, owner: TransactionalProducer, number: int) -> None:
        self.owner = owner
        self.number = number
        self.chance = owner.chance
        self.history = owner.history
        self.client = owner.fresh_client()
        self.identity = (-1, -1)
        self._next: dict[tuple[str, int], int] = {}
        self._must_renew = False

    # ---- life ----

    async def init(self, *, named: bool = False) -> bool:
        """Take an epoch. Returns: False when somebody else has a newer one."""
        owner = self.owner
        first = 3 if named else 0
        version = owner.version(INIT_PRODUCER_ID, first, 5 if owner.newer else 4)
        before = self.identity if named else owner.history.epochs.get(owner.name, (-1, -1))
        answer, error = await self.insist(
            INIT_PRODUCER_ID,
            version,
            lambda: InitProducerIdRequest(
                transactional_id=owner.name,
                transaction_timeout_ms=owner.timeout_ms,
                producer_id=self.identity[0] if named else -1,
                producer_epoch=self.identity[1] if named else -1,
            ),
            lambda answer: int(answer.error_code),
        )
        if error in FENCED and named:
            return False
        if error != codes.NONE:
            raise owner.wrong(f"InitProducerId was answered {codes.name_of(error)}")
        self.identity = (answer.producer_id, answer.producer_epoch)
        self._next.clear()
        self._must_renew = False
        self.history.given_epoch(owner.name, before, self.identity, may_repeat=named)
        return True

    async def end_as_zombie(self) -> None:
        """Go on with one more transaction, slowly, as one that was asleep."""
        await self.owner.sleep_ms(0, 3_000)
        if self._must_renew or self.identity == (-1, -1):
            return
        await self.transaction(is_zombie=True)

    async def transaction(self, *, is_zombie: bool = False) -> None:
        """One transaction from its beginning to its end, or what is left of it."""
        owner = self.owner
        if self._must_renew and not await self.init(named=self.chance.random() < 0.7):
            await self.init()
        owner.ordinal += 1
        transaction = Transaction(owner.name, owner.ordinal)
        self.history.transactions.append(transaction)
        try:
            await self._fill(transaction)
            await self._end(transaction, is_commit=self.chance.random() < 0.7)
        except Abortable:
            self.history.count("abortable transactions")
            self._must_renew = True
            try:
                await self._end(transaction, is_commit=False)
            except (Fenced, Abortable):
                self._lost(transaction)
        except Fenced:
            self.history.count("fenced transactions")
            self._must_renew = True
            self._lost(transaction)
        if is_zombie:
            self.client.close()

    @staticmethod
    def _lost(transaction: Transaction) -> None:
        transaction.outcome = "unknown" if transaction.may_commit else "aborted"

    # ---- what is in it ----

    async def _fill(self, transaction: Transaction) -> None:
        owner, chance = self.owner, self.chance
        places = [owner.a_place() for _ in range(chance.choice([1, 2, 3, 4]))]
        if not owner.newer and places:
            await self._add_partitions(places)
        for topic, index in places:
            for _ in range(chance.choice([1, 1, 2])):
                await self._produce(transaction, topic, index)
        if chance.random() < 0.6:
            await self._commit_offset(transaction)
        if chance.random() < 0.05:
            await owner.sleep_ms(0, owner.timeout_ms * 1.5)

    async def _add_partitions(self, places: list[tuple[Topic, int]]) -> None:
        owner = self.owner

        def message() -> AddPartitionsToTxnRequest:
            topics = [
                AddPartitionsToTxnTopic(
                    name=name,
                    partitions=sorted({i for topic, i in places if topic.name == name}),
                )
                for name in dict.fromkeys(topic.name for topic, _ in places)
            ]
            return AddPartitionsToTxnRequest(
                v3_and_below_transactional_id=owner.name,
                v3_and_below_producer_id=self.identity[0],
                v3_and_below_producer_epoch=self.identity[1],
                v3_and_below_topics=topics,
            )

        await self._inside(
            ADD_PARTITIONS_TO_TXN,
            owner.version(ADD_PARTITIONS_TO_TXN, 0, 3),
            message,
            lambda answer: _first_error(
                part.partition_error_code
                for topic in answer.results_by_topic_v3_and_below
                for part in topic.results_by_partition
            ),
        )

    async def _produce(self, transaction: Transaction, topic: Topic, index: int) -> None:
        owner = self.owner
        where = (topic.name, index)
        batch = owner.new_batch(topic, index, is_once=True, transaction=transaction)
        sequence = self._next.get(where, 0)
        owner.producer_id, owner.epoch = self.identity
        data = owner.encode(batch, sequence)
        version = owner.version(PRODUCE, *((12, 1_000) if owner.newer else (3, 11)))
        self._must_renew = True  # until it is answered its sequence is not settled
        answer = await self._inside(
            PRODUCE,
            version,
            lambda: owner.request([(batch, data)], version),
            lambda answer: int(answer.topics[0].partitions[0].error_code),
            may_give_up=True,
        )
        self._must_renew = False
        self._next[where] = sequence + len(batch.values)
        self.history.acked(batch, answer.topics[0].partitions[0].base_offset)

    async def _commit_offset(self, transaction: Transaction) -> None:
        owner = self.owner
        if not owner.newer:
            await self._inside(
                ADD_OFFSETS_TO_TXN,
                owner.version(ADD_OFFSETS_TO_TXN, 0, 3),
                lambda: AddOffsetsToTxnRequest(
                    transactional_id=owner.name,
                    producer_id=self.identity[0],
                    producer_epoch=self.identity[1],
                    group_id=owner.group_id,
                ),
                lambda answer: int(answer.error_code),
            )
        part = TxnOffsetCommitRequestPartition(
            partition_index=0,
            committed_offset=transaction.ordinal,
            committed_metadata=str(transaction.ordinal),
        )
        transaction.group_id = owner.group_id
        await self._inside(
            TXN_OFFSET_COMMIT,
            owner.version(TXN_OFFSET_COMMIT, 5 if owner.newer else 0, 5 if owner.newer else 4),
            lambda: TxnOffsetCommitRequest(
                transactional_id=owner.name,
                group_id=owner.group_id,
                producer_id=self.identity[0],
                producer_epoch=self.identity[1],
                topics=[TxnOffsetCommitRequestTopic(name=owner.offsets_of.name, partitions=[part])],
            ),
            lambda answer: int(answer.topics[0].partitions[0].error_code),
        )

    # ---- its end ----

    async def _end(self, transaction: Transaction, *, is_commit: bool) -> None:
        owner = self.owner
        transaction.may_commit = transaction.may_commit or is_commit
        version = owner.version(END_TXN, 5 if owner.newer else 0, 5 if owner.newer else 4)
        answer, error = await self.insist(
            END_TXN,
            version,
            lambda: EndTxnRequest(
                transactional_id=owner.name,
                producer_id=self.identity[0],
                producer_epoch=self.identity[1],
                committed=is_commit,
            ),
            lambda answer: int(answer.error_code),
        )
        if error in FENCED:
            raise Fenced
        if error == codes.INVALID_TXN_STATE:
            if is_commit:
                # It was never opened, or the broker has ended it.
                raise Abortable
            self._must_renew = True
            self._lost(transaction)
            return
        if error != codes.NONE:
            raise owner.wrong(f"EndTxn was answered {codes.name_of(error)}")
        if not (transaction.may_commit and not is_commit):
            transaction.outcome = "committed" if is_commit else "aborted"
        else:
            transaction.outcome = "unknown"
        self.history.count(f"transactions {transaction.outcome}")
        if owner.newer:
            identity = (answer.producer_id, answer.producer_epoch)
            self.history.given_epoch(owner.name, self.identity, identity, may_repeat=False)
            self.identity = identity
            self._next.clear()
            self._must_renew = False

    # ---- asking ----

    async def insist(
        self,
        api: Any,
        version: int,
        message: Callable[[], Any],
        error_of: Callable[[Any], int],
        *,
        may_give_up: bool = False,
    ) -> tuple[Any, int]:
        """As `Actor.insist`, on the client of this instance."""
        owner = self.owner
        while True:
            owner.doing = f"asking {api.name}"
            try:
                answer = await self.client.ask(api, version, message())
            except Lost:
                self.history.count("lost answers")
                if may_give_up and self.chance.random() < 0.15:
                    raise Abortable from None
                await owner.sleep_ms(20, 400)
                continue
            error = error_of(answer)
            if error not in AGAIN:
                return answer, error
            await owner.sleep_ms(5, 200)

    async def _inside(
        self,
        api: Any,
        version: int,
        message: Callable[[], Any],
        error_of: Callable[[Any], int],
        *,
        may_give_up: bool = False,
    ) -> Any:
        """Ask for something inside the transaction. Raises Fenced, Abortable."""
        answer, error = await self.insist(api, version, message, error_of, may_give_up=may_give_up)
        if error in FENCED:
            raise Fenced
        if error in GONE:
            raise Abortable
        if error != codes.NONE:
            raise self.owner.wrong(f"{api.name} was answered {codes.name_of(error)}")
        return answer


def _first_error(errors: Any) -> int:
    found = list(errors)
    return next((error for error in found if error != codes.NONE), codes.NONE)


def unacked(transaction: Transaction) -> list[Batch]:
    """Its batches that were not acknowledged."""
    return [batch for batch in transaction.batches if batch.state != "acked"]
