"""Transactions in both protocols, and what is told of them and of producers.

An AddPartitionsToTxn v4 without transactions is not asked for: Kafka 4.3 never answers it.
"""

from __future__ import annotations

import time
from typing import Any

from tests.differential.requests import fetch, list_offsets, produce, sequenced, versions
from tests.differential.side import Side

from summit.protocol.add_offsets_to_txn import ADD_OFFSETS_TO_TXN
from summit.protocol.add_partitions_to_txn import ADD_PARTITIONS_TO_TXN
from summit.protocol.describe_producers import DESCRIBE_PRODUCERS
from summit.protocol.describe_transactions import DESCRIBE_TRANSACTIONS
from summit.protocol.end_txn import END_TXN
from summit.protocol.fetch import FETCH
from summit.protocol.init_producer_id import INIT_PRODUCER_ID
from summit.protocol.list_offsets import LIST_OFFSETS
from summit.protocol.list_transactions import LIST_TRANSACTIONS
from summit.protocol.offset_fetch import OFFSET_FETCH
from summit.protocol.produce import PRODUCE
from summit.protocol.txn_offset_commit import TXN_OFFSET_COMMIT
from summit.protocol.write_txn_markers import WRITE_TXN_MARKERS
from summit.records.batch import TRANSACTIONAL


def begin(name: str | None, timeout_ms: int = 60_000, **fields: Any) -> dict[str, Any]:
    return {"transactional_id": name, "transaction_timeout_ms": timeout_ms, **fields}


def add(v: int, name: str, made: Any, topic: str, *indexes: int, **fields: Any) -> dict[str, Any]:
    """AddPartitionsToTxn in any version."""
    topics = [{"name": topic, "partitions": list(indexes)}]
    if v >= 4:
        one = {"transactional_id": name, "producer_id": made.producer_id,
               "producer_epoch": made.producer_epoch, "topics": topics, **fields}  # fmt: skip
        return {"transactions": [one]}
    one = {"transactional_id": name, "producer_id": made.producer_id,
           "producer_epoch": made.producer_epoch, "topics": topics, **fields}  # fmt: skip
    return {f"v3_and_below_{key}": value for key, value in one.items()}


def end(name: str, made: Any, committed: bool = True, **fields: Any) -> dict[str, Any]:
    return {"transactional_id": name, "producer_id": made.producer_id,
            "producer_epoch": made.producer_epoch, "committed": committed, **fields}  # fmt: skip


def batch(made: Any, sequence: int, *values: bytes) -> bytes:
    # Of now, as the markers are: Kafka begins a new segment where times lie a week apart.
    return sequenced(
        made.producer_id, made.producer_epoch, sequence, *values, attributes=TRANSACTIONAL,
        first_ms=int(time.time() * 1000),
    )  # fmt: skip


def await_stable(side: Side, name: str, offset: int) -> None:
    """Wait until the last stable offset of partition 0 is there: markers may follow the answer."""
    side.ask(f"stable up to {offset}", LIST_OFFSETS, 8,
             list_offsets(name, [-1], isolation_level=1),
             until=lambda a: a.topics[0].partitions[0].offset >= offset)  # fmt: skip


def producer_ids(side: Side) -> None:
    for v in versions(INIT_PRODUCER_ID):
        name = side.mine(f"x-v{v}")
        side.ask("no name", INIT_PRODUCER_ID, v, begin(None))
        side.ask("an empty name", INIT_PRODUCER_ID, v, begin(""))
        for timeout_ms in (0, -1, 900_001, 900_000):
            side.ask(f"time-out {timeout_ms}", INIT_PRODUCER_ID, v,
                     begin(side.mine(f"time{timeout_ms}-v{v}"), timeout_ms))  # fmt: skip
        first = side.ask("first", INIT_PRODUCER_ID, v, begin(name))
        side.ask("second", INIT_PRODUCER_ID, v, begin(name))
        if v >= 3:
            for step, fields in {
                "named": {"producer_id": first.producer_id, "producer_epoch": 1},
                "named with its former epoch": {
                    "producer_id": first.producer_id,
                    "producer_epoch": 0,
                },
                "another producer": {"producer_id": first.producer_id + 77, "producer_epoch": 0},
                "an id without an epoch": {"producer_id": first.producer_id},
                "an epoch without an id": {"producer_epoch": 3},
            }.items():
                side.ask(step, INIT_PRODUCER_ID, v, begin(name, **fields))
                side.ask(f"{step}, without a name", INIT_PRODUCER_ID, v, begin(None, **fields))


