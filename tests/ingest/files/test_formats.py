"""Formats of files beyond lines: CSV, patterns, several lines, compressed files, Parquet; and what
sampling, the schema, keys and rates make of lines.
"""

from __future__ import annotations

import asyncio
import base64
import bz2
import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cramjam
import pytest
import zstandard
from tests.ingest.files.test_collector import make, messages, read_batch, run_tail, sources, until
from tests.ingest.memory_log import MemoryLog

from summit.base.errors import Invalid
from summit.ingest.files import unfolding

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: bytes(cramjam.zstd.compress(data)),
}


def events(log: MemoryLog, topic: str = "t") -> list[dict[str, Any]]:
    return [json.loads(record.value or b"") for record in log.records(topic)]


def buried(log: MemoryLog) -> list[tuple[str, bytes]]:
    letters = events(log, "t.dlq")
    return [(a["error"]["code"], base64.b64decode(a["originalValue"])) for a in letters]


def test_csv_with_a_header_quotes_and_types(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        '\ufeffid,name,paid,at\r\n1,"Ann, of ""X""",true,2024-01-01T00:00:00Z\r\n'
        '2,"two\nlines",no,2024-01-01T00:00:01Z\n\n3,,,2024-01-01T00:00:02Z\n'
        "four,x,yes,2024-01-01T00:00:03Z\n5,short\n6,x,yes,noon\n"
    )
    log = MemoryLog(1)
    options = {
        "format": "csv", "types": {"id": "int", "paid": "boolean"}, "timeField": "at",
        "eventType": "shop.order",
    }  # fmt: skip
    read_batch(log, path, file=options, keyField="id")
    found = events(log)
    assert [(e["id"], e["name"], e["paid"]) for e in found] == [
        (1, 'Ann, of "X"', True), (2, "two\nlines", False), (3, "", None),
    ]  # fmt: skip
    assert [e["timestamp"] for e in found] == [1704067200000 + n * 1000 for n in range(3)]
    assert found[0]["eventType"] == "shop.order"
    assert [e["eventId"] for e in found[:1]] == sources(log)[:1]
    assert [record.key for record in log.records("t")] == [b"1", b"2", b"3"]
    assert [code for code, _ in buried(log)] == ["ingest.line_invalid"] * 3
    assert [line.split(b",")[0] for _, line in buried(log)] == [b"four", b"5", b"6"]
    read_batch(log, path, file=options, keyField="id")  # again: nothing twice
    assert len(events(log)) == 3


def test_csv_with_named_columns_and_another_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1;a\n2;b\n")
    log = MemoryLog(1)
    read_batch(log, path, file={"format": "csv", "columns": ["n", "x"], "delimiter": ";"})
    assert [(e["n"], e["x"]) for e in events(log)] == [("1", "a"), ("2", "b")]


