"""What `__transaction_state` holds: a JSON object per transactional id, the later one wins.

The key is the transactional id in UTF-8; a null value forgets it.
"""

from __future__ import annotations

import msgspec

from summit.broker.groups.offsets import Committed
from summit.broker.transactions.transaction import Decision, State, Transaction


class StoredOffset(msgspec.Struct, array_like=True, frozen=True):
    """One pending or decided commit."""

    group_id: str
    topic: str
    partition: int
    offset: int
    leader_epoch: int
    metadata: str
    commit_ms: int


class StoredMarkers(msgspec.Struct, frozen=True, rename="camel"):
    """Whose markers are due."""

    producer_id: int
    epoch: int
    commit_ms: int
    ends: list[tuple[str, int, int]]  # topic, partition, the log's end when it was decided


class StoredTransaction(msgspec.Struct, frozen=True, rename="camel"):
    """One transactional id."""

    producer_id: int
    epoch: int
    timeout_ms: int
    state: State
    previous: tuple[int, int]
    started_ms: int
    updated_ms: int
    partitions: list[tuple[str, int]] = []
    groups: list[str] = []
    offsets: list[StoredOffset] = []
    markers: StoredMarkers | None = None


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[StoredTransaction] = msgspec.json.Decoder(StoredTransaction)


def encode_key(transactional_id: str) -> bytes:
    """The key of a transactional id's records."""
    return transactional_id.encode()


def encode(transaction: Transaction) -> bytes:
    """The value that brings a transactional id back as it stands."""
    decision = transaction.decision
    offsets = decision.offsets if decision is not None else transaction.offsets
    return _encoder.encode(
        StoredTransaction(
            producer_id=transaction.producer_id,
            epoch=transaction.epoch,
            timeout_ms=transaction.timeout_ms,
            state=transaction.state,
            previous=transaction.previous,
            started_ms=transaction.started_ms,
            updated_ms=transaction.updated_ms,
            partitions=sorted(transaction.partitions),
            groups=sorted(offsets),
            offsets=[
                StoredOffset(
                    group_id,
                    topic,
                    index,
                    each.offset,
                    each.leader_epoch,
                    each.metadata,
                    each.commit_ms,
                )
                for group_id, commits in offsets.items()
                for (topic, index), each in commits.items()
            ],
            markers=None
            if decision is None
            else StoredMarkers(
                decision.producer_id,
                decision.marker_epoch,
                decision.commit_ms,
                [(*where, end) for where, end in sorted(decision.ends.items())],
            ),
        )
    )


def decode(key: bytes, value: bytes) -> Transaction:
    """A transactional id as it was written. Raises: msgspec.DecodeError."""
    stored = _decoder.decode(value)
    offsets: dict[str, dict[tuple[str, int], Committed]] = {group: {} for group in stored.groups}
    for each in stored.offsets:
        committed = Committed(each.offset, each.leader_epoch, each.metadata, each.commit_ms)
        offsets.setdefault(each.group_id, {})[(each.topic, each.partition)] = committed
    decision = None
    if stored.markers is not None:
        decision = Decision(
            is_commit=stored.state is State.PREPARE_COMMIT,
            producer_id=stored.markers.producer_id,
            marker_epoch=stored.markers.epoch,
            ends={(topic, index): end for topic, index, end in stored.markers.ends},
            offsets=offsets,
            commit_ms=stored.markers.commit_ms,
        )
    return Transaction(
        transactional_id=key.decode(),
        producer_id=stored.producer_id,
        epoch=stored.epoch,
        timeout_ms=stored.timeout_ms,
        state=stored.state,
        previous=stored.previous,
        started_ms=stored.started_ms,
        updated_ms=stored.updated_ms,
        partitions=set(stored.partitions),
        offsets=offsets,
        decision=decision,
    )