def older(side: Side) -> None:
    for v in range(5):
        side.create(f"t-v{v}", 2)
        topic, name = side.mine(f"t-v{v}"), side.mine(f"x-v{v}")
        pv = 3 + 2 * v
        at = f"round {v}"
        made = side.quietly(INIT_PRODUCER_ID, min(v, 3), begin(name))
        side.ask(f"end before it begins, {at}", END_TXN, v, end(name, made))
        side.ask(f"produce unannounced, {at}", PRODUCE, pv,
                 produce(pv, topic, None, batch(made, 0, b"a"), transactional_id=name))  # fmt: skip
        av = min(v, 3)
        side.ask(f"add, {at}", ADD_PARTITIONS_TO_TXN, av, add(av, name, made, topic, 0, 1))
        side.ask(f"add again, {at}", ADD_PARTITIONS_TO_TXN, av, add(av, name, made, topic, 0))
        side.ask(f"add unknown, {at}", ADD_PARTITIONS_TO_TXN, av, add(av, name, made, topic, 0, 7))
        side.ask(f"add as a stranger, {at}", ADD_PARTITIONS_TO_TXN, av,
                 add(av, side.mine("nobody"), made, topic, 0))  # fmt: skip
        side.ask(f"add with a wrong id, {at}", ADD_PARTITIONS_TO_TXN, av,
                 add(av, name, made, topic, 0, producer_id=made.producer_id + 9))  # fmt: skip
        side.ask(f"add with a wrong epoch, {at}", ADD_PARTITIONS_TO_TXN, av,
                 add(av, name, made, topic, 0, producer_epoch=made.producer_epoch + 3))  # fmt: skip
        for n, value in enumerate((b"a", b"b")):
            side.ask(f"produce {n}, {at}", PRODUCE, pv,
                     produce(pv, topic, None, batch(made, n, value),
                             transactional_id=name))  # fmt: skip
        for level in (0, 1):
            side.ask(f"read at level {level}, {at}", FETCH, 4 + v,
                     fetch(4 + v, topic, None, 0, isolation_level=level))  # fmt: skip
        side.ask(f"described, {at}", DESCRIBE_TRANSACTIONS, 0, {"transactional_ids": [name]})
        side.ask(f"producers, {at}", DESCRIBE_PRODUCERS, 0,
                 {"topics": [{"name": topic, "partition_indexes": [0, 1, 7]}]})  # fmt: skip
        offsets(side, v, at, name, made, topic)
        wrong = {"producer_epoch": made.producer_epoch + 1}
        side.ask(f"end with a wrong epoch, {at}", END_TXN, v, end(name, made, **wrong))
        side.ask(f"end as a stranger, {at}", END_TXN, v, end(side.mine("nobody"), made))
        side.ask(f"commits, {at}", END_TXN, v, end(name, made))
        await_stable(side, topic, 3) if v == 0 else side.quietly(LIST_OFFSETS, 8, {})
        side.ask(f"commits again, {at}", END_TXN, v, end(name, made))
        side.ask(f"aborts after that, {at}", END_TXN, v, end(name, made, False))
        side.ask(f"adds for the next, {at}", ADD_PARTITIONS_TO_TXN, av,
                 add(av, name, made, topic, 0))  # fmt: skip
        side.ask(f"produces in the next, {at}", PRODUCE, pv,
                 produce(pv, topic, None, batch(made, 2, b"c"), transactional_id=name))  # fmt: skip
        side.ask(f"aborts, {at}", END_TXN, v, end(name, made, False))
        for level in (0, 1):
            side.ask(f"all at level {level}, {at}", FETCH, 4 + v,
                     fetch(4 + v, topic, None, 0, isolation_level=level),
                     until=lambda a: a.topics[0].partitions[0].last_stable_offset == 5)  # fmt: skip
        side.ask(f"its offsets, {at}", OFFSET_FETCH, 5,
                 {"group_id": side.mine(f"g-v{v}"), "topics": None},
                 until=lambda a: bool(a.topics))  # fmt: skip
        fenced = side.quietly(INIT_PRODUCER_ID, 3, begin(name))
        assert fenced.producer_epoch > made.producer_epoch
        side.ask(f"fenced add, {at}", ADD_PARTITIONS_TO_TXN, av, add(av, name, made, topic, 0))
        side.ask(f"fenced end, {at}", END_TXN, v, end(name, made))
        side.ask(f"fenced produce, {at}", PRODUCE, pv,
                 produce(pv, topic, None, batch(made, 3, b"d"), transactional_id=name))  # fmt: skip


