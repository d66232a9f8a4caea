"""Requests that make sense to a decoder and mostly to a handler: names that exist, ids that were
given, and among them numbers and names that nobody should send."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.hostile import batches

from summit.broker.dispatch import SERVED
from summit.protocol.api import Api
from summit.protocol.apis import APIS
from summit.protocol.message import REQUIRED, Field, Message, WireType

TOPICS = ("open", "table", "zipped", "stamped")
GROUPS = ("g1", "g2")
TRANSACTIONAL_IDS = ("t1", "t2")
_NAMES = (
    *TOPICS, *TOPICS, "g1", "g2", "t1", "t2", "", "a/b", "..", "x" * 249, "y" * 250, "nobody",
    "__consumer_offsets", "__transaction_state", "__cluster_metadata", "ä漢🙂", "range", "consumer",
    "1", "0", "segment.bytes", "retention.ms", "cleanup.policy", "max.message.bytes", "compact",
    "delete", "-1", "100", "9223372036854775807", "log.retention.ms", "compression.type", "zstd",
)  # fmt: skip
_NUMBERS = {
    "b": (0, 1, 2, 4, -1, 127, -128),
    "h": (0, 1, 2, 3, -1, 2**15 - 1, -(2**15)),
    "i": (0, 0, 1, 2, 3, 5, 100, 1_000, -1, -2, 2**31 - 1, -(2**31), 1 << 20, 60_000),
    "q": (0, 0, 1, 2, 5, 100, -1, -2, -3, 2**63 - 1, -(2**63), 2**62, 1_700_000_000_000),
    "d": (0.0, 1.0, -1.0, float("nan"), float("inf")),
}


@dataclass(slots=True)
class Known:
    """What the broker has given out and hostile clients know of."""

    topic_ids: list[uuid.UUID] = field(default_factory=list)
    producer_ids: list[int] = field(default_factory=lambda: [0, 1, 2])
    epochs: list[int] = field(default_factory=lambda: [0, 1])
    generations: list[int] = field(default_factory=lambda: [1, 2])
    member_ids: list[str] = field(default_factory=list)
    session_ids: list[int] = field(default_factory=list)


def apis() -> list[Api[Any, Any]]:
    """Every API that is served."""
    return [APIS[key] for key in sorted(SERVED)]


def request(api: Api[Any, Any], version: int, chance: random.Random, known: Known) -> Any:
    """One request of an API."""
    return _message(api.request, version, chance, known, 0)


def _message(
    message: type[Message], version: int, chance: random.Random, known: Known, depth: int
) -> Any:
    values: dict[str, Any] = {}
    for row in message.FIELDS:
        if version not in row.versions:
            if row.default is REQUIRED and row.default_factory is None:
                values[row.name] = [] if isinstance(row.zero, list) else row.zero
        elif row.tag is None or chance.random() < 0.4:
            values[row.name] = _field(row, version, chance, known, depth)
    return message(**values)


def _field(row: Field, version: int, chance: random.Random, known: Known, depth: int) -> Any:
    if version in row.nullable and chance.random() < 0.2:
        return None
    likely = _likely(row, known)
    if likely and chance.random() < 0.75:
        return chance.choice(likely)
    if row.name in ("max_wait_ms", "timeout_ms", "rebalance_timeout_ms", "session_timeout_ms"):
        return chance.choice([0, 10, 2_000, 10_000, *_NUMBERS["i"]])
    if row.name == "num_partitions" and chance.random() < 0.95:
        return chance.choice([1, 2, 3, 0, -1, -2, -(2**31), 2**31 - 1, 10_001])
    value = _value(row.type, version, chance, known, depth)
    if row.tag is not None and row.type.kind == "struct" and value == row.type.message():
        return None
    return value


def _likely(row: Field, known: Known) -> Sequence[Any]:
    """What gets a request past the first checks."""
    match row.name:
        case "producer_id" | "v3_and_below_producer_id":
            return known.producer_ids
        case "producer_epoch" | "v3_and_below_producer_epoch":
            return known.epochs
        case "transactional_id" | "v3_and_below_transactional_id":
            return TRANSACTIONAL_IDS
        case "group_id":
            return GROUPS
        case "generation_id" | "generation_id_or_member_epoch":
            return known.generations
        case "session_id":
            return known.session_ids
        case "member_id" | "leader":
            return known.member_ids
        case "topic_id":
            return known.topic_ids
        case "acks":
            return (-1, 1, 0)
        case "index" | "partition_index":
            return (0, 1)
        case "name" if row.type.kind == "string":
            return TOPICS
        case _:
            return ()


def _value(
    wire_type: WireType, version: int, chance: random.Random, known: Known, depth: int
) -> Any:
    match wire_type.kind:
        case "fixed":
            if wire_type.code == "?":
                return chance.random() < 0.5
            return chance.choice(_NUMBERS[wire_type.code])
        case "uuid":
            return chance.choice(
                [uuid.UUID(int=0), uuid.UUID(int=chance.getrandbits(128)), *known.topic_ids]
            )
        case "string":
            return chance.choice(_NAMES)
        case "bytes":
            return chance.randbytes(chance.choice([0, 1, 20, 300]))
        case "records":
            producer_id = chance.choice([-1, -1, *known.producer_ids])
            return batches.hostile(chance, producer_id=producer_id)
        case "struct":
            return _message(wire_type.message, version, chance, known, depth + 1)
        case _:
            count = chance.choice([0, 1, 1, 1, 2, 3]) if depth < 3 else chance.randint(0, 1)
            return [_value(wire_type.item, version, chance, known, depth + 1) for _ in range(count)]
