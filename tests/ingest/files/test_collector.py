"""The file collector with its log in memory: batch, tail, rotation, restarts, dead letters."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.memory_log import MemoryLog

from summit.base.errors import Closed, Invalid, SummitError, Unavailable
from summit.ingest import CollectorConfig, FileCollector


def make(log: MemoryLog, path: Path | str, **changes: Any) -> FileCollector:
    options = {"pollIntervalMs": 10, "rotateWaitMs": 60, **changes.pop("file", {})}
    values = {"name": "f", "type": "file", "topic": "t", "path": str(path), **changes}
    config = CollectorConfig.from_dict({**values, "file": options})
    return FileCollector(config, open_log=lambda _: log)


def messages(log: MemoryLog, topic: str = "t") -> list[str]:
    return [json.loads(record.value or b"")["message"] for record in log.records(topic)]


def sources(log: MemoryLog, topic: str = "t") -> list[str]:
    return [dict(record.headers)["summit.src"].decode() for record in log.records(topic)]


async def until(true: Callable[[], Any], what: str = "") -> None:
    async with asyncio.timeout(90):
        while not true():
            await asyncio.sleep(0.005)


def read_batch(log: MemoryLog, path: Path | str, **changes: Any) -> FileCollector:
    collector = make(log, path, file={"mode": "batch", **changes.pop("file", {})}, **changes)

    async def go() -> None:
        await collector.start(log)
        try:
            await asyncio.wait_for(collector.done(), 20)
            assert collector.state == "completed"
        finally:
            await collector.stop()

    asyncio.run(go())
    return collector


def run_tail(
    log: MemoryLog, collector: FileCollector, body: Callable[[], Awaitable[Any]]
) -> FileCollector:
    async def go() -> None:
        await collector.start(log)
        try:
            await body()
        finally:
            await collector.stop()

    asyncio.run(go())
    return collector


def test_batch_reads_everything_and_completes(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("a1\n\na2\n  \na3")
    (tmp_path / "b.log").write_text("b1\r\n")
    (tmp_path / "empty.log").write_text("")
    (tmp_path / "skipped.log").write_text("no\n")
    log = MemoryLog(4)
    seen: list[Any] = []
    collector = make(log, tmp_path / "*.log", file={"mode": "batch", "exclude": ["skip*"]})
    collector.on("data:ingested", lambda payload: seen.append(payload.count))

    async def go() -> Any:
        await collector.start(log)
        return await collector.done()

    progress = asyncio.run(go())
    assert sorted(messages(log)) == ["a1", "a2", "a3", "b1"]
    assert (progress.bytes_read, progress.bytes_total) == (16, 16)
    assert (progress.files_done, progress.files_total) == (3, 3)
    assert (progress.accepted, progress.rejected, sum(seen)) == (4, 0, 4)
    in_use = [partition for partition in log.topics["t"] if partition]
    for partition in in_use:  # one file, one partition, in order
        names = [json.loads(record.value or b"")["message"] for record in partition]
        assert [n for n in names if n[0] == "a"] in ([], ["a1", "a2", "a3"])
    event = json.loads(log.records("t")[0].value or b"")
    source = sources(log)[0]
    assert event["eventId"] == source
    assert event["eventType"] == "log.line"
    assert event["timestamp"] > 1_600_000_000_000
    assert event["source"] == collector.paths()[source.split(":")[1]]


def test_batch_again_writes_nothing_twice_and_takes_what_was_appended(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("1\n2\n")
    log = MemoryLog(4)
    read_batch(log, path)
    read_batch(log, path)
    assert messages(log) == ["1", "2"]
    with path.open("a") as out:
        out.write("3\n" * 40)
    path.rename(tmp_path / "a.log.1")
    read_batch(log, tmp_path / "a.log*")
    assert messages(log) == ["1", "2"] + ["3"] * 40
    assert len(set(sources(log))) == 42


def test_equal_files_are_two_files(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).write_text("same\n")
    os.link(tmp_path / "x", tmp_path / "z")  # a hard link is not a third one
    log = MemoryLog(1)
    read_batch(log, tmp_path / "*")
    assert messages(log) == ["same", "same"]


def test_nothing_matches() -> None:
    log = MemoryLog(1)
    with pytest.raises(Invalid, match="no file matches /nowhere"):
        read_batch(log, "/nowhere/*.log")


def test_an_unreadable_path_fails_the_batch(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("1\n")
    log = MemoryLog(1)
    collector = make(log, path, file={"mode": "batch"})

    async def go() -> None:
        await collector.start(log)
        path.unlink()
        await collector.done()

    with pytest.raises(Invalid, match="cannot read"):
        asyncio.run(go())
    assert collector.state == "failed"
    assert "cannot read" in (collector.status().last_error or "")


def test_jsonl_passes_bytes_through_and_buries_what_is_no_object(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    bad = [b"{broken", b"[1]", b'{"a":"\xff"}', b"[" * 3000, b'{"n":NaN}']
    lines = [b'{"user":"ann", "n": 1.0}', bad[0], bad[1], b'{"user":7}', *bad[2:], b"{}"]
    path.write_bytes(b"\n".join(lines))
    log = MemoryLog(1)
    collector = read_batch(log, path, keyField="user", file={"format": "jsonl"})
    assert [(record.value, record.key) for record in log.records("t")] == [
        (lines[0], b"ann"),
        (lines[3], b"7"),
        (b"{}", None),
    ]
    letters = [json.loads(record.value or b"") for record in log.records("t.dlq")]
    assert [base64.b64decode(letter["originalValue"]) for letter in letters] == bad
    first = letters[0]
    assert first["error"]["code"] == "ingest.line_invalid"
    assert first["error"]["stage"] == "collector"
    assert str(path) in first["error"]["message"]
    assert (first["originalTopic"], first["originalOffset"]) == ("t", None)
    source = base64.b64encode(sources(log, "t.dlq")[0].encode()).decode()
    assert first["originalHeaders"] == [["summit.src", source]]
    assert (collector.status().accepted, collector.status().rejected) == (3, 5)
    read_batch(log, path, keyField="user", file={"format": "jsonl"})
    assert len(log.records("t")) == 3
    assert len(log.records("t.dlq")) == 5


def test_an_over_long_line_is_buried_and_the_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"a\n" + b"x" * 400_000 + b"\nb\n" + b"y" * 99)
    log = MemoryLog(1)
    read_batch(log, path, file={"maxLineBytes": 50})
    assert messages(log) == ["a", "b"]
    letters = [json.loads(record.value or b"") for record in log.records("t.dlq")]
    assert [letter["error"]["code"] for letter in letters] == ["ingest.line_too_long"] * 2
    assert "400000 bytes" in letters[0]["error"]["message"]
    assert len(base64.b64decode(letters[0]["originalValue"])) == 65_536


def test_bytes_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"caf\xe9\n")
    log = MemoryLog(1)
    read_batch(log, path)
    event = json.loads(log.records("t")[0].value or b"")
    assert event["message"] == "caf\ufffd"
    assert base64.b64decode(event["rawBase64"]) == b"caf\xe9"


def test_tail_follows_appends_and_holds_back_a_partial_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = MemoryLog(2)
    collector = make(log, tmp_path / "*.log")

    async def body() -> None:
        path.write_text("1\n2")
        await until(lambda: messages(log) == ["1"])
        await asyncio.sleep(0.05)
        with path.open("a") as out:
            out.write("x\n3\n")
        (tmp_path / "b.log").write_text("other\n")
        await until(lambda: sorted(messages(log)) == ["1", "2x", "3", "other"])
        await until(lambda: collector.status().details["bytesRead"] == 13)
        files = collector.status().details["files"]
        assert [(file["position"], file["sizeBytes"]) for file in files] == [(7, 7), (6, 6)]

    run_tail(log, collector, body)


def test_rotation_by_rename_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = MemoryLog(1)
    collector = make(log, path)

    async def body() -> None:
        with path.open("a") as writer:
            writer.write("1\n")
            writer.flush()
            await until(lambda: messages(log) == ["1"])
            path.rename(tmp_path / "a.log.1")
            writer.write("2\n")  # the writer still has the old file open
            writer.flush()
            path.write_text("new 1\n")
            await until(lambda: len(messages(log)) == 3)
            writer.write("last, without newline")
        await until(lambda: len(messages(log)) == 4)
        await until(lambda: len(collector.status().details["files"]) == 1)

    run_tail(log, collector, body)
    assert sorted(messages(log)) == ["1", "2", "last, without newline", "new 1"]
    assert len({source.split(":")[1] for source in sources(log)}) == 2


def test_a_renamed_file_that_still_matches_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = MemoryLog(1)
    collector = make(log, tmp_path / "a.log*")

    async def body() -> None:
        path.write_text("1\n")
        await until(lambda: messages(log) == ["1"])
        path.rename(tmp_path / "a.log.1")
        path.write_text("2\n")
        await until(lambda: len(messages(log)) == 2)
        await asyncio.sleep(0.1)
        assert {file["path"][-5:] for file in collector.status().details["files"]} == {
            "a.log",
            "log.1",
        }

    run_tail(log, collector, body)
    assert messages(log) == ["1", "2"]


@pytest.mark.parametrize("again", ["2\n", "1\n", "1\n2\n3\n4\n5\n"])
def test_rotation_by_copy_and_truncate(tmp_path: Path, again: str) -> None:
    path = tmp_path / "a.log"
    log = MemoryLog(1)
    collector = make(log, path)
    first = "1\nfirst content\n"

    async def body() -> None:
        path.write_text(first)
        await until(lambda: len(messages(log)) == 2)
        (tmp_path / "copy").write_bytes(path.read_bytes())
        os.truncate(path, 0)
        await asyncio.sleep(0.05)
        with path.open("a") as out:
            out.write(again)
        await until(lambda: len(messages(log)) == 2 + again.count("\n"))

    run_tail(log, collector, body)
    assert messages(log) == ["1", "first content", *again.split()]
    assert len(set(sources(log))) == 2 + again.count("\n")
    assert collector.status().details["replaced"] == 1
    log_before = list(messages(log))
    read_batch(log, path)  # the new content's marks are the ones that count
    assert messages(log) == log_before


def test_content_replaced_by_longer_one_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = MemoryLog(1)
    collector = make(log, path)

    async def body() -> None:
        path.write_text("old\n")
        await until(lambda: messages(log) == ["old"])
        path.write_text("completely\nother\ncontent\n")
        await until(lambda: len(messages(log)) == 4)

    run_tail(log, collector, body)
    assert messages(log) == ["old", "completely", "other", "content"]


def test_truncated_while_nobody_looked(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("h\n1\n2\n")
    log = MemoryLog(1)
    read_batch(log, path)
    path.write_text("h\n3")
    read_batch(log, path)
    assert messages(log) == ["h", "1", "2", "h", "3"]
    assert len(set(sources(log))) == 5


@pytest.mark.parametrize("format_", ["line", "jsonl"])
def test_a_crash_after_any_record_loses_and_doubles_nothing(tmp_path: Path, format_: str) -> None:
    path = tmp_path / "a.log"
    lines = [f'{{"message": "{n}"}}' if n % 4 else f"bad {n}" for n in range(12)]
    path.write_text("\n".join(lines))
    whole = MemoryLog(2)
    read_batch(whole, path, file={"format": format_})
    for kept in range(len(lines) + 1):
        log = MemoryLog(2, hold=True)
        collector = make(log, path, file={"mode": "batch", "format": format_})

        async def crash(log: MemoryLog, collector: FileCollector, kept: int) -> None:
            """Let the broker take `kept` records, then end without a goodbye."""
            await collector.start(log)
            left = kept
            while left and collector.state == "running":
                await asyncio.sleep(0)
                count = min(left, len(log.held))
                log.release(count)
                left -= count
            log.held.clear()
            assert collector._task is not None
            collector._task.cancel()

        asyncio.run(crash(log, collector, kept))
        log.hold = False
        read_batch(log, path, file={"format": format_})
        for topic in ("t", "t.dlq"):
            assert sources(log, topic) == sources(whole, topic), kept
            if format_ == "jsonl":
                assert len(log.records(topic)) == len(whole.records(topic))


def test_failed_records_are_sent_again_and_only_those(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(f"{n}\n" for n in range(6)))
    log = MemoryLog(1, hold=True)
    collector = make(log, path, file={"mode": "batch"})

    async def go() -> None:
        await collector.start(log)
        await until(lambda: len(log.held) == 6)
        error = Unavailable("disk.full", path="x")
        # The broker took some of them: a hole in the middle, and a record behind it.
        log.persist_then_fail([True, True, False, False, True, False], error)
        log.unreadable = True
        await until(lambda: collector.state == "degraded")
        log.unreadable = log.hold = False
        await asyncio.wait_for(collector.done(), 20)

    asyncio.run(go())
    assert messages(log) == ["0", "1", "4", "2", "3", "5"]
    assert collector.state == "completed"
    assert collector.status().accepted == 6
    assert collector.progress().bytes_read == 12


def test_one_refused_record_does_not_take_its_batch_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(f"{n}\n" for n in range(4)))
    log = MemoryLog(1, hold=True)
    collector = make(log, path, file={"mode": "batch"})
    refusal = Invalid("record.too_large", topic="t", reason="the test")

    async def go() -> None:
        await collector.start(log)
        await until(lambda: len(log.held) == 4)
        log.persist_then_fail([False] * 4, refusal)
        for number in range(4):  # now one by one
            await until(lambda: len(log.held) == 1)
            if number == 2:
                log.persist_then_fail([False], refusal)
                await until(lambda: len(log.held) == 1)
            log.release()
            await asyncio.sleep(0)
        await asyncio.wait_for(collector.done(), 20)

    asyncio.run(go())
    assert messages(log) == ["0", "1", "3"]
    (letter,) = log.records("t.dlq")
    assert json.loads(letter.value or b"")["error"]["code"] == "record.too_large"


@pytest.mark.parametrize(
    "error", [Closed("client.closed", what="producer"), Invalid("client.refused", reason="x")]
)
def test_an_error_that_no_wait_heals_fails_the_collector(
    tmp_path: Path, error: SummitError
) -> None:
    path = tmp_path / "a.log"
    path.write_text("1\n2\n")
    log = MemoryLog(1)
    log.failures = [error]
    collector = make(log, path, file={"mode": "batch"})

    async def go() -> None:
        await collector.start(log)
        await collector.done()

    with pytest.raises(type(error)):
        asyncio.run(go())
    assert collector.state == "failed"


def test_a_full_buffer_only_slows_down(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("1\n2\n")
    log = MemoryLog(1)
    log.full = Unavailable("producer.buffer_full", buffered_bytes=1, buffer_memory=1)
    collector = make(log, path, file={"mode": "batch"})

    async def go() -> None:
        await collector.start(log)
        await asyncio.sleep(0.1)
        assert log.sent == 0
        log.full = None
        await collector.done()

    asyncio.run(go())
    assert messages(log) == ["1", "2"]


def test_in_flight_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from summit.ingest.files import writing as module
    from summit.ingest.files.lane import Window

    monkeypatch.setattr(module, "Window", lambda: Window(max_records=50, max_bytes=1 << 20))
    path = tmp_path / "a.log"
    path.write_text("".join(f"{n}\n" for n in range(500)))
    log = MemoryLog(1, hold=True)
    collector = make(log, path, file={"mode": "batch"})

    async def go() -> None:
        await collector.start(log)
        most = 0
        while collector.state == "running":
            await asyncio.sleep(0.001)
            most = max(most, len(log.held))
            log.release()
        assert most == 50

    asyncio.run(asyncio.wait_for(go(), 20))
    assert messages(log) == [str(n) for n in range(500)]


def test_pause_stops_reading_and_resume_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("1\n")
    log = MemoryLog(1)
    collector = make(log, path)

    async def body() -> None:
        await until(lambda: messages(log) == ["1"])
        await collector.pause()
        await asyncio.sleep(0.05)
        with path.open("a") as out:
            out.write("2\n")
        await asyncio.sleep(0.1)
        assert messages(log) == ["1"]
        await collector.resume()
        await until(lambda: messages(log) == ["1", "2"])

    run_tail(log, collector, body)
    assert collector.state == "stopped"
    run_tail(log, collector, lambda: until(lambda: collector.state == "running"))
    assert messages(log) == ["1", "2"]


def test_batch_size_and_flush_interval(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = MemoryLog(1)
    collector = make(log, path, batchSize=3, flushInterval=300)

    async def body() -> None:
        path.write_text("1\n2\n")
        await asyncio.sleep(0.1)
        assert log.sent == 0
        with path.open("a") as out:
            out.write("3\n")
        await until(lambda: log.sent == 3)
        with path.open("a") as out:
            out.write("4\n")
        await until(lambda: log.sent == 4)

    run_tail(log, collector, body)
    assert messages(log) == ["1", "2", "3", "4"]


def test_records_on_their_way_when_the_last_process_died_are_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("1\n2\n3\n")
    whole = MemoryLog(1)
    read_batch(whole, path)
    late = whole.topics["t"][0]
    log = MemoryLog(1)
    log.topics["t"] = [late[:1]]
    collector = make(log, path, file={"mode": "batch"})
    now_ms = collector._clock.now_ms()
    log.topics["t"] = [[late[0]._replace(timestamp=now_ms)]]

    async def go() -> None:
        await collector.start(log)
        await asyncio.sleep(0.1)  # the broker finishes what the dead process sent
        log.topics["t"][0].append(late[1]._replace(timestamp=now_ms))
        await collector.done()

    asyncio.run(go())
    assert messages(log) == ["1", "2", "3"]


def test_stop_while_the_broker_is_away_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from summit.ingest.files import collector as module

    monkeypatch.setattr(module, "DRAIN_MS", 200)
    path = tmp_path / "a.log"
    path.write_text("1\n2\n")
    log = MemoryLog(1, hold=True)
    collector = make(log, path)

    async def go() -> None:
        await collector.start(log)
        await until(lambda: len(log.held) == 2)
        await asyncio.wait_for(collector.stop(), 5)
        again = asyncio.create_task(collector.start(log))
        await again
        await asyncio.sleep(0.05)
        assert len(log.held) == 2  # the fate of the first two is awaited, nothing is doubled
        log.release()
        log.hold = False
        with path.open("a") as out:
            out.write("3\n")
        await until(lambda: messages(log) == ["1", "2", "3"])
        await collector.stop()

    asyncio.run(go())


@pytest.mark.parametrize("piped", [True, False])
def test_standard_input(tmp_path: Path, piped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from summit.ingest.files import reading as module
    from summit.ingest.files.standard_input import StandardInput

    path = tmp_path / "in"
    path.write_text("1\n2\n")
    read_end, write_end = os.pipe()
    with path.open("rb") as regular:
        fd = read_end if piped else regular.fileno()
        monkeypatch.setattr(module, "StandardInput", lambda: StandardInput(fd))
        log = MemoryLog(2)
        collector = make(log, "-", file={"mode": "batch"})

        async def go() -> Any:
            await collector.start(log)
            if piped:
                os.write(write_end, b"1\n2")
                await until(lambda: messages(log) == ["1"])
                os.write(write_end, b"\n3")
            os.close(write_end)
            return await collector.done()

        progress = asyncio.run(go())
    os.close(read_end)
    assert messages(log) == ["1", "2", "3"][: 3 if piped else 2]
    assert progress.bytes_read == progress.bytes_total == (5 if piped else 4)
    assert list(collector.paths().values()) == ["-"]