def offsets(side: Side, v: int, at: str, name: str, made: Any, topic: str) -> None:
    """Offsets in the open transaction, with what is refused."""
    group = side.mine(f"g-v{v}")
    who = {"transactional_id": name, "producer_id": made.producer_id,
           "producer_epoch": made.producer_epoch, "group_id": group}  # fmt: skip
    part = {"partition_index": 0, "committed_offset": 7, "committed_metadata": "m"}
    what = {**who, "topics": [{"name": topic, "partitions": [part]}]}
    side.ask(f"offsets as a stranger, {at}", ADD_OFFSETS_TO_TXN, v,
             {**who, "transactional_id": side.mine("nobody")})  # fmt: skip
    side.ask(f"offsets of no group, {at}", ADD_OFFSETS_TO_TXN, v, {**who, "group_id": ""})
    side.ask(f"adds offsets, {at}", ADD_OFFSETS_TO_TXN, v, who)
    cv = min(v, 4)
    side.ask(f"commits offsets, {at}", TXN_OFFSET_COMMIT, cv, what)
    side.ask(f"commits offsets with a wrong epoch, {at}", TXN_OFFSET_COMMIT, cv,
             {**what, "producer_epoch": made.producer_epoch + 3})  # fmt: skip
    side.ask(f"commits offsets of no group, {at}", TXN_OFFSET_COMMIT, cv, {**what, "group_id": ""})
    if cv >= 3:
        side.ask(f"commits offsets as a member, {at}", TXN_OFFSET_COMMIT, cv,
                 {**what, "member_id": "m", "generation_id": 3})  # fmt: skip
    strange = [{"name": "nobody", "partitions": [part]}]
    side.ask(f"commits offsets of no topic, {at}", TXN_OFFSET_COMMIT, cv,
             {**what, "topics": strange})  # fmt: skip
    side.ask(f"offsets are not there yet, {at}", OFFSET_FETCH, 5,
             {"group_id": group,
              "topics": [{"name": topic, "partition_indexes": [0]}]})  # fmt: skip
    stable = {"groups": [{"group_id": group, "topics": [
        {"name": topic, "partition_indexes": [0]}]}], "require_stable": True}  # fmt: skip
    side.ask(f"offsets are not stable, {at}", OFFSET_FETCH, 8, stable)


def newer(side: Side) -> None:
    topic_id = side.create("t")
    topic, name, group = side.mine("t"), side.mine("x"), side.mine("g")
    made = side.ask("begins", INIT_PRODUCER_ID, 5, begin(name))
    side.ask("commits nothing", END_TXN, 5, end(name, made))
    side.ask("aborts nothing", END_TXN, 5, end(name, made, False))
    made = side.ask("begins again", INIT_PRODUCER_ID, 5, begin(name))

    def send(step: str, v: int, who: Any, sequence: int, *values: bytes) -> None:
        side.ask(step, PRODUCE, v, produce(v, topic, topic_id, batch(who, sequence, *values),
                                           transactional_id=name))  # fmt: skip

    send("produces, unannounced", 12, made, 0, b"a")
    side.ask("described", DESCRIBE_TRANSACTIONS, 0, {"transactional_ids": [name]})
    part = {"partition_index": 0, "committed_offset": 7, "committed_metadata": "m"}
    what = {"transactional_id": name, "producer_id": made.producer_id, "group_id": group,
            "producer_epoch": made.producer_epoch,
            "topics": [{"name": topic, "partitions": [part]}]}  # fmt: skip
    side.ask("commits offsets, unannounced", TXN_OFFSET_COMMIT, 5, what)
    after = side.ask("commits", END_TXN, 5, end(name, made))
    await_stable(side, topic, 2)
    side.ask("commits again with the old epoch", END_TXN, 5, end(name, made))
    side.ask("aborts with the old epoch", END_TXN, 5, end(name, made, False))
    send("produces with the old epoch", 12, made, 1, b"z")
    side.ask("its offsets", OFFSET_FETCH, 8, {"groups": [{"group_id": group, "topics": None}]},
             until=lambda a: bool(a.groups[0].topics))  # fmt: skip
    send("produces with the new epoch", 13, after, 0, b"b")
    last = side.ask("aborts", END_TXN, 5, end(name, after, False))
    await_stable(side, topic, 4)
    send("goes on with the sequence of before", 12, last, 1, b"c")
    send("produces after an abort", 12, last, 0, b"c")
    side.ask("ends in the older protocol", END_TXN, 4, end(name, last))
    await_stable(side, topic, 6)
    side.ask("all of it", FETCH, 12, fetch(12, topic, topic_id, 0, isolation_level=1))
    side.ask("producers", DESCRIBE_PRODUCERS, 0,
             {"topics": [{"name": topic, "partition_indexes": [0]}]})  # fmt: skip
    fresh = side.quietly(INIT_PRODUCER_ID, 5, begin(side.mine("y")))
    for v in (4, 5):
        side.ask("add for a check", ADD_PARTITIONS_TO_TXN, v,
                 add(v, side.mine("y"), fresh, topic, 0, verify_only=True))  # fmt: skip
        side.ask("add several", ADD_PARTITIONS_TO_TXN, v,
                 add(v, side.mine("y"), fresh, topic, 0))  # fmt: skip
        side.ask("add for a check, then", ADD_PARTITIONS_TO_TXN, v,
                 add(v, side.mine("y"), fresh, topic, 0, verify_only=True))  # fmt: skip