def test_a_quote_that_never_ends_swallows_no_more_than_a_line_may_have(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('n,x\n1,"open\n' + "2,b\n" * 50 + "3,c\n" * 50)
    log = MemoryLog(1)
    read_batch(log, path, file={"format": "csv", "maxLineBytes": 100})
    assert [code for code, _ in buried(log)] == ["ingest.line_too_long"]
    assert events(log)[-1]["x"] == "c"
    assert len(events(log)) > 70


def test_a_pattern_names_the_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("GET /a 200 17\nnonsense\nPOST /b 500 -\n")
    log = MemoryLog(1)
    pattern = r"^(?P<method>[A-Z]+) (?P<path>\S+) (?P<status>\d+) (?:(?P<size>\d+)|-)$"
    options = {"format": "regex", "pattern": pattern, "types": {"status": "int", "size": "int"}}
    read_batch(log, path, file=options)
    assert [(e["method"], e["status"], e.get("size")) for e in events(log)] == [
        ("GET", 200, 17), ("POST", 500, None),
    ]  # fmt: skip
    assert events(log)[0]["raw"] == "GET /a 200 17"
    assert buried(log) == [("ingest.line_invalid", b"nonsense")]


TRACE = "E one\n at a\n at b\nE two\nE three\n at c\n"


@pytest.mark.parametrize("rule", [{"start": "^E"}, {"more": "^ at"}])
def test_lines_that_belong_together(tmp_path: Path, rule: dict[str, Any]) -> None:
    path = tmp_path / "a.log"
    path.write_text(TRACE)
    log = MemoryLog(1)
    read_batch(log, path, file={"multiline": rule})
    assert messages(log) == ["E one\n at a\n at b", "E two", "E three\n at c"]
    with path.open("a") as file:
        file.write("E four\n")
    read_batch(log, path, file={"multiline": rule})
    assert messages(log)[3:] == ["E four"]


def test_an_event_that_a_time_out_ended_is_ended_there_again(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("E one\n at a\n")
    log = MemoryLog(1)
    options = {"multiline": {"start": "^E", "timeoutMs": 30}}

    async def body() -> None:
        await until(lambda: len(log.records("t")) == 1)

    run_tail(log, make(log, path, file=options), body)
    with path.open("a") as file:  # while nobody looks
        file.write(" at b\nE two\n")

    async def after() -> None:
        await until(lambda: len(log.records("t")) == 3)

    run_tail(log, make(log, path, file=options), after)
    assert messages(log) == ["E one\n at a", " at b", "E two"]


def test_more_lines_than_may_be_and_over_long_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("E\n" + " x\n" * 5 + "E\n" + " " + "y" * 90 + "\n z\nE end\n")
    log = MemoryLog(1)
    options = {"multiline": {"start": "^E", "maxLines": 3}, "maxLineBytes": 64}
    read_batch(log, path, file=options)
    assert messages(log) == ["E\n x\n x", " x\n x\n x", " z", "E end"]
    assert [code for code, _ in buried(log)] == ["ingest.line_too_long"]


@pytest.mark.parametrize("end", COMPRESS)
def test_compressed_files(tmp_path: Path, end: str) -> None:
    plain = "".join(f"line {n}\n" for n in range(20_000)) + "the last"
    half = len(plain) // 2
    data = COMPRESS[end](plain[:half].encode()) + COMPRESS[end](plain[half:].encode())
    path = tmp_path / f"a.log{end}"
    path.write_bytes(data)
    log = MemoryLog(1)
    collector = read_batch(log, path)
    assert messages(log) == plain.splitlines()
    progress = collector.progress()
    assert progress.bytes_read == progress.bytes_total == len(data)
    read_batch(log, path)
    assert len(messages(log)) == 20_001

    async def body() -> None:
        await until(lambda: len(log.records("t")) == 20_001 + 2)

    (tmp_path / f"b.log{end}").write_bytes(COMPRESS[end](b"b1\nb2"))
    run_tail(log, make(log, tmp_path / "*", file={"mode": "tail"}), body)
    assert messages(log)[-2:] == ["b1", "b2"]


def test_a_compressed_file_that_is_still_being_written(tmp_path: Path) -> None:
    data = gzip.compress("".join(f"line {n * 7919}\n" for n in range(5_000)).encode())
    path = tmp_path / "a.gz"
    path.write_bytes(data[:8_000])
    log = MemoryLog(1)

    async def body() -> None:
        await until(lambda: len(log.records("t")) > 100)
        with path.open("ab") as file:
            file.write(data[8_000:])
        await until(lambda: len(log.records("t")) == 5_000)

    run_tail(log, make(log, path), body)
    assert messages(log) == [f"line {n * 7919}" for n in range(5_000)]


@pytest.mark.parametrize("end", COMPRESS)
def test_a_compressed_file_that_ends_in_the_middle_is_told(tmp_path: Path, end: str) -> None:
    path = tmp_path / f"a{end}"
    path.write_bytes(COMPRESS[end](b"one\ntwo\n" * 1000)[:-3])
    collector = read_batch(MemoryLog(1), path)
    assert "ends in the middle" in str(collector.status().last_error)


@pytest.mark.parametrize("seed", range(40))
def test_where_frames_of_zstd_end(seed: int) -> None:
    """A file may be cut anywhere: only between two frames it is whole."""
    rng = random.Random(seed)
    data, text, bounds = b"", b"", {0}
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(4)
        if kind == 0:  # a frame that is to be skipped
            size = rng.randrange(40)
            data += (0x184D2A50 + rng.randrange(16)).to_bytes(4, "little")
            data += size.to_bytes(4, "little") + rng.randbytes(size)
        else:
            body = (b"", b"x", b"abc" * rng.randrange(90_000), rng.randbytes(150_000))[kind]
            folder = zstandard.ZstdCompressor(
                write_checksum=rng.random() < 0.5, write_content_size=rng.random() < 0.5
            )
            data += folder.compress(body)
            text += body
        bounds.add(len(data))

    def unfold(folded: bytes) -> bytes:
        stream = unfolding._zstd_open()(io.BytesIO(folded))
        found = b""
        while part := stream.read1(rng.choice([1_000, 262_144])):
            found += part
        return found

    assert unfold(data) == text
    for cut in {rng.randrange(len(data)), max(0, len(data) - rng.randrange(1, 6))} - bounds:
        with pytest.raises(EOFError):
            unfold(data[:cut])


def test_a_compressed_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(b"no gzip at all\n" * 100)
    with pytest.raises(Invalid, match=r"a\.gz"):
        read_batch(MemoryLog(1), path)


def test_a_bomb_unfolds_no_further_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"\0" * 30_000_000))
    with pytest.raises(Invalid, match="maxUnfoldedBytes"):
        read_batch(MemoryLog(1), path, file={"maxUnfoldedBytes": 1_000_000})


