"""ListOffsets, OffsetForLeaderEpoch and DeleteRecords: where a log begins, ends, what is when."""

from __future__ import annotations

from tests.broker.wire import batch_of
from tests.differential.requests import versions
from tests.differential.scenarios.fetch import fill
from tests.differential.side import Side

from summit.protocol.delete_records import DELETE_RECORDS
from summit.protocol.list_offsets import LIST_OFFSETS
from summit.protocol.offset_for_leader_epoch import OFFSET_FOR_LEADER_EPOCH

SPECIAL = (-1, -2, -3, -4, -5, -6, -7, -100)


def asked(name: str, timestamp: int, index: int = 0, epoch: int = -1, **fields: int) -> dict:
    part = {"partition_index": index, "timestamp": timestamp, "current_leader_epoch": epoch}
    return {"topics": [{"name": name, "partitions": [part]}], "timeout_ms": 5_000, **fields}


def every_version(side: Side) -> None:
    side.create("t", 2)
    name = side.mine("t")
    fill(side, "t", batch_of(b"a", b"b"), batch_of(b"c", first_ms=5_000),
         batch_of(b"d", b"e", first_ms=3_000))  # fmt: skip
    for v in versions(LIST_OFFSETS):
        for when in (*SPECIAL, 0, 1_000, 1_001, 1_002, 3_000, 3_001, 3_002, 5_000, 5_001, 1 << 61):
            side.ask(f"timestamp {when}", LIST_OFFSETS, v, asked(name, when))
        for when in (-1, -2, -3, -4, -5, 1_000):
            side.ask(f"empty partition, timestamp {when}", LIST_OFFSETS, v, asked(name, when, 1))
        side.ask("no such partition", LIST_OFFSETS, v, asked(name, -1, 7))
        side.ask("no such topic", LIST_OFFSETS, v, asked("nobody", -1))
        for epoch in (0, 1, -2):
            side.ask(f"current epoch {epoch}", LIST_OFFSETS, v, asked(name, -1, 0, epoch))
        for level in (1, 2):
            side.ask(f"isolation level {level}", LIST_OFFSETS, v,
                     asked(name, -1, isolation_level=level))  # fmt: skip
        twice = asked(name, -1)
        twice["topics"][0]["partitions"].append({"partition_index": 0, "timestamp": -2})
        side.ask("a partition twice", LIST_OFFSETS, v, twice)
        side.ask("as a replica", LIST_OFFSETS, v, asked(name, -1, replica_id=7), settles=False)
        side.ask("nothing", LIST_OFFSETS, v)


def delete_records(side: Side) -> None:
    name = side.mine("t")
    side.create("t", 2)
    side.create("compacted", cleanup_policy="compact")
    fill(side, "t", *(batch_of(b"a", b"b") for _ in range(5)))
    fill(side, "t", batch_of(b"a"), index=1)

    def of(where: str, offset: int, index: int = 0) -> dict:
        part = {"partition_index": index, "offset": offset}
        return {"topics": [{"name": where, "partitions": [part]}], "timeout_ms": 9_000}

    for v in versions(DELETE_RECORDS):
        side.ask("two on", DELETE_RECORDS, v, of(name, 1 + 2 * v))
        for offset in (0, 1, 11, -2):
            side.ask(f"up to {offset}", DELETE_RECORDS, v, of(name, offset))
        side.ask("no such partition", DELETE_RECORDS, v, of(name, 0, 9))
        side.ask("no such topic", DELETE_RECORDS, v, of("nobody", 0))
        side.ask("compacted", DELETE_RECORDS, v, of(side.mine("compacted"), 0))
        side.ask("of the offsets topic", DELETE_RECORDS, v, of("__consumer_offsets", 0))
        side.ask("nothing", DELETE_RECORDS, v, {"timeout_ms": 1_000})
        for when in (-1, -2, -4, 0):
            side.ask(f"then timestamp {when}", LIST_OFFSETS, v + 7, asked(name, when))
    side.ask("all", DELETE_RECORDS, 2, of(name, -1))
    for when in (-1, -2, -3, 0):
        side.ask(f"after all, timestamp {when}", LIST_OFFSETS, 10, asked(name, when))


def leader_epochs(side: Side) -> None:
    side.create("t", 2)
    name = side.mine("t")
    fill(side, "t", batch_of(b"a", b"b"))

    def of(where: str, epoch: int, current: int = -1, index: int = 0) -> dict:
        part = {"partition": index, "leader_epoch": epoch, "current_leader_epoch": current}
        return {"topics": [{"topic": where, "partitions": [part]}]}

    for v in versions(OFFSET_FOR_LEADER_EPOCH):
        for epoch in (0, 1, 5, -1, -2):
            side.ask(f"epoch {epoch}", OFFSET_FOR_LEADER_EPOCH, v, of(name, epoch))
            side.ask(f"epoch {epoch} of an empty one", OFFSET_FOR_LEADER_EPOCH, v,
                     of(name, epoch, index=1))  # fmt: skip
        for current in (0, 1, -2):
            side.ask(f"current epoch {current}", OFFSET_FOR_LEADER_EPOCH, v, of(name, 0, current))
        side.ask("no such partition", OFFSET_FOR_LEADER_EPOCH, v, of(name, 0, index=9))
        side.ask("no such topic", OFFSET_FOR_LEADER_EPOCH, v, of("nobody", 0))
        side.ask("nothing", OFFSET_FOR_LEADER_EPOCH, v)


SCENARIOS = {
    "list offsets": every_version,
    "delete records": delete_records,
    "leader epochs": leader_epochs,
}
