"""`summit broker verify`: every file of a backup is compared, what it holds is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.broker.wire import Wire, batch_of

from summit.base.errors import Corrupt
from summit.base.files import ReadOnlyFiles
from summit.broker import BrokerThread
from summit.cli.main import root
from summit.log.backup_report import BackupReport, report_backup


@pytest.fixture
def backup(start_broker: Callable[..., BrokerThread], tmp_path: Path) -> Path:
    """Of a broker with five records in `a-b` (two partitions) and one in `c`."""
    broker = start_broker()
    with Wire(broker.port) as wire:
        wire.create_topic("a-b", 2)
        wire.create_topic("c", 1)
        for topic, index, values in (("a-b", 0, 2), ("a-b", 1, 3), ("c", 0, 1)):
            assert wire.produce(topic, batch_of(*[b"x"] * values), index=index).error_code == 0
    broker.backup(str(tmp_path / "backup"))
    broker.stop()
    return tmp_path / "backup"


def report(backup: Path) -> BackupReport:
    return report_backup(ReadOnlyFiles(), str(backup), lambda size: None)


def snapshot(backup: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in backup.rglob("*") if path.is_file()}


def test_what_it_holds(backup: Path) -> None:
    before = snapshot(backup)
    found = report(backup)
    assert found.problems == []
    held = {each.topic: each for each in found.topics}
    assert (held["a-b"].partitions, held["a-b"].offsets) == (2, 5)
    assert (held["c"].partitions, held["c"].offsets) == (1, 1)
    in_topics = sum(file.size for file in found.manifest.files if file.path.startswith("topics/"))
    assert sum(each.size_bytes for each in found.topics) == in_topics
    assert snapshot(backup) == before, "nothing is written"


def test_every_damaged_file_is_named(backup: Path) -> None:
    files = sorted(path for path in backup.rglob("*") if path.is_file() and path.stat().st_size)
    changed, cut, lost = (
        path for path in files if path.name in ("meta.properties", "checkpoint") or
        str(path).endswith("c-0/00000000000000000000.log")
    )  # fmt: skip
    data = bytearray(changed.read_bytes())
    data[0] ^= 1
    changed.write_bytes(data)
    cut.write_bytes(cut.read_bytes()[:-1])
    lost.unlink()
    problems = report(backup).problems
    assert len(problems) == 3
    for path, words in (
        (changed, "checksum is wrong"), (cut, "bytes instead of"), (lost, "is missing"),
    ):  # fmt: skip
        assert any(str(path) in problem and words in problem for problem in problems)


def test_offsets_are_not_told_where_damage_hides_them(backup: Path) -> None:
    (backup / "topics" / "a-b-1" / "partition.metadata").write_bytes(b"x")
    held = {each.topic: each.offsets for each in report(backup).topics}
    assert (held["a-b"], held["c"]) == (None, 1)
    (backup / "checkpoint").unlink()
    assert {each.offsets for each in report(backup).topics} == {None}


def run(*arguments: str) -> Any:
    return CliRunner().invoke(root, ["broker", "verify", *arguments])


def test_the_command(backup: Path) -> None:
    found = run(str(backup), "-o", "json")
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert told["problems"] == []
    assert {"topic": "c", "partitions": 1, "offsets": 1} in [
        {key: row[key] for key in ("topic", "partitions", "offsets")} for row in told["topics"]
    ]
    words = run(str(backup))
    assert words.exit_code == 0
    assert "a-b" in words.stdout
    assert "sound:" in words.stderr

    (backup / "checkpoint").unlink()
    found = run(str(backup), "-o", "json")
    assert found.exit_code == 1
    assert len(json.loads(found.stdout)["problems"]) == 1
    words = run(str(backup))
    assert words.exit_code == 1
    assert "checkpoint" in words.stderr

    (backup / "manifest.json").unlink()
    unfinished = run(str(backup))
    assert unfinished.exit_code != 0
    assert isinstance(unfinished.exception, Corrupt), unfinished.output