def test_parquet_rows(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    rows = [{"n": n, "at": None if n % 3 else 1.5, "tags": ["x"] * (n % 2)} for n in range(2_500)]
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=700)
    log = MemoryLog(1)
    collector = read_batch(log, path, file={"format": "parquet"}, keyField="n")
    assert events(log) == rows
    assert log.records("t")[7].key == b"7"
    assert collector.progress().bytes_read == path.stat().st_size
    for partitions in log.topics["t"]:
        del partitions[1_234:]  # as after a crash in the middle
    read_batch(log, path, file={"format": "parquet"}, keyField="n")
    assert events(log) == rows

    whole = path.read_bytes()
    late = tmp_path / "late.parquet"
    late.write_bytes(whole[: len(whole) // 2])
    log = MemoryLog(1)
    follower = make(log, late, file={"format": "parquet"})

    async def body() -> None:
        await until(lambda: follower.status().last_error)
        late.write_bytes(whole)
        await until(lambda: len(log.records("t")) == 2_500)

    run_tail(log, follower, body)
    assert events(log) == rows


def test_what_waited_for_company_is_written_before_new_content(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("a1\na2\n" + "x" * 100 + "\n")
    log = MemoryLog(1)
    collector = make(log, path, batchSize=1000, flushInterval=60_000)

    async def body() -> None:
        await until(lambda: bool(collector._reading and collector._reading.tracked))
        tracked = next(iter(collector._reading.tracked.values()))  # type: ignore[union-attr]
        await until(lambda: tracked.position > 0)
        path.write_text("b1\n")
        await until(lambda: len(log.records("t")) >= 3)

    run_tail(log, collector, body)
    assert [text[0] for text in messages(log)] == ["a", "a", "x"]  # the new line waits in turn


SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def test_schema_keys_and_sampling_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1, "u": {"id": "a"}}\n{"n": "x"}\n{"n": 2}\n')
    for policy, good in (("reject", 2), ("deadLetter", 2), ("tag", 3)):
        log = MemoryLog(1)
        collector = read_batch(
            log, path, file={"format": "jsonl"}, eventSchema=SCHEMA, onInvalid=policy,
            keyTemplate="u-${u.id}",
        )  # fmt: skip
        assert len(events(log)) == good
        assert log.records("t")[0].key == b"u-a"
        status = collector.status()
        assert (status.accepted, status.dead_letters) == (good, 3 - good)
        if policy == "tag":
            marked = ["summit.invalid" in dict(r.headers) for r in log.records("t")]
            assert marked == [False, True, False]
        else:
            assert buried(log) == [("ingest.schema_refused", b'{"n": "x"}')]
    path.write_text("".join(f'{{"n": {n}}}\n' for n in range(400)))
    log = MemoryLog(1)
    collector = read_batch(log, path, file={"format": "jsonl"}, sampleRate=0.25)
    kept = len(events(log))
    assert 50 < kept < 150
    assert collector.status().sampled == 400 - kept
    read_batch(log, path, file={"format": "jsonl"}, sampleRate=0.25)
    assert len(events(log)) == kept


def test_the_rate_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("x\n" * 12)
    log = MemoryLog(1)
    collector = make(log, path, file={"mode": "batch"}, rateLimit=20, rateBurst=2)

    async def go() -> float:
        began = asyncio.get_running_loop().time()
        await collector.start(log)
        await asyncio.wait_for(collector.done(), 60)
        took = asyncio.get_running_loop().time() - began
        await collector.stop()
        return took

    assert asyncio.run(go()) > 0.4
    assert len(messages(log)) == 12
