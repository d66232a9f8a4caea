"""Fetch: offsets, limits, epochs, sessions, aborted transactions."""

from __future__ import annotations

import uuid
from typing import Any

from tests.broker.wire import batch_of
from tests.differential.requests import fetch, produce, topic_of, versions
from tests.differential.side import Side

from summit.protocol.delete_records import DELETE_RECORDS
from summit.protocol.fetch import FETCH
from summit.protocol.produce import PRODUCE
from summit.records import CODECS

NOBODY = uuid.UUID("11111111-2222-3333-4444-555555555555")


def fill(side: Side, name: str, *batches: bytes, index: int = 0) -> None:
    """Produce batches, quietly."""
    for batch in batches:
        asked = produce(9, side.mine(name), None, batch, index=index)
        made = side.quietly(PRODUCE, 9, asked).topics[0].partitions[0]
        assert made.error_code == 0, made.error_code


def every_version(side: Side) -> None:
    topic_id = side.create("t", 2)
    name = side.mine("t")
    fill(side, "t", batch_of(b"a", b"b"), batch_of(b"c"), batch_of(b"d", b"e", b"f"))
    for v in versions(FETCH):
        for step, offset in {
            "from the start": 0, "from the middle of a batch": 1, "from the third": 3,
            "from the end": 6, "beyond the end": 7, "far beyond": 1 << 40, "before the start": -1,
            "offset -2": -2,
        }.items():  # fmt: skip
            side.ask(step, FETCH, v, fetch(v, name, topic_id, offset))
        side.ask("empty partition", FETCH, v, fetch(v, name, topic_id, 0, index=1))
        side.ask("no such partition", FETCH, v, fetch(v, name, topic_id, 0, index=2))
        side.ask("no such topic", FETCH, v, fetch(v, "nobody", NOBODY, 0))
        side.ask("read committed", FETCH, v, fetch(v, name, topic_id, 0, isolation_level=1))
        side.ask("isolation level 2", FETCH, v, fetch(v, name, topic_id, 0, isolation_level=2))
        side.ask("nothing", FETCH, v, {"max_wait_ms": 0, "min_bytes": 1})
        side.ask("at the end, waits", FETCH, v, fetch(v, name, topic_id, 6, max_wait_ms=20))
        twice = fetch(v, name, topic_id, 0)
        twice["topics"][0]["partitions"] *= 2
        side.ask("a partition twice", FETCH, v, twice)
        side.ask("as a replica", FETCH, v, fetch(v, name, topic_id, 0, replica_id=5), settles=False)


def limits(side: Side) -> None:
    topic_id = side.create("t", 3)
    name = side.mine("t")
    for index in range(3):
        fill(side, "t", *(batch_of(bytes([97 + n]) * 100) for n in range(4)), index=index)
    for v in (4, 7, 11, 12, 13, 18):
        for most in (0, 1, 100, 171, 172, 300, 400, 1000):
            side.ask(f"partition_max_bytes {most}", FETCH, v,
                     fetch(v, name, topic_id, 0, part={"partition_max_bytes": most}))  # fmt: skip
            side.ask(f"max_bytes {most}", FETCH, v,
                     fetch(v, name, topic_id, 0, max_bytes=most))  # fmt: skip
            asked = fetch(v, name, topic_id, 0, max_bytes=most)
            first = asked["topics"][0]["partitions"][0]
            asked["topics"][0]["partitions"] = [{**first, "index": n} for n in range(3)]
            side.ask(f"three partitions, max_bytes {most}", FETCH, v, asked)
        side.ask("min_bytes more than there is", FETCH, v,
                 fetch(v, name, topic_id, 0, min_bytes=1 << 20, max_wait_ms=20))  # fmt: skip
        side.ask("negative limits", FETCH, v,
                 fetch(v, name, topic_id, 0, max_bytes=-1, min_bytes=-1))  # fmt: skip


