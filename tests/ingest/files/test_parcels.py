"""Lines that travel as columns are the records that they would be one by one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.memory_log import MemoryLog

from summit.base.clock import SystemClock
from summit.ingest import CollectorConfig, FileCollector
from summit.ingest.files.identity import Identity, parse_identity
from summit.ingest.files.lines import LineReader
from summit.ingest.files.parcels import Block, Outgoing, Parcel
from summit.ingest.files.records import Recorder
from summit.ingest.files.source import SourceFile
from summit.ingest.files.tracking import TrackedFile


def recorder_of(path: Path, **more: Any) -> tuple[Recorder, TrackedFile]:
    config = CollectorConfig.from_dict(
        {
            "name": "f", "type": "file", "topic": "t", "path": str(path),
            "file": {"mode": "batch", "format": "jsonl", "maxLineBytes": 100}, **more,
        }
    )  # fmt: skip
    listener = FileCollector(config, open_log=lambda _: MemoryLog())
    recorder = Recorder(config, listener=listener, clock=SystemClock())
    tracked = TrackedFile(SourceFile(str(path)), config.file_options)
    tracked.identity = parse_identity("1-2-8-0123456789abcdef")
    assert isinstance(tracked.identity, Identity)
    tracked.name = tracked.identity.text
    recorder.equip(tracked)
    return recorder, tracked


@pytest.mark.parametrize("seed", range(8))
def test_a_block_is_its_records(seed: int, tmp_path: Path) -> None:
    rand = random.Random(seed)
    parts = [b'{"k":"%d"}', b' {"k": %d, "x": [1, {}]}\t', b'{"n":%d}\r']
    lines = [
        rand.choice(parts) % n if rand.random() < 0.9 else rand.choice([b"", b" ", b"\r"])
        for n in range(300)
    ]
    path = tmp_path / "a"
    path.write_bytes(b"\n".join([b'{"k":0}', *lines]) + b"\n")
    more = {"keyField": "k"} if seed % 2 else {}
    recorder, tracked = recorder_of(path, **more)
    read = LineReader(tracked.file, 0, 100).read(final=True)
    block = recorder.block(tracked, read)
    assert isinstance(block, Block)
    singly = [one for line in read for one in recorder.records(tracked, line)]
    # A blank line belongs to the record before it: the file goes on after it, or before it.
    assert [one._replace(end=None) for one in block.records()] == [
        one._replace(end=None) for one in singly
    ]
    for one, other, after in zip(block.records(), singly, [*singly[1:], None], strict=True):
        assert one.end is not None
        assert other.end is not None
        assert one.end == (after.place.offset if after else read[-1].end)
        assert other.end <= one.end
    columns, rows = Parcel(block), Parcel(singly)
    assert columns.messages() == rows.messages()
    for name in ("topic", "count", "last", "size_bytes"):
        assert getattr(columns, name) == getattr(rows, name)


@pytest.mark.parametrize(
    "bad", [b"no json", b"[1]", b'{"a":"\xff"}', b'{"a":"' + b"x" * 100 + b'"}']
)
def test_lines_that_need_a_look_are_no_block(bad: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b'{"k":0}\n' + bad + b"\n")
    recorder, tracked = recorder_of(path)
    read = LineReader(tracked.file, 0, 100).read(final=True)
    assert recorder.block(tracked, read) is None
    assert recorder.block(tracked, read[:1]) is not None
    records = [one for line in read for one in recorder.records(tracked, line)]
    assert [(type(one), one.topic) for one in records] == [(Outgoing, "t"), (Outgoing, "t.dlq")]


@pytest.mark.parametrize(
    "more",
    [
        {"sampleRate": 0.5},
        {"eventSchema": {"type": "object"}},
        {"topicTemplate": "${k}", "allowedTopics": ["a"]},
    ],
)
def test_what_is_asked_of_each_event_is_asked(more: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b'{"k":"a"}\n')
    recorder, tracked = recorder_of(path, **more)
    assert recorder.block(tracked, LineReader(tracked.file, 0, 100).read(final=True)) is None
