"""Produce: what is taken and what is refused.

Null records are not asked for: Kafka 4.3 stumbles while it logs the request, and never answers.
"""

from __future__ import annotations

import struct
import uuid

import crc32c
from tests.broker.wire import batch_of
from tests.differential.requests import fetch, produce, sequenced, versions
from tests.differential.side import Side

from summit.protocol.fetch import FETCH
from summit.protocol.init_producer_id import INIT_PRODUCER_ID
from summit.protocol.list_offsets import LIST_OFFSETS
from summit.protocol.produce import PRODUCE
from summit.records import CODECS, Record, build_batch

NOBODY = uuid.UUID("11111111-2222-3333-4444-555555555555")


def every_version(side: Side) -> None:
    for v in versions(PRODUCE):
        topic_id = side.create(f"t-v{v}", 2)
        name = side.mine(f"t-v{v}")
        side.ask("two records", PRODUCE, v, produce(v, name, topic_id, batch_of(b"a", b"b")))
        side.ask("acks 1", PRODUCE, v, produce(v, name, topic_id, batch_of(b"c"), acks=1))
        side.ask("acks 2", PRODUCE, v, produce(v, name, topic_id, batch_of(b"d"), acks=2))
        side.ask("acks -2", PRODUCE, v, produce(v, name, topic_id, batch_of(b"d"), acks=-2))
        side.ask("no such topic", PRODUCE, v, produce(v, "nobody", NOBODY, batch_of(b"e")))
        side.ask("no such partition", PRODUCE, v,
                 produce(v, name, topic_id, batch_of(b"f"), index=2))  # fmt: skip
        side.ask("negative partition", PRODUCE, v,
                 produce(v, name, topic_id, batch_of(b"f"), index=-1))  # fmt: skip
        side.ask("no topics", PRODUCE, v, {"acks": -1, "timeout_ms": 1_000})
        both = produce(v, name, topic_id, batch_of(b"g"))
        both["topics"][0]["partitions"].append({"index": 1, "records": batch_of(b"h", b"i")})
        both["topics"][0]["partitions"].append({"index": 9, "records": batch_of(b"h", b"i")})
        side.ask("three partitions, one unknown", PRODUCE, v, both)
        parts = [{"partition_index": n, "timestamp": -1} for n in range(2)]
        ends = side.quietly(LIST_OFFSETS, 7, {"topics": [{"name": name, "partitions": parts}]})
        side.note("ends", v, sorted(
            [part.partition_index, part.offset] for part in ends.topics[0].partitions
        ))  # fmt: skip


def no_answer(side: Side) -> None:
    topic_id = side.create("t")
    name = side.mine("t")
    for n, v in enumerate(versions(PRODUCE)):
        side.start(PRODUCE, v, produce(v, name, topic_id, batch_of(b"a"), acks=0))
        side.ask(f"end after acks 0 in version {v}", LIST_OFFSETS, 7, _end(name),
                 until=lambda a, n=n: a.topics[0].partitions[0].offset > n)  # fmt: skip
    for v in (3, 9):
        side.start(PRODUCE, v, produce(v, "nobody", None, batch_of(b"a"), acks=0))
        side.ask(f"after acks 0 to no topic in version {v}", LIST_OFFSETS, 7, _end(name))


def _end(name: str) -> dict[str, object]:
    return {"topics": [{"name": name, "partitions": [{"partition_index": 0, "timestamp": -1}]}]}


def bad_batches(side: Side) -> None:
    good = batch_of(b"a", b"b")
    second = batch_of(b"c")

    def patched(position: int, data: bytes, *, seals: bool = True) -> bytes:
        batch = bytearray(good)
        batch[position : position + len(data)] = data
        if seals:
            batch[17:21] = struct.pack(">I", crc32c.crc32c(bytes(batch[21:])))
        return bytes(batch)

    cases = {
        "empty": b"",
        "one byte": b"a",
        "header only": good[:61],
        "cut off": good[:-1],
        "a byte too many": good + b"x",
        "two batches": good + second,
        "wrong checksum": patched(17, b"\0\0\0\0", seals=False),
        "magic 0": patched(16, b"\0"),
        "magic 1": patched(16, b"\1"),
        "magic 3": patched(16, b"\3"),
        "length 0": patched(8, struct.pack(">i", 0)),
        "length negative": patched(8, struct.pack(">i", -1)),
        "length too large": patched(8, struct.pack(">i", 10_000)),
        "base offset 7": patched(0, struct.pack(">q", 7)),
        "base offset negative": patched(0, struct.pack(">q", -7)),
        "leader epoch 9": patched(12, struct.pack(">i", 9)),
        "control bit": patched(21, struct.pack(">h", 0x20)),
        "transactional bit without producer": patched(21, struct.pack(">h", 0x10)),
        "append-time bit": patched(21, struct.pack(">h", 0x08)),
        "delete-horizon bit": patched(21, struct.pack(">h", 0x40)),
        "unused bit": patched(21, struct.pack(">h", 0x100)),
        "codec 5": patched(21, struct.pack(">h", 5)),
        "codec 7": patched(21, struct.pack(">h", 7)),
        "gzip bit, not compressed": patched(21, struct.pack(">h", 1)),
        "last delta too small": patched(23, struct.pack(">i", 0)),
        "last delta too large": patched(23, struct.pack(">i", 5)),
        "last delta negative": patched(23, struct.pack(">i", -1)),
        "count too small": patched(57, struct.pack(">i", 1)),
        "count too large": patched(57, struct.pack(">i", 3)),
        "count 0": patched(57, struct.pack(">i", 0)),
        "count negative": patched(57, struct.pack(">i", -1)),
        "max timestamp wrong": patched(35, struct.pack(">q", 99)),
        "record length wrong": patched(61, b"\x40"),
        "producer without sequence": batch_of(b"a", producer_id=77, producer_epoch=0),
        "producer without epoch": batch_of(b"a", producer_id=77, base_sequence=0),
        "base timestamp negative": patched(27, struct.pack(">q", -1)),
    }
    for what, records in cases.items():
        for v in (3, 8, 13):  # each its own topic, so that what one adds shifts no other
            name = f"{what.replace(' ', '-').replace(',', '')}-v{v}"
            topic_id = side.create(name)
            side.ask(what, PRODUCE, v, produce(v, side.mine(name), topic_id, records))


