"""The ledger: finding the last place of each file, reading no more than needed."""

from __future__ import annotations

import asyncio

import pytest
from tests.ingest.memory_log import MemoryLog, Stored

from summit.ingest.files import ledger as module
from summit.ingest.files.coordinates import Coordinate
from summit.ingest.files.ledger import Ledger, Resume


def put(log: MemoryLog, topic: str, partition: int, source: str, checkpoint: bytes = b"") -> None:
    log.topics.setdefault(topic, [[] for _ in range(log.count)])
    records = log.topics[topic][partition]
    headers = (("summit.src", source.encode()),) if source else ()
    if checkpoint:
        headers = (*headers, ("summit.files", checkpoint))
    records.append(Stored(len(records), b"{}", None, headers, 0))


def load(log: MemoryLog) -> Ledger:
    ledger = Ledger(log, "me", "t")
    asyncio.run(ledger.load())
    return ledger


def test_places_over_partitions_and_dead_letters() -> None:
    log = MemoryLog(2)
    for place in ("file:a:0:0", "http:x", "file:b:5:0", "file:a:10:0", "file:a:10:1", ""):
        put(log, "t", 0, place)
    put(log, "t", 1, "file:c:7:2")
    put(log, "t.dlq", 1, "file:b:40:0")
    put(log, "t.dlq", 0, "file:a:3:0")
    ledger = load(log)
    assert ledger.resume("a") == Resume(
        None, frozenset({(0, 0), (3, 0), (10, 0), (10, 1)}), (10, 1)
    )
    assert ledger.resume("b") == Resume(None, frozenset({(5, 0), (40, 0)}), (40, 0))
    assert ledger.resume("c") == Resume(None, frozenset({(7, 2)}), (7, 2))
    assert ledger.resume("d") is None
    assert (ledger.home("b", "t"), ledger.home("b", "t.dlq")) == (0, 1)
    assert (ledger.home("c", "t"), ledger.home("c", "t.dlq")) == (1, None)
    assert ledger.ends == {("t", 0): 6, ("t", 1): 1, ("t.dlq", 0): 1, ("t.dlq", 1): 1}


def test_nothing_written_yet() -> None:
    log = MemoryLog(2)
    assert load(log).identities() == []
    asyncio.run(log.ensure_topic("t"))
    assert load(log).identities() == []


def test_a_checkpoint_ends_the_reading() -> None:
    log = MemoryLog(1)
    put(log, "t", 0, "file:old:9:0")
    for _ in range(3 * module._STEP_MAX):
        log.topics["t"][0].append(Stored(len(log.topics["t"][0]), b"", None, (), 0))
    put(log, "t", 0, "file:a:3:0")
    checkpoint = b'{"collector":"me","files":{"old":[9,0],"a":[4,1]}}'
    put(log, "t", 0, "file:a:8:0", checkpoint)
    put(log, "t", 0, "file:b:1:0", b'{"collector":"other","files":{"b":[100,0]}}')
    put(log, "t", 0, "file:b:2:0", b"garbage")
    ledger = load(log)
    assert ledger.records_read == module._STEP_FIRST
    assert ledger.resume("old") == Resume((9, 0), frozenset(), (9, 0))
    a = ledger.resume("a")
    assert a == Resume((4, 1), frozenset({(8, 0)}), (8, 0))
    assert [a.holds(place) for place in ((3, 0), (4, 1), (5, 0), (8, 0))] == [
        True,
        True,
        False,  # a hole
        True,
    ]
    assert ledger.resume("b") == Resume(None, frozenset({(1, 0), (2, 0)}), (2, 0))


def test_without_a_checkpoint_it_reads_to_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PLACES_MAX", 3)
    log = MemoryLog(1)
    put(log, "t", 0, "file:a:9:0")
    for _ in range(5 * module._STEP_FIRST):
        log.topics["t"][0].append(Stored(len(log.topics["t"][0]), b"", None, (), 0))
    for offset in (20, 30, 40):
        put(log, "t", 0, f"file:a:{offset}:0")
    ledger = load(log)
    assert ledger.resume("a") == Resume((9, 0), frozenset({(20, 0), (30, 0), (40, 0)}), (40, 0))
    assert ledger.records_read == len(log.topics["t"][0])


def test_its_own_checkpoints_hold_what_was_noted() -> None:
    log = MemoryLog(1)
    ledger = load(log)
    assert ledger.checkpoint_due("t", 0)
    ledger.note(Coordinate("a", 3, 0), "t", 0, checkpointed=True)
    assert not ledger.checkpoint_due("t", 0)
    ledger.note(Coordinate("b", 1, 2), "t", 0, checkpointed=False)
    ledger.note(Coordinate("b", 5, 0), "t.dlq", 0, checkpointed=False)
    ledger.note(Coordinate("c", 1, 2), "t", 1, checkpointed=False)
    put(log, "t", 0, "", ledger.checkpoint("t", 0))
    again = load(log)
    assert again.resume("a") == Resume((3, 0), frozenset(), (3, 0))
    assert again.resume("b") == Resume((5, 0), frozenset(), (5, 0))
    assert again.resume("c") is None
    for offset in range(module.CHECKPOINT_RECORDS):
        ledger.note(Coordinate("a", offset, 0), "t", 0, checkpointed=False)
    assert ledger.checkpoint_due("t", 0)
    ledger.distrust("a", "a hole")
    assert not ledger.checkpoint_due("t", 0)
    assert ledger.checkpoint_due("t", 1)
    ledger.trust("a", "a hole")
    assert ledger.checkpoint_due("t", 0)


def test_catch_up_sees_what_came_late() -> None:
    log = MemoryLog(1)
    put(log, "t", 0, "file:a:1:0")

    async def go() -> None:
        ledger = Ledger(log, "me", "t")
        await ledger.load()
        assert not await ledger.catch_up()
        put(log, "t", 0, "file:a:2:0")
        assert await ledger.catch_up()
        assert ledger.resume("a") == Resume(None, frozenset({(1, 0), (2, 0)}), (2, 0))
        put(log, "t", 0, "")
        assert not await ledger.catch_up()
        assert await ledger.present("a", "t", 0, 1) == {(2, 0)}
        assert await ledger.present("a", "t", 5, 0) == set()

    asyncio.run(go())
