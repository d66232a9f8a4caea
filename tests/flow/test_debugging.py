"""At the level debug a worker tells what came in, and no value of an event but its type."""

from __future__ import annotations

import json

import pytest

from summit.base import logs
from summit.flow.debugging import tell_batch
from summit.flow.engine import Applied
from summit.keyed.chunks import Chunk

CHUNK = Chunk("t", 3, [7, 8], [1, 2], [b'{"eventType": "a", "password": "s3cret"}', b"no"])


@pytest.mark.parametrize("level", ["debug", "info"])
def test_a_batch(capsys: pytest.CaptureFixture[str], level: str) -> None:
    logs.configure(level, json=True)
    try:
        tell_batch([CHUNK], Applied([], [], [], [], [], [], set(), set(), {}))
    finally:
        logs.configure("warning")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    if level == "info":
        assert lines == []
        return
    records, done = lines
    assert (records["topic"], records["partition"], records["first"], records["last"]) == (
        "t", 3, 7, 8,
    )  # fmt: skip
    assert records["types"] == {"a": 1, "(not readable)": 1}
    assert (done["event"], done["records"]) == ("batch.processed", 2)
    assert "s3cret" not in json.dumps(lines)