def listed(side: Side) -> None:
    side.create("t")
    topic = side.mine("t")
    side.quietly(INIT_PRODUCER_ID, 3, begin(side.mine("empty")))
    opened = side.quietly(INIT_PRODUCER_ID, 3, begin(side.mine("open")))
    side.quietly(ADD_PARTITIONS_TO_TXN, 3, add(3, side.mine("open"), opened, topic, 0))
    for v in versions(LIST_TRANSACTIONS):
        for step, fields in {
            "all": {}, "ongoing": {"state_filters": ["Ongoing"]},
            "nonsense": {"state_filters": ["Nonsense", "Empty"]},
            "of a producer": {"producer_id_filters": [opened.producer_id]},
            "of no producer": {"producer_id_filters": [123_456_789]},
            "lasting": {"duration_filter": 3_600_000}, "not lasting": {"duration_filter": 0},
            "by pattern": {"transactional_id_pattern": ".*open"},
            "by a pattern that is none": {"transactional_id_pattern": "("},
            "by an empty pattern": {"transactional_id_pattern": ""},
        }.items():  # fmt: skip
            if ("duration_filter" in fields and v < 1) or (
                "transactional_id_pattern" in fields and v < 2
            ):
                continue
            side.ask(step, LIST_TRANSACTIONS, v, fields, mine=True)
    side.ask("describe several", DESCRIBE_TRANSACTIONS, 0,
             {"transactional_ids": [side.mine("open"), side.mine("empty"), "nobody",
                                    ""]})  # fmt: skip
    side.ask("describe none", DESCRIBE_TRANSACTIONS, 0)
    side.ask("producers of no topic", DESCRIBE_PRODUCERS, 0,
             {"topics": [{"name": "nobody", "partition_indexes": [0]}]})  # fmt: skip
    side.ask("producers of nothing", DESCRIBE_PRODUCERS, 0)


def markers(side: Side) -> None:
    for v in versions(WRITE_TXN_MARKERS):
        side.create(f"t-v{v}")
        topic, name = side.mine(f"t-v{v}"), side.mine(f"x-v{v}")
        made = side.quietly(INIT_PRODUCER_ID, 3, begin(name))
        side.quietly(ADD_PARTITIONS_TO_TXN, 3, add(3, name, made, topic, 0))
        side.quietly(PRODUCE, 9, produce(9, topic, None, batch(made, 0, b"a"),
                                         transactional_id=name))  # fmt: skip

        def of(epoch: int, *indexes: int, where: str = topic, who: int = made.producer_id,
               coordinator: int = 0) -> dict[str, Any]:  # fmt: skip
            marker = {"producer_id": who, "producer_epoch": epoch, "transaction_result": True,
                      "coordinator_epoch": coordinator,
                      "topics": [{"name": where, "partition_indexes": list(indexes)}]}  # fmt: skip
            return {"markers": [marker]}

        side.ask("unknown partition", WRITE_TXN_MARKERS, v, of(0, 7))
        side.ask("unknown topic", WRITE_TXN_MARKERS, v, of(0, 0, where="nobody"))
        side.ask("a marker", WRITE_TXN_MARKERS, v, of(0, 0))
        side.ask("with an old epoch", WRITE_TXN_MARKERS, v, of(-1, 0))
        side.ask("nothing", WRITE_TXN_MARKERS, v)
        side.ask(f"the log, round {v}", FETCH, 12, fetch(12, topic, None, 0, isolation_level=1))


SCENARIOS = {
    "transactions producer ids": producer_ids,
    "transactions older": older,
    "transactions newer": newer,
    "transactions listed": listed,
    "transactions markers": markers,
}