def codecs(side: Side) -> None:
    for number, codec in enumerate(codec.name for codec in CODECS):
        for v in versions(PRODUCE):
            topic_id = side.create(f"c{number}-v{v}")
            name = side.mine(f"c{number}-v{v}")
            batch = batch_of(b"a" * 50, b"b" * 50, codec=number)
            side.ask(f"{codec}", PRODUCE, v,
                     produce(v, name, topic_id, batch))  # fmt: skip
            torn = bytearray(batch)
            torn[61:] = b"\xff" * len(torn[61:])
            torn[17:21] = struct.pack(">I", crc32c.crc32c(bytes(torn[21:])))
            side.ask(f"{codec} that is none", PRODUCE, v,
                     produce(v, name, topic_id, bytes(torn)))  # fmt: skip


def topic_rules(side: Side) -> None:
    keyed = bytes(build_batch([Record(0, 1000, b"k", b"v", ())]))
    mixed = bytes(build_batch([Record(0, 1000, b"k", b"v", ()), Record(1, 1000, None, b"v", ())]))
    far = (1 << 62) + 5
    kinds = {
        "no key": batch_of(b"a", b"b"), "key": keyed, "one key of two": mixed,
        "200 bytes": batch_of(b"x" * 200), "in the far future": batch_of(b"a", first_ms=far),
        "snappy": batch_of(b"a" * 20, codec=2),
    }  # fmt: skip
    topics = {
        "compacted": {"cleanup_policy": "compact"},
        "both": {"cleanup_policy": "compact,delete"},
        "stamped": {"message_timestamp_type": "LogAppendTime"},
        "small": {"max_message_bytes": "100"},
        "timely": {
            "message_timestamp_before_max_ms": "1000", "message_timestamp_after_max_ms": "1000",
        },
        "zipped": {"compression_type": "gzip"},
        "plain": {"compression_type": "uncompressed"},
    }  # fmt: skip
    for v in (3, 8, 13):
        for what, configs in topics.items():
            topic_id = side.create(f"{what}-v{v}", **configs)
            name = side.mine(f"{what}-v{v}")
            for kind, records in kinds.items():
                side.ask(f"{what}: {kind}", PRODUCE, v, produce(v, name, topic_id, records))
            side.ask(f"{what}: all of it", FETCH, v + 4, fetch(v + 4, name, topic_id, 0))


def sequences(side: Side) -> None:
    for v in versions(PRODUCE):
        topic_id = side.create(f"t-v{v}")
        name = side.mine(f"t-v{v}")
        made = side.quietly(INIT_PRODUCER_ID, 4, {"transactional_id": None,
                                                  "transaction_timeout_ms": 1000})  # fmt: skip
        pid = made.producer_id

        def send(step: str, sequence: int, *values: bytes, epoch: int = 0, v: int = v,
                 pid: int = pid, name: str = name,
                 topic_id: uuid.UUID = topic_id) -> None:  # fmt: skip
            records = sequenced(pid, epoch, sequence, *values)
            side.ask(step, PRODUCE, v, produce(v, name, topic_id, records))

        send("first", 0, b"a", b"b")
        send("first again", 0, b"a", b"b")
        send("part of the first", 0, b"a")
        send("gap", 5, b"c")
        for n in range(2, 8):
            send(f"number {n}", n, b"d")
        send("within the last five", 4, b"d")
        send("before the last five", 2, b"d")
        send("epoch 1, sequence 5", 5, b"e", epoch=1)
        send("epoch 1", 0, b"e", epoch=1)
        send("epoch 0 after 1", 8, b"f")
        send("epoch 3", 0, b"f", epoch=3)
        send("another begins at 3", 3, b"x", pid=pid + 100_000)
        send("and goes on at 0", 0, b"x", pid=pid + 100_000)


SCENARIOS = {
    "produce every version": every_version,
    "produce no answer": no_answer,
    "produce bad batches": bad_batches,
    "produce codecs": codecs,
    "produce topic rules": topic_rules,
    "produce sequences": sequences,
}