def epochs(side: Side) -> None:
    topic_id = side.create("t")
    name = side.mine("t")
    fill(side, "t", batch_of(b"a", b"b"))
    for v in range(9, FETCH.versions.last + 1):
        for given in (0, 1, 5, -2):
            side.ask(f"current epoch {given}", FETCH, v,
                     fetch(v, name, topic_id, 0, part={"current_leader_epoch": given}))  # fmt: skip
        for last, offset in ((0, 0), (0, 2), (0, 3), (1, 2), (5, 1), (-1, 1)):
            side.ask(f"last fetched epoch {last} at {offset}", FETCH, v,
                     fetch(v, name, topic_id, offset,
                           part={"last_fetched_epoch": last}))  # fmt: skip


def log_start(side: Side) -> None:
    topic_id = side.create("t")
    name = side.mine("t")
    fill(side, "t", batch_of(b"a", b"b", b"c"), batch_of(b"d"))
    part = {"partition_index": 0, "offset": 2}
    asked = {"topics": [{"name": name, "partitions": [part]}], "timeout_ms": 9_000}
    side.quietly(DELETE_RECORDS, 2, asked)
    for v in versions(FETCH):
        for offset in (0, 1, 2, 3, 4):
            side.ask(f"offset {offset} when the log starts at 2", FETCH, v,
                     fetch(v, name, topic_id, offset))  # fmt: skip


def codecs(side: Side) -> None:
    for number, codec in enumerate(codec.name for codec in CODECS):
        topic_id = side.create(f"c{number}")
        fill(side, f"c{number}", batch_of(b"a" * 40, b"b" * 40, codec=number))
        for v in versions(FETCH):
            side.ask(codec, FETCH, v, fetch(v, side.mine(f"c{number}"), topic_id, 0))


def sessions(side: Side) -> None:
    for v in range(7, FETCH.versions.last + 1):
        topic_id = side.create(f"t-v{v}", 3)
        name = side.mine(f"t-v{v}")
        fill(side, f"t-v{v}", batch_of(b"a"))
        parts = [{"index": n, "fetch_offset": 0, "partition_max_bytes": 1 << 20} for n in range(3)]

        def ask(step: str, session: int, epoch: int, asked: list[dict[str, Any]],
                forgets: tuple[int, ...] = (), v: int = v, name: str = name,
                topic_id: uuid.UUID = topic_id) -> Any:  # fmt: skip
            by = topic_of(v, 13, name, topic_id)
            topics = [{**by, "partitions": asked}] if asked else []
            gone = [{**by, "partitions": list(forgets)}] if forgets else []
            return side.ask(step, FETCH, v, {
                "max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 20, "topics": topics,
                "session_id": session, "session_epoch": epoch, "forgotten_topics": gone,
            })  # fmt: skip

        made = ask("a new session", 0, 0, parts)
        number = made.session_id
        ask("nothing new, but unread", number, 1, [])
        ask("moves on", number, 2, [{**parts[0], "fetch_offset": made.topics[0].partitions[0]
                                      .high_watermark}])  # fmt: skip
        ask("nothing new", number, 3, [])
        fill(side, f"t-v{v}", batch_of(b"b"), index=1)
        ask("a record in another partition", number, 4, [])
        ask("wrong epoch", number, 9, [])
        ask("forgets", number, 5, [], (1,))
        ask("forgets what it has not", number, 6, [], (1, 2))
        ask("adds again", number, 7, [parts[1]])
        ask("adds a partition that is not there", number, 8,
            [{**parts[1], "index": 7}])  # fmt: skip
        ask("asks of it again", number, 9, [])
        ask("another session id", 12345, 1, [])
        ask("ends", number, -1, [])
        ask("after its end", number, 10, [])
        ask("no session", 0, -1, parts[:1])
        ask("new session without partitions", 0, 0, [])


SCENARIOS = {
    "fetch every version": every_version,
    "fetch limits": limits,
    "fetch epochs": epochs,
    "fetch log start": log_start,
    "fetch codecs": codecs,
    "fetch sessions": sessions,
}
