"""Dumps and checks of real files: a broker's, running and stopped, and the same with damage."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from tests.broker.transactions import TxnProducer
from tests.broker.wire import Wire, batch_of
from tests.log.compacted import COMPACTED, clean, put
from tests.sim.log_world import NOW_MS

from summit.base.clock import ManualClock
from summit.base.errors import Invalid
from summit.base.files import OsFiles, ReadOnlyFiles
from summit.broker import BrokerSettings, BrokerThread
from summit.cli.log import log as command
from summit.inspection import Found, dump_file, files_to_inspect, verify
from summit.log import LogStore, StoreSettings
from summit.log.snapshots import decode_snapshot

FILES = ReadOnlyFiles()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """What a broker left: plain records, a committed and an aborted transaction."""
    path = tmp_path / "data"
    thread = BrokerThread(BrokerSettings(port=0, data_dir=str(path), durability="os"))
    thread.start()
    try:
        with Wire(thread.port) as wire:
            assert wire.create_topic("plain", **{"segment.bytes": "14000"}).error_code == 0
            assert wire.create_topic("money").error_code == 0
            for number in range(40):
                assert (
                    wire.produce("plain", batch_of(b"%d " % number + b"x" * 1000)).error_code == 0
                )
            producer = TxnProducer(wire, "teller")
            assert producer.init() == 0
            for commits in (True, False):
                assert producer.send("money", b"sum") == 0
                assert producer.end(commits=commits) == 0
            # while it runs: nothing is wrong, nothing is locked
            assert problems(path) == []
    finally:
        thread.stop()
    return path


def problems(path: Path) -> list[Found]:
    return [found for found in verify(FILES, str(path)) if found.what == "problem"]


def entries(path: Path, kind: str) -> list[dict[str, Any]]:
    found = []
    for file in files_to_inspect(FILES, str(path)):
        found += [entry for entry in dump_file(FILES, file) if entry["kind"] == kind]
    return found


def test_a_stopped_brokers_directory_is_sound(data_dir: Path) -> None:
    found = list(verify(FILES, str(data_dir)))
    assert {each.what for each in found} == {"sound"}
    (plain,) = [each for each in found if each.file.endswith("/plain-0")]
    assert (plain.batches, plain.records) == (40, 40)
    assert plain.bytes == sum(f.stat().st_size for f in data_dir.glob("topics/plain-0/*.log"))


def test_a_dump_shows_batches_records_markers_and_indexes(data_dir: Path) -> None:
    money = data_dir / "topics" / "money-0"
    batches = entries(money, "batch")
    assert [(b["baseOffset"], b["isTransactional"], b["isControl"]) for b in batches] == [
        (0, True, False), (1, True, True), (2, True, False), (3, True, True),
    ]  # fmt: skip
    assert all(batch["isCrcRight"] for batch in batches)
    assert [(m["offset"], m["marker"]) for m in entries(money, "marker")] == [
        (1, "commit"), (3, "abort"),
    ]  # fmt: skip
    assert [(r["offset"], r["value"]) for r in entries(money, "record")] == [(0, "sum"), (2, "sum")]
    (aborted,) = entries(money, "aborted")
    assert (aborted["firstOffset"], aborted["lastOffset"]) == (2, 3)
    assert {p["producerId"] for p in entries(money, "producer")} == {aborted["producerId"]}
    assert len(entries(data_dir / "topics" / "plain-0", "index")) > 3
    assert len(entries(data_dir / "topics" / "plain-0", "timeIndex")) > 1


def _flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x01
    path.write_bytes(data)


def _segment(data_dir: Path, number: int = 0, suffix: str = "log") -> Path:
    return sorted((data_dir / "topics" / "plain-0").glob(f"*.{suffix}"))[number]


@pytest.mark.parametrize("inside", [16, 20, 25, 40, 70, 900])
def test_a_changed_byte_of_a_batch_is_found_where_it_is(data_dir: Path, inside: int) -> None:
    segment = _segment(data_dir)
    second = [e for e in dump_file(FILES, str(segment)) if e["kind"] == "batch"][1]["position"]
    _flip(segment, second + inside)
    first, *_ = problems(data_dir)
    assert (first.file, first.position) == (str(segment), second)


def test_offsets_that_go_back_are_found(data_dir: Path) -> None:
    segment = _segment(data_dir)
    third = [e for e in dump_file(FILES, str(segment)) if e["kind"] == "batch"][2]["position"]
    data = bytearray(segment.read_bytes())
    data[third : third + 8] = struct.pack(">q", 0)  # outside of the checksum
    segment.write_bytes(data)
    found = problems(data_dir)
    assert (found[0].file, found[0].position) == (str(segment), third)
    assert "offsets 0 to 0 after 1" in found[0].text


@pytest.mark.parametrize("suffix", ["index", "timeindex"])
def test_an_index_entry_that_lies_is_found(data_dir: Path, suffix: str) -> None:
    path = _segment(data_dir, suffix=suffix)
    _flip(path, path.stat().st_size - (1 if suffix == "index" else 5))
    (found,) = problems(data_dir)
    assert found.file == str(path)
    assert found.position == path.stat().st_size - (8 if suffix == "index" else 12)


def test_other_files_are_checked_too(data_dir: Path) -> None:
    money = data_dir / "topics" / "money-0"
    for pattern, at in (("*.snapshot", 12), ("*.txnindex", 9)):
        (path,) = money.glob(pattern)
        _flip(path, at)
        assert str(path) in {found.file for found in problems(money)}
    (money / "leader-epoch-checkpoint").write_text("0\n2\n0 0\n")
    (money / "partition.metadata").write_text("version: 0\n")
    assert len({found.file for found in problems(money)}) == 4


def test_an_aborted_transaction_that_is_not_listed_is_found(data_dir: Path) -> None:
    money = data_dir / "topics" / "money-0"
    (path,) = money.glob("*.txnindex")
    path.write_bytes(b"")
    (found,) = problems(data_dir)
    assert (found.file, found.position) == (str(path), 0)
    assert "ends at offset 3 is missing" in found.text
    (snapshot,) = money.glob("*.snapshot")
    snapshot.unlink()  # no checkpoint has written it yet
    assert problems(data_dir) == []


def test_only_the_last_segment_may_end_in_the_middle_of_a_batch(data_dir: Path) -> None:
    last, first = _segment(data_dir, -1), _segment(data_dir)
    last.write_bytes(last.read_bytes()[:-5])
    found = list(verify(FILES, str(last.parent)))
    assert problems(data_dir) == []
    assert any(each.what == "note" and each.file == str(last) for each in found)
    first.write_bytes(first.read_bytes()[:-5])
    assert problems(data_dir)[0].file == str(first)


def test_the_commands(data_dir: Path) -> None:
    runner = CliRunner()
    dumped = runner.invoke(command, ["dump", str(data_dir), "-o", "json"])
    rows = [json.loads(line) for line in dumped.stdout.splitlines()]
    assert dumped.exit_code == 0
    assert {row["kind"] for row in rows} >= {"batch", "record", "marker", "index", "aborted"}
    text = runner.invoke(command, ["dump", "--no-records", str(_segment(data_dir))])
    assert text.stdout.splitlines()[1].startswith("  batch position=0 ")
    assert runner.invoke(command, ["verify", str(data_dir)]).exit_code == 0
    _flip(_segment(data_dir), 100)
    checked = runner.invoke(command, ["verify", str(data_dir)])
    assert checked.exit_code == 1
    assert f"{_segment(data_dir)}:0: problem: the batch's checksum is wrong" in checked.stdout


def test_a_path_without_log_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("x")
    for path in (tmp_path, tmp_path / "other.txt", tmp_path / "none"):
        with pytest.raises(Invalid, match="holds no files of a partition"):
            list(files_to_inspect(FILES, str(path)))


def test_looking_never_opens_for_writing(data_dir: Path) -> None:
    segment = _segment(data_dir)
    segment.chmod(0o440)
    file = FILES.open(str(segment))
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.pwrite(b"x", 0)
    file.close()
    with pytest.raises(PermissionError):
        FILES.open(str(segment.with_name("new")), create=True)


def test_a_compacted_partition_is_sound(tmp_path: Path) -> None:
    store = LogStore.open(
        OsFiles(), str(tmp_path), settings=StoreSettings(defaults=COMPACTED),
        clock=ManualClock(NOW_MS),
    )  # fmt: skip
    log = store.create_partition("kv", UUID(int=7), 0)
    for number in range(60):
        put(store, log, (f"k{number % 5}", f"v{number}"))
    clean(store)
    store.close()
    assert problems(tmp_path) == []
    assert len(entries(tmp_path, "record")) < 60


def _aborted(data_dir: Path) -> list[int]:
    """The transactions that readers of `money` are told to leave out, by a broker over it."""
    thread = BrokerThread(BrokerSettings(port=0, data_dir=str(data_dir), durability="os"))
    thread.start()
    try:
        with Wire(thread.port) as wire:
            part = wire.fetch("money", 0, isolation_level=1)
            return [each.first_offset for each in part.aborted_transactions or []]
    finally:
        thread.stop()


def test_indexes_are_made_anew_from_the_batches(data_dir: Path) -> None:
    """As a defect once left them: cut short, and believed by a start after a stop in order."""
    (index,) = data_dir.glob("topics/money-0/*.txnindex")
    whole = index.read_bytes()
    logs = {path: path.read_bytes() for path in data_dir.glob("topics/*/*.log")}
    index.write_bytes(b"")
    _segment(data_dir, 1, "index").write_bytes(b"")
    _flip(_segment(data_dir, 0, "timeindex"), 3)
    (snapshot,) = data_dir.glob("topics/money-0/*.snapshot")
    assert {Path(each.file).parent.name for each in problems(data_dir)} == {"money-0", "plain-0"}
    assert _aborted(data_dir) == []

    done = CliRunner().invoke(command, ["repair", str(data_dir)])
    assert done.exit_code == 0, done.output
    assert f"took away {snapshot.name}" in done.stdout
    assert "money-0: repaired" in done.stdout
    assert problems(data_dir) == []
    assert index.read_bytes() == whole
    assert _aborted(data_dir) == [2]
    assert {path: path.read_bytes() for path in data_dir.glob("topics/*/*.log")} == logs
    again = CliRunner().invoke(command, ["repair", str(data_dir)])
    assert (again.exit_code, again.stdout) == (0, "")


def test_a_partition_with_a_damaged_batch_is_left_as_it_is(data_dir: Path) -> None:
    _flip(_segment(data_dir), 100)
    _flip(_segment(data_dir, 0, "timeindex"), 3)
    before = {path: path.read_bytes() for path in (data_dir / "topics" / "plain-0").iterdir()}
    done = CliRunner().invoke(command, ["repair", str(data_dir)])
    assert done.exit_code == 1
    assert "the batch's checksum is wrong" in done.stdout
    assert {path: path.read_bytes() for path in before} == before


def _producers(snapshot: Path) -> dict[int, Any]:
    """Epoch and batches of each, without the time at which it was heard of."""
    found = decode_snapshot(snapshot.read_bytes()) or {}
    return {number: (entry.epoch, list(entry.batches)) for number, entry in found.items()}


def test_a_lost_snapshot_of_producers_is_read_from_the_batches(data_dir: Path) -> None:
    """A start after a stop in order would forget them, and take a batch that is sent again."""
    (snapshot,) = data_dir.glob("topics/money-0/*.snapshot")
    whole = _producers(snapshot)
    snapshot.unlink()
    assert _aborted(data_dir) == [2]
    assert _producers(snapshot) == whole != {}
