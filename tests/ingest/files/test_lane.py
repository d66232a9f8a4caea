"""Ordered sending under seeded trouble: failures, holes, crashes, refused records."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest
from tests.ingest.memory_log import MemoryLog

from summit.base.errors import Unavailable
from summit.ingest import CollectorConfig, FileCollector
from summit.ingest.files import lane, ledger, writing

LINES = 60


def collector_of(log: MemoryLog, paths: list[str]) -> FileCollector:
    values = {"name": "f", "type": "file", "topic": "t"}
    options = {"mode": "batch", "format": "jsonl", "paths": paths}
    config = CollectorConfig.from_dict({**values, "file": options})
    return FileCollector(config, open_log=lambda _: log)


async def run_once(log: MemoryLog, collector: FileCollector, rand: random.Random) -> bool:
    """Run with random trouble until it completes (True) or crashes (False)."""
    error = Unavailable("producer.delivery_timeout", topic="t", reason="the test")
    await collector.start(log)
    while collector.state not in ("completed", "failed"):
        await asyncio.sleep(0)
        held = len(log.held)
        action = rand.random()
        if held and action < 0.7:
            log.release(rand.randint(1, held))
        elif held and action < 0.9:
            log.persist_then_fail([rand.random() < 0.5 for _ in range(held)], error)
        elif held and action < 0.93 and collector.state == "running":
            # A crash: an idempotent producer's records are there up to some point.
            log.release(rand.randint(0, held))
            log.held.clear()
            assert collector._task is not None
            collector._task.cancel()
            await asyncio.wait((collector._task,))
            log.unreadable = False
            return False
        log.unreadable = rand.random() < 0.1
    log.unreadable = False
    assert collector.state == "completed", collector.status().last_error
    return True


@pytest.mark.parametrize("seed", range(25))
def test_every_line_once_whatever_happens(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "_BACKOFF_FIRST_S", 0.0005)
    monkeypatch.setattr(lane, "_BACKOFF_MAX_S", 0.001)
    monkeypatch.setattr(writing, "RETRY_S", 0.001)
    monkeypatch.setattr(ledger, "CHECKPOINT_RECORDS", 7)
    monkeypatch.setattr(ledger, "_STEP_FIRST", 5)
    monkeypatch.setattr(writing, "Window", lambda: lane.Window(max_records=9))
    rand = random.Random(seed)
    paths: list[str] = []
    good: list[str] = []
    bad: list[str] = []
    for name in "abc":
        path = tmp_path / name
        lines = [
            f'{{"line":"{name}{number}"}}' if rand.random() < 0.9 else f"bad {name}{number}"
            for number in range(LINES)
        ]
        path.write_text("\n".join(lines))
        paths.append(str(path))
        good += [json.loads(line)["line"] for line in lines if line[0] == "{"]
        bad += [line for line in lines if line[0] != "{"]
    log = MemoryLog(2, hold=True)

    async def go() -> None:
        for _ in range(200):
            async with asyncio.timeout(90):
                if await run_once(log, collector_of(log, paths), rand):
                    return
        raise AssertionError("it never completes")

    asyncio.run(go())
    found = [json.loads(record.value or b"")["line"] for record in log.records("t")]
    assert sorted(found) == sorted(good)
    letters = [dict(record.headers)["summit.src"] for record in log.records("t.dlq")]
    assert len(letters) == len(set(letters)) == len(bad)
